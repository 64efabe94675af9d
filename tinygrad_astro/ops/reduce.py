"""Ops that reduce or accumulate along axes: mean, variance, extrema, softmax and their like.

NaN in a reduced set makes the result NaN. Among equal extrema the first counts, and gets the
gradient.
"""

import math

import numpy as np

from tinygrad_astro import shapes
from tinygrad_astro.kernels import xp
from tinygrad_astro.ops.broadcast import reshape, sum
from tinygrad_astro.ops.comparison import equal, greater, isfinite, not_equal, where
from tinygrad_astro.ops.elementwise import add, astype, exp, log, multiply, sqrt, square, subtract
from tinygrad_astro.ops.indexing import take_along_axis
from tinygrad_astro.ops.layout import concatenate, flip, transpose
from tinygrad_astro.tape import Tensor, lift, primitive


def _count(shape, axes):
    return math.prod(shape[a] for a in axes)


def mean(x, axis=None, keepdims=False):
    """Mean over `axis`; NaN for no values, as in NumPy but without a warning."""
    (x,) = lift([x])
    axes = shapes.normal_axes(axis, x.ndim)
    count = _count(x.shape, axes)
    return multiply(sum(x, axis, keepdims), 1.0 / count if count else np.nan)


@primitive(lambda g, out, x, count: _spread_over(g, shape=x.shape, count=count), keeps="")
def _sum_over(x, count):
    return xp(x).add.reduce(x, axis=None) / x.dtype.type(count)


@primitive(lambda u, out, g, shape, count: _sum_over(u, count=count), keeps="")
def _spread_over(g, shape, count):
    return xp(g).full(shape, g / g.dtype.type(count), g.dtype)


def sum_over(x, count):
    """The sum of all values of a floating tensor over a number: the mean of those that count."""
    return _sum_over(x, count=count)


def var(x, axis=None, keepdims=False):
    """Mean squared deviation from the mean over `axis`."""
    return mean(square(subtract(x, mean(x, axis, keepdims=True))), axis, keepdims)


def std(x, axis=None, keepdims=False):
    """The square root of `var`; its gradient at zero variance is infinite."""
    return sqrt(var(x, axis, keepdims))


def _fold(x, axis):
    """Bring the reduced axes together at the end: (x reshaped, kept-dims shape, short shape)."""
    axes = shapes.normal_axes(axis, x.ndim)
    others = tuple(a for a in range(x.ndim) if a not in axes)
    short = tuple(x.shape[a] for a in others)
    if _count(x.shape, axes) == 0:
        raise ValueError(f"no value to choose from: shape {x.shape}, axis {axis}")
    folded = reshape(transpose(x, others + axes), (*short, _count(x.shape, axes)))
    return folded, tuple(1 if a in axes else n for a, n in enumerate(x.shape)), short


def _extremum(x, axis, keepdims, arg):
    (x,) = lift([x])
    folded, kept, short = _fold(x, axis)
    found = arg(folded.data)
    picked = take_along_axis(folded, found.reshape(*found.shape, 1), axis=-1)
    return reshape(picked, kept if keepdims else short)


def max(x, axis=None, keepdims=False):  # noqa: A001  (NumPy's name)
    """The largest value over `axis`: the first of equals, NaN if there is one.

    Raises
    ------
    ValueError
        If there is no value to choose from.
    """
    return _extremum(x, axis, keepdims, lambda a: xp(a).argmax(a, axis=-1))


def min(x, axis=None, keepdims=False):  # noqa: A001  (NumPy's name)
    """The smallest value over `axis`; ties, NaN and errors as in `max`."""
    return _extremum(x, axis, keepdims, lambda a: xp(a).argmin(a, axis=-1))


@primitive()
def _argmax(x, axis):
    return xp(x).argmax(x, axis=axis)


@primitive()
def _argmin(x, axis):
    return xp(x).argmin(x, axis=axis)


def _choice_axis(x, axis):
    (x,) = lift([x])
    axis = axis if axis is None else shapes.normal_axis(axis, x.ndim)
    if (x.size if axis is None else x.shape[axis]) == 0:
        raise ValueError(f"no value to choose from: shape {x.shape}, axis {axis}")
    return axis


def argmax(x, axis=None):
    """The index of the first largest value (the first NaN if there is one); no gradient."""
    return _argmax(x, axis=_choice_axis(x, axis))


