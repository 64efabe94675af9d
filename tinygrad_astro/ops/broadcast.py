"""reshape, sum, sum_to, broadcast_to: the closed family that every other gradient rule stands on.

Summing and broadcasting are each other's transpose, so each one's rule is the other.
"""

import math
import operator
from numbers import Integral

from tinygrad_astro import shapes
from tinygrad_astro.kernels import xp
from tinygrad_astro.tape import lift, primitive


@primitive(lambda g, out, x, shape: reshape(g, x.shape), keeps="")
def _reshape(x, shape):
    return x.reshape(shape)


def reshape(x, shape):
    """Give the same values in another shape; one size may be -1.

    Raises
    ------
    ValueError
        If the number of values differs.
    TypeError
        If `shape` is no integer or sequence of them.
    """
    (x,) = lift([x])
    try:
        shape = (shape,) if isinstance(shape, Integral) else tuple(map(operator.index, shape))
    except TypeError:
        raise TypeError(f"reshape got shape={shape!r}, expected integers") from None
    known = math.prod(n for n in shape if n != -1)
    unknown = shape.count(-1)
    if (
        unknown > 1
        or min(shape, default=0) < -1
        or (unknown and (known == 0 or x.size % known))
        or (not unknown and known != x.size)
    ):
        raise ValueError(
            f"cannot reshape {x.shape} ({x.size} values) into {shape}; the products of the sizes "
            "must be equal, and at most one size may be -1 (it follows from the others)"
        )
    return x if shape == x.shape else _reshape(x, shape=shape)


@primitive(lambda g, out, x, axes: broadcast_to(_keep(g, x.shape, axes), x.shape), keeps="")
def _sum(x, axes):
    return xp(x).add.reduce(x, axis=axes)


def _keep(g, shape, axes):
    """Put the summed axes back with size 1."""
    return reshape(g, tuple(1 if a in axes else n for a, n in enumerate(shape)))


def sum(x, axis=None, keepdims=False):  # noqa: A001  (NumPy's name)
    """Sum over `axis` (an integer, a tuple, or None for all).

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> ta.ops.sum(ta.tensor([[1.0, 2.0], [3.0, 4.0]]), axis=0).numpy()
    array([4., 6.], dtype=float32)
    """
    (x,) = lift([x])
    axes = shapes.normal_axes(axis, x.ndim)
    total = _sum(x, axes=axes)
    return _keep(total, x.shape, axes) if keepdims else total


def sum_to(x, shape):
    """Sum x over the axes that a broadcast from `shape` had widened: broadcast_to's transpose."""
    shape = tuple(shape)
    if x.shape == shape:
        return x
    return reshape(_sum(x, axes=shapes.broadcast_axes(x.shape, shape)), shape)


@primitive(lambda g, out, x, shape: sum_to(g, x.shape), keeps="")
def _broadcast_to(x, shape):
    return xp(x).broadcast_to(x, shape)


def broadcast_to(x, shape):
    """Repeat x along axes of size 1, and new leading axes, up to `shape`, without a copy."""
    (x,) = lift([x])
    shape = tuple(shape)
    if x.shape == shape:
        return x
    if shapes.broadcast(x.shape, shape) != shape:
        raise ValueError(f"cannot broadcast {x.shape} to {shape}: a size would shrink")
    return _broadcast_to(x, shape=shape)
