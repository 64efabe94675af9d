"""Ops that move values without computing: transpose, index, join, pad, and their transposes."""

from numbers import Integral

import numpy as np

from tinygrad_astro import shapes
from tinygrad_astro.kernels import xp
from tinygrad_astro.ops.broadcast import broadcast_to, reshape
from tinygrad_astro.tape import Tensor, lift, primitive

# ---- order of axes -------------------------------------------------------------------------------


@primitive(lambda g, out, x, axes: _transpose(g, axes=tuple(np.argsort(axes))), keeps="")
def _transpose(x, axes):
    return x.transpose(axes)


def transpose(x, axes=None):
    """Reorder the axes; reverse them if `axes` is None."""
    (x,) = lift([x])
    axes = tuple(range(x.ndim))[::-1] if axes is None else tuple(axes)
    if len(axes) != x.ndim or shapes.normal_axes(axes, x.ndim) != tuple(range(x.ndim)):
        raise ValueError(f"axes={axes} is not an order of the {x.ndim} axes of {x.shape}")
    return _transpose(x, axes=tuple(a % x.ndim for a in axes))


def swapaxes(x, axis1, axis2):
    """Exchange two axes."""
    (x,) = lift([x])
    axes = list(range(x.ndim))
    one, other = shapes.normal_axis(axis1, x.ndim), shapes.normal_axis(axis2, x.ndim)
    axes[one], axes[other] = other, one
    return transpose(x, axes)


def moveaxis(x, source, destination):
    """Move axes to other places, the rest keeping their order."""
    (x,) = lift([x])
    sources = (source,) if isinstance(source, Integral) else tuple(source)
    places = (destination,) if isinstance(destination, Integral) else tuple(destination)
    sources = [shapes.normal_axis(s, x.ndim) for s in sources]
    places = [shapes.normal_axis(p, x.ndim) for p in places]
    if len(sources) != len(places):
        raise ValueError(f"moveaxis of axes {source} to {destination}: expected as many places")
    rest = [a for a in range(x.ndim) if a not in sources]
    for place, s in sorted(zip(places, sources)):
        rest.insert(place, s)
    return transpose(x, rest)


def expand_dims(x, axis):
    """Insert an axis of size 1 at `axis`."""
    (x,) = lift([x])
    shape = list(x.shape)
    shape.insert(shapes.normal_axis(axis, x.ndim + 1), 1)
    return reshape(x, shape)


def squeeze(x, axis=None):
    """Remove axes of size 1: those named, or all."""
    (x,) = lift([x])
    axes = [a for a, n in enumerate(x.shape) if n == 1]
    if axis is not None:
        axes = shapes.normal_axes(axis, x.ndim)
        if any(x.shape[a] != 1 for a in axes):
            raise ValueError(f"squeeze(axis={axis}): not of size 1 in shape {x.shape}")
    return reshape(x, [n for a, n in enumerate(x.shape) if a not in axes])


# ---- indexing ------------------------------------------------------------------------------------


def _basic(key):
    parts = key if isinstance(key, tuple) else (key,)
    kinds = (Integral, slice, type(None), type(Ellipsis))
    return not any(isinstance(k, (bool, np.bool_)) for k in parts) and all(
        isinstance(k, kinds) for k in parts
    )


@primitive(lambda g, out, x, key: embed(g, key=key, shape=x.shape), keeps="")
def _slice(x, key):
    return x[key]


@primitive(lambda g, out, x, key, shape: _slice(g, key=key), keeps="")
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
    return _slice(x, key=parts)


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
    places = list(np.ogrid[tuple(slice(n) for n in indices.shape)])
    places[axis] = indices
    xp(x).add.at(out, tuple(places), x)
    return out


def take(x, indices, axis=None):
    """Values at integer `indices` along `axis`; of the flattened tensor if None."""
    (x,) = lift([x])
    indices = indices.data if isinstance(indices, Tensor) else np.asarray(indices)
    if axis is None:
        return getitem(reshape(x, (-1,)), indices)
    axis = shapes.normal_axis(axis, x.ndim)
    return getitem(x, (slice(None),) * axis + (indices,))


def one_hot(labels, num_classes, dtype=np.float32):
    """1 at the label, 0 elsewhere, along a new last axis; no gradient.

    Raises
    ------
    ValueError
        If a label is not in 0 .. num_classes - 1, or not an integer.
    """
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
    return Tensor((whole[..., None] == np.arange(num_classes)).astype(dtype))


# ---- joining and repeating -----------------------------------------------------------------------


def _concatenate_rule(g, out, *xs, axis, wanted):
    grads, start = [], 0
    for x, want in zip(xs, wanted, strict=True):
        stop = start + x.shape[axis]
        key = (slice(None),) * axis + (slice(start, stop),)
        grads.append(_slice(g, key=key) if want else None)
        start = stop
    return grads


@primitive(joint=_concatenate_rule, keeps="none")
def _concatenate(*xs, axis):
    return xp(xs[0]).concatenate(xs, axis)


def concatenate(xs, axis=0):
    """Join tensors along an axis that they share; their other sizes must agree.

    Raises
    ------
    ValueError
        If there is none, or shapes differ in another axis.
    """
    xs = lift(xs)
    if not xs:
        raise ValueError("concatenate needs at least one tensor, got an empty list")
    axis = shapes.normal_axis(axis, xs[0].ndim)
    rest = [x.shape[:axis] + x.shape[axis + 1 :] for x in xs]
    if any(r != rest[0] for r in rest) or any(x.ndim != xs[0].ndim for x in xs):
        raise ValueError(
            f"concatenate along axis {axis}: shapes {[x.shape for x in xs]} differ in other axes; "
            "crop or pad them to the same size first"
        )
    return _concatenate(*xs, axis=axis)


