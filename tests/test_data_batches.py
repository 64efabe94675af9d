"""Batches: every sample once, the same order for the same seed, masks that take weight away."""

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro.data import D4, Batches, Compose, Noise


def test_every_sample_once_per_epoch_with_its_label(rng):
    x = rng.normal(size=(23, 4))
    batches = Batches(x, np.arange(23), batch_size=5, seed=3)
    assert len(batches) == 5
    orders = []
    for _ in range(3):
        pairs = list(batches)
        order = np.concatenate([y for _, y in pairs])
        np.testing.assert_array_equal(np.concatenate([b for b, _ in pairs]), x[order])
        assert sorted(order) == list(range(23))
        orders.append(order.tolist())
    assert orders[0] != orders[1] != orders[2]


def test_order_depends_on_seed_and_epoch_alone():
    def orders(seed, epochs):
        batches = Batches(np.arange(17), batch_size=4, seed=seed)
        for epoch in epochs:
            batches.epoch = epoch
            yield np.concatenate(list(batches)).tolist()

    first = list(orders(1, [0, 1, 2]))
    assert list(orders(1, [2])) == [first[2]]
    assert list(orders(2, [0])) != [first[0]]
    ta.manual_seed(5)
    one = np.concatenate(list(Batches(np.arange(17))))
    ta.manual_seed(5)
    np.testing.assert_array_equal(one, np.concatenate(list(Batches(np.arange(17)))))


def test_unshuffled_and_dropped_remainder():
    batches = Batches(np.arange(10), batch_size=4, shuffle=False, drop_remainder=True)
    assert [b.tolist() for b in batches] == [[0, 1, 2, 3], [4, 5, 6, 7]] and len(batches) == 2


@pytest.mark.parametrize("ahead", [0, 1, 3])
def test_the_thread_changes_nothing(rng, ahead):
    x = rng.normal(size=(12, 8, 8, 2)).astype(np.float32)
    augment = Compose(D4(), Noise(0.1))
    plain = list(Batches(x, batch_size=5, seed=1, augment=augment, ahead=0))
    ready = list(Batches(x, batch_size=5, seed=1, augment=augment, ahead=ahead))
    assert [b.tobytes() for b in plain] == [b.tobytes() for b in ready]


def test_image_label_weights_and_mask_move_together(rng):
    x = rng.normal(size=(6, 8, 8, 1)).astype(np.float32) + 10
    mask = x[..., 0] > 11
    batches = Batches(x, x[..., 0], x[..., 0], mask, batch_size=4, seed=0, augment=D4())
    moved = 0
    for image, label, weights in batches:
        bad = label > 11
        np.testing.assert_array_equal(image[..., 0], np.where(bad, 0, label))
        np.testing.assert_array_equal(weights, np.where(bad, 0, label))
        moved += sum(not any(np.array_equal(y, o) for o in x[..., 0]) for y in label)
    assert moved > 0


def test_a_pixel_bad_in_one_band_has_no_weight_and_nan_never_passes():
    x = np.ones((2, 4, 4, 3), np.float32)
    x[0, 1, 2, 1], x[1, 0, 0, 0] = np.nan, np.inf
    x[0, 3, 3] = 1e30
    mask = np.zeros(x.shape, bool)
    mask[0, 3, 3] = True
    y = np.zeros((2, 4, 4), np.int64)
    image, label, weights = next(iter(Batches(x, y, mask=mask, shuffle=False)))
    assert np.isfinite(image).all() and image.max() == 1.0
    assert {tuple(p) for p in np.argwhere(weights == 0)} == {(0, 1, 2), (1, 0, 0), (0, 3, 3)}
    assert image[0, 1, 2].tolist() == [1, 0, 1]
    per_image = np.array([2.0, 3.0], np.float32)
    weights = next(iter(Batches(x, y, per_image, mask=mask, shuffle=False)))[2]
    assert weights.shape == (2, 4, 4) and sorted(np.unique(weights)) == [0, 2, 3]


def test_a_mask_with_a_class_per_image_only_clears_pixels():
    x, mask = np.ones((4, 3, 3, 1)), np.zeros((4, 3, 3), bool)
    mask[:, 1, 1] = True
    image, label = next(iter(Batches(x, np.arange(4), mask=mask, shuffle=False)))
    assert image.sum() == 4 * 8 and label.tolist() == [0, 1, 2, 3]
    features, label = next(iter(Batches(x[:, 0, :, 0], np.arange(4), mask=mask[:, 1])))
    assert features.shape == (4, 3) and features.sum() == 8


def test_several_inputs_as_tuple_and_dict(rng):
    image, magnitude = rng.normal(size=(7, 6, 6, 1)), rng.normal(size=(7, 5))
    bad = image[..., 0] > 1
    batches = Batches((image, magnitude, bad), {"z": magnitude[:, 0]}, seed=0, augment=D4())
    (a, b, c), y = next(iter(batches))
    np.testing.assert_array_equal(a[..., 0] > 1, c)
    np.testing.assert_array_equal(b[:, 0], y["z"])
    named = next(iter(Batches({"image": image}, shuffle=False)))
    np.testing.assert_array_equal(named["image"], image)


def test_big_endian_and_lazy_sources(tmp_path):
    h5py = pytest.importorskip("h5py")
    from tinygrad_astro.data import HDF5File

    assert next(iter(Batches(np.arange(5, dtype=">f4")))).dtype == np.float32
    with h5py.File(tmp_path / "a.h5", "w") as made:
        made["images"] = np.arange(24).reshape(8, 3)
    with HDF5File(tmp_path / "a.h5") as opened:
        rows = np.concatenate(list(Batches(opened["images"], batch_size=3, seed=0)))
    assert sorted(rows[:, 0].tolist()) == list(range(0, 24, 3))


@pytest.mark.parametrize(
    "arguments, words",
    [
        (dict(x=np.ones((3, 2)), y=np.ones(4)), r"one number of samples.*'x': \[3\], 'y': \[4\]"),
        (dict(x=np.ones((0, 2))), "no samples"),
        (dict(x=[[1, 2], [3]]), "x is ragged"),
        (dict(x=3.0), "samples along its first axis"),
        (dict(x=np.ones(3), batch_size=0), "batch_size"),
        (dict(x=np.ones(3), batch_size=2.5), "batch_size"),
        (dict(x=np.ones(3), batch_size=4, drop_remainder=True), "leaves no batch"),
    ],
)
def test_refusals(arguments, words):
    with pytest.raises(ValueError, match=words):
        Batches(**arguments)