def argmin(x, axis=None):
    """The index of the first smallest value (the first NaN if there is one); no gradient."""
    return _argmin(x, axis=_choice_axis(x, axis))


def any(x, axis=None, keepdims=False):  # noqa: A001  (NumPy's name)
    """Whether any value over `axis` is not zero (NaN is not); no gradient."""
    return greater(sum(astype(not_equal(x, 0), np.int64), axis, keepdims), 0)


def all(x, axis=None, keepdims=False):  # noqa: A001  (NumPy's name)
    """Whether no value over `axis` is zero; no gradient."""
    return equal(sum(astype(equal(x, 0), np.int64), axis, keepdims), 0)


def prod(x, axis=None, keepdims=False):
    """The product over `axis`, 1 for no values.

    Halves are multiplied pairwise, so that gradients are right where values are zero: no division.
    """
    (x,) = lift([x])
    axes = shapes.normal_axes(axis, x.ndim)
    kept = tuple(1 if a in axes else n for a, n in enumerate(x.shape))
    short = tuple(n for a, n in enumerate(x.shape) if a not in axes)
    if _count(x.shape, axes) == 0:
        return reshape(add(sum(x, axis, keepdims=True), 1.0), kept if keepdims else short)
    folded = _fold(x, axis)[0]
    while folded.shape[-1] > 1:
        half = folded.shape[-1] // 2
        pairs = multiply(folded[..., :half], folded[..., half : 2 * half])
        if folded.shape[-1] % 2:
            last = folded[..., 2 * half :]
            first = multiply(pairs[..., :1], last)
            pairs = first if half == 1 else concatenate([first, pairs[..., 1:]], axis=-1)
        folded = pairs
    return reshape(folded, kept if keepdims else short)


@primitive(lambda g, out, x, axis: flip(_cumsum(flip(g, axis), axis=axis), axis), keeps="")
def _cumsum(x, axis):
    return xp(x).cumsum(x, axis=axis, dtype=x.dtype if x.dtype.kind == "f" else None)


def cumsum(x, axis=None):
    """Running sum along `axis`; over all values in order if None."""
    (x,) = lift([x])
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    return _cumsum(x, axis=shapes.normal_axis(axis, x.ndim))


# ---- the softmax family: shifted by the maximum, so that nothing overflows -----------------------


def logsumexp(x, axis=None, keepdims=False):
    """ln of the sum of e**x over `axis`; -inf where all x are -inf."""
    (x,) = lift([x])
    axes = shapes.normal_axes(axis, x.ndim)
    top = max(x.detach(), axis, keepdims=True)
    top = where(isfinite(top), top, 0.0)
    total = add(log(sum(exp(subtract(x, top)), axis, keepdims=True)), top)
    if keepdims:
        return total
    return reshape(total, tuple(n for a, n in enumerate(x.shape) if a not in axes))


def _softmax_rule(g, out, x, axis):
    weighted = multiply(g, out)
    return subtract(weighted, multiply(out, sum(weighted, axis, keepdims=True)))


@primitive(_softmax_rule, keeps="out")
def _softmax(x, axis):
    shifted = xp(x).exp(x - xp(x).max(x, axis=axis, keepdims=True))
    shifted /= xp(x).sum(shifted, axis=axis, keepdims=True)
    return shifted


def softmax(x, axis=-1):
    """e**x over its sum along `axis`: positive, summing to 1.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> ta.ops.softmax(ta.tensor([0.0, 0.0])).numpy()
    array([0.5, 0.5], dtype=float32)
    """
    (x,) = lift([x])
    return _softmax(_as_float(x), axis=shapes.normal_axes(axis, x.ndim))


def _log_softmax_rule(g, out, x, axis):
    return subtract(g, multiply(exp(out), sum(g, axis, keepdims=True)))


@primitive(_log_softmax_rule, keeps="out")
def _log_softmax(x, axis):
    shifted = x - xp(x).max(x, axis=axis, keepdims=True)
    shifted -= xp(x).log(xp(x).sum(xp(x).exp(shifted), axis=axis, keepdims=True))
    return shifted


def log_softmax(x, axis=-1):
    """The logarithm of `softmax`, computed without rounding to log 0."""
    (x,) = lift([x])
    return _log_softmax(_as_float(x), axis=shapes.normal_axes(axis, x.ndim))


def _as_float(x):
    return x if x.dtype.kind == "f" else Tensor(x.data.astype(np.float32))
