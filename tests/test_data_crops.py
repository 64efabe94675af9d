"""Random crops: cut from where they say, all maps alike, reproducible."""

import numpy as np
import pytest

from tinygrad_astro.data import D4, RandomCrops


@pytest.fixture
def field():
    index = np.arange(50 * 70).reshape(50, 70)
    return np.stack([index, -index], axis=-1).astype(np.float64), index


def test_crops_are_windows_and_maps_agree(field):
    image, index = field
    corners = set()
    for x, y in RandomCrops(image, index, size=16, batch_size=4, steps=20, seed=1):
        assert x.shape == (4, 16, 16, 2)
        np.testing.assert_array_equal(x[..., 0], y)
        np.testing.assert_array_equal(y - y[:, :1, :1], np.broadcast_to(index[:16, :16], y.shape))
        corners |= {divmod(int(c), 70) for c in y[:, 0, 0]}
    rows, columns = zip(*corners, strict=True)
    assert max(rows) > 25 and max(columns) > 45 and min(rows) < 9 and min(columns) < 9


def test_whole_image_fits_and_the_far_corner_is_reached(field):
    image, index = field
    crops = RandomCrops(image[:50, :52], index[:50, :52], size=50, batch_size=8, steps=5, seed=0)
    assert {int(c) for _, y in crops for c in y[:, 0, 0]} == {0, 1, 2}


def test_augmented_weights_and_mask(field):
    image, index = field
    mask = index % 7 == 0
    crops = RandomCrops(image, index, index, mask, size=8, steps=3, seed=2, augment=D4())
    for x, y, weights in crops:
        good = y % 7 != 0
        np.testing.assert_array_equal(weights, np.where(good, y, 0))
        np.testing.assert_array_equal(x[..., 1], np.where(good, -y, 0))


def test_epochs_differ_and_repeat(field):
    image, _ = field
    crops = RandomCrops(image, size=8, batch_size=2, steps=2, seed=4)
    first, second = list(crops), list(crops)
    assert len(crops) == 2 and crops.epoch == 2
    crops.epoch = 1
    np.testing.assert_array_equal(list(crops), second)
    assert not np.array_equal(first, second)


@pytest.mark.parametrize(
    "arguments, words",
    [
        (
            dict(image=np.ones((20, 20))),
            r"expected an image \(H, W, C\), received shape \(20, 20\)",
        ),
        (dict(image=np.ones((20, 30, 1)), size=21), "21 pixels does not fit into 20 x 30"),
        (dict(image=np.ones((20, 30, 1)), labels=np.ones((20, 29)), size=4), "labels of shape"),
        (dict(image=np.ones((20, 30, 1)), mask=np.ones((2, 2)), size=4), "mask of shape"),
        (dict(image=np.ones((20, 30, 1)), steps=0, size=4), "steps must be"),
        (dict(image=np.ones((20, 30, 1)), size=0), "size must be"),
    ],
)
def test_refusals(arguments, words):
    with pytest.raises(ValueError, match=words):
        RandomCrops(**arguments)
