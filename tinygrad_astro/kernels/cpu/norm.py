"""Batch normalisation of (M, C): moments, y = (x - mean) inv_std gamma + beta, and its gradient.

Ioffe & Szegedy 2015, algorithm 1. Each kernel reads its inputs from memory once.
"""

import numpy as np
from numba import prange

from .borrow import borrowed
from .chunks import fold, launch, rows_per_chunk, tile_length, tiled
from .past import fence, may_pass, put
from .simd import add_to, choose, lanes, load, multiply_add, prefetch, splat, widen
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


# Rows' worth of numbers that are added up in registers, in their own precision, before the sums go
# to memory in float64: so few that rounding stays far below that of the numbers. In float32 their
# squares reach infinity where the numbers differ by 5e18, a quarter of where one square does.
_FEW = 16
# A chunk's rows by those that its centre is found from.
_SAMPLE = 16


@parallel
def _moments_parallel(partial, x, rows, count, _):
    for k in prange(count):
        _moments(partial, x, rows, k, k + 1)


@serial
def _moments(partial, x, rows, start, stop):
    """partial[k, 0] = mean over the rows of chunk k, partial[k, 1] = sum of squares about it.

    The sums go by differences from the mean of the first rows. As these count themselves, they
    cannot be so far off that more than a factor `_SAMPLE` of the precision cancels.
    """
    channels = partial.shape[2]
    length, step = tile_length(channels), rows * channels
    total, squares = np.empty(length), np.empty(length)
    for k in range(start, stop):
        first, last = k * step, min(x.size, (k + 1) * step)
        mean, variation, count = partial[k, 0], partial[k, 1], (last - first) // channels
        centre, sample = x[first : first + channels].copy(), -(-count // _SAMPLE)
        _add_powers(total, squares, x, first, first + sample * channels, tiled(centre, length))
        fold(mean, total)
        for c in range(channels):
            centre[c] += x.dtype.type(mean[c] / sample)
        _add_powers(total, squares, x, first, last, tiled(centre, length))
        fold(mean, total)
        fold(variation, squares)
        for c in range(channels):
            mean[c] /= count
            variation[c] -= count * mean[c] ** 2
            mean[c] += centre[c]


@inline
def _add_powers(total, squares, x, first, last, centre):
    """total[i], squares[i] = sums over n of d and d**2, d = x[first + i + n length] - centre[i].

    What comes next is fetched meanwhile: the rows of one block are too far apart for the processor
    to see how they go on, and waiting for memory took 40 % of the time.
    """
    length, size, zero = total.size, lanes(x), splat(x.dtype.type(0))
    whole = length // size * size
    total[:] = 0
    squares[:] = 0
    for begin in range(first, last, _FEW * length):
        end = min(last, begin + _FEW * length)
        rows = (end - begin) // length
        for i in range(0, whole if rows else 0, size):
            middle, some, more = load(centre, i), widen(zero), zero
            for row in range(rows):
                j = begin + i + row * length
                prefetch(x, j + _FEW * length)
                d = load(x, j) - middle
                some, more = some + widen(d), multiply_add(d, d, more)
            add_to(total, i, some)
            add_to(squares, i, widen(more))
        for row in range(begin, end, length):
            for i in range(whole if row + length <= end else 0, min(length, end - row)):
                d = np.float64(x[row + i] - centre[i])
                total[i] += d
                squares[i] += d * d


@inline
def _floor(relu, kind):
    """Give what `choose` cuts off up to: 0 for relu, NaN for no activation, which cuts nothing."""
    return kind(0) if relu else kind(np.nan)


@parallel
def _batch_norm_parallel(out, x, mean, scale, beta, relu, count, step):
    for k in prange((count + step - 1) // step):
        _batch_norm(out, x, mean, scale, beta, relu, k * step, min(count, (k + 1) * step))


@serial
def _batch_norm(out, x, mean, scale, beta, relu, start, stop):
    length, size = tile_length(mean.size), lanes(out)
    centre, factor, shift = tiled(mean, length), tiled(scale, length), tiled(beta, length)
    past, floor = may_pass(out, length), _floor(relu, out.dtype.type)
    least, zero = splat(floor), splat(out.dtype.type(0))
    for first in range(start, stop, length):
        count = min(stop - first, length)
        whole = count // size * size
        for i in range(0, whole, size):
            d = load(x, first + i) - load(centre, i)
            y = multiply_add(d, load(factor, i), load(shift, i))
            y = choose(y, least, zero, y)
            put(out, first + i, y, past)
        for i in range(whole, count):
            value = (x[first + i] - centre[i]) * factor[i] + shift[i]
            out[first + i] = 0 if value <= floor else value
    if past:
        fence()


@parallel
def _batch_norm_sums_parallel(partial, g, x, mean, scale, beta, relu, rows, count, _):
    for k in prange(count):
        _batch_norm_sums(partial, g, x, mean, scale, beta, relu, rows, k, k + 1)


@serial
def _batch_norm_sums(partial, g, x, mean, scale, beta, relu, rows, start, stop):
    """partial[k, 0] = sum of h over the rows of chunk k, partial[k, 1] = sum of h (x - mean)."""
    length, step = tile_length(mean.size), rows * mean.size
    g, x = borrowed((g, x))
    tiles = tiled(mean, length), tiled(scale, length), tiled(beta, length)
    total, products = np.empty(length), np.empty(length)
    for k in range(start, stop):
        total[:] = 0
        products[:] = 0
        last = min(x.size, (k + 1) * step)
        for begin in range(k * step, last, _FEW * length):
            end = min(last, begin + _FEW * length)
            _add_slopes(total, products, g, x, begin, end, tiles, relu)
        fold(partial[k, 0], total)
        fold(partial[k, 1], products)


@inline
def _add_slopes(total, products, g, x, begin, end, tiles, relu):
    """Add h and h (x - mean) of a few rows' worth of numbers."""
    centre, factor, shift = tiles
    length, size, floor = total.size, lanes(x), _floor(relu, x.dtype.type)
    whole, rows = length // size * size, (end - begin) // length
    least, zero = splat(floor), splat(x.dtype.type(0))
    for i in range(0, whole if rows else 0, size):
        middle, slope, offset = load(centre, i), load(factor, i), load(shift, i)
        some, more = zero, zero
        for row in range(rows):
            j = begin + i + row * length
            prefetch(x, j + _FEW * length)
            prefetch(g, j + _FEW * length)
            d = load(x, j) - middle
            h = choose(multiply_add(d, slope, offset), least, zero, load(g, j))
            some, more = some + h, multiply_add(h, d, more)
        add_to(total, i, widen(some))
        add_to(products, i, widen(more))
    for row in range(begin, end, length):
        for i in range(whole if row + length <= end else 0, min(length, end - row)):
            d = x[row + i] - centre[i]
            if not d * factor[i] + shift[i] <= floor:
                total[i] += g[row + i]
                products[i] += np.float64(g[row + i]) * np.float64(d)


@parallel
def _input_grad_parallel(out, g, x, mean, scale, beta, relu, average, slope, count, step):
    for k in prange((count + step - 1) // step):
        stop = min(count, (k + 1) * step)
        _input_grad(out, g, x, mean, scale, beta, relu, average, slope, k * step, stop)


@serial
def _input_grad(out, g, x, mean, scale, beta, relu, average, slope, start, stop):
    length, size = tile_length(mean.size), lanes(out)
    centre, factor, shift = tiled(mean, length), tiled(scale, length), tiled(beta, length)
    level, tilt = tiled(average, length), tiled(slope, length)
    past, floor = may_pass(out, length), _floor(relu, out.dtype.type)
    least, zero = splat(floor), splat(out.dtype.type(0))
    for first in range(start, stop, length):
        count = min(stop - first, length)
        whole = count // size * size
        for i in range(0, whole, size):
            d, scales = load(x, first + i) - load(centre, i), load(factor, i)
            pre = multiply_add(d, scales, load(shift, i))
            h = choose(pre, least, zero, load(g, first + i))
            y = scales * (h - load(level, i) - d * load(tilt, i))
            put(out, first + i, y, past)
        for i in range(whole, count):
            d = x[first + i] - centre[i]
            h = out.dtype.type(0) if d * factor[i] + shift[i] <= floor else g[first + i]
            out[first + i] = factor[i] * (h - level[i] - d * tilt[i])
    if past:
        fence()
