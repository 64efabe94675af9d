"""Labels of a mosaic found tile by tile against those of the whole."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tinygrad_astro.segmentation.components import label
from tinygrad_astro.segmentation.stitching import TiledLabels


def tiled(mask, side, diagonal, min_pixels):
    labels = TiledLabels(np.zeros(mask.shape, np.int32), diagonal)
    for y in range(0, mask.shape[0], side):
        for x in range(0, mask.shape[1], side):
            core = slice(y, min(y + side, mask.shape[0])), slice(x, min(x + side, mask.shape[1]))
            labels.add(core, mask[core])
    count = labels.finish(min_pixels)
    return labels.final(labels.target), count


def whole(mask, diagonal, min_pixels):
    labels, count = label(mask, diagonal)
    out, number = np.zeros_like(labels), 0
    for i in range(1, count + 1):
        if (labels == i).sum() >= min_pixels:
            number += 1
            out[labels == i] = number
    return out, number


@given(
    arrays.arrays(bool, st.tuples(st.integers(1, 14), st.integers(1, 14))),
    st.integers(1, 15),
    st.booleans(),
    st.integers(1, 3),
)
@settings(max_examples=300, deadline=None)
def test_tiles_give_the_labels_of_the_whole(mask, side, diagonal, min_pixels):
    found, count = tiled(mask, side, diagonal, min_pixels)
    expected, number = whole(mask, diagonal, min_pixels)
    assert count == number
    np.testing.assert_array_equal(found, expected)


def test_a_source_that_leaves_and_returns_is_one():
    mask = np.zeros((20, 20), bool)
    mask[2:18, 2] = mask[2:18, 17] = mask[17, 2:18] = True
    found, count = tiled(mask, 5, False, 1)
    assert count == 1 and set(np.unique(found)) == {0, 1}


def test_an_empty_mosaic_has_no_sources():
    found, count = tiled(np.zeros((7, 9), bool), 4, True, 1)
    assert count == 0 and not found.any()
