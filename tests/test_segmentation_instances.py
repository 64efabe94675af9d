"""Instances: touching sources are parted at the valley, and nowhere else."""

import numpy as np
import pytest
from scipy import ndimage

from tinygrad_astro.data.simulate import field
from tinygrad_astro.segmentation.components import label
from tinygrad_astro.segmentation.evaluation import compare
from tinygrad_astro.segmentation.instances import smooth, split


def hill(y0, x0, height, shape=(30, 40), width=3.0):
    y, x = np.mgrid[: shape[0], : shape[1]]
    return height * np.exp(-((y - y0) ** 2 + (x - x0) ** 2) / (2 * width**2))


def test_two_hills_part_where_they_are_equally_high():
    light = hill(15, 10, 10.0) + hill(15, 24, 10.0)
    found = split(light > 0.5, light)
    assert found.max() == 2
    assert (found[:, :17][light[:, :17] > 0.5] == 1).all()
    assert (found[:, 18:][light[:, 18:] > 0.5] == 2).all()


@pytest.mark.parametrize("contrast, sources", [(0.2, 3), (1.5, 2), (20.0, 1)])
def test_peaks_that_hardly_rise_are_joined(contrast, sources):
    light = hill(15, 8, 12.0) + hill(15, 21, 6.0) + hill(15, 30, 3.5, width=2.5)
    assert split(light > 0.2, light, contrast).max() == sources


def test_without_contrast_basins_are_those_of_following_the_ascent_by_hand():
    rng = np.random.default_rng(0)
    light, labels = rng.normal(size=(13, 11)), np.ones((13, 11), int)
    labels[:, 5] = 0
    labels[:, 6:] = 2
    found = split(labels, light, 0.0)
    ends = {}
    for start in zip(*np.nonzero(labels), strict=True):
        at = start
        while True:
            near = [(i, j) for i in range(at[0] - 1, at[0] + 2) for j in range(at[1] - 1, at[1] + 2)
                    if 0 <= i < 13 and 0 <= j < 11 and labels[i, j] == labels[at]]  # fmt: skip
            best = max(near, key=lambda p: light[p])
            if best == at:
                break
            at = best
        ends.setdefault(at, set()).add(int(found[start]))
    assert all(len(numbers) == 1 for numbers in ends.values())
    assert len(set.union(*ends.values())) == len(ends) == found.max()


def test_each_label_stays_apart_and_every_pixel_keeps_one():
    light = hill(10, 10, 5.0)
    labels = np.where(np.arange(40) < 10, 1, 2) * (light > 0.3)
    found = split(labels, light, 99.0)
    np.testing.assert_array_equal(found > 0, labels > 0)
    assert found.max() == 2
    assert ndimage.label(found == 1)[1] == 1


def test_plateaus_nan_and_empty_maps():
    assert split(np.ones((3, 5), int), np.zeros((3, 5))).max() == 1
    light = np.array([[3.0, np.nan, 3.0]])
    assert split(np.ones((1, 3), int), light).max() == 2
    assert not split(np.zeros((4, 4), int), np.ones((4, 4))).any()
    with pytest.raises(ValueError, match="alike, received"):
        split(np.zeros((4, 4), int), np.ones((4, 5)))


def test_smoothing_is_that_of_scipy():
    image = np.random.default_rng(1).normal(size=(9, 8))
    expected = ndimage.uniform_filter(ndimage.uniform_filter(image, 3, mode="nearest"), 3,
                                      mode="nearest")  # fmt: skip
    np.testing.assert_allclose(smooth(image), expected, atol=1e-12)


def test_more_sources_of_a_crowded_field_are_told_apart():
    sky = field((200, 200), density=14.0, seed=3)
    groups, _ = label(sky.label_map > 0)
    sigma = np.sqrt(sky.camera.variance(np.zeros(3)))
    light = smooth(np.arcsinh(sky.image / sigma).mean(axis=-1))
    before, after = (compare(x, sky.label_map) for x in (groups, split(groups, light)))
    assert after.one_to_one > before.one_to_one + 0.1
    assert after.purity > 0.95 and after.iou == before.iou
