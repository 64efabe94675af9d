"""Augmentation: exact, invertible, together, and the same for the same seed."""

import numpy as np
import pytest

from tinygrad_astro.data import D4, Compose, Noise, Shift, d4, d4_inverse


def generator(seed=0):
    return np.random.default_rng(seed)


def test_d4_is_a_group_of_eight_exact_moves(rng):
    image = rng.normal(size=(6, 6, 2))
    images = [d4(image, k) for k in range(8)]
    assert len({i.tobytes() for i in images}) == 8
    for k in range(8):
        np.testing.assert_array_equal(d4_inverse(images[k], k), image)
        np.testing.assert_array_equal(np.sort(images[k].ravel()), np.sort(image.ravel()))
        for j in range(8):
            assert any(np.array_equal(d4(images[k], j), other) for other in images)


def test_d4_by_hand():
    x = np.array([[1, 2, 3], [4, 5, 6]])
    assert d4(x, 1).tolist() == [[3, 6], [2, 5], [1, 4]]
    assert d4(x, 2).tolist() == [[6, 5, 4], [3, 2, 1]]
    assert d4(x, 4).tolist() == [[3, 2, 1], [6, 5, 4]]
    assert d4_inverse(d4(x, 5), 5).tolist() == x.tolist()


@pytest.mark.parametrize("augment", [D4(), Shift(3), Compose(D4(), Shift(2))])
def test_everything_over_the_pixels_moves_together(augment, rng):
    image = rng.normal(size=(9, 9, 3)).astype(np.float32)
    label = (image[..., 0] * 1000).astype(np.int64)
    seen = set()
    for seed in range(40):
        out = augment(generator(seed), image, label, image[..., 1] > 0, image[..., 2], 7, None)
        moved, moved_label, mask, weights, redshift, nothing = out
        np.testing.assert_array_equal((moved[..., 0] * 1000).astype(np.int64), moved_label)
        np.testing.assert_array_equal(moved[..., 1] > 0, mask)
        np.testing.assert_array_equal(moved[..., 2], weights)
        assert (redshift, nothing) == (7, None) and moved.dtype == np.float32
        seen.add(moved.tobytes())
    assert len(seen) >= 8


def test_d4_keeps_the_shape_of_an_oblong_image(rng):
    image = rng.normal(size=(4, 7, 1))
    shapes = {D4()(generator(seed), image)[0].shape for seed in range(30)}
    results = {D4()(generator(seed), image)[0].tobytes() for seed in range(30)}
    assert shapes == {(4, 7, 1)} and len(results) == 4


def test_shift_mirrors_at_the_border():
    line = np.arange(5.0)[:, None]
    expected = {-2: [2, 3, 4, 3, 2], -1: [1, 2, 3, 4, 3], 0: [0, 1, 2, 3, 4], 1: [1, 0, 1, 2, 3],
                2: [2, 1, 0, 1, 2]}  # fmt: skip
    found = {tuple(Shift(2)(generator(seed), line)[0][:, 0]) for seed in range(60)}
    assert found == {tuple(map(float, values)) for values in expected.values()}


def test_shift_of_an_image_equals_a_padded_crop(rng):
    image = rng.normal(size=(8, 10, 1))
    padded = np.pad(image, ((3, 3), (3, 3), (0, 0)), "reflect")
    crops = {padded[i : i + 8, j : j + 10].tobytes() for i in range(7) for j in range(7)}
    assert all(Shift(3)(generator(s), image)[0].tobytes() in crops for s in range(50))


def test_noise_has_its_width_per_band_and_touches_the_image_only():
    image = np.zeros((200, 200, 2), np.float32)
    noisy, label = Noise([0.5, 2.0])(generator(), image, image[..., 0])
    np.testing.assert_allclose(noisy.std(axis=(0, 1)), [0.5, 2.0], rtol=0.02)
    np.testing.assert_allclose(noisy.mean(axis=(0, 1)), 0, atol=0.05)
    assert noisy.dtype == np.float32 and not label.any()


def test_same_seed_same_bits(rng):
    image = rng.normal(size=(8, 8, 2)).astype(np.float32)
    augment = Compose(D4(), Shift(2), Noise(0.1))
    one, two, other = (augment(generator(seed), image)[0] for seed in (3, 3, 4))
    assert one.tobytes() == two.tobytes() != other.tobytes()
    assert repr(augment) == "Compose(D4(), Shift(2), Noise(0.1))"


def test_refusals():
    with pytest.raises(ValueError, match=r"images \(H, W, C\), received shape \(4, 4\)"):
        D4()(generator(), np.zeros((4, 4)))
    with pytest.raises(ValueError, match="needs longer axes"):
        Shift(4)(generator(), np.zeros((4, 9, 1)))
    for bad in (-1, 0.5):
        with pytest.raises(ValueError, match="whole number"):
            Shift(bad)
    for bad in (-1.0, np.nan):
        with pytest.raises(ValueError, match="finite sigma"):
            Noise(bad)
