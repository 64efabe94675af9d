"""Batch normalisation of (M, C): moments, y = (x - mean) inv_std gamma + beta, and its gradient.

Ioffe & Szegedy 2015, algorithm 1. Each kernel reads its inputs from memory once.
"""

import numpy as np
from numba import prange

from .chunks import add_columns, fold, launch, rows_per_chunk, tile_length, tiled
from .target import inline, parallel, serial

ACTIVATIONS = {"linear": False, "relu": True}


def moments(mean, var, x):
    """mean[c], var[c] = mean and biased variance of x[:, c]; NaN where x has no rows.

    Two passes over each chunk of rows, the second from the cache, in float64. The chunks are
    merged by the sum of squares within and between them: Chan, Golub & LeVeque 1983, section 2.
    """
    rows = rows_per_chunk(mean.size)
    partial = np.empty((-(-len(x) // rows), 2, mean.size))
    arguments = partial, x.reshape(-1), rows
    launch(_moments, _moments_parallel, arguments, len(partial), 1, x.size)
    if len(partial) == 1:
        mean[:], var[:] = partial[0, 0], partial[0, 1] / len(x)
    elif len(partial) == 0:
        mean[:], var[:] = np.nan, np.nan
    else:
        counts = np.full((len(partial), 1), float(rows))
        counts[-1] = len(x) - rows * (len(partial) - 1)
        centre = (partial[:, 0] * counts).sum(axis=0) / len(x)
        between = (np.square(partial[:, 0] - centre) * counts).sum(axis=0)
        mean[:], var[:] = centre, (partial[:, 1].sum(axis=0) + between) / len(x)


def batch_norm(out, x, mean, inv_std, gamma, beta, activation):
    """out[m, c] = f((x[m, c] - mean[c]) inv_std[c] gamma[c] + beta[c])."""
    arguments = out.reshape(-1), x.reshape(-1), mean, inv_std * gamma, beta
    arguments += (ACTIVATIONS[activation],)
    step = rows_per_chunk(mean.size) * mean.size
    launch(_batch_norm, _batch_norm_parallel, arguments, x.size, step, x.size)


def batch_norm_sums(sums, g, x, mean, inv_std, gamma, beta, activation):
    """sums[0] = sum_m h, sums[1] = sum_m h xhat, xhat = (x - mean) inv_std: beta's and gamma's.

    h = g f'(xhat gamma + beta): the slope is found from x again, for reading x is all there is to
    do, and an array of slopes would have to be written and read.
    """
    rows = rows_per_chunk(mean.size)
    partial = np.empty((-(-len(x) // rows), 2, mean.size))
    arguments = partial, g.reshape(-1), x.reshape(-1), mean, inv_std * gamma, beta
    arguments += ACTIVATIONS[activation], rows
    launch(_batch_norm_sums, _batch_norm_sums_parallel, arguments, len(partial), 1, x.size)
    total = partial[0] if len(partial) == 1 else partial.sum(axis=0)
    sums[0], sums[1] = total[0], total[1] * inv_std


def batch_norm_input_grad(out, g, x, mean, inv_std, gamma, beta, activation, sums):
    """out = gamma inv_std (h - sums[0] / M - xhat sums[1] / M), mean and variance being x's."""
    average, slope = sums[0] / max(1, len(x)), sums[1] * inv_std / max(1, len(x))
    arguments = out.reshape(-1), g.reshape(-1), x.reshape(-1)
    arguments += mean, inv_std * gamma, beta, ACTIVATIONS[activation]
    arguments += average.astype(x.dtype), slope.astype(x.dtype)
    step = rows_per_chunk(mean.size) * mean.size
    launch(_input_grad, _input_grad_parallel, arguments, x.size, step, x.size)


@parallel
def _moments_parallel(partial, x, rows, count, _):
    for k in prange(count):
        _moments(partial, x, rows, k, k + 1)


@serial
def _moments(partial, x, rows, start, stop):
    """partial[k, 0] = mean over the rows of chunk k, partial[k, 1] = sum of squares about it."""
    channels = partial.shape[2]
    step = rows * channels
    for k in range(start, stop):
        chunk, mean = x[k * step : (k + 1) * step], partial[k, 0]
        add_columns(mean, chunk)
        for c in range(channels):
            mean[c] /= chunk.size // channels
        _squares(partial[k, 1], chunk, tiled(mean, tile_length(channels)))


@inline
def _squares(total, x, mean):
    partial = np.zeros(mean.size)
    for start in range(0, x.size, mean.size):
        piece = x[start : start + mean.size]
        for i in range(piece.size):
            d = piece[i] - mean[i]
            partial[i] += d * d
    fold(total, partial)


@parallel
def _batch_norm_parallel(out, x, mean, scale, beta, relu, count, step):
    for k in prange((count + step - 1) // step):
        _batch_norm(out, x, mean, scale, beta, relu, k * step, min(count, (k + 1) * step))


@serial
def _batch_norm(out, x, mean, scale, beta, relu, start, stop):
    length = tile_length(mean.size)
    centre, factor, shift = tiled(mean, length), tiled(scale, length), tiled(beta, length)
    zero = out.dtype.type(0)
    for first in range(start, stop, length):
        last = min(stop, first + length)
        y, source = out[first:last], x[first:last]
        for i in range(y.size):
            y[i] = (source[i] - centre[i]) * factor[i] + shift[i]
        if relu:
            for i in range(y.size):
                y[i] = zero if y[i] <= zero else y[i]


@parallel
def _batch_norm_sums_parallel(partial, g, x, mean, scale, beta, relu, rows, count, _):
    for k in prange(count):
        _batch_norm_sums(partial, g, x, mean, scale, beta, relu, rows, k, k + 1)


@inline
def _slope_times(h, g, x, mean, scale, beta, relu):
    """h = g f'((x - mean) scale + beta), for a piece of rows."""
    zero = g.dtype.type(0)
    for i in range(g.size):
        h[i] = zero if relu and (x[i] - mean[i]) * scale[i] + beta[i] <= zero else g[i]


@serial
def _batch_norm_sums(partial, g, x, mean, scale, beta, relu, rows, start, stop):
    """partial[k, 0] = sum of h over the rows of chunk k, partial[k, 1] = sum of h (x - mean)."""
    length, step = tile_length(mean.size), rows * mean.size
    factor, shift, h = tiled(scale, length), tiled(beta, length), np.empty(length, g.dtype)
    centre, total, products = tiled(mean, length), np.empty(length), np.empty(length)
    for k in range(start, stop):
        for i in range(length):
            total[i] = products[i] = 0.0
        for first in range(k * step, min(x.size, (k + 1) * step), length):
            last = min(x.size, (k + 1) * step, first + length)
            v = x[first:last]
            _slope_times(h, g[first:last], v, centre, factor, shift, relu)
            for i in range(v.size):
                total[i] += h[i]
                products[i] += np.float64(h[i]) * np.float64(v[i] - centre[i])
        fold(partial[k, 0], total)
        fold(partial[k, 1], products)


@parallel
def _input_grad_parallel(out, g, x, mean, scale, beta, relu, average, slope, count, step):
    for k in prange((count + step - 1) // step):
        stop = min(count, (k + 1) * step)
        _input_grad(out, g, x, mean, scale, beta, relu, average, slope, k * step, stop)


@serial
def _input_grad(out, g, x, mean, scale, beta, relu, average, slope, start, stop):
    length = tile_length(mean.size)
    centre, factor, shift = tiled(mean, length), tiled(scale, length), tiled(beta, length)
    level, tilt = tiled(average, length), tiled(slope, length)
    for first in range(start, stop, length):
        last = min(stop, first + length)
        y, v = out[first:last], x[first:last]
        _slope_times(y, g[first:last], v, centre, factor, shift, relu)
        for i in range(y.size):
            y[i] = factor[i] * (y[i] - level[i] - (v[i] - centre[i]) * tilt[i])
