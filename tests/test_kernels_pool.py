"""Windows against plain loops and scipy; ties, NaN and padding; adjoints; threads."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import pool as reference_pool
from scipy import ndimage

from tinygrad_astro.kernels.cpu import chunks, pool
from tinygrad_astro.kernels.cpu.target import get_num_threads, set_num_threads

DTYPES = [np.float32, np.float64]


def output_shape(x, size, strides, pads):
    sides = [
        (n + before + after - k) // s + 1
        for n, k, s, (before, after) in zip(x.shape[1:3], size, strides, pads, strict=True)
    ]
    return (x.shape[0], *sides, x.shape[3])


def argmax(x, size, strides, pads):
    out = np.full(output_shape(x, size, strides, pads), -7, np.int64)
    values = np.full(out.shape, np.nan, x.dtype)
    pool.argmax_windows(out, x, size, strides, pads, values)
    assert np.array_equal(values, take(x, out), equal_nan=True)
    return out


def take(x, indices):
    out = np.full(indices.shape, np.nan, x.dtype)
    pool.take_windows(out, x, indices)
    return out


def put(g, indices, shape):
    out = np.full(shape, np.nan, g.dtype)
    pool.put_windows(out, g, indices)
    return out


def sums(x, size, strides, pads):
    out = np.full(output_shape(x, size, strides, pads), np.nan, x.dtype)
    pool.sum_windows(out, x, size, strides, pads)
    return out


def spread(g, shape, size, strides, pads):
    out = np.full(shape, np.nan, g.dtype)
    pool.spread_windows(out, g, size, strides, pads)
    return out


@st.composite
def geometries(draw):
    """Images and windows, each window holding at least one pixel of the image."""
    size = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    pads = tuple((draw(st.integers(0, k - 1)), draw(st.integers(0, k - 1))) for k in size)
    strides = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    sides = [
        draw(st.integers(max(1, k - before - after), 9))
        for k, (before, after) in zip(size, pads, strict=True)
    ]
    shape = (draw(st.integers(1, 3)), *sides, draw(st.integers(1, 5)))
    return shape, size, strides, pads


@settings(deadline=None, max_examples=60)
@given(geometries(), st.integers(0, 2**32 - 1), st.sampled_from(DTYPES))
def test_both_families_against_plain_loops(geometry, seed, dtype):
    shape, size, strides, pads = geometry
    # Few distinct values, so that ties are common.
    x = np.random.default_rng(seed).integers(-3, 4, shape).astype(dtype)
    indices = argmax(x, size, strides, pads)
    largest = reference_pool(x, size, strides, pads, np.max, -np.inf)
    assert np.array_equal(take(x, indices), largest)
    assert np.array_equal(
        sums(x, size, strides, pads), reference_pool(x, size, strides, pads, np.sum, 0.0)
    )
    for n, i, j, c in np.ndindex(indices.shape):
        p, q = divmod(indices[n, i, j, c], shape[2])
        top, left = i * strides[0] - pads[0][0], j * strides[1] - pads[1][0]
        assert top <= p < top + size[0] and left <= q < left + size[1]
        before = x[n, max(0, top) : p + 1, max(0, left) : left + size[1], c].copy()
        before[-1, q - max(0, left) :] = -np.inf
        assert (before < x[n, p, q, c]).all(), "an equal value came earlier in the window"


@settings(deadline=None, max_examples=40)
@given(geometries(), st.integers(0, 2**32 - 1))
def test_adjoints(geometry, seed):
    shape, size, strides, pads = geometry
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    indices = argmax(rng.standard_normal(shape), size, strides, pads)
    g = rng.standard_normal(indices.shape)
    picked, summed = take(x, indices), sums(x, size, strides, pads)
    assert np.isclose(np.vdot(picked, g), np.vdot(x, put(g, indices, shape)), rtol=1e-11)
    back = spread(g, shape, size, strides, pads)
    assert np.isclose(np.vdot(summed, g), np.vdot(x, back), rtol=1e-11, atol=1e-12)


def test_sum_against_scipy(rng):
    x = rng.standard_normal((1, 12, 11, 1))
    expected = ndimage.convolve(x[0, :, :, 0], np.ones((3, 5)), mode="constant")
    assert np.allclose(sums(x, (3, 5), (1, 1), ((1, 1), (2, 2)))[0, :, :, 0], expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_first_nan_wins_and_padding_never(dtype):
    nan, inf = np.nan, np.inf
    rows = [[1, nan, 5, nan], [nan, 2, inf, 3], [-inf, -inf, -5, -5], [-inf, -inf, -5, -5]]
    x = np.array(rows, dtype).reshape(1, 4, 4, 1)
    assert argmax(x, (2, 2), (2, 2), ((0, 0), (0, 0))).ravel().tolist() == [1, 3, 8, 10]
    assert argmax(x, (2, 2), (3, 3), ((1, 1), (1, 1))).ravel().tolist() == [0, 3, 8, 10]
    assert np.isnan(take(x, np.array([1]).reshape(1, 1, 1, 1))).all()


def test_nan_reaches_only_its_windows(rng):
    x = rng.standard_normal((1, 6, 6, 2))
    x[0, 2, 3, 1] = np.nan
    total = sums(x, (2, 2), (2, 2), ((0, 0), (0, 0)))
    assert np.argwhere(np.isnan(total)).tolist() == [[0, 1, 1, 1]]


def test_spreading_side_by_side_copies_the_pixel(rng):
    g = rng.standard_normal((2, 3, 4, 5)).astype(np.float32)
    out = spread(g, (2, 6, 12, 5), (2, 3), (2, 3), ((0, 0), (0, 0)))
    assert np.array_equal(out, g.repeat(2, axis=1).repeat(3, axis=2))


def test_remainder_of_the_image_gets_no_gradient(rng):
    g = rng.standard_normal((1, 2, 2, 1))
    out = spread(g, (1, 5, 5, 1), (2, 2), (2, 2), ((0, 0), (0, 0)))
    assert (out[:, 4] == 0).all() and (out[:, :, 4] == 0).all()


def test_put_adds_where_indices_repeat():
    g = np.arange(1.0, 7.0).reshape(1, 2, 3, 1)
    indices = np.array([2, 0, 2, 2, 3, 0]).reshape(1, 2, 3, 1)
    assert put(g, indices, (1, 2, 2, 1)).ravel().tolist() == [8.0, 0.0, 8.0, 5.0]


@pytest.mark.parametrize("shape", [(0, 4, 4, 2), (2, 4, 4, 0)])
def test_empty_batch_or_channels(shape):
    x = np.ones(shape)
    indices = argmax(x, (2, 2), (2, 2), ((0, 0), (0, 0)))
    assert take(x, indices).shape == indices.shape
    assert put(np.ones(indices.shape), indices, shape).shape == shape


@pytest.mark.parametrize("images", [1, 3, 17])
def test_same_bits_on_one_thread_or_many(rng, monkeypatch, images):
    """Large enough to be cut into bands and chunks, and the same uncut."""
    x = rng.standard_normal((images, 70, 61, 9)).astype(np.float32)
    geometry = (3, 3), (2, 2), ((1, 1), (1, 1))

    def everything():
        indices = argmax(x, *geometry)
        g = take(x, indices)
        results = indices, g, put(g, indices, x.shape), sums(x, *geometry)
        return [r.tobytes() for r in (*results, spread(g, x.shape, *geometry))]

    before = get_num_threads()
    parallel = everything()
    try:
        set_num_threads(1)
        assert everything() == parallel
    finally:
        set_num_threads(before)
    monkeypatch.setattr(chunks, "SERIAL", 1 << 60)
    assert everything() == parallel


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 5, 16, 35])
@pytest.mark.parametrize(
    "window",
    [((2, 2), (2, 2), ((0, 0), (0, 0))), ((3, 2), (2, 3), ((1, 1), (0, 1)))],
)
def test_the_largest_values_are_those_that_argmax_picks(rng, dtype, channels, window):
    x = rng.integers(-3, 3, (2, 9, 8, channels)).astype(dtype)
    x[rng.random(x.shape) < 0.1] = np.nan
    out = np.full(output_shape(x, *window), 7.0, dtype)
    pool.max_windows(out, x, *window)
    assert np.array_equal(out, take(x, argmax(x, *window)), equal_nan=True)
    assert np.isnan(out).any() and not np.isnan(out).all()
