"""Depthwise convolution: every channel has a filter of its own, so channels go in vectors.

The tables are those of conv_tables.py with one channel per group, which makes a tap one step: for
pixel t, out[targets[t] + c] = sum_s source[starts[t] + steps[s] + c] * w[weights[s] + c]. As there,
other tables make it the gradient of the input, and the weight gradient sums over t instead.
"""

import numpy as np
from numba import get_thread_id, prange

from .borrow import borrowed
from .conv_direct import block_at, count_pixels, open_window, whole
from .scratch import in_use, scratch
from .simd import clear, copy, lanes, load, multiply_add, splat, store, store_first
from .target import inline, parallel, started_threads
from .windows import flat

# Chunks of blocks whose weight gradients are summed apart.
_CHUNKS = 8


@inline
def _corner(n, u, v, f, axes, depth):
    """Find the first number of the pixel where a phase of a block starts to write."""
    rows, columns = axes[0], axes[1]
    i, j = u * rows.spread + f.row, v * columns.spread + f.column
    return ((n * rows.target + i) * columns.target + j) * depth


@inline
def _four_pixels(out, to, targets, seen, first, starts, t, steps, w, weights, depth):
    """Compute four pixels from t on, or repeat the last one, so that each weight is read once."""
    size, last = lanes(out), len(starts) - 1
    t1, t2, t3 = min(t + 1, last), min(t + 2, last), min(t + 3, last)
    for c in range(0, depth, size):
        zero = splat(out.dtype.type(0))
        sum0, sum1, sum2, sum3 = zero, zero, zero, zero
        for s in range(len(steps)):
            weight = load(w, weights[s] // depth * whole(depth, size) + c)
            at = first + steps[s] + c
            sum0 = multiply_add(load(seen, at + starts[t]), weight, sum0)
            sum1 = multiply_add(load(seen, at + starts[t1]), weight, sum1)
            sum2 = multiply_add(load(seen, at + starts[t2]), weight, sum2)
            sum3 = multiply_add(load(seen, at + starts[t3]), weight, sum3)
        store_first(out, to + targets[t] + c, sum0, depth - c)
        store_first(out, to + targets[t1] + c, sum1, depth - c)
        store_first(out, to + targets[t2] + c, sum2, depth - c)
        store_first(out, to + targets[t3] + c, sum3, depth - c)


@inline
def _block(out, source, w, window, number, copied, tables):
    """Compute all phases of one block of pixels."""
    axes, channels, phases, steps, weights, starts, targets = tables
    n, u, v = block_at(number, axes)
    seen, first = open_window(window, source, n, u, v, axes, channels, copied)
    depth = channels[0].source
    for f in phases:
        to, pixels = _corner(n, u, v, f, axes, depth), count_pixels(f, n, u, v, axes)
        begin, end = f.first_pixel, f.first_pixel + pixels
        taps = slice(f.first_step, f.first_step + f.depth)
        for t in range(0, pixels, 4):
            some, ends = starts[begin:end], targets[begin:end]
            _four_pixels(out, to, ends, seen, first, some, t, steps[taps], w, weights[taps], depth)


@inline
def _four_taps(sums, s, seen, first, steps, starts, gradients, depth):
    """Add a block's pixels to the sums of four taps from s on, each gradient read once."""
    size, last, wide = lanes(seen), len(steps) - 1, whole(depth, lanes(seen))
    s1, s2, s3 = min(s + 1, last), min(s + 2, last), min(s + 3, last)
    for c in range(0, depth, size):
        zero = splat(sums.dtype.type(0))
        sum0, sum1, sum2, sum3 = zero, zero, zero, zero
        for t in range(len(starts)):
            gradient, at = load(gradients, t * wide + c), first + starts[t] + c
            sum0 = multiply_add(load(seen, at + steps[s]), gradient, sum0)
            sum1 = multiply_add(load(seen, at + steps[s1]), gradient, sum1)
            sum2 = multiply_add(load(seen, at + steps[s2]), gradient, sum2)
            sum3 = multiply_add(load(seen, at + steps[s3]), gradient, sum3)
        old0, old1 = load(sums, s * wide + c), load(sums, s1 * wide + c)
        old2, old3 = load(sums, s2 * wide + c), load(sums, s3 * wide + c)
        store(sums, s * wide + c, old0 + sum0)
        store(sums, s1 * wide + c, old1 + sum1)
        store(sums, s2 * wide + c, old2 + sum2)
        store(sums, s3 * wide + c, old3 + sum3)


@inline
def _add_block(sums, x, g, window, gradients, number, copied, tables):
    """Add one block of pixels to the weight gradient."""
    axes, channels, phases, steps, _, starts, targets = tables
    n, u, v = block_at(number, axes)
    seen, first = open_window(window, x, n, u, v, axes, channels, copied)
    depth, wide = channels[0].source, whole(channels[0].source, lanes(x))
    corner = _corner(n, u, v, phases[0], axes, depth)
    pixels = count_pixels(phases[0], n, u, v, axes)
    for t in range(pixels):
        copy(gradients, t * wide, g, corner + targets[t], depth)
        clear(gradients, t * wide + depth, wide - depth)
    for s in range(0, len(steps), 4):
        _four_taps(sums, s, seen, first, steps, starts[:pixels], gradients, depth)


@parallel
def _run(
    count, out, source, w, windows, axes, channels, phases, steps, weights, starts, targets, work
):
    for i in prange(count):
        tables = axes, channels, phases, steps, weights, starts, targets
        window = windows[get_thread_id()]
        _block(*borrowed((out, source, w, window, np.int64(i), work[0].copied, tables)))


@parallel
def _run_weights(
    blocks, sums, x, g, windows, packs, axes, channels, phases, steps, weights, starts, targets,
    work,
):  # fmt: skip
    for i in prange(len(sums)):
        tables = axes, channels, phases, steps, weights, starts, targets
        thread, chunk = get_thread_id(), np.int64(i)
        clear(sums[chunk], 0, sums.shape[1])
        for block in range(chunk * blocks // len(sums), (chunk + 1) * blocks // len(sums)):
            mine = windows[thread], packs[thread], block, work[0].copied, tables
            _add_block(*borrowed((sums[chunk], x, g, *mine)))


def _filled(w, lanes):
    """Copy weights into rows of whole vectors, for they are read so."""
    taps, depth = w.shape[0] * w.shape[1], w.shape[3]
    rows = scratch("weights", taps, -(-depth // lanes) * lanes, w.dtype)
    packed = rows.reshape(-1)[: taps * (-(-depth // lanes) * lanes)].reshape(taps, -1)
    packed[:, :depth] = w.reshape(taps, depth)
    packed[:, depth:] = 0
    return packed.reshape(-1)


def depthwise(out, source, w, tables, lanes):
    """Compute what `tables` describe: a convolution or its gradient with respect to the input."""
    with in_use:
        windows = scratch("windows", started_threads(), tables.window_size, out.dtype)
        arguments = flat(out), flat(source), _filled(w, lanes), windows, *tables[:8]
        _run(tables.blocks, *arguments)


def depthwise_weights(out, x, g, tables, lanes):
    """Compute the gradient of the weights from the tables of the convolution itself."""
    taps, depth, threads = len(tables.steps), out.shape[3], started_threads()
    wide = -(-depth // lanes) * lanes
    with in_use:
        sums = scratch("weight gradients", min(_CHUNKS, tables.blocks), taps * wide, out.dtype)
        windows = scratch("windows", threads, tables.window_size, out.dtype)
        packs = scratch("gradient panels", threads, len(tables.targets) * wide, out.dtype)
        _run_weights(tables.blocks, sums, flat(x), flat(g), windows, packs, *tables[:8])
        total = sums[:, : taps * wide].sum(0).reshape(taps, wide)
        out.reshape(taps, depth)[...] = total[:, :depth]
