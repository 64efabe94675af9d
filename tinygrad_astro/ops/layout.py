"""Ops that move values without computing: reorder, join, repeat, shift, pad."""

from numbers import Integral

import numpy as np

from tinygrad_astro import shapes
from tinygrad_astro.kernels import of, xp
from tinygrad_astro.ops.broadcast import broadcast_to, reshape
from tinygrad_astro.ops.indexing import embed, getitem, slice_, take
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


# ---- joining and repeating -----------------------------------------------------------------------


def _concatenate_rule(g, out, *xs, axis, wanted):
    grads, start = [], 0
    for x, want in zip(xs, wanted, strict=True):
        stop = start + x.shape[axis]
        key = (slice(None),) * axis + (slice(start, stop),)
        grads.append(slice_(g, key=key) if want else None)
        start = stop
    return grads


@primitive(joint=_concatenate_rule, keeps="none")
def _concatenate(*xs, axis):
    return of(xs[0]).rows.concatenate(xs, axis)


def concatenate(xs, axis=0):
    """Join tensors along an axis that they share; their other sizes must agree.

    Raises
    ------
    ValueError
        If there is none, or shapes differ in another axis.
    """
    if not hasattr(xs, "__iter__"):
        raise TypeError(f"concatenate got a {type(xs).__name__}, expected a list of tensors")
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
        given = indices_or_sections
        if isinstance(given, str) or not all(isinstance(i, Integral) for i in np.ravel(given)):
            raise ValueError(
                f"split got {given!r}, expected a number of sections or integer indices"
            )
        cuts = [0, *given, n]
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
    if not all(isinstance(n, Integral) and n >= 0 for n in reps):
        raise ValueError(f"tile got reps={reps!r}, expected integers of at least 0")
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
    return slice_(x, key=key)


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
            ring = xp(x.data).full(shape, constant_values, x.dtype)
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
