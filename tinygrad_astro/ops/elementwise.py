"""Ops that act on each element alone: arithmetic, functions, conversion.

Shapes broadcast as in NumPy; a gradient is summed back to the shape of its input. NaN goes through
all of them unless said otherwise.
"""

import math

import numpy as np

from tinygrad_astro.arrays import native_dtype
from tinygrad_astro.kernels import of, xp
from tinygrad_astro.ops.broadcast import sum_to
from tinygrad_astro.ops.comparison import equal, greater, paired, where, zeros_like
from tinygrad_astro.tape import lift, primitive


def _float(x):
    return x if x.dtype.kind == "f" else x.astype(np.float32)


def one_float_dtype(x, y):
    """Give tensors of one floating dtype: that of the first that has one, else float32."""
    x, y = lift([x, y])
    first, second = x.data.dtype, y.data.dtype
    if first == second and first.kind == "f":
        return x, y
    dtype = next((d for d in (first, second) if d.kind == "f"), np.dtype(np.float32))
    return tuple(t if t.data.dtype == dtype else astype(t, dtype) for t in (x, y))


# ---- arithmetic ----------------------------------------------------------------------------------


@primitive(
    lambda g, out, x, y: sum_to(g, x.shape), lambda g, out, x, y: sum_to(g, y.shape), keeps=""
)
def add(x, y):
    """x + y."""
    return of(x).rows.add(*paired(x, y))


@primitive(
    lambda g, out, x, y: sum_to(g, x.shape),
    lambda g, out, x, y: sum_to(negative(g), y.shape),
    keeps="",
)
def subtract(x, y):
    """x - y."""
    return xp(x).subtract(*paired(x, y))


@primitive(
    lambda g, out, x, y: sum_to(multiply(g, y), x.shape),
    lambda g, out, x, y: sum_to(multiply(g, x), y.shape),
    keeps="x y",
)
def multiply(x, y):
    """x y. Mind that nan * 0 is nan: mask with `where` before multiplying."""
    return xp(x).multiply(*paired(x, y))


@primitive(
    lambda g, out, x, y: sum_to(divide(g, y), x.shape),
    lambda g, out, x, y: sum_to(negative(divide(multiply(g, x), multiply(y, y))), y.shape),
    keeps="x y",
)
def divide(x, y):
    """x / y; x / 0 is an infinity or NaN, without a warning."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return xp(x).true_divide(*paired(_float(x), _float(y)))


@primitive(
    lambda u, out, g, x, y: sum_to(_twice_difference(u, x, y), g.shape),
    lambda u, out, g, x, y: sum_to(multiply(multiply(u, g), 2.0), x.shape),
    lambda u, out, g, x, y: sum_to(multiply(multiply(u, g), -2.0), y.shape),
    keeps="g x y",
)
def _twice_difference(g, x, y):
    """2 g (x - y), the gradient of the square."""
    half = g * xp(x).subtract(*paired(x, y))
    return half + half


@primitive(
    lambda g, out, x, y: sum_to(_twice_difference(g, x, y), x.shape),
    lambda g, out, x, y: sum_to(_twice_difference(g, y, x), y.shape),
    keeps="x y",
)
def squared_difference(x, y):
    """(x - y)**2, of two floating tensors."""
    return xp(x).square(xp(x).subtract(*paired(x, y)))


def _power_wrt_y(g, out, x, y):
    safe = where(greater(x, 0.0), x, 1.0)
    return sum_to(multiply(g, where(greater(x, 0.0), multiply(out, log(safe)), 0.0)), y.shape)


def _power_wrt_x(g, out, x, y):
    lower = where(equal(y, 0.0), 1.0, subtract(y, 1.0))  # 0 * x**-1 is NaN at 0, 0 * x is not
    return sum_to(multiply(g, multiply(y, _power(x, lower))), x.shape)


@primitive(_power_wrt_x, _power_wrt_y)
def _power(x, y):
    with np.errstate(divide="ignore", invalid="ignore"):
        return xp(x).power(*paired(_float(x), y))


def _power_number_rule(g, out, x, exponent):
    if exponent == 0.0:
        return zeros_like(g)
    return multiply(g, multiply(power(x, exponent - 1.0), exponent))


@primitive(_power_number_rule, keeps="x")
def _power_number(x, exponent):
    with np.errstate(divide="ignore", invalid="ignore"):
        return xp(x).power(_float(x), exponent)


def power(x, y):
    """x**y in floating point; NaN where x < 0 and y is no integer.

    The gradient with respect to y is taken as 0 where x <= 0.
    """
    if isinstance(y, (float, int, np.number)):
        (x,) = lift([x])
        return square(x) if y == 2 and x.dtype.kind == "f" else _power_number(x, exponent=float(y))
    return _power(x, y)


@primitive(lambda g, out, x: negative(g), keeps="")
def negative(x):
    """-x."""
    return xp(x).negative(x)


@primitive(lambda g, out, x: multiply(g, sign(x)), keeps="x")
def abs(x):  # noqa: A001  (NumPy's name)
    """|x|, with gradient 0 at 0."""
    return xp(x).abs(x)


@primitive()
def sign(x):
    """-1, 0 or 1; no gradient."""
    return xp(x).sign(x)


@primitive()
def floor(x):
    """The largest integer not above x; no gradient."""
    return xp(x).floor(x)


def mod(x, y):
    """x - y floor(x / y), the remainder with the sign of y."""
    x, y = lift([x, y])
    return subtract(x, multiply(y, floor(divide(x, y))))


# ---- functions -----------------------------------------------------------------------------------


@primitive(lambda g, out, x: multiply(g, out), keeps="out")
def exp(x):
    """e**x; overflow gives inf."""
    with np.errstate(over="ignore"):
        return xp(x).exp(_float(x))


@primitive(lambda g, out, x: multiply(g, add(out, 1.0)), keeps="out")
def expm1(x):
    """e**x - 1, accurate near 0."""
    with np.errstate(over="ignore"):
        return xp(x).expm1(_float(x))


@primitive(lambda g, out, x: divide(g, x), keeps="x")
def log(x):
    """ln x; -inf at 0, NaN below, without a warning."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return xp(x).log(_float(x))


