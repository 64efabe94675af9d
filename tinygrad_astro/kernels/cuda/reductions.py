"""Sums, extrema and running sums over axes, in one fixed order whatever the card.

A reduction is seen as (outer, length, inner): the middle axis goes. One thread sums one chunk of
one line, in float64; a second launch sums the chunks. Chunks depend on the shape alone, so the bits
are the same on every card, and no atomic addition is needed.
"""

import math

import numpy as np

from . import array as arrays
from .target import D, U, cuda, kernel

CHUNK = 256
REDUCED = {"add": "sum", "maximum": "max", "minimum": "min"}


@kernel("d* T* u u u u u", dtypes=("float32", "float64", "int64"))
def sum_chunks(out, x, count, row, inner, chunk, chunks):
    """out[o, c, j] = sum of x[o, r inner + j] over the r of chunk c, r inner + j < row."""
    i = U(cuda.grid(1))
    if i >= count:
        return
    j, c, o = U(i % inner), U(U(i // inner) % chunks), U(U(i // inner) // chunks)
    at = U(U(U(c * chunk) * inner) + j)
    total, r = D(0), U(0)
    while r < chunk and at < row:
        total += x[U(U(o * row) + at)]
        at, r = U(at + inner), U(r + U(1))
    out[i] = total


@kernel("T* T* u u u u u u", dtypes=("float32", "float64", "int64"))
def extreme_chunks(out, x, count, row, inner, chunk, chunks, largest):
    """out[o, c, j] = the largest (or smallest) of x over chunk c; NaN if there is one."""
    i = U(cuda.grid(1))
    if i >= count:
        return
    j, c, o = U(i % inner), U(U(i // inner) % chunks), U(U(i // inner) // chunks)
    at, r = U(U(U(c * chunk) * inner) + j), U(0)
    best = x[U(U(o * row) + (at if at < row else j))]
    while r < chunk and at < row:
        v = x[U(U(o * row) + at)]
        if v != v or (best == best and (v > best if largest else v < best)):
            best = v
        at, r = U(at + inner), U(r + U(1))
    out[i] = best


@kernel("i* T* u u u u", dtypes=("float32", "float64", "int64"))
def extreme_index(out, x, count, length, inner, largest):
    """out[o, j] = index of the first largest (or smallest) of x[o, :, j]; the first NaN wins."""
    i = U(cuda.grid(1))
    if i >= count:
        return
    start = U(U(U(i // inner) * U(length * inner)) + U(i % inner))
    best, index, k = x[start], U(0), U(1)
    while k < length:
        v = x[U(start + U(k * inner))]
        if best == best and (v != v or (v > best if largest else v < best)):
            best, index = v, k
        k = U(k + U(1))
    out[i] = index


@kernel("T* T* u u u", dtypes=("float32", "float64", "int64"))
def running_sums(out, x, count, length, inner):
    """out[o, k, j] = x[o, 0, j] + ... + x[o, k, j]; one thread per line."""
    i = U(cuda.grid(1))
    if i >= count:
        return
    at = U(U(U(i // inner) * U(length * inner)) + U(i % inner))
    total, k = x[at] - x[at], U(0)
    while k < length:
        total += x[at]
        out[at] = total
        at = U(at + inner)
        k = U(k + U(1))


@kernel("i* u", dtypes=("float32",))
def _count_up(out, count):
    i = U(cuda.grid(1))
    if i < count:
        out[i] = i


# ---- shapes --------------------------------------------------------------------------------------


def normal_axes(axis, ndim):
    """Give axes as sorted non-negative integers; None means all."""
    if axis is None:
        return tuple(range(ndim))
    return tuple(sorted(a % ndim for a in ((axis,) if isinstance(axis, int) else axis)))


def folded(x, axes):
    """Bring the reduced axes together: (x, outer, length, inner)."""
    if axes and axes != tuple(range(axes[0], axes[-1] + 1)):
        rest = tuple(a for a in range(x.ndim) if a not in axes)
        x = x.transpose(rest + axes)
        axes = tuple(range(len(rest), x.ndim))
    first, last = (axes[0], axes[-1] + 1) if axes else (x.ndim, x.ndim)
    return x, math.prod(x.shape[:first]), math.prod(x.shape[first:last]), math.prod(x.shape[last:])


def reduced(name, x, axis=None, keepdims=False):
    """Sum, or find extrema, over axes."""
    axes = normal_axes(axis, x.ndim)
    short = tuple(n for a, n in enumerate(x.shape) if a not in axes)
    kept = tuple(1 if a in axes else n for a, n in enumerate(x.shape))
    if name != "sum" and math.prod(x.shape[a] for a in axes) == 0:
        raise ValueError(f"no value to choose from: shape {x.shape}, axis {axis}")
    if name == "sum":
        dtype = np.dtype(np.int64) if x.dtype.kind in "iub" else x.dtype
        found = _chunked(x, axes, None).astype(dtype, copy=False)
    else:
        source = x.astype(np.int64) if x.dtype.kind in "iub" else x
        found = _chunked(source, axes, name == "max").astype(x.dtype, copy=False)
    return found.reshape(kept if keepdims else short)


def _chunked(x, axes, largest):
    if x.dtype == np.bool_:
        x = x.astype(np.uint8)
    x, outer, length, inner = folded(x, axes)
    row, lanes = length * inner, inner
    if inner == 1 and length > CHUNK:
        # Neighbouring threads read neighbouring values: a line is cut into interleaved lanes.
        lanes = 128 if length <= 128 * CHUNK else 1024
        length = -(-length // lanes)
    while True:
        chunks = max(1, -(-length // CHUNK))
        count = outer * chunks * lanes
        out = arrays.DeviceArray((count,), np.float64 if largest is None else x.dtype)
        if largest is None:
            sum_chunks(count, out, x, count, row, lanes, CHUNK, chunks, dtype=x.dtype)
        else:
            geometry = count, row, lanes, CHUNK, chunks, int(largest)
            extreme_chunks(count, out, x, *geometry, dtype=x.dtype)
        if chunks * lanes == inner:
            return out
        x = out
        if chunks > 1:
            length, row = chunks, chunks * lanes
        else:
            length, row, lanes = lanes, lanes, 1


def chosen(name, x, axis=None):
    """Find the index of the first extremum along one axis, or in all values."""
    if x.dtype.kind in "iub":
        x = x.astype(np.int64)
    axes = normal_axes(axis, x.ndim)
    short = tuple(n for a, n in enumerate(x.shape) if a not in axes)
    x, outer, length, inner = folded(x, axes)
    out = arrays.DeviceArray(short, np.int64)
    largest = int(name == "argmax")
    extreme_index(out.size, out, x, out.size, length, inner, largest, dtype=x.dtype)
    out.memory.limits = 0, max(0, length - 1)
    return out


def running_sum(x, axis):
    """Sum up along one axis."""
    if x.dtype.kind in "iub":
        x = x.astype(np.int64)
    axis %= x.ndim
    outer, inner = math.prod(x.shape[:axis]), math.prod(x.shape[axis + 1 :])
    out = arrays.DeviceArray(x.shape, x.dtype)
    if out.size:
        lines = outer * inner
        running_sums(lines, out, x, lines, x.shape[axis], inner, dtype=x.dtype)
    return out


def count_up(stop):
    """Give the whole numbers from 0 to stop - 1."""
    out = arrays.DeviceArray((stop,), np.int64)
    _count_up(stop, out, stop)
    out.memory.limits = 0, max(0, stop - 1)
    return out
