"""Windows over (N, H, W, C): pick the largest, sum, and the adjoints of both.

Two families, each closed under transposition: take_windows and put_windows; sum_windows and
spread_windows. Letters: n image, i j output row and column, p q input row and column, c channel.
"""

import numpy as np
from numba import prange

from .borrow import borrowed
from .chunks import CHUNK, launch
from .simd import choose, lanes, load, store
from .target import inline, parallel, serial


def argmax_windows(out, x, size, strides, pads, values=None):
    """out[n,i,j,c] = p W + q of the largest x[n,p,q,c] in window i, j; each thread owns pixels.

    The first of equal values in row-major order; the first NaN before any number; padding never.
    The largest themselves go to `values`.
    """
    values = np.empty(out.shape, x.dtype) if values is None else values
    arguments = out, values, x, *size, *strides, pads[0][0], pads[1][0]
    _launch_pixels(_argmax_windows, _argmax_windows_parallel, arguments, out, size)


def max_windows(out, x, size, strides, pads):
    """out[n,i,j,c] = the x[n,p,q,c] that argmax_windows picks; each thread owns some rows."""
    arguments = out, x, *size, *strides, pads[0][0], pads[1][0]
    rows, work = out.shape[0] * out.shape[1], out.shape[2] * out.shape[3] * size[0] * size[1]
    step = max(1, CHUNK // max(1, work))
    launch(_max_windows, _max_windows_parallel, arguments, rows, step, rows * work)


def take_windows(out, x, indices):
    """out[n,i,j,c] = x[n, :, :, c].flat[indices[n,i,j,c]]; each thread owns some pixels."""
    arguments = out, x, indices
    _launch_pixels(_take_windows, _take_windows_parallel, arguments, out, (1, 1))


def put_windows(out, g, indices):
    """out[n, :, :, c].flat[k] = sum of g[n,i,j,c] where indices[n,i,j,c] = k, in order of i, j.

    The adjoint of take_windows. Each thread owns bands of `out`, and reads the rows of `g` that
    point into them.
    """
    images, height, width, channels = out.shape
    # Many images keep all threads busy whole; few are cut, at the price of a pass over the indices.
    # Either way each number of `out` is the same sum in the same order.
    bands = 1 if images >= 16 else max(1, min(16, height * width * channels // CHUNK))
    low, high = np.zeros((images, g.shape[1]), np.int64), np.zeros((images, g.shape[1]), np.int64)
    if bands > 1 and g.size:
        rows = indices.reshape(images * g.shape[1], -1)
        arguments = low.reshape(-1), high.reshape(-1), rows
        launch(_row_limits, _row_limits_parallel, arguments, len(rows), 1, rows.size)
    arguments = out, g, indices, low, high, bands
    launch(_put_windows, _put_windows_parallel, arguments, images * bands, 1, out.size)


def sum_windows(out, x, size, strides, pads):
    """out[n,i,j,c] = sum of x[n,p,q,c] over window i, j, in float64; each thread owns pixels."""
    arguments = out, x, *size, *strides, pads[0][0], pads[1][0]
    _launch_pixels(_sum_windows, _sum_windows_parallel, arguments, out, size)


def spread_windows(out, g, size, strides, pads):
    """out[n,p,q,c] = sum of g[n,i,j,c] over the windows that hold p, q: sum_windows transposed."""
    arguments = out, g, *size, *strides, pads[0][0], pads[1][0]
    _launch_pixels(_spread_windows, _spread_windows_parallel, arguments, out, (1, 1))


def _launch_pixels(serial_kernel, parallel_kernel, arguments, out, size):
    work = max(1, out.shape[3] * size[0] * size[1])
    pixels = out.shape[0] * out.shape[1] * out.shape[2]
    step = max(1, CHUNK // work)
    launch(serial_kernel, parallel_kernel, arguments, pixels, step, pixels * work)


@parallel
def _argmax_windows_parallel(out, values, x, kh, kw, sh, sw, top, left, count, step):
    for k in prange((count + step - 1) // step):
        stop = min(count, (k + 1) * step)
        _argmax_windows(out, values, x, kh, kw, sh, sw, top, left, k * step, stop)


@serial
def _argmax_windows(out, values, x, kh, kw, sh, sw, top, left, start, stop):
    rows, columns = out.shape[1], out.shape[2]
    height, width, channels = x.shape[1], x.shape[2], x.shape[3]
    best = np.empty(channels, x.dtype)
    t = start
    while t < stop:
        n, i, at = t // (rows * columns), t // columns % rows, t % columns
        image, index, y = x[n], out[n, i], values[n, i]
        first_p, last_p = max(0, i * sh - top), min(height, i * sh - top + kh)
        for j in range(at, min(columns, at + stop - t)):
            first_q, last_q = max(0, j * sw - left), min(width, j * sw - left + kw)
            for c in range(channels):
                best[c] = image[first_p, first_q, c]
                index[j, c] = first_p * width + first_q
            for p in range(first_p, last_p):
                for q in range(first_q + (p == first_p), last_q):
                    for c in range(channels):
                        v = image[p, q, c]
                        wins = (not v <= best[c]) & (best[c] == best[c])
                        index[j, c] = p * width + q if wins else index[j, c]
                        best[c] = v if wins else best[c]
            for c in range(channels):
                y[j, c] = best[c]
            t += 1


@parallel
def _max_windows_parallel(out, x, kh, kw, sh, sw, top, left, count, step):
    for k in prange((count + step - 1) // step):
        stop = min(count, (k + 1) * step)
        _max_windows(out, x, kh, kw, sh, sw, top, left, k * step, stop)


@serial
def _max_windows(out, x, kh, kw, sh, sw, top, left, start, stop):
    rows, columns = out.shape[1], out.shape[2]
    height, width, channels = x.shape[1], x.shape[2], x.shape[3]
    y, source = borrowed((out.reshape(-1), x.reshape(-1)))
    for t in range(start, stop):
        n, i = t // rows, t % rows
        first_p, last_p = max(0, i * sh - top), min(height, i * sh - top + kh)
        for j in range(columns):
            first_q, last_q = max(0, j * sw - left), min(width, j * sw - left + kw)
            first = ((n * height + first_p) * width + first_q) * channels
            window = first, last_p - first_p, last_q - first_q, width * channels, channels
            _largest(y, (t * columns + j) * channels, source, window)


@inline
def _largest(out, to, x, window):
    """out[to + c] = the first NaN or largest of x[first + c + p row + q channels] over p and q."""
    size, (first, rows, columns, row, channels) = lanes(out), window
    for v in range(channels // size):
        at = first + v * size
        best = load(x, at)
        for p in range(rows):
            for q in range(columns):
                value = load(x, at + p * row + q * channels)
                larger = choose(value, best, best, value)
                best = choose(best, best, larger, best)
        store(out, to + v * size, best)
    for c in range(channels // size * size, channels):
        best = x[first + c]
        for p in range(rows):
            for q in range(columns):
                value = x[first + c + p * row + q * channels]
                wins = (not value <= best) & (best == best)
                best = value if wins else best
        out[to + c] = best


@parallel
def _take_windows_parallel(out, x, indices, count, step):
    for k in prange((count + step - 1) // step):
        _take_windows(out, x, indices, k * step, min(count, (k + 1) * step))


@serial
def _take_windows(out, x, indices, start, stop):
    images, rows, columns, channels = out.shape
    source = x.reshape(images, x.shape[1] * x.shape[2] * channels)
    y = out.reshape(images * rows * columns, channels)
    where = indices.reshape(images * rows * columns, channels)
    for t in range(start, stop):
        image, target, index = source[t // (rows * columns)], y[t], where[t]
        for c in range(channels):
            target[c] = image[index[c] * channels + c]


@parallel
def _row_limits_parallel(low, high, rows, count, _):
    for i in prange(count):
        _row_limits(low, high, rows, i, i + 1)


@serial
def _row_limits(low, high, rows, start, stop):
    """low[i], high[i] = the least and the largest of rows[i]."""
    for i in range(start, stop):
        row = rows[i]
        least, most = row[0], row[0]
        for k in range(len(row)):
            least = row[k] if row[k] < least else least
            most = row[k] if row[k] > most else most
        low[i], high[i] = least, most


@parallel
def _put_windows_parallel(out, g, indices, low, high, bands, count, _):
    for k in prange(count):
        _put_windows(out, g, indices, low, high, bands, k, k + 1)


@serial
def _put_windows(out, g, indices, low, high, bands, start, stop):
    images, rows, columns, channels = g.shape
    pixels = out.shape[1] * out.shape[2]
    flat = out.reshape(images, pixels * channels)
    for t in range(start, stop):
        n, band = t // bands, t % bands
        first, last = pixels * band // bands, pixels * (band + 1) // bands
        y = flat[n, first * channels : last * channels]
        for k in range(y.size):
            y[k] = 0
        for i in range(rows):
            if bands > 1 and (high[n, i] < first or low[n, i] >= last):
                continue
            for j in range(columns):
                source, index = g[n, i, j], indices[n, i, j]
                for c in range(channels):
                    k = index[c] - first
                    if 0 <= k < last - first:
                        y[k * channels + c] += source[c]


@parallel
def _sum_windows_parallel(out, x, kh, kw, sh, sw, top, left, count, step):
    for k in prange((count + step - 1) // step):
        _sum_windows(out, x, kh, kw, sh, sw, top, left, k * step, min(count, (k + 1) * step))


@serial
def _sum_windows(out, x, kh, kw, sh, sw, top, left, start, stop):
    rows, columns = out.shape[1], out.shape[2]
    height, width, channels = x.shape[1], x.shape[2], x.shape[3]
    total = np.empty(channels)
    t = start
    while t < stop:
        n, i, at = t // (rows * columns), t // columns % rows, t % columns
        image, y = x[n], out[n, i]
        first_p, last_p = max(0, i * sh - top), min(height, i * sh - top + kh)
        for j in range(at, min(columns, at + stop - t)):
            for c in range(channels):
                total[c] = 0
            for p in range(first_p, last_p):
                for q in range(max(0, j * sw - left), min(width, j * sw - left + kw)):
                    for c in range(channels):
                        total[c] += image[p, q, c]
            for c in range(channels):
                y[j, c] = total[c]
            t += 1


@parallel
def _spread_windows_parallel(out, g, kh, kw, sh, sw, top, left, count, step):
    for k in prange((count + step - 1) // step):
        stop = min(count, (k + 1) * step)
        _spread_windows(out, g, kh, kw, sh, sw, top, left, k * step, stop)


@serial
def _spread_windows(out, g, kh, kw, sh, sw, top, left, start, stop):
    height, width, channels = out.shape[1], out.shape[2], out.shape[3]
    rows, columns = g.shape[1], g.shape[2]
    t = start
    while t < stop:
        n, p, at = t // (height * width), t // width % height, t % width
        windows, y = g[n], out[n, p]
        # Rows i with i sh - top <= p < i sh - top + kh; the same for columns, counted along.
        first_i, last_i = max(0, (p + top - kh) // sh + 1), min(rows, (p + top) // sh + 1)
        first_j, last_j = max(0, (at + left - kw) // sw + 1), min(columns, (at + left) // sw + 1)
        for q in range(at, min(width, at + stop - t)):
            while first_j * sw - left + kw <= q:
                first_j += 1
            while last_j < columns and last_j * sw - left <= q:
                last_j += 1
            for c in range(channels):
                y[q, c] = 0
            for i in range(first_i, last_i):
                for j in range(first_j, last_j):
                    for c in range(channels):
                        y[q, c] += windows[i, j, c]
            t += 1
