"""Batch normalisation of (M, C): moments, y = (x - mean) inv_std gamma + beta, and its gradient.

Ioffe & Szegedy 2015, algorithm 1. Sums go by chunks of rows, in float64: one launch for the chunks,
one that joins them in order.
"""

from . import array as arrays
from .target import D, T, U, cuda, kernel

ACTIVATIONS = {"linear": 0, "relu": 1}
ROWS = 64  # per chunk, at least
CHUNKS = 1024  # at most


@kernel("d* T* u u u u")
def _chunk_moments(partial, x, count, rows, channels, step):
    """partial[k, 0, c] = mean over chunk k, partial[k, 1, c] = sum of squares about it."""
    i = U(cuda.grid(1))
    if i >= count:
        return
    c, k = U(i % channels), U(i // channels)
    first, last = U(k * step), min(rows, U(U(k * step) + step))
    total, r = D(0), first
    while r < last:
        total += x[U(U(r * channels) + c)]
        r = U(r + U(1))
    mean, squares, r = total / D(last - first), D(0), first
    while r < last:
        d = x[U(U(r * channels) + c)] - mean
        squares += d * d
        r = U(r + U(1))
    partial[U(U(U(U(2) * k) * channels) + c)] = mean
    partial[U(U(U(U(U(2) * k) + U(1)) * channels) + c)] = squares


@kernel("T* T* d* u u u u")
def _join_moments(mean, var, partial, rows, channels, step, chunks):
    """Merge chunks by the squares within and between: Chan, Golub & LeVeque 1983, section 2."""
    c = U(cuda.grid(1))
    if c >= channels:
        return
    centre, k = D(0), U(0)
    while k < chunks:
        count = D(min(step, rows - k * step))
        centre += partial[U(U(U(U(2) * k) * channels) + c)] * count
        k = U(k + U(1))
    centre /= D(rows)
    squares, k = D(0), U(0)
    while k < chunks:
        count = D(min(step, rows - k * step))
        d = partial[U(U(U(U(2) * k) * channels) + c)] - centre
        squares += partial[U(U(U(U(U(2) * k) + U(1)) * channels) + c)] + d * d * count
        k = U(k + U(1))
    mean[c] = centre
    var[c] = squares / D(rows)


@kernel("T* T* T* T* T* T* u u u")
def _batch_norm(out, x, mean, inv_std, gamma, beta, count, channels, relu):
    i = U(cuda.grid(1))
    if i < count:
        c = U(i % channels)
        y = (x[i] - mean[c]) * (inv_std[c] * gamma[c]) + beta[c]
        out[i] = T(0) if relu and y <= T(0) else y


@kernel("d* T* T* T* T* T* T* u u u u u")
def _chunk_sums(partial, g, x, mean, inv_std, gamma, beta, count, rows, channels, step, relu):
    """partial[k, 0, c] = sum of h over chunk k, partial[k, 1, c] = sum of h (x - mean)."""
    i = U(cuda.grid(1))
    if i >= count:
        return
    c, k = U(i % channels), U(i // channels)
    r, last = U(k * step), min(rows, U(U(k * step) + step))
    total, products = D(0), D(0)
    while r < last:
        at = U(U(r * channels) + c)
        d = x[at] - mean[c]
        if not (relu and d * (inv_std[c] * gamma[c]) + beta[c] <= T(0)):
            total += g[at]
            products += D(g[at]) * D(d)
        r = U(r + U(1))
    partial[U(U(U(U(2) * k) * channels) + c)] = total
    partial[U(U(U(U(U(2) * k) + U(1)) * channels) + c)] = products


@kernel("T* d* T* u u")
def _join_sums(sums, partial, inv_std, channels, chunks):
    c = U(cuda.grid(1))
    if c >= channels:
        return
    total, products, k = D(0), D(0), U(0)
    while k < chunks:
        total += partial[U(U(U(U(2) * k) * channels) + c)]
        products += partial[U(U(U(U(U(2) * k) + U(1)) * channels) + c)]
        k = U(k + U(1))
    sums[c] = total
    sums[U(channels + c)] = products * D(inv_std[c])


@kernel("T* T* T* T* T* T* T* T* u u u T")
def _input_grad(out, g, x, mean, inv_std, gamma, beta, sums, count, channels, relu, share):
    """`share` is 1 / M."""
    i = U(cuda.grid(1))
    if i < count:
        c = U(i % channels)
        d = x[i] - mean[c]
        hat, scale = d * inv_std[c], inv_std[c] * gamma[c]
        h = T(0) if relu and d * scale + beta[c] <= T(0) else g[i]
        level, tilt = sums[c] * share, sums[U(channels + c)] * share
        out[i] = scale * (h - level - hat * tilt)


def _chunks(rows):
    """Give (rows per chunk, chunks): from the number of rows alone, so that bits do not change."""
    step = max(ROWS, -(-rows // CHUNKS))
    return step, -(-rows // step)


def moments(mean, var, x):
    """mean[c], var[c] = mean and biased variance of x[:, c]; NaN where x has no rows."""
    rows, channels = x.shape
    step, chunks = _chunks(rows)
    partial = arrays.DeviceArray((chunks, 2, channels), "float64")
    count = chunks * channels
    _chunk_moments(count, partial, x, count, rows, channels, step, dtype=x.dtype)
    _join_moments(channels, mean, var, partial, rows, channels, step, chunks, dtype=x.dtype)


def batch_norm(out, x, mean, inv_std, gamma, beta, activation):
    """out[m, c] = f((x[m, c] - mean[c]) inv_std[c] gamma[c] + beta[c])."""
    arguments = out, x, mean, inv_std, gamma, beta, out.size, mean.size, ACTIVATIONS[activation]
    _batch_norm(out.size, *arguments, dtype=out.dtype)


def batch_norm_sums(sums, g, x, mean, inv_std, gamma, beta, activation):
    """sums[0] = sum_m h, sums[1] = sum_m h xhat, with h = g f'(xhat gamma + beta)."""
    rows, channels = x.shape
    step, chunks = _chunks(rows)
    partial = arrays.DeviceArray((chunks, 2, channels), "float64")
    count = chunks * channels
    numbers = count, rows, channels, step, ACTIVATIONS[activation]
    _chunk_sums(count, partial, g, x, mean, inv_std, gamma, beta, *numbers, dtype=x.dtype)
    _join_sums(channels, sums, partial, inv_std, channels, chunks, dtype=x.dtype)


def batch_norm_input_grad(out, g, x, mean, inv_std, gamma, beta, activation, sums):
    """out = gamma inv_std (h - sums[0] / M - xhat sums[1] / M), mean and variance being x's."""
    arguments = out, g, x, mean, inv_std, gamma, beta, sums, out.size, mean.size
    arguments += ACTIVATIONS[activation], 1 / max(1, x.shape[0])
    _input_grad(out.size, *arguments, dtype=out.dtype)
