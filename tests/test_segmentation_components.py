"""Connected components against scipy, and against shapes whose answer is plain to see."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from tinygrad_astro.segmentation.components import join, label, seams

masks = arrays.arrays(bool, st.tuples(st.integers(0, 12), st.integers(0, 12)))


def same_partition(ours, theirs):
    """Tell whether two label maps group pixels alike, whatever the numbers."""
    pairs = np.unique(np.stack([ours.ravel(), theirs.ravel()]), axis=1)
    return len(np.unique(pairs[0])) == len(np.unique(pairs[1])) == pairs.shape[1]


@given(masks, st.booleans())
@settings(max_examples=300, deadline=None)
def test_label_equals_scipy(mask, diagonal):
    found, count = label(mask, diagonal)
    expected, number = ndimage.label(mask, np.ones((3, 3)) if diagonal else None)
    assert count == number == found.max(initial=0)
    assert same_partition(found, expected)


@given(masks)
@settings(deadline=None)
def test_numbers_follow_first_pixels(mask):
    found, count = label(mask)
    first = [np.flatnonzero(found == i + 1)[0] for i in range(count)]
    assert first == sorted(first)


def test_a_spiral_is_one_component():
    spiral = np.zeros((41, 41), bool)
    low, high = 0, 40
    while low < high:
        spiral[low, low : high + 1] = spiral[low : high + 1, high] = True
        spiral[high, low : high + 1] = spiral[low + 2 : high + 1, low] = True
        spiral[low + 2, low : low + 3] = True
        low, high = low + 2, high - 2
    assert label(spiral, diagonal=False)[1] == ndimage.label(spiral)[1] == 1


def test_label_refuses_what_is_no_image():
    with pytest.raises(ValueError, match=r"\(H, W\).*\(2, 2, 2\)"):
        label(np.ones((2, 2, 2), bool))


def test_join_against_a_plain_search(rng):
    for count, edges in ((1, 0), (6, 3), (40, 30), (200, 400)):
        a, b = rng.integers(0, count, (2, edges))
        expected = list(range(count))
        for _ in range(count):
            for i, j in zip(a, b, strict=True):
                expected[i] = expected[j] = min(expected[i], expected[j])
        assert join(count, a, b).tolist() == expected


def test_join_of_a_long_chain_needs_no_recursion():
    order = np.random.default_rng(0).permutation(100_000)
    assert (join(100_000, order[:-1], order[1:]) == 0).all()


def test_seams_meet_at_corners_and_only_there():
    first, second = np.array([1, 0, 0, 2]), np.array([0, 0, 3, 3])
    assert sorted(zip(*seams(first, second), strict=True)) == [(2, 3)]
    assert sorted(zip(*seams(np.array([1, 0]), np.array([0, 4])), strict=True)) == [(1, 4)]
    assert seams(np.array([1, 0, 0]), np.array([0, 0, 4]))[0].size == 0