@primitive(lambda g, out, x: divide(g, add(x, 1.0)), keeps="x")
def log1p(x):
    """ln(1 + x), accurate near 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return xp(x).log1p(_float(x))


@primitive(lambda g, out, x: divide(g, multiply(out, 2.0)), keeps="out")
def sqrt(x):
    """The square root; NaN below 0; the gradient at 0 is infinite."""
    with np.errstate(invalid="ignore"):
        return xp(x).sqrt(_float(x))


@primitive(lambda g, out, x: multiply(g, multiply(x, 2.0)), keeps="x")
def square(x):
    """x**2."""
    return xp(x).square(x)


@primitive(lambda g, out, x: multiply(g, cos(x)), keeps="x")
def sin(x):
    """Sine of x in radians."""
    return xp(x).sin(_float(x))


@primitive(lambda g, out, x: negative(multiply(g, sin(x))), keeps="x")
def cos(x):
    """Cosine of x in radians."""
    return xp(x).cos(_float(x))


@primitive(lambda g, out, x: divide(g, sqrt(add(square(x), 1.0))), keeps="x")
def arcsinh(x):
    """ln(x + sqrt(x**2 + 1)), the stretch of Lupton et al. 1999."""
    return xp(x).arcsinh(_float(x))


@primitive(lambda g, out, x: divide(g, add(square(x), 1.0)), keeps="x")
def arctan(x):
    """The angle in radians whose tangent is x."""
    return xp(x).arctan(_float(x))


@primitive(
    lambda g, out, x: multiply(g, divide(exp(negative(square(x))), np.pi**0.5 / 2)), keeps="x"
)
def erf(x):
    """2 / sqrt(pi) times the integral of exp(-t**2) from 0 to x."""
    x = _float(x)
    if hasattr(xp(x), "erf"):
        return xp(x).erf(x)
    # The standard library's: NumPy has none.
    return np.vectorize(math.erf, otypes=[x.dtype])(x) if x.size else x


@primitive(lambda g, out, x, dtype: cast(g, dtype=x.dtype), keeps="")
def cast(x, dtype):
    """Convert to another floating dtype; the gradient comes back in the input's."""
    return x.astype(dtype)


@primitive()
def discretize(x, dtype):
    """Convert to integers or booleans, which have no gradient."""
    return x.astype(dtype)


def astype(x, dtype):
    """Convert to `dtype`; integers and booleans leave the tape.

    Raises
    ------
    TypeError
        If `dtype` is neither float32, float64, an integer nor bool.
    """
    dtype = native_dtype(dtype)
    return cast(x, dtype=dtype) if dtype.kind == "f" else discretize(x, dtype=dtype)
