"""Activations and what is fused with them: y = f(x + bias), its gradient from y, the bias sum."""

import numpy as np
from numba import prange

from .chunks import CHUNK, SERIAL, add_columns, rows_per_chunk, tile_length, tiled
from .exponential import exp, expm1
from .target import inline, parallel

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
    _bias_activation(out.reshape(-1), x.reshape(-1), bias, step, KINDS[name])


def activation(out, x, name):
    """out = f(x); each thread owns some elements."""
    _bias_activation(out.reshape(-1), x.reshape(-1), x.reshape(-1)[:0], CHUNK, KINDS[name])


def activation_grad(out, g, y, name):
    """out = g f'(x) with f' written in y = f(x); each thread owns some elements."""
    _activation_grad(out.reshape(-1), g.reshape(-1), y.reshape(-1), KINDS[name])


def bias_grad(out, g):
    """out[c] = sum_m g[m, c], by chunks of rows in float64."""
    _bias_grad(out, g.reshape(-1), rows_per_chunk(out.size))


@parallel
def _bias_activation(out, x, bias, step, kind):
    n = x.size
    length = tile_length(n // bias.size, bias.size) if bias.size else CHUNK
    tile = tiled(bias, length) if bias.size else bias
    if n <= SERIAL:
        _bias_activation_piece(out, x, tile, length, kind)
    else:
        for chunk in prange((n + step - 1) // step):
            a, b = chunk * step, min(n, (chunk + 1) * step)
            _bias_activation_piece(out[a:b], x[a:b], tile, length, kind)


@inline
def _bias_activation_piece(out, x, tile, length, kind):
    for start in range(0, x.size, length):
        y = out[start : start + length]
        source = x[start : start + length]
        if tile.size:
            for i in range(y.size):
                y[i] = source[i] + tile[i]
        else:
            y[:] = source
        _activate(y, kind)


@inline
def _activate(y, kind):
    """y = f(y) on a piece that lies in the first-level cache."""
    zero, slope = y.dtype.type(0), y.dtype.type(LEAKY_SLOPE)
    if kind == RELU:
        for i in range(y.size):
            y[i] = zero if y[i] <= zero else y[i]
    elif kind == LEAKY_RELU:
        for i in range(y.size):
            y[i] = slope * y[i] if y[i] <= zero else y[i]
    elif kind == ELU:
        for i in range(y.size):
            y[i] = expm1(y[i]) if y[i] <= zero else y[i]
    elif kind == SIGMOID:
        for i in range(y.size):
            y[i] = 1.0 / (1.0 + exp(-y[i]))
    elif kind == TANH:
        for i in range(y.size):
            y[i] = _tanh(y[i])


@inline
def _tanh(x):
    e = expm1(-2.0 * abs(np.float64(x)))
    t = -e / (e + 2.0)
    return -t if x < 0 else t


@parallel
def _activation_grad(out, g, y, kind):
    n = y.size
    if n <= SERIAL:
        _activation_grad_piece(out, g, y, kind)
    else:
        for chunk in prange((n + CHUNK - 1) // CHUNK):
            a, b = chunk * CHUNK, min(n, (chunk + 1) * CHUNK)
            _activation_grad_piece(out[a:b], g[a:b], y[a:b], kind)


@inline
def _activation_grad_piece(out, g, y, kind):
    zero, one, slope = y.dtype.type(0), y.dtype.type(1), y.dtype.type(LEAKY_SLOPE)
    if kind == LINEAR:
        out[:] = g
    elif kind == RELU:
        for i in range(y.size):
            out[i] = zero if y[i] <= zero else g[i]
    elif kind == LEAKY_RELU:
        for i in range(y.size):
            out[i] = slope * g[i] if y[i] <= zero else g[i]
    elif kind == ELU:
        for i in range(y.size):
            out[i] = g[i] * (y[i] + one) if y[i] <= zero else g[i]
    elif kind == SIGMOID:
        for i in range(y.size):
            out[i] = g[i] * (y[i] * (one - y[i]))
    elif kind == TANH:
        for i in range(y.size):
            out[i] = g[i] * ((one - y[i]) * (one + y[i]))


@parallel
def _bias_grad(out, g, rows):
    channels = out.size
    length = tile_length(g.size // channels, channels)
    step = rows * channels
    chunks = (g.size + step - 1) // step
    partial = np.zeros((chunks, channels))
    if g.size <= SERIAL:
        for chunk in range(chunks):
            add_columns(partial[chunk], g[chunk * step : (chunk + 1) * step], length)
    else:
        for chunk in prange(chunks):
            add_columns(partial[chunk], g[chunk * step : (chunk + 1) * step], length)
    for c in range(channels):
        total = 0.0
        for chunk in range(chunks):
            total += partial[chunk, c]
        out[c] = total
