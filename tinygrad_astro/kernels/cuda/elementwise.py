"""Activations and what is fused with them: y = f(x + bias), its gradient from y, the bias sum."""

from . import reductions
from .target import T, U, cuda, device, kernel, math

LINEAR, RELU, LEAKY_RELU, SIGMOID, TANH, ELU = range(6)
KINDS = {
    "linear": LINEAR,
    "relu": RELU,
    "leaky_relu": LEAKY_RELU,
    "sigmoid": SIGMOID,
    "tanh": TANH,
    "elu": ELU,
}
# Keras's `activations.leaky_relu`; its layer LeakyReLU has another default, 0.3.
LEAKY_SLOPE = 0.2


@device
def activate(x, kind):
    """f(x); NaN stays NaN."""
    if kind == RELU:
        return T(0) if x <= T(0) else x
    if kind == LEAKY_RELU:
        return T(LEAKY_SLOPE) * x if x <= T(0) else x
    if kind == SIGMOID:
        return T(1) / (T(1) + math.exp(-x))
    if kind == TANH:
        return math.tanh(x)
    if kind == ELU:
        return math.expm1(x) if x <= T(0) else x
    return x


@device
def slope(y, kind):
    """f'(x) written in y = f(x)."""
    if kind == SIGMOID:
        return y * (T(1) - y)
    if kind == TANH:
        return (T(1) - y) * (T(1) + y)
    if y <= T(0):
        if kind == RELU:
            return T(0)
        if kind == LEAKY_RELU:
            return T(LEAKY_SLOPE)
        if kind == ELU:
            return y + T(1)
    return T(1)


@kernel("T* T* T* u u u")
def _bias_activation(out, x, bias, count, channels, kind):
    i = U(cuda.grid(1))
    if i < count:
        out[i] = activate(x[i] + bias[U(i % channels)], kind)


@kernel("T* T* u u")
def _activation(out, x, count, kind):
    i = U(cuda.grid(1))
    if i < count:
        out[i] = activate(x[i], kind)


@kernel("T* T* T* u u")
def _activation_grad(out, g, y, count, kind):
    i = U(cuda.grid(1))
    if i < count:
        dead = kind == RELU and y[i] <= T(0)
        out[i] = T(0) if dead else g[i] * slope(y[i], kind)


def bias_activation(out, x, bias, name):
    """out[..., c] = f(x[..., c] + bias[c]); one thread per element."""
    arguments = out, x, bias, out.size, bias.size, KINDS[name]
    _bias_activation(out.size, *arguments, dtype=out.dtype)


def activation(out, x, name):
    """out = f(x); one thread per element."""
    _activation(out.size, out, x, out.size, KINDS[name], dtype=out.dtype)


def finish(out, bias, name):
    """Add a bias, if there is one, and activate, in place."""
    if bias is not None:
        bias_activation(out, out, bias, name)
    elif name != "linear":
        activation(out, out, name)


def activation_grad(out, g, y, name):
    """out = g f'(x) with f' written in y = f(x); one thread per element.

    At infinite y the slope is the limit: 1 for linear, 0.2 for leaky_relu at -inf. A closed relu
    gives 0 whatever g is. At NaN, sigmoid and tanh give NaN, the others let g through.
    """
    _activation_grad(out.size, out, g, y, out.size, KINDS[name], dtype=out.dtype)


def bias_grad(out, g):
    """out[c] = sum_m g[m, c], by chunks of rows in float64."""
    out[...] = reductions.reduced("sum", g, 0)
