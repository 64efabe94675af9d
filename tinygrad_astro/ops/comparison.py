"""Comparisons, bits, and the choice between two values that rests on them.

Comparing has no gradient; a choice passes it to the value that was taken, and only there.
"""

from tinygrad_astro.kernels import xp
from tinygrad_astro.ops.broadcast import sum_to
from tinygrad_astro.shapes import broadcast
from tinygrad_astro.tape import lift, primitive


def paired(x, y):
    """Give both arrays one float dtype: an integer beside a float takes the float's dtype."""
    if x.dtype is not y.dtype:
        if x.dtype.kind == "f" and y.dtype.kind != "f":
            y = y.astype(x.dtype)
        elif y.dtype.kind == "f" and x.dtype.kind != "f":
            x = x.astype(y.dtype)
    if x.shape != y.shape:
        broadcast(x.shape, y.shape)
    return x, y


# ---- comparisons and bits ------------------------------------------------------------------------


def _check_bits(name, *values):
    if any(x.dtype.kind == "f" for x in values):
        raise TypeError(
            f"{name} got {' and '.join(str(x.dtype) for x in values)}, expected integers or "
            "booleans; compare first: (x > 0) & (y > 0)"
        )


def _comparison(name, text):
    bits = name.startswith("bitwise")

    def compare(x, y):
        if bits:
            _check_bits(name, x, y)
        return getattr(xp(x), name)(*paired(x, y))

    compare.__name__, compare.__doc__ = name, text
    return primitive()(compare)


equal = _comparison("equal", "x == y, elementwise; no gradient.")
not_equal = _comparison("not_equal", "x != y, elementwise; no gradient.")
less = _comparison("less", "x < y, elementwise; no gradient.")
less_equal = _comparison("less_equal", "x <= y, elementwise; no gradient.")
greater = _comparison("greater", "x > y, elementwise; no gradient.")
greater_equal = _comparison("greater_equal", "x >= y, elementwise; no gradient.")
logical_and = _comparison("logical_and", "Both; no gradient.")
logical_or = _comparison("logical_or", "Either or both; no gradient.")
bitwise_and = _comparison("bitwise_and", "The bits set in both, as for flags; no gradient.")
bitwise_or = _comparison("bitwise_or", "The bits set in either or both; no gradient.")


@primitive()
def logical_not(x):
    """Not x; no gradient."""
    return xp(x).logical_not(x)


@primitive()
def invert(x):
    """Each bit turned over; for booleans, not x; no gradient."""
    _check_bits("invert", x)
    return xp(x).invert(x)


@primitive()
def isnan(x):
    """Whether x is NaN; no gradient."""
    return xp(x).isnan(x)


@primitive()
def isfinite(x):
    """Whether x is neither NaN nor infinite; no gradient."""
    return xp(x).isfinite(x)


def zeros_like(x):
    """Zeros of x's shape and dtype."""
    (x,) = lift([x])
    return lift([xp(x.data).zeros_like(x.data)])[0]


def ones_like(x):
    """Ones of x's shape and dtype."""
    (x,) = lift([x])
    return lift([xp(x.data).ones_like(x.data)])[0]


# ---- choices -------------------------------------------------------------------------------------


@primitive(
    None,
    lambda g, out, c, x, y: sum_to(where(c, g, 0.0), x.shape),
    lambda g, out, c, x, y: sum_to(where(c, 0.0, g), y.shape),
    keeps="condition",
)
def _where(condition, x, y):
    # A single number may be on the CPU beside arrays on another device.
    widest = max(condition, x, y, key=lambda a: a.ndim)
    return xp(widest).where(condition, *paired(x, y))


def where(condition, x, y):
    """x where the condition holds, y elsewhere; the other value never reaches value or gradient.

    Parameters
    ----------
    condition : bool array, broadcastable
    x, y : Tensor or array_like, broadcastable
    """
    (condition,) = lift([condition])
    x, y = lift([x, y])
    return _where(condition.detach(), x, y)


def maximum(x, y):
    """The larger of x and y, x where they are equal; NaN if either is."""
    x, y = lift([x, y])
    return where(logical_or(greater_equal(x, y), not_equal(x, x)), x, y)


def minimum(x, y):
    """The smaller of x and y, x where they are equal; NaN if either is."""
    x, y = lift([x, y])
    return where(logical_or(less_equal(x, y), not_equal(x, x)), x, y)


def clip(x, minimum, maximum):
    """x limited to [minimum, maximum]; outside, the gradient is 0; NaN stays NaN.

    Either limit may be None.
    """
    (x,) = lift([x])
    if minimum is not None:
        x = where(less(x, minimum), minimum, x)
    if maximum is not None:
        x = where(greater(x, maximum), maximum, x)
    return x
