"""Activations and what is fused with them: y = f(x + bias), its gradient from y, the bias sum."""

import numpy as np
from numba import prange

from .chunks import CHUNK, add_columns, launch, rows_per_chunk, tile_length, tiled
from .exponential import exp, expm1
from .target import inline, parallel, serial

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


def bias_activation(out, x, bias, name):
    """out[..., c] = f(x[..., c] + bias[c]); each thread owns some rows."""
    step = rows_per_chunk(bias.size) * bias.size
    arguments = out.reshape(-1), x.reshape(-1), bias, KINDS[name]
    launch(_bias_activation, _bias_activation_parallel, arguments, x.size, step, x.size)


def activation(out, x, name):
    """out = f(x); each thread owns some elements."""
    bias_activation(out, x, np.zeros(1, x.dtype), name)


def finish(out, bias, name):
    """Add a bias, if there is one, and activate, in place."""
    if not out.size:
        return
    if bias is not None:
        bias_activation(out, out, bias, name)
    elif name != "linear":
        activation(out, out, name)


def activation_grad(out, g, y, name):
    """out = g f'(x) with f' written in y = f(x); each thread owns some elements.

    At infinite y the slope is the limit: 1 for linear, 0.2 for leaky_relu at -inf. A closed relu
    gives 0 whatever g is. At NaN, sigmoid and tanh give NaN, the others let g through.
    """
    arguments = out.reshape(-1), g.reshape(-1), y.reshape(-1), KINDS[name]
    launch(_activation_grad, _activation_grad_parallel, arguments, y.size, CHUNK, y.size)


def bias_grad(out, g):
    """out[c] = sum_m g[m, c], by chunks of rows in float64."""
    step = rows_per_chunk(out.size) * out.size
    if g.size <= step:
        _small_bias_grad(out, g.reshape(-1))
        return
    partial = np.empty((-(-g.size // step), out.size))
    arguments = partial, g.reshape(-1), step
    launch(_bias_grad, _bias_grad_parallel, arguments, len(partial), 1, g.size)
    out[:] = partial.sum(axis=0)


@parallel
def _bias_activation_parallel(out, x, bias, kind, count, step):
    for k in prange((count + step - 1) // step):
        _bias_activation(out, x, bias, kind, k * step, min(count, (k + 1) * step))


@serial
def _bias_activation(out, x, bias, kind, start, stop):
    """Add a row's worth at a time, and activate it while it lies in the first-level cache."""
    length = tile_length(bias.size)
    tile = tiled(bias, length)
    for first in range(start, stop, length):
        last = min(stop, first + length)
        y, source = out[first:last], x[first:last]
        for i in range(y.size):
            y[i] = source[i] + tile[i]
        if kind != LINEAR:
            _activate(y, kind)


@inline
def _activate(y, kind):
    zero, slope = y.dtype.type(0), y.dtype.type(LEAKY_SLOPE)
    if kind == RELU:
        for i in range(y.size):
            y[i] = zero if y[i] <= zero else y[i]
    elif kind == LEAKY_RELU:
        for i in range(y.size):
            y[i] = slope * y[i] if y[i] <= zero else y[i]
    elif kind == SIGMOID:
        for i in range(y.size):
            y[i] = 1.0 / (1.0 + exp(-y[i]))
    else:
        for i in range(y.size):
            y[i] = _expm1_or_tanh(np.float64(y[i]), kind == TANH)


@inline
def _expm1_or_tanh(x, tanh):
    """elu(x) or tanh(x), which share e^z - 1."""
    e = expm1(-2.0 * abs(x) if tanh else x)
    t = e / (e + 2.0)
    t = t if x < 0 else -t
    return t if tanh else (e if x <= 0 else x)


@parallel
def _activation_grad_parallel(out, g, y, kind, count, step):
    for k in prange((count + step - 1) // step):
        _activation_grad(out, g, y, kind, k * step, min(count, (k + 1) * step))


@serial
def _activation_grad(out, g, y, kind, start, stop):
    z, u, v = out[start:stop], g[start:stop], y[start:stop]
    kinds = out.dtype.type
    zero, one = kinds(0), kinds(1)
    if kind == SIGMOID:
        for i in range(z.size):
            z[i] = u[i] * (v[i] * (one - v[i]))
    elif kind == TANH:
        for i in range(z.size):
            z[i] = u[i] * ((one - v[i]) * (one + v[i]))
    elif kind == RELU:
        for i in range(z.size):
            z[i] = zero if v[i] <= zero else u[i]
    elif kind == ELU:
        for i in range(z.size):
            z[i] = u[i] * (one + v[i]) if v[i] <= zero else u[i]
    else:
        # A constant, never a multiple of y: the slope is known where y is -inf, too.
        slope = kinds(LEAKY_SLOPE if kind == LEAKY_RELU else 1.0)
        for i in range(z.size):
            z[i] = u[i] * slope if v[i] <= zero else u[i]


@serial
def _small_bias_grad(out, g):
    total = np.empty(out.size)
    add_columns(total, g)
    for c in range(out.size):
        out[c] = total[c]


@parallel
def _bias_grad_parallel(partial, g, step, count, _):
    for k in prange(count):
        _bias_grad(partial, g, step, k, k + 1)


@serial
def _bias_grad(partial, g, step, start, stop):
    for k in range(start, stop):
        add_columns(partial[k], g[k * step : (k + 1) * step])
