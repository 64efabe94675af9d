"""Picking values by index, and its transpose: adding values at an index into zeros."""

from numbers import Integral

import numpy as np

from tinygrad_astro import shapes
from tinygrad_astro.kernels import xp
from tinygrad_astro.ops.broadcast import broadcast_to, reshape
from tinygrad_astro.tape import Tensor, lift, primitive


def _basic(key):
    parts = key if isinstance(key, tuple) else (key,)
    kinds = (Integral, slice, type(None), type(Ellipsis))
    return not any(isinstance(k, (bool, np.bool_)) for k in parts) and all(
        isinstance(k, kinds) for k in parts
    )


@primitive(lambda g, out, x, key: embed(g, key=key, shape=x.shape), keeps="")
def slice_(x, key):
    """x[key] for a key that `getitem` has checked."""
    return x[key]


@primitive(lambda g, out, x, key, shape: slice_(g, key=key), keeps="")
def embed(x, key, shape):
    """Zeros of `shape` with x added at `key`: the transpose of indexing."""
    out = xp(x).zeros(shape, x.dtype)
    if _basic(key):
        out[key] = x
    else:
        xp(x).add.at(out, key, x)
    return out


def _index_array(values):
    return np.asarray(values) if values else np.empty(0, np.intp)


def getitem(x, key):
    """x[key], with integers, slices, None, Ellipsis, integer arrays or boolean masks."""
    (x,) = lift([x])
    parts = key if isinstance(key, tuple) else (key,)
    parts = tuple(
        p.data if isinstance(p, Tensor) else _index_array(p) if isinstance(p, list) else p
        for p in parts
    )
    for p in parts:
        if isinstance(p, (float, np.floating)) or (
            isinstance(p, np.ndarray) and p.dtype.kind not in "iub"
        ):
            kind = p.dtype if isinstance(p, np.ndarray) else type(p).__name__
            raise IndexError(f"index of type {kind}; expected integers, slices or booleans")
    return slice_(x, key=parts)


@primitive(
    lambda g, out, x, indices, axis: put_along_axis(g, indices, axis=axis, size=x.shape[axis]),
    None,
    keeps="indices",
)
def _take_along_axis(x, indices, axis):
    return xp(x).take_along_axis(x, indices, axis)


def take_along_axis(x, indices, axis=-1):
    """out[..., i, ...] = x[..., indices[..., i, ...], ...] along `axis`.

    Raises
    ------
    ValueError
        If x and indices differ in their number of axes, or do not broadcast in the other axes.
    IndexError
        If the indices are not integers, or lie outside.
    """
    x, indices = lift([x, indices])
    axis = shapes.normal_axis(axis, x.ndim)
    if indices.ndim != x.ndim:
        raise ValueError(
            f"take_along_axis: indices of shape {indices.shape} for values of shape {x.shape}, "
            "expected as many axes"
        )
    if indices.dtype.kind not in "iu":
        raise IndexError(f"take_along_axis: indices of dtype {indices.dtype}, expected integers")
    wide = list(
        shapes.broadcast(*(t.shape[:axis] + (1,) + t.shape[axis + 1 :] for t in (x, indices)))
    )
    sizes = [(*wide[:axis], t.shape[axis], *wide[axis + 1 :]) for t in (x, indices)]
    x, indices = broadcast_to(x, sizes[0]), broadcast_to(indices, sizes[1])
    return _take_along_axis(x, indices, axis=axis)


@primitive(
    lambda g, out, x, indices, axis, size: _take_along_axis(g, indices, axis=axis),
    None,
    keeps="indices",
)
def put_along_axis(x, indices, axis, size):
    """Zeros with x added at `indices` along `axis`: the transpose of take_along_axis."""
    shape = list(indices.shape)
    shape[axis] = size
    out = xp(x).zeros(shape, x.dtype)
    if indices.shape[axis] == 1:  # no place is named twice
        xp(x).put_along_axis(out, indices, x, axis)
        return out
    places = list(np.ogrid[tuple(slice(n) for n in indices.shape)])
    places[axis] = indices
    xp(x).add.at(out, tuple(places), x)
    return out


def take(x, indices, axis=None):
    """Values at integer `indices` along `axis`; of the flattened tensor if None."""
    (x,) = lift([x])
    indices = indices.data if isinstance(indices, Tensor) else np.asarray(indices)
    indices = indices if indices.size else indices.astype(np.int64)  # [] is an array of floats
    if axis is None:
        return getitem(reshape(x, (-1,)), indices)
    axis = shapes.normal_axis(axis, x.ndim)
    return getitem(x, (slice(None),) * axis + (indices,))


def one_hot(labels, num_classes, dtype=np.float32):
    """1 at the label, 0 elsewhere, along a new last axis; no gradient.

    Raises
    ------
    ValueError
        If a label is not in 0 .. num_classes - 1, or not an integer, or num_classes is not one.
    """
    if not isinstance(num_classes, Integral) or num_classes < 1:
        raise ValueError(f"one_hot: num_classes={num_classes!r}, expected an integer of at least 1")
    labels = labels.data if isinstance(labels, Tensor) else np.asarray(labels)
    if labels.dtype.kind not in "fiub":
        raise ValueError(f"one_hot: labels have dtype {labels.dtype}, expected integers")
    if labels.dtype.kind == "f" and not (np.isfinite(labels) & (np.floor(labels) == labels)).all():
        raise ValueError("one_hot: labels must be whole numbers, got fractions, NaN or infinity")
    whole = labels.astype(np.int64)
    if labels.size and (whole.min() < 0 or whole.max() >= num_classes):
        raise ValueError(
            f"one_hot: labels run from {whole.min()} to {whole.max()}, expected 0 to "
            f"{num_classes - 1} for num_classes={num_classes}"
        )
    return Tensor((whole[..., None] == xp(whole).arange(num_classes)).astype(dtype))
