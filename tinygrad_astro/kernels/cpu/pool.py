"""Windows over (N, H, W, C): pick the largest, sum, and the adjoints of both.

Two families, each closed under transposition: take_windows and put_windows; sum_windows and
spread_windows. Letters: n image, i j output row and column, p q input row and column, c channel.
"""

import numpy as np
from numba import prange

from .chunks import CHUNK, SERIAL
from .target import inline, parallel


def argmax_windows(out, x, size, strides, pads):
    """out[n,i,j,c] = p W + q of the largest x[n,p,q,c] in window i, j; each thread owns pixels.

    The first of equal values in row-major order; the first NaN before any number; padding never.
    """
    _argmax_windows(out, x, *size, *strides, pads[0][0], pads[1][0])


def take_windows(out, x, indices):
    """out[n,i,j,c] = x[n, :, :, c].flat[indices[n,i,j,c]]; each thread owns some pixels."""
    _take_windows(out, x, indices)


def put_windows(out, g, indices):
    """out[n, :, :, c].flat[k] = sum of g[n,i,j,c] where indices[n,i,j,c] = k, in order of i, j.

    The adjoint of take_windows. Each thread owns bands of `out` and reads the rows of `g` that
    point into them.
    """
    # Whole images keep the threads busy if there are many; else they are cut, at the price of a
    # pass over the indices. Either way each number of `out` is the same sum in the same order.
    pixels = out.shape[1] * out.shape[2]
    bands = 1 if len(out) >= 16 else max(1, min(16, out[:1].size // CHUNK))
    _put_windows(out, g, indices, max(1, -(-pixels // bands)))


def sum_windows(out, x, size, strides, pads):
    """out[n,i,j,c] = sum of x[n,p,q,c] over window i, j, in float64; each thread owns pixels."""
    _sum_windows(out, x, *size, *strides, pads[0][0], pads[1][0])


def spread_windows(out, g, size, strides, pads):
    """out[n,p,q,c] = sum of g[n,i,j,c] over the windows that hold p, q: sum_windows transposed."""
    _spread_windows(out, g, *size, *strides, pads[0][0], pads[1][0])


@inline
def _pixels_per_chunk(pixels, channels, taps):
    """Pixels for one loop body: all of them where a launch of all threads would not pay."""
    work = max(1, channels) * max(1, taps)
    return max(1, pixels if pixels * work <= SERIAL else CHUNK // work)


@parallel
def _argmax_windows(out, x, kh, kw, sh, sw, top, left):
    pixels = out.shape[0] * out.shape[1] * out.shape[2]
    step = _pixels_per_chunk(pixels, x.shape[3], kh * kw)
    if pixels <= step:
        _argmax_pixels(out, x, kh, kw, sh, sw, top, left, 0, pixels)
    else:
        for k in prange((pixels + step - 1) // step):
            a, b = k * step, min(pixels, (k + 1) * step)
            _argmax_pixels(out, x, kh, kw, sh, sw, top, left, a, b)


@inline
def _argmax_pixels(out, x, kh, kw, sh, sw, top, left, start, stop):
    rows, columns = out.shape[1], out.shape[2]
    height, width, channels = x.shape[1], x.shape[2], x.shape[3]
    best = np.empty(channels, x.dtype)
    for t in range(start, stop):
        n, i, j = t // (rows * columns), t // columns % rows, t % columns
        first_p, last_p = max(0, i * sh - top), min(height, i * sh - top + kh)
        first_q, last_q = max(0, j * sw - left), min(width, j * sw - left + kw)
        index = out[n, i, j]
        best[:] = x[n, first_p, first_q]
        index[:] = first_p * width + first_q
        for p in range(first_p, last_p):
            for q in range(first_q, last_q):
                pixel, here = x[n, p, q], p * width + q
                for c in range(channels):
                    wins = (not pixel[c] <= best[c]) & (best[c] == best[c])
                    index[c] = here if wins else index[c]
                    best[c] = pixel[c] if wins else best[c]


@parallel
def _take_windows(out, x, indices):
    pixels = out.shape[0] * out.shape[1] * out.shape[2]
    step = _pixels_per_chunk(pixels, x.shape[3], 1)
    if pixels <= step:
        _take_pixels(out, x, indices, 0, pixels)
    else:
        for k in prange((pixels + step - 1) // step):
            _take_pixels(out, x, indices, k * step, min(pixels, (k + 1) * step))


@inline
def _take_pixels(out, x, indices, start, stop):
    images, rows, columns, channels = out.shape
    source = x.reshape(images, x.shape[1] * x.shape[2] * channels)
    y = out.reshape(images * rows * columns, channels)
    where = indices.reshape(images * rows * columns, channels)
    for t in range(start, stop):
        n = t // (rows * columns)
        image, target, index = source[n], y[t], where[t]
        for c in range(channels):
            target[c] = image[index[c] * channels + c]


@parallel
def _put_windows(out, g, indices, pixels):
    images, height, width, _ = out.shape
    rows = g.shape[1]
    bands = (height * width + pixels - 1) // pixels
    lowest = np.zeros((images, rows), np.int64)
    highest = np.full((images, rows), height * width, np.int64)
    if bands > 1:
        for t in prange(images * rows):
            n, i = t // rows, t % rows
            lowest[n, i], highest[n, i] = _extent(indices[n, i].reshape(-1))
    for t in prange(images * bands):
        n, k = t // bands, t % bands
        _put_band(out[n], g[n], indices[n], lowest[n], highest[n], k * pixels, (k + 1) * pixels)


@inline
def _extent(indices):
    low, high = indices[0], indices[0]
    for k in range(indices.size):
        low, high = min(low, indices[k]), max(high, indices[k])
    return low, high


@inline
def _put_band(out, g, indices, lowest, highest, start, stop):
    """Fill pixels start to stop of one image."""
    rows, columns, channels = g.shape
    y = out.reshape(-1, channels)[start:stop]
    y[:] = 0
    for i in range(rows):
        if highest[i] < start or lowest[i] >= stop:
            continue
        for j in range(columns):
            source, index = g[i, j], indices[i, j]
            for c in range(channels):
                k = index[c] - start
                if 0 <= k < y.shape[0]:
                    y[k, c] += source[c]


@parallel
def _sum_windows(out, x, kh, kw, sh, sw, top, left):
    pixels = out.shape[0] * out.shape[1] * out.shape[2]
    step = _pixels_per_chunk(pixels, x.shape[3], kh * kw)
    if pixels <= step:
        _sum_pixels(out, x, kh, kw, sh, sw, top, left, 0, pixels)
    else:
        for k in prange((pixels + step - 1) // step):
            a, b = k * step, min(pixels, (k + 1) * step)
            _sum_pixels(out, x, kh, kw, sh, sw, top, left, a, b)


@inline
def _sum_pixels(out, x, kh, kw, sh, sw, top, left, start, stop):
    rows, columns = out.shape[1], out.shape[2]
    height, width, channels = x.shape[1], x.shape[2], x.shape[3]
    total = np.empty(channels)
    for t in range(start, stop):
        n, i, j = t // (rows * columns), t // columns % rows, t % columns
        total[:] = 0
        for p in range(max(0, i * sh - top), min(height, i * sh - top + kh)):
            for q in range(max(0, j * sw - left), min(width, j * sw - left + kw)):
                pixel = x[n, p, q]
                for c in range(channels):
                    total[c] += pixel[c]
        y = out[n, i, j]
        for c in range(channels):
            y[c] = total[c]


@parallel
def _spread_windows(out, g, kh, kw, sh, sw, top, left):
    pixels = out.shape[0] * out.shape[1] * out.shape[2]
    step = _pixels_per_chunk(pixels, g.shape[3], 1)
    if pixels <= step:
        _spread_pixels(out, g, kh, kw, sh, sw, top, left, 0, pixels)
    else:
        for k in prange((pixels + step - 1) // step):
            a, b = k * step, min(pixels, (k + 1) * step)
            _spread_pixels(out, g, kh, kw, sh, sw, top, left, a, b)


@inline
def _spread_pixels(out, g, kh, kw, sh, sw, top, left, start, stop):
    height, width, channels = out.shape[1], out.shape[2], out.shape[3]
    rows, columns = g.shape[1], g.shape[2]
    for t in range(start, stop):
        n, p, q = t // (height * width), t // width % height + top, t % width + left
        y = out[n, p - top, q - left]
        first_i, last_i = max(0, (p - kh) // sh + 1), min(rows, p // sh + 1)
        first_j, last_j = max(0, (q - kw) // sw + 1), min(columns, q // sw + 1)
        if first_i >= last_i or first_j >= last_j:
            y[:] = 0
            continue
        y[:] = g[n, first_i, first_j]
        for i in range(first_i, last_i):
            for j in range(first_j, last_j):
                if i > first_i or j > first_j:
                    window = g[n, i, j]
                    for c in range(channels):
                        y[c] += window[c]
