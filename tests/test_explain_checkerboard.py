"""Overlaps counted by spreading ones, by hand and with the op itself."""

import itertools

import numpy as np
import pytest

from tinygrad_astro import explain, ops


@pytest.mark.parametrize("kernel, stride", [(3, 2), (4, 2), (2, 3), (5, 1), (1, 2)])
def test_against_spreading_ones(kernel, stride):
    size = (4, 3)
    counts = explain.overlap_count(size, kernel, stride)
    expected = np.zeros([(n - 1) * stride + max(kernel, stride) for n in size], int)
    for i, j, a, b in itertools.product(*map(range, (*size, kernel, kernel))):
        expected[i * stride + a, j * stride + b] += 1
    np.testing.assert_array_equal(counts, expected)


@pytest.mark.parametrize(
    "geometry",
    [
        {"strides": (2, 3), "padding": "same"},
        {"strides": 2, "padding": 1, "output_padding": 1},
        {"strides": 1, "dilation_rate": 2},
    ],
)
def test_against_the_transposed_convolution_of_ones(geometry):
    ones = np.ones((1, 5, 4, 1)), np.ones((3, 3, 1, 1))
    expected = ops.conv_transpose(*ones, **geometry).numpy()[0, :, :, 0]
    np.testing.assert_array_equal(explain.overlap_count((5, 4), 3, **geometry), expected)


def test_a_kernel_that_the_stride_divides_is_even_inside():
    assert explain.overlap_count(6, 4, 2).tolist() == [1, 1] + [2] * 10 + [1, 1]
    assert set(explain.overlap_count(6, 3, 2)[2:-2]) == {1, 2}


def test_misfits_are_named():
    with pytest.raises(ValueError, match="kernel_size"):
        explain.overlap_count((4, 4), (3, 3, 3))
    with pytest.raises(ValueError, match="output_padding"):
        explain.overlap_count(4, 3, 2, output_padding=2)
