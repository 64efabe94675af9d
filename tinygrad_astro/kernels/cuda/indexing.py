"""Indexing of device arrays: slices by one strided copy, index arrays by gathering.

Adding at indices is deterministic: the host sorts the indices, and one thread adds up all values
that go to one place, in order.
"""

import math
from contextlib import nullcontext
from numbers import Integral

import numpy as np

from .. import live
from . import array as arrays
from . import maps, namespace
from .driver import card
from .target import U, cuda, kernel

_BITS = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}


@kernel("T* T* i* u u u u", dtypes=("uint32", "uint64"))
def gather(out, x, index, count, inner, picked, length):
    """out[o, k, j] = x[o, index[k], j]."""
    i = U(cuda.grid(1))
    if i < count:
        j, k, o = U(i % inner), U(U(i // inner) % picked), U(U(i // inner) // picked)
        out[i] = x[U(U(U(U(o * length) + U(index[k])) * inner) + j)]


@kernel("T* T* i* u u u u", dtypes=("uint32", "uint64"))
def scatter(out, x, index, count, inner, picked, length):
    """out[o, index[k], j] = x[o, k, j]."""
    i = U(cuda.grid(1))
    if i < count:
        j, k, o = U(i % inner), U(U(i // inner) % picked), U(U(i // inner) // picked)
        out[U(U(U(U(o * length) + U(index[k])) * inner) + j)] = x[i]


@kernel("T* T* i* u u u u", dtypes=("uint32", "uint64"))
def gather_along(out, x, index, count, inner, picked, length):
    """out[o, k, j] = x[o, index[o, k, j], j]."""
    i = U(cuda.grid(1))
    if i < count:
        j, o = U(i % inner), U(U(i // inner) // picked)
        out[i] = x[U(U(U(U(o * length) + U(index[i])) * inner) + j)]


@kernel("T* T* i* u u u u", dtypes=("uint32", "uint64"))
def scatter_along(out, x, index, count, inner, picked, length):
    """out[o, index[o, k, j], j] = x[o, k, j]."""
    i = U(cuda.grid(1))
    if i < count:
        j, o = U(i % inner), U(U(i // inner) // picked)
        out[U(U(U(U(o * length) + U(index[i])) * inner) + j)] = x[i]


@kernel("T* T* i* i* i* u u u u u")
def add_sorted(out, x, places, starts, order, count, inner, segments, length, picked):
    """out[o, places[s], j] += sum of x[o, order[r], j] over starts[s] <= r < starts[s + 1]."""
    i = U(cuda.grid(1))
    if i >= count:
        return
    j, s, o = U(i % inner), U(U(i // inner) % segments), U(U(i // inner) // segments)
    at = U(U(U(U(o * length) + U(places[s])) * inner) + j)
    total, r, stop = out[at], U(starts[s]), U(starts[s + 1])
    while r < stop:
        total += x[U(U(U(U(o * picked) + U(order[r])) * inner) + j)]
        r = U(r + U(1))
    out[at] = total


# ---- slices --------------------------------------------------------------------------------------


def strided(x, shape, offset, strides):
    """Copy x, read with these strides (in elements), into a new array of `shape`."""
    out = arrays.DeviceArray(shape, x.dtype)
    layout = (0, maps.contiguous_strides(out.shape))
    bits = np.dtype(_BITS[x.itemsize])
    raw = [arrays.DeviceArray(a.shape, bits, a.memory) for a in (out, x)]
    maps.launch_map("copy", raw[0], layout, [raw[1]], [(offset, strides)], out.shape, bits)
    return out


def basic(shape, key):
    """Resolve integers, slices, None: (offset, strides, shape of the result)."""
    steps = maps.contiguous_strides(shape)
    offset, strides, sizes, axis = 0, [], [], 0
    for part in key:
        if part is None:
            sizes.append(1)
            strides.append(0)
        elif isinstance(part, slice):
            start, stop, step = part.indices(shape[axis])
            offset += start * steps[axis] if len(range(start, stop, step)) else 0
            sizes.append(len(range(start, stop, step)))
            strides.append(step * steps[axis])
            axis += 1
        else:
            if not -shape[axis] <= part < shape[axis]:
                raise IndexError(f"index {part} is out of bounds for axis {axis} of shape {shape}")
            offset += part % shape[axis] * steps[axis]
            axis += 1
    return offset, tuple(strides), tuple(sizes)


def _is_array(part):
    return hasattr(part, "shape") and not isinstance(part, np.generic)


def completed(x, key):
    """Write a key with one part per axis, and booleans as indices."""
    parts = []
    for part in key if isinstance(key, tuple) else (key,):
        if isinstance(part, list):
            part = np.asarray(part)
        if isinstance(part, (bool, np.bool_)) or (_is_array(part) and part.dtype == np.bool_):
            mask = part.copy_to_host() if hasattr(part, "copy_to_host") else np.asarray(part)
            parts += np.nonzero(mask)
        else:
            parts.append(int(part) if isinstance(part, Integral) else part)
    named = sum(p is not None and p is not Ellipsis for p in parts)
    if named > x.ndim:
        raise IndexError(f"{named} indices for an array of shape {x.shape}")
    fill = [slice(None)] * (x.ndim - named)
    places = [i for i, p in enumerate(parts) if p is Ellipsis]
    at = places[0] if places else len(parts)
    return [*parts[:at], *fill, *parts[at + bool(places) :]]


def get(x, key):
    """x[key], a copy."""
    parts = completed(x, key)
    if not any(map(_is_array, parts)):
        offset, strides, shape = basic(x.shape, parts)
        if shape == x.shape and strides == x.strides:
            return x
        return strided(x, shape, offset, strides)
    sliced, folds, index, shape, _ = planned(x, parts)
    return picked(gather, sliced, folds, index, shape)


def picked(kernel_, x, folds, index, shape):
    """Run a gathering kernel."""
    out = arrays.DeviceArray(shape, x.dtype)
    _, length, inner = folds
    if out.size:
        count = index.size if kernel_ is gather else index.shape[1]
        bits = _BITS[x.itemsize]
        kernel_(out.size, out, x, index, out.size, inner, count, length, dtype=bits)
    return out


def planned(x, parts):
    """Resolve a key with index arrays.

    Gives the sliced array with the indexed axes side by side, its (outer, length, inner), flat
    indices into `length`, the shape of the result, and the order of axes that was applied.
    """
    slices = tuple(slice(None) if _is_array(p) or isinstance(p, int) else p for p in parts)
    sliced = get(x, slices)
    axes = [i for i, p in enumerate(parts) if _is_array(p) or isinstance(p, int)]
    index = flat_index([parts[a] for a in axes], [sliced.shape[a] for a in axes])
    order = tuple(range(sliced.ndim))
    if axes != list(range(axes[0], axes[-1] + 1)):
        order = (*axes, *[a for a in range(sliced.ndim) if a not in axes])
        sliced, axes = sliced.transpose(order), list(range(len(axes)))
    before, after = sliced.shape[: axes[0]], sliced.shape[axes[-1] + 1 :]
    length = math.prod(sliced.shape[a] for a in axes)
    folds = math.prod(before), length, math.prod(after)
    return sliced, folds, index, (*before, *index.shape, *after), order


def flat_index(parts, sizes):
    """Join one index per axis into one index into their product, checked and non-negative."""
    whole = None
    for part, n in zip(parts, sizes, strict=True):
        part = np.asarray(part) if isinstance(part, int) else part
        unknown = not isinstance(part, np.ndarray) and part.memory.limits is None
        # A recorded function cannot ask: then negative indices count from the end, unchecked.
        least, largest = (-1, -1) if unknown and card().recording else limits(part)
        if least < -n or largest >= n:
            raise IndexError(f"an index is out of bounds for an axis of {n}")
        part = part.astype(np.int64, copy=False)
        if least < 0:
            choose = np.where if isinstance(part, np.ndarray) else namespace.where
            part = choose(part < 0, part + n, part)
        if whole is None:
            whole = part
        elif isinstance(whole, np.ndarray) and isinstance(part, np.ndarray):
            whole = whole * n + part
        else:
            whole = namespace.add(namespace.asarray(whole) * n, namespace.asarray(part))
    return namespace.asarray(whole)


def limits(index):
    """Give the least and the largest index, asking the card where the host does not know."""
    if index.size == 0:
        return 0, -1
    if isinstance(index, np.ndarray) or index.memory.limits is None:
        return int(index.min()), int(index.max())
    return index.memory.limits


# ---- writing -------------------------------------------------------------------------------------


def put(x, key, value):
    """x[key] = value, in place."""
    x.memory.limits = None
    if isinstance(value, np.ndarray) and value.ndim:
        value = namespace.asarray(value)
    parts = completed(x, key)
    if not any(map(_is_array, parts)):
        offset, strides, shape = basic(x.shape, parts)
        layout = None
        if isinstance(value, arrays.DeviceArray):
            layout = 0, maps.broadcast_strides(value.shape, value.strides, shape)
        elif hasattr(value, "item"):
            value = value.item()
        kind = np.dtype(np.uint8) if x.dtype == np.bool_ else x.dtype
        maps.launch_map("copy", x, (offset, strides), [value], [layout], shape, kind)
        return
    part, folds, index, shape, order = planned(x, parts)
    part = part.copy() if part.memory is x.memory else part
    source = namespace.broadcast_to(namespace.asarray(value, x.dtype), shape)
    if source.size:
        _, length, inner = folds
        bits = _BITS[x.itemsize]
        scatter(
            source.size, part, source, index, source.size, inner, index.size, length, dtype=bits
        )
    written_back(x, parts, part, order)


def written_back(x, parts, part, order):
    """Put a changed part where it was sliced from."""
    slices = tuple(slice(None) if _is_array(p) or isinstance(p, int) else p for p in parts)
    x[slices] = part.transpose(tuple(np.argsort(order)))


def add_at(x, key, value):
    """Add values at indices, in place; places named several times get all of them."""
    parts = completed(x, key)
    if not any(map(_is_array, parts)):
        x[key] = namespace.add(x[key], value)
        return
    part, (outer, length, inner), index, shape, order = planned(x, parts)
    part = part.copy() if part.memory is x.memory else part
    source = namespace.broadcast_to(namespace.asarray(value, x.dtype), shape)
    if source.size:
        known = index.memory.host
        flat = (index.copy_to_host() if known is None else known).reshape(-1)
        order_ = np.argsort(flat, kind="stable")
        places, starts = np.unique(flat[order_], return_index=True)
        starts = np.append(starts, flat.size)
        with live.outside() if known is not None else nullcontext():
            tables = [namespace.asarray(t.astype(np.int64)) for t in (places, starts, order_)]
        count = outer * places.size * inner
        geometry = count, inner, places.size, length, flat.size
        add_sorted(count, part, source, *tables, *geometry, dtype=x.dtype)
    written_back(x, parts, part, order)


def along(x, index, axis):
    """Give (outer, length, inner), the index as (outer, picked, inner), and its own shape."""
    axis %= x.ndim
    n = x.shape[axis]
    index = flat_index([namespace.asarray(index)], [n])
    outer, inner = math.prod(x.shape[:axis]), math.prod(x.shape[axis + 1 :])
    return (outer, n, inner), index.reshape(outer, index.shape[axis], inner), index.shape


def take_along(x, index, axis):
    """out[..., k, ...] = x[..., index[..., k, ...], ...] along `axis`."""
    folds, rows, shape = along(x, index, axis)
    return picked(gather_along, x, folds, rows, shape)


def put_along(x, index, values, axis):
    """x[..., index[..., k, ...], ...] = values[..., k, ...] along `axis`, in place."""
    (_, length, inner), rows, shape = along(x, index, axis)
    x.memory.limits = None
    source = namespace.broadcast_to(namespace.asarray(values, x.dtype), shape)
    if source.size:
        bits = _BITS[x.itemsize]
        geometry = source.size, inner, rows.shape[1], length
        scatter_along(source.size, x, source, rows, *geometry, dtype=bits)