def stack(xs, axis=0):
    """Join tensors of one shape along a new axis."""
    xs = lift(xs)
    if not xs or any(x.shape != xs[0].shape for x in xs):
        raise ValueError(f"stack needs tensors of one shape, got {[x.shape for x in xs]}")
    axis = shapes.normal_axis(axis, xs[0].ndim + 1)
    return concatenate([expand_dims(x, axis) for x in xs], axis)


def split(x, indices_or_sections, axis=0):
    """Cut along `axis` into equal sections, or at the given indices; gives a list.

    Raises
    ------
    ValueError
        If equal sections are not possible.
    """
    (x,) = lift([x])
    axis = shapes.normal_axis(axis, x.ndim)
    n = x.shape[axis]
    if isinstance(indices_or_sections, Integral):
        if indices_or_sections < 1 or n % indices_or_sections:
            raise ValueError(
                f"split: {n} along axis {axis} is not {indices_or_sections} equal parts"
            )
        cuts = [n // indices_or_sections * i for i in range(indices_or_sections + 1)]
    else:
        cuts = [0, *indices_or_sections, n]
    before = (slice(None),) * axis
    return [getitem(x, (*before, slice(a, b))) for a, b in zip(cuts[:-1], cuts[1:])]


def repeat(x, repeats, axis):
    """Repeat each value `repeats` times (an integer) in place along `axis`."""
    (x,) = lift([x])
    axis = shapes.normal_axis(axis, x.ndim)
    if not isinstance(repeats, Integral) or repeats < 0:
        raise ValueError(f"repeats={repeats!r}: expected an integer of at least 0")
    wide = (*x.shape[: axis + 1], repeats, *x.shape[axis + 1 :])
    joined = (*x.shape[:axis], x.shape[axis] * repeats, *x.shape[axis + 1 :])
    return reshape(broadcast_to(expand_dims(x, axis + 1), wide), joined)


def tile(x, reps):
    """Repeat the whole tensor `reps` times along each axis."""
    (x,) = lift([x])
    reps = (reps,) if isinstance(reps, Integral) else tuple(reps)
    rank = max(x.ndim, len(reps))
    reps = (1,) * (rank - len(reps)) + reps
    shape = (1,) * (rank - x.ndim) + x.shape
    wide = [n for pair in zip(reps, shape) for n in pair]
    lifted = reshape(x, [n for size in shape for n in (1, size)])
    return reshape(broadcast_to(lifted, wide), [r * n for r, n in zip(reps, shape)])


# ---- reversing, shifting, padding ----------------------------------------------------------------


def flip(x, axis=None):
    """Reverse the order along `axis` (all axes if None)."""
    (x,) = lift([x])
    axes = shapes.normal_axes(axis, x.ndim)
    key = tuple(slice(None, None, -1) if a in axes else slice(None) for a in range(x.ndim))
    return _slice(x, key=key)


def roll(x, shift, axis):
    """Shift along one axis; what leaves at one end enters at the other."""
    (x,) = lift([x])
    axis = shapes.normal_axis(axis, x.ndim)
    n = x.shape[axis]
    if not isinstance(shift, Integral):
        raise ValueError(f"shift={shift!r}: expected one integer, for one axis")
    if not n or not shift % n:
        return x
    before = (slice(None),) * axis
    head, tail = (*before, slice(n - shift % n, n)), (*before, slice(0, n - shift % n))
    return concatenate([getitem(x, head), getitem(x, tail)], axis)


def pad(x, pad_width, mode="constant", constant_values=0.0):
    """Add values around: `pad_width` is a pair (before, after) per axis, or one pair for all.

    Parameters
    ----------
    mode : {"constant", "reflect", "edge", "wrap"}
        "reflect" mirrors without repeating the edge; it needs more pixels than it adds.

    Raises
    ------
    ValueError
        If `pad_width` or `mode` is none of these, or reflect asks for more than there is.
    """
    (x,) = lift([x])
    width = np.asarray(pad_width)
    if width.dtype.kind not in "iu" or (width < 0).any():
        raise ValueError(f"pad_width={pad_width!r}: expected pairs of integers of at least 0")
    try:
        width = np.broadcast_to(width, (x.ndim, 2)).tolist()
    except ValueError:
        raise ValueError(
            f"pad_width={pad_width!r}: expected {x.ndim} pairs (before, after)"
        ) from None
    if mode == "constant":
        shape = tuple(n + a + b for n, (a, b) in zip(x.shape, width, strict=True))
        key = tuple(slice(a, a + n) for n, (a, b) in zip(x.shape, width, strict=True))
        out = embed(x, key=key, shape=shape)
        if constant_values:
            ring = np.full(shape, constant_values, x.dtype)
            ring[key] = 0
            out = out + Tensor(ring)
        return out
    if mode not in ("reflect", "edge", "wrap"):
        raise ValueError(f'mode={mode!r}: expected "constant", "reflect", "edge" or "wrap"')
    for axis, (n, (a, b)) in enumerate(zip(x.shape, width, strict=True)):
        if mode == "reflect" and max(a, b) >= max(n, 1) and (a or b):
            raise ValueError(f"reflect by {a} + {b} needs more than {n} pixels; use mode='edge'")
        if a or b:
            x = take(x, np.pad(np.arange(n), (a, b), mode=mode), axis)
    return x
