"""Activations, alone and fused with the bias before them.

The fused ones take their gradient from the *output*, so the input need not be kept: relu, sigmoid,
tanh, elu, leaky_relu. The others are composed from elementwise ops.
"""

import numpy as np

from tinygrad_astro.kernels import of, xp
from tinygrad_astro.ops.comparison import greater, maximum, minimum, where
from tinygrad_astro.ops.elementwise import add, divide, erf, exp, multiply, negative, subtract
from tinygrad_astro.tape import lift, primitive

FUSED = ("linear", "relu", "sigmoid", "tanh", "elu", "leaky_relu")


def _floats(x):
    (x,) = lift([x])
    return x if x.dtype.kind == "f" else x.astype(np.float32)


def _curvature(y, name):
    """d/dy of the slope as a function of the output y (0 where it is piecewise constant)."""
    if name == "sigmoid":
        return subtract(1.0, multiply(y, 2.0))
    if name == "tanh":
        return multiply(y, -2.0)
    if name == "elu":
        return where(greater(y, 0.0), 0.0, add(multiply(y, 0.0), 1.0))
    return multiply(y, 0.0)


@primitive(
    lambda u, out, g, y, name: activation_grad(u, y, name=name),
    lambda u, out, g, y, name: multiply(multiply(u, g), _curvature(y, name)),
    keeps="g y",
)
def activation_grad(g, y, name):
    """g times the slope of the activation, from its output y."""
    kernels = of(g)
    contiguous = kernels.rows.contiguous
    out = kernels.memory.empty(y.shape, y.dtype)
    kernels.elementwise.activation_grad(out, contiguous(g), contiguous(y), name)
    return out


@primitive(lambda g, out, x, name: activation_grad(g, out, name=name), keeps="out")
def activation(x, name):
    """f(x), by the name of one that is fused."""
    kernels = of(x)
    out = kernels.memory.empty(x.shape, x.dtype)
    kernels.elementwise.activation(out, kernels.rows.contiguous(x), name)
    return out


def _bias_activation_rule(g, out, x, bias, name, wanted):
    h = g if name == "linear" else activation_grad(g, out, name=name)
    return [h, sum_rows(h) if wanted[1] else None]


@primitive(joint=_bias_activation_rule, keeps="out")
def _bias_activation(x, bias, name):
    kernels = of(x)
    out = kernels.memory.empty(x.shape, x.dtype)
    kernels.elementwise.bias_activation(out, kernels.rows.contiguous(x), bias, name)
    return out


@primitive(lambda u, out, g: _spread_rows(u, shape=g.shape), keeps="")
def sum_rows(g):
    """Sum over all axes but the last, in one fixed order: the gradient of a bias."""
    kernels = of(g)
    out = kernels.memory.empty(g.shape[-1:], g.dtype)
    kernels.elementwise.bias_grad(out, kernels.rows.contiguous(g).reshape(-1, g.shape[-1]))
    return out


@primitive(lambda u, out, b, shape: sum_rows(u), keeps="")
def _spread_rows(b, shape):
    return xp(b).array(xp(b).broadcast_to(b, shape))


def bias_activation(inputs, bias, activation="linear"):
    """activation(inputs + bias), in one pass over memory.

    Parameters
    ----------
    inputs : (..., C) Tensor
    bias : (C,) Tensor
    activation : {"linear", "relu", "sigmoid", "tanh", "elu", "leaky_relu"}

    Raises
    ------
    ValueError
        If the bias does not have one value per channel, or the name is another.
    """
    x, bias = lift([_floats(inputs), bias])
    if x.ndim == 0 or bias.shape != x.shape[-1:]:
        raise ValueError(
            f"bias of shape {bias.shape} for inputs {x.shape}, expected {x.shape[-1:]}"
        )
    if activation not in FUSED:
        raise ValueError(f"bias_activation fuses {FUSED}, got {activation!r}")
    if bias.dtype != x.dtype:
        bias = bias.astype(x.dtype)
    return _bias_activation(x, bias, name=activation)


def relu(x):
    """max(x, 0), with gradient 0 at 0; NaN stays NaN.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> ta.ops.relu(ta.tensor([-1.0, 2.0])).numpy()
    array([0., 2.], dtype=float32)
    """
    return activation(_floats(x), name="relu")


def sigmoid(x):
    """1 / (1 + e**-x), without overflow."""
    return activation(_floats(x), name="sigmoid")


def tanh(x):
    """Hyperbolic tangent."""
    return activation(_floats(x), name="tanh")


def elu(x, alpha=1.0):
    """x where positive, alpha (e**x - 1) elsewhere: Clevert et al. 2016, equation 15."""
    x = _floats(x)
    if alpha == 1.0:
        return activation(x, name="elu")
    return where(greater(x, 0.0), x, multiply(subtract(exp(minimum(x, 0.0)), 1.0), alpha))


def leaky_relu(x, negative_slope=0.2):
    """x where positive, negative_slope x elsewhere."""
    x = _floats(x)
    return where(greater(x, 0.0), x, multiply(x, negative_slope))


@primitive(lambda g, out, x: multiply(g, sigmoid(x)), keeps="x")
def _softplus(x):
    return xp(x).maximum(x, 0) + xp(x).log1p(xp(x).exp(-xp(x).abs(x)))


def softplus(x):
    """ln(1 + e**x), without overflow; its slope is sigmoid(x), 1/2 at 0."""
    return _softplus(_floats(x))


def _magnitude(x):
    return where(greater(x, 0.0), x, negative(x))


def silu(x):
    """x sigmoid(x), also called swish."""
    x = _floats(x)
    return multiply(x, sigmoid(x))


def gelu(x, approximate=False):
    """x times the normal distribution function of x: Hendrycks & Gimpel 2016, section 2.

    With `approximate`, the tanh form of the same section.
    """
    x = _floats(x)
    if approximate:
        inner = multiply(
            add(x, multiply(multiply(multiply(x, x), x), 0.044715)), (2 / np.pi) ** 0.5
        )
        return multiply(multiply(x, 0.5), add(tanh(inner), 1.0))
    return multiply(multiply(x, 0.5), add(erf(divide(x, 2**0.5)), 1.0))


def log_sigmoid(x):
    """ln sigmoid(x), without rounding to log 0."""
    return negative(softplus(negative(_floats(x))))


def hard_sigmoid(x):
    """x / 6 + 1/2 limited to [0, 1]."""
    return minimum(maximum(add(divide(_floats(x), 6.0), 0.5), 0.0), 1.0)


def softsign(x):
    """x / (1 + |x|)."""
    x = _floats(x)
    return divide(x, add(_magnitude(x), 1.0))


def linear(x):
    """x itself."""
    return _floats(x)


def prelu(x, alpha):
    """x where positive, alpha x elsewhere, alpha learned: He et al. 2015, equation 1."""
    x, alpha = lift([_floats(x), alpha])
    return where(greater(x, 0.0), x, multiply(x, alpha))
