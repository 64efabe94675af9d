"""Batch normalisation of (M, C): moments, y = (x - mean) inv_std gamma + beta, and its gradient.

Ioffe & Szegedy 2015, algorithm 1. Each kernel reads its input from memory once.
"""

import numpy as np
from numba import prange

from .chunks import SERIAL, add_columns, rows_per_chunk, tile_length, tiled
from .target import inline, parallel

ACTIVATIONS = {"linear": False, "relu": True}


def moments(mean, var, x):
    """mean[c], var[c] = mean and biased variance of x[:, c]; NaN where x has no rows.

    Two passes over each chunk of rows, the second from the cache, in float64; chunks are merged
    in order by Chan, Golub & LeVeque 1983, equation 2.1.
    """
    _moments(mean, var, x.reshape(-1), rows_per_chunk(mean.size))


def batch_norm(out, x, mean, inv_std, gamma, beta, activation):
    """out[m, c] = f((x[m, c] - mean[c]) inv_std[c] gamma[c] + beta[c])."""
    relu = ACTIVATIONS[activation]
    rows = rows_per_chunk(mean.size)
    _batch_norm(out.reshape(-1), x.reshape(-1), mean, inv_std, gamma, beta, relu, rows)


def batch_norm_sums(sums, g, x, mean, inv_std):
    """sums[0] = sum_m g, sums[1] = sum_m g xhat, xhat = (x - mean) inv_std: beta's and gamma's."""
    rows = rows_per_chunk(mean.size)
    _batch_norm_sums(sums, g.reshape(-1), x.reshape(-1), mean, inv_std, rows)


def batch_norm_input_grad(out, g, x, mean, inv_std, gamma, sums):
    """out = gamma inv_std (g - sums[0] / M - xhat sums[1] / M), mean and variance being x's."""
    rows = rows_per_chunk(mean.size)
    flat = out.reshape(-1), g.reshape(-1), x.reshape(-1)
    _batch_norm_input_grad(*flat, mean, inv_std, gamma, sums, rows)


@parallel
def _moments(mean, var, x, rows):
    channels = mean.size
    length = tile_length(x.size // channels, channels)
    step = rows * channels
    chunks = (x.size + step - 1) // step
    partial = np.zeros((chunks, 2, channels))
    if x.size <= SERIAL:
        for k in range(chunks):
            _chunk_moments(partial[k], x[k * step : (k + 1) * step], length)
    else:
        for k in prange(chunks):
            _chunk_moments(partial[k], x[k * step : (k + 1) * step], length)
    for c in range(channels):
        count, middle, squares = 0, 0.0, 0.0
        for k in range(chunks):
            added = min(rows, x.size // channels - count)
            count += added
            delta = partial[k, 0, c] - middle
            middle += delta * (added / count)
            squares += partial[k, 1, c] + delta * delta * ((count - added) * (added / count))
        mean[c] = middle if count else np.nan
        var[c] = squares / count if count else np.nan


@inline
def _chunk_moments(out, x, length):
    """out[0] = mean over the rows, out[1] = sum of squared differences from it."""
    channels = out.shape[1]
    add_columns(out[0], x, length)
    for c in range(channels):
        out[0, c] /= x.size // channels
    middle = tiled(out[0], length)
    partial = np.zeros(length)
    for start in range(0, x.size, length):
        piece = x[start : start + length]
        for i in range(piece.size):
            d = piece[i] - middle[i]
            partial[i] += d * d
    for start in range(0, length, channels):
        for c in range(channels):
            out[1, c] += partial[start + c]


@parallel
def _batch_norm(out, x, mean, inv_std, gamma, beta, relu, rows):
    channels = mean.size
    length = tile_length(x.size // channels, channels)
    middle, scale = tiled(mean, length), tiled(inv_std * gamma, length)
    shift = tiled(beta, length)
    step = rows * channels
    if x.size <= SERIAL:
        _batch_norm_piece(out, x, middle, scale, shift, relu)
    else:
        for k in prange((x.size + step - 1) // step):
            a, b = k * step, min(x.size, (k + 1) * step)
            _batch_norm_piece(out[a:b], x[a:b], middle, scale, shift, relu)


@inline
def _batch_norm_piece(out, x, mean, scale, shift, relu):
    zero = out.dtype.type(0)
    for start in range(0, x.size, mean.size):
        y, source = out[start : start + mean.size], x[start : start + mean.size]
        for i in range(y.size):
            y[i] = (source[i] - mean[i]) * scale[i] + shift[i]
        if relu:
            for i in range(y.size):
                y[i] = zero if y[i] <= zero else y[i]


@parallel
def _batch_norm_sums(sums, g, x, mean, inv_std, rows):
    channels = mean.size
    length = tile_length(x.size // channels, channels)
    middle = tiled(mean, length)
    step = rows * channels
    chunks = (x.size + step - 1) // step
    partial = np.zeros((chunks, 2, channels))
    if x.size <= SERIAL:
        for k in range(chunks):
            a, b = k * step, (k + 1) * step
            _chunk_sums(partial[k], g[a:b], x[a:b], middle)
    else:
        for k in prange(chunks):
            a, b = k * step, (k + 1) * step
            _chunk_sums(partial[k], g[a:b], x[a:b], middle)
    for c in range(channels):
        total, products = 0.0, 0.0
        for k in range(chunks):
            total += partial[k, 0, c]
            products += partial[k, 1, c]
        sums[0, c] = total
        sums[1, c] = products * inv_std[c]


@inline
def _chunk_sums(out, g, x, mean):
    """out[0] += sum of g over the rows, out[1] += sum of g (x - mean)."""
    length, channels = mean.size, out.shape[1]
    total, products = np.zeros(length), np.zeros(length)
    for start in range(0, x.size, length):
        u, v = g[start : start + length], x[start : start + length]
        for i in range(u.size):
            total[i] += u[i]
            products[i] += np.float64(u[i]) * (v[i] - mean[i])
    for start in range(0, length, channels):
        for c in range(channels):
            out[0, c] += total[start + c]
            out[1, c] += products[start + c]


@parallel
def _batch_norm_input_grad(out, g, x, mean, inv_std, gamma, sums, rows):
    channels = mean.size
    count = mean.dtype.type(max(1, x.size // channels))
    length = tile_length(x.size // channels, channels)
    middle, scale = tiled(mean, length), tiled(inv_std * gamma, length)
    average, slope = tiled(sums[0] / count, length), tiled(sums[1] * inv_std / count, length)
    step = rows * channels
    if x.size <= SERIAL:
        _input_grad_piece(out, g, x, middle, scale, average, slope)
    else:
        for k in prange((x.size + step - 1) // step):
            a, b = k * step, min(x.size, (k + 1) * step)
            _input_grad_piece(out[a:b], g[a:b], x[a:b], middle, scale, average, slope)


@inline
def _input_grad_piece(out, g, x, mean, scale, average, slope):
    length = mean.size
    for start in range(0, x.size, length):
        y = out[start : start + length]
        u, v = g[start : start + length], x[start : start + length]
        for i in range(y.size):
            y[i] = scale[i] * (u[i] - average[i] - (v[i] - mean[i]) * slope[i])
