"""Batch normalisation of (M, C): moments, y = (x - mean) inv_std gamma + beta, and its gradient.

Ioffe & Szegedy 2015, algorithm 1. Sums go by chunks of rows, in float64: one launch for the chunks,
then launches that join GROUP of them in order, until one is left.
"""

from . import array as arrays
from .target import D, T, U, cuda, kernel

ACTIVATIONS = {"linear": 0, "relu": 1}
ROWS = 64  # per chunk, at least
CHUNKS = 8192  # at most: threads enough for every card
GROUP = 32  # chunks that one thread joins; so many groups again, until one is left


@kernel("d* T* u u u u")
def _chunk_moments(partial, x, count, rows, channels, step):
    """partial[k, 0, c] = mean over chunk k, partial[k, 1, c] = sum of squares about it.

    One pass: squares are taken about the first value, so that at most a factor of the chunk's
    number of rows cancels, even where that value is far off: float64 has the digits for it.
    """
    i = U(cuda.grid(1))
    if i >= count:
        return
    c, k = U(i % channels), U(i // channels)
    first, last = U(k * step), min(rows, U(U(k * step) + step))
    start = D(x[U(U(first * channels) + c)])
    total, squares, r = D(0), D(0), first
    while r < last:
        v = D(x[U(U(r * channels) + c)])
        total += v
        squares += (v - start) * (v - start)
        r = U(r + U(1))
    n = D(last - first)
    mean = total / n
    squares -= n * (mean - start) * (mean - start)
    partial[U(U(U(U(2) * k) * channels) + c)] = mean
    partial[U(U(U(U(U(2) * k) + U(1)) * channels) + c)] = D(0) if squares < D(0) else squares


@kernel("d* d* u u u u u u", dtypes=("float32",))
def _merge_moments(out, partial, count, rows, channels, step, chunks, size):
    """Merge groups of `size` chunks, as Chan, Golub & LeVeque 1983, section 2, merge two."""
    i = U(cuda.grid(1))
    if i >= count:
        return
    c, group = U(i % channels), U(i // channels)
    first, last = U(group * size), min(chunks, U(U(group * size) + size))
    whole, centre, k = D(0), D(0), first
    while k < last:
        n = D(min(step, U(rows - U(k * step))))
        centre += partial[U(U(U(U(2) * k) * channels) + c)] * n
        whole += n
        k = U(k + U(1))
    centre /= whole
    squares, k = D(0), first
    while k < last:
        n = D(min(step, U(rows - U(k * step))))
        d = partial[U(U(U(U(2) * k) * channels) + c)] - centre
        squares += partial[U(U(U(U(U(2) * k) + U(1)) * channels) + c)] + d * d * n
        k = U(k + U(1))
    out[U(U(U(U(2) * group) * channels) + c)] = centre
    out[U(U(U(U(U(2) * group) + U(1)) * channels) + c)] = squares


@kernel("T* T* d* u d")
def _write_moments(mean, var, merged, channels, rows):
    c = U(cuda.grid(1))
    if c < channels:
        mean[c] = merged[c]
        var[c] = merged[U(channels + c)] / rows


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


@kernel("d* d* u u u u", dtypes=("float32",))
def _merge_sums(out, partial, count, width, chunks, size):
    """out[group, j] = sum of `size` chunks of partial[k, j], in order."""
    i = U(cuda.grid(1))
    if i >= count:
        return
    j, group = U(i % width), U(i // width)
    k, last = U(group * size), min(chunks, U(U(group * size) + size))
    total = D(0)
    while k < last:
        total += partial[U(U(k * width) + j)]
        k = U(k + U(1))
    out[i] = total


@kernel("T* d* T* u")
def _write_sums(sums, merged, inv_std, channels):
    c = U(cuda.grid(1))
    if c < channels:
        sums[c] = merged[c]
        sums[U(channels + c)] = merged[U(channels + c)] * D(inv_std[c])


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
    while chunks != 1:  # none, for no rows, gives the NaN of 0 / 0
        groups = max(1, -(-chunks // GROUP))
        merged = arrays.DeviceArray((groups, 2, channels), "float64")
        count = groups * channels
        _merge_moments(count, merged, partial, count, rows, channels, step, chunks, GROUP)
        partial, chunks, step = merged, groups, step * GROUP
    _write_moments(channels, mean, var, partial, channels, rows, dtype=x.dtype)


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
    while chunks != 1:
        groups = max(1, -(-chunks // GROUP))
        merged = arrays.DeviceArray((groups, 2, channels), "float64")
        count = groups * 2 * channels
        _merge_sums(count, merged, partial, count, 2 * channels, chunks, GROUP)
        partial, chunks = merged, groups
    _write_sums(channels, sums, partial, inv_std, channels, dtype=x.dtype)


def batch_norm_input_grad(out, g, x, mean, inv_std, gamma, beta, activation, sums):
    """out = gamma inv_std (h - sums[0] / M - xhat sums[1] / M), mean and variance being x's."""
    arguments = out, g, x, mean, inv_std, gamma, beta, sums, out.size, mean.size
    arguments += ACTIVATIONS[activation], 1 / max(1, x.shape[0])
    _input_grad(out.size, *arguments, dtype=out.dtype)
