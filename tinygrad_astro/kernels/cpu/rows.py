"""Large arrays joined, added and made contiguous on all threads: NumPy's results, faster.

An array whose rows lie evenly, such as some channels of an image, is a flat array with a step from
row to row. Any other, and any small one, is left to NumPy.
"""

import numpy as np
from numba import prange

from .borrow import borrowed
from .memory import SMALLEST, empty
from .past import fence, may_pass, put, store_past
from .simd import copy, lanes, load
from .target import inline, parallel

# Numbers that one task copies: a quarter of a second-level cache.
_PIECE = 1 << 16


def concatenate(xs, axis):
    """Join arrays along an axis, as numpy.concatenate does."""
    shape = list(xs[0].shape)
    shape[axis] = sum(x.shape[axis] for x in xs)
    out = empty(shape, np.result_type(*xs))
    concatenate_into(out, xs, axis)
    return out


def concatenate_into(out, xs, axis):
    """out = the arrays joined along an axis."""
    parts = [_as_rows(x) for x in xs]
    if axis != out.ndim - 1 or out.nbytes < SMALLEST or not _fit(parts, out.dtype):
        np.concatenate(xs, axis, out=out)
        return
    first, flat, rows = 0, out.reshape(-1), out.size // out.shape[-1]
    if len(parts) == 2:  # in one pass: lines next to each other are written together
        (x, (x_step, count)), (y, (y_step, rest)) = parts
        _join_rows(flat, x, x_step, count, y, y_step, rest, rows)
        return
    for x, (step, columns) in parts:
        _copy_rows(flat, first, out.shape[-1], x, step, rows, columns)
        first += columns


def contiguous(x):
    """Give x itself where its numbers lie side by side, else a copy where they do."""
    if x.flags["C_CONTIGUOUS"]:
        return x
    out = empty(x.shape, x.dtype)
    contiguous_into(out, x)
    return out


def contiguous_into(out, x):
    """out = x, its numbers side by side."""
    rows, steps = _as_rows(x)
    if x.nbytes < SMALLEST or not _fit([(rows, steps)], x.dtype):
        out[...] = x
    else:
        _copy_rows(out.reshape(-1), 0, steps[1], rows, steps[0], x.size // steps[1], steps[1])


def add(x, y):
    """x + y, as numpy.add does."""
    if x.shape != y.shape or x.dtype != y.dtype or x.nbytes < SMALLEST:
        return np.add(x, y)
    out = empty(x.shape, x.dtype)
    add_into(out, x, y)
    return out


def add_into(out, x, y):
    """out = x + y."""
    parts = [_as_rows(x), _as_rows(y)] if x.shape == y.shape and x.nbytes >= SMALLEST else []
    if not parts or x.dtype != y.dtype or not _fit(parts, x.dtype):
        np.add(x, y, out=out)
        return
    (a, (a_step, columns)), (b, (b_step, _)) = parts
    _add_rows(out.reshape(-1), a, a_step, b, b_step, x.size // columns, columns)


def _as_rows(x):
    """See x as rows: (flat array, (step, columns)), or None for it where they do not lie evenly."""
    if x.flags["C_CONTIGUOUS"]:
        columns = x.shape[-1] if x.ndim else 1
        return x.reshape(-1), (columns, columns)
    even = x.ndim > 1 and x.size and x.strides[-1] == x.itemsize and x.strides[-2] > 0
    for i in range(x.ndim - 2):
        even = even and x.strides[i] == x.shape[i + 1] * x.strides[i + 1]
    if not even or x.strides[-2] % x.itemsize:
        return None, (0, 0)
    step, columns = x.strides[-2] // x.itemsize, x.shape[-1]
    length = (x.size // columns - 1) * step + columns
    return np.lib.stride_tricks.as_strided(x, (length,), (x.itemsize,)), (step, columns)


def _fit(parts, dtype):
    kinds = np.float32, np.float64
    return dtype in kinds and all(x is not None and x.dtype == dtype for x, _ in parts)


@inline
def _copy_row(out, i, x, j, count, past):
    """out[i : i + count] = x[j : j + count]."""
    if past:
        for c in range(count // lanes(out)):
            store_past(out, i + c * lanes(out), load(x, j + c * lanes(out)))
    else:
        copy(out, i, x, j, count)


@parallel
def _copy_rows(out, first, out_step, x, x_step, rows, columns):
    """out[first + i * out_step + c] = x[i * x_step + c]."""
    some, unit = max(1, _PIECE // columns), lanes(out)
    past = may_pass(out, columns) and first % unit == 0 and out_step % unit == 0
    for k in prange((rows + some - 1) // some):
        to, source = borrowed((out, x))
        for i in range(np.int64(k) * some, min(rows, (np.int64(k) + 1) * some)):
            _copy_row(to, first + i * out_step, source, i * x_step, columns, past)
        if past:
            fence()


@parallel
def _join_rows(out, x, x_step, x_count, y, y_step, y_count, rows):
    """out[i * columns :] = x[i * x_step :], then y[i * y_step :], as many as each counts."""
    columns, unit = x_count + y_count, lanes(out)
    some, past = max(1, _PIECE // columns), may_pass(out, columns) and x_count % unit == 0
    for k in prange((rows + some - 1) // some):
        to, a, b = borrowed((out, x, y))
        for i in range(np.int64(k) * some, min(rows, (np.int64(k) + 1) * some)):
            _copy_row(to, i * columns, a, i * x_step, x_count, past)
            _copy_row(to, i * columns + x_count, b, i * y_step, y_count, past)
        if past:
            fence()


@inline
def _add_row(out, i, x, j, y, k, count, past):
    """out[i : i + count] = x[j : j + count] + y[k : k + count]."""
    size = lanes(out)
    for v in range(count // size):
        c = v * size
        put(out, i + c, load(x, j + c) + load(y, k + c), past)
    for c in range(count // size * size, count):
        out[i + c] = x[j + c] + y[k + c]


@parallel
def _add_rows(out, x, x_step, y, y_step, rows, columns):
    """out[i * columns + c] = x[i * x_step + c] + y[i * y_step + c]."""
    some, past = max(1, _PIECE // columns), may_pass(out, columns)
    for k in prange((rows + some - 1) // some):
        to, a, b = borrowed((out, x, y))
        for i in range(np.int64(k) * some, min(rows, (np.int64(k) + 1) * some)):
            _add_row(to, i * columns, a, i * x_step, b, i * y_step, columns, past)
        if past:
            fence()
