"""The matrix product against NumPy, at sizes around the tile and at the edges."""

import numpy as np
import pytest

from tinygrad_astro.kernels.cpu.matmul import matmul, matmul_left_grad, matmul_right_grad
from tinygrad_astro.kernels.cpu.target import get_num_threads, set_num_threads

SHAPES = [(1, 1, 1), (3, 5, 2), (8, 16, 32), (9, 17, 33), (70, 300, 65), (1, 700, 10), (130, 1, 7)]


@pytest.mark.parametrize("rows, inner, columns", SHAPES)
@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 1e-6), (np.float64, 1e-14)])
def test_against_numpy(rng, rows, inner, columns, dtype, tolerance):
    a = rng.standard_normal((rows, inner)).astype(dtype)
    b = rng.standard_normal((inner, columns)).astype(dtype)
    out = np.full((rows, columns), np.nan, dtype)
    matmul(out, a, b)
    expected = a.astype(float) @ b.astype(float)
    assert np.linalg.norm(out - expected) <= tolerance * np.linalg.norm(expected)
    g, left, right = out, np.full_like(a, np.nan), np.full_like(b, np.nan)
    matmul_left_grad(left, g, b)
    matmul_right_grad(right, a, g)
    for found, exact in ((left, g.astype(float) @ b.T), (right, a.T.astype(float) @ g)):
        assert np.linalg.norm(found - exact) <= tolerance * np.linalg.norm(exact)


@pytest.mark.parametrize("shape", [(0, 3, 4), (3, 0, 4), (3, 4, 0)])
def test_empty_sides(shape):
    rows, inner, columns = shape
    out = np.full((rows, columns), np.nan)
    matmul(out, np.ones((rows, inner)), np.ones((inner, columns)))
    assert (out == 0).all()
    left, right = np.full((rows, inner), np.nan), np.full((inner, columns), np.nan)
    matmul_left_grad(left, np.ones((rows, columns)), np.ones((inner, columns)))
    matmul_right_grad(right, np.ones((rows, inner)), np.ones((rows, columns)))
    assert (left == columns).all() and (right == rows).all()


def test_same_bits_on_one_thread_or_two(rng):
    a = rng.standard_normal((61, 200)).astype(np.float32)
    b = rng.standard_normal((200, 45)).astype(np.float32)
    before, results = get_num_threads(), []
    try:
        for threads in (1, before):
            set_num_threads(threads)
            out = np.empty((61, 45), np.float32)
            matmul(out, a, b)
            results.append(out.tobytes())
    finally:
        set_num_threads(before)
    assert results[0] == results[1]


def test_nan_stays_in_its_row_and_column(rng):
    a, b = rng.standard_normal((5, 4)), rng.standard_normal((4, 6))
    a[2, 1] = np.nan
    out = np.empty((5, 6))
    matmul(out, a, b)
    assert np.isnan(out[2]).all() and np.isfinite(np.delete(out, 2, 0)).all()
