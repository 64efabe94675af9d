"""Winograd convolution and its adjoints against float64 sums, each scheme forced in turn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_astro.kernels.cpu import winograd_tables
from tinygrad_astro.kernels.cpu.product import ROWS
from tinygrad_astro.kernels.cpu.simd import float32_lanes
from tinygrad_astro.kernels.cpu.target import get_num_threads, set_num_threads
from tinygrad_astro.kernels.cpu.winograd import winograd
from tinygrad_astro.kernels.cpu.winograd_points import SCHEMES
from tinygrad_astro.kernels.cpu.winograd_weight_tables import weight_grad
from tinygrad_astro.kernels.cpu.winograd_weights import winograd_weights

# x shape, w shape, stride, padding: whole and cut tiles, several vectors, many taps, more weights
# than tiles (which turns the order of the work around), one channel, one row.
CASES = [
    ((2, 16, 16, 16), (3, 3, 16, 16), 1, 1),
    ((2, 13, 17, 5), (3, 3, 5, 20), 1, 1),
    ((1, 20, 21, 3), (6, 6, 3, 33), 1, 3),
    ((1, 12, 21, 24), (5, 5, 24, 40), 1, 2),
    ((2, 29, 31, 3), (7, 7, 3, 64), 2, 3),
    ((2, 15, 18, 18), (3, 3, 18, 40), 2, 1),
    ((1, 4, 4, 128), (3, 3, 128, 144), 1, 1),
    ((2, 9, 9, 1), (3, 3, 1, 5), 1, 3),
    ((1, 1, 40, 4), (1, 5, 4, 6), 1, 0),
]

# Relative errors that float32 may show, of the norm: see kernels/cpu/conv.py.
OUTPUT_ERROR, WEIGHT_ERROR = 1e-5, 3e-5


def windows_of(x, w, stride, pad):
    """Give all windows of the padded image, in float64: (N, P, Q, C, kh, kw)."""
    padded = np.pad(x.astype(float), ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    views = np.lib.stride_tricks.sliding_window_view(padded, w.shape[:2], (1, 2))
    return views[:, ::stride, ::stride]


def draw(x_shape, w_shape, stride, pad, seed=0):
    rng = np.random.default_rng(seed)
    x, w = (rng.standard_normal(shape, dtype=np.float32) for shape in (x_shape, w_shape))
    spans = [(n + 2 * pad - k) // stride + 1 for n, k in zip(x_shape[1:3], w_shape, strict=False)]
    return x, w, rng.standard_normal((x_shape[0], *spans, w_shape[3]), dtype=np.float32)


def all_three(x, w, g, stride, pad, scheme):
    """Run the three kernels into arrays that start as NaN: what is not written shows."""
    geometry = (stride, stride), ((pad, pad), (pad, pad)), scheme, float32_lanes()
    out, dx, dw = (np.full_like(array, np.nan) for array in (g, x, w))
    shapes, threads = (x.shape, w.shape, g.shape), get_num_threads()
    winograd(out, x, w, winograd_tables.forward(*shapes, *geometry, threads))
    winograd(dx, g, w, winograd_tables.input_grad(*shapes[::-1], *geometry, threads))
    winograd_weights(dw, x, g, weight_grad(*shapes, *geometry))
    return out, dx, dw


def relative(value, expected):
    return np.linalg.norm(value - expected) / np.linalg.norm(expected)


def check(x_shape, w_shape, stride, pad, scheme, seed=0):
    x, w, g = draw(x_shape, w_shape, stride, pad, seed)
    out, dx, dw = all_three(x, w, g, stride, pad, scheme)
    seen = windows_of(x, w, stride, pad)
    assert relative(out, np.einsum("npqcab,abck->npqk", seen, w.astype(float))) <= OUTPUT_ERROR
    assert relative(dw, np.einsum("npqcab,npqk->abck", seen, g.astype(float))) <= WEIGHT_ERROR
    height, width = x.shape[1] + 2 * pad, x.shape[2] + 2 * pad
    spread = np.zeros((len(x), height, width, x.shape[3]))
    for a, b in np.ndindex(*w.shape[:2]):
        rows = slice(a, a + (g.shape[1] - 1) * stride + 1, stride)
        columns = slice(b, b + (g.shape[2] - 1) * stride + 1, stride)
        spread[:, rows, columns] += g.astype(float) @ w[a, b].T.astype(float)
    assert relative(dx, spread[:, pad : height - pad, pad : width - pad]) <= OUTPUT_ERROR


@pytest.mark.parametrize("scheme", range(len(SCHEMES)))
@pytest.mark.parametrize("x_shape, w_shape, stride, pad", CASES)
def test_against_float64(x_shape, w_shape, stride, pad, scheme):
    check(x_shape, w_shape, stride, pad, scheme)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_random_geometries(data):
    """From a whole tile of outputs on; a norm over a handful of numbers would bound only noise."""
    kernel, stride = data.draw(st.integers(2, 7)), data.draw(st.integers(1, 3))
    pad = data.draw(st.integers(0, 3))
    sizes = st.integers(kernel + 5 * stride, 40)
    channels = st.integers(1, 70)
    x_shape = data.draw(st.integers(1, 3)), data.draw(sizes), data.draw(sizes), data.draw(channels)
    w_shape = kernel, kernel, x_shape[3], data.draw(channels)
    check(x_shape, w_shape, stride, pad, data.draw(st.integers(0, len(SCHEMES) - 1)))


@pytest.mark.parametrize("case", [CASES[1], CASES[6], ((2, 40, 40, 24), (3, 3, 24, 24), 1, 1)])
def test_same_bits_on_one_thread_or_two(case):
    arrays, before, results = draw(*case), get_num_threads(), []
    try:
        for threads in (1, before):
            set_num_threads(threads)
            results.append(all_three(*arrays, *case[2:], 0))
    finally:
        set_num_threads(before)
    for one, many in zip(*results, strict=True):
        assert one.tobytes() == many.tobytes()


def test_groups_of_tiles_for_many_threads_have_the_same_bits():
    """With more threads than panels of outputs, the tiles of a panel are dealt to several tasks."""
    x, w, _ = draw((2, 24, 24, 96), (3, 3, 96, 80), 1, 1)
    results = []
    for threads in (1, 16):
        out = np.full((2, 24, 24, 80), np.nan, np.float32)
        geometry = (1, 1), ((1, 1), (1, 1)), 0, float32_lanes(), threads
        tables = winograd_tables.forward(x.shape, w.shape, out.shape, *geometry)
        winograd(out, x, w, tables)
        results.append((tables.counts, out.tobytes()))
    (few, one), (more, many) = results
    assert few < more and one == many


@pytest.mark.parametrize("rows, tasks, width", [(256, 6, 4), (43, 2, 4), (5, 3, 1), (484, 21, 4)])
def test_tasks_get_whole_tiles_of_the_product_and_equal_shares(rows, tasks, width):
    begins, height = winograd_tables.share(rows, tasks, width), ROWS[width]
    assert begins[0] == 0 and begins[-1] == rows and len(begins) == tasks + 1
    assert (begins[1:-1] % height == 0).all()
    assert np.ptp(-(-np.diff(begins) // height)) <= 1


def test_a_nan_reaches_its_tiles_and_no_others():
    """F(4, 3) with a padding of 1: the window of tile (1, 1) covers pixels 3 to 8."""
    x, w, g = draw((1, 24, 24, 4), (3, 3, 4, 16), 1, 1)
    x[0, 6, 6, 2] = np.nan
    out, _, _ = all_three(x, w, g, 1, 1, 0)
    seen = np.zeros((24, 24), bool)
    seen[4:8, 4:8] = True
    assert (np.isnan(out[0]).all(-1) == seen).all()
    assert np.isfinite(out[0][~seen]).all()


def test_the_check_notices_a_wrong_row_of_taps(monkeypatch):
    def roll(out, x, w, tables, right=winograd):
        right(out, x, np.roll(w, 1, 0), tables)

    monkeypatch.setitem(all_three.__globals__, "winograd", roll)
    with pytest.raises(AssertionError):
        check(*CASES[0], 0)
