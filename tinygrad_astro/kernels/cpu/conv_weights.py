"""The gradient of a convolution's weights, directly: windows of the input times the gradient.

The product of conv_direct.py with its tables swapped: the sum now runs over the pixels of a block,
and the rows of the result are the taps. Blocks are dealt to a number of chunks that depends on the
geometry alone; each chunk sums up its own, and the chunks are added in order, so that the result
has the same bits on any number of threads.
"""

import functools

import numpy as np
from numba import get_thread_id, prange

from .borrow import borrowed
from .conv_direct import block_at, count_pixels, open_window, whole
from .conv_tables import record
from .product import WIDEST, product
from .scratch import in_use, scratch
from .simd import clear, copy, lanes
from .target import inline, parallel, started_threads, threads_for
from .windows import flat

# Numbers that the chunks may hold together, and pixels that make a chunk worth its own sums: with
# 256 pixels and 2 x 2 x 256 x 512 weights, one chunk takes 2.4 ms and eight take 4.3.
_PARTIAL = 4 * 1024 * 1024
_PIXELS = 1024
# Numbers that one task adds up at the end.
_SLICE = 4096


@inline
def _pack(packed, g, corner, targets, columns):
    """Copy the gradient at the pixels of a block as panels for `product`."""
    size = lanes(g)
    wide, depth = WIDEST * size, len(targets)
    for first in range(0, columns, wide):
        some = min(wide, columns - first)
        width = whole(some, size)
        for t in range(depth):
            to = first * depth + t * width
            copy(packed, to, g, corner + targets[t] + first, some)
            clear(packed, to + some, width - some)


@inline
def _add_block(partial, x, g, window, packed, number, begin, end, fresh, copied, job, tables):
    """Add the part of one block of pixels to the taps from `begin` to `end`."""
    axes, channels, phases, steps, weights, starts, targets = tables
    rows, columns, c = axes[0], axes[1], channels[0]
    n, u, v = block_at(number, axes)
    seen, first = open_window(window, x, n, u, v, axes, channels, copied)
    corner = ((n * rows.target + u) * columns.target + v) * c.target
    pixels = count_pixels(phases[0], n, u, v, axes)
    for group in range(c.groups):
        shift = group * c.target_shift
        panels, panel = (g, corner) if job.straight else (packed, 0)
        if not job.straight:
            _pack(packed, g, corner + shift, targets[:pixels], c.columns)
        product(
            partial,
            shift,
            weights[begin:end],
            seen,
            first + group * c.source_shift,
            steps[begin:end],
            starts[:pixels],
            panels,
            panel,
            c.columns,
            not fresh,
            False,
        )


@inline
def _add_slice(out, partials, first, last):
    """out[first:last] = the sum of the chunks, in their order."""
    for i in range(first, last):
        total = partials[0, i]
        for chunk in range(1, len(partials)):
            total += partials[chunk, i]
        out[i] = total


@inline
def _task(stage, i, out, x, g, partials, window, packed, work, job, tables):
    """Sum up one part of the taps over one chunk of blocks, or add up one slice of all chunks."""
    if stage == 1:
        _add_slice(out, partials, i * _SLICE, min((i + 1) * _SLICE, len(out)))
        return
    j, steps = job[0], tables[3]
    chunk, begin = i // j.splits, i % j.splits * j.split
    end, partial = min(begin + j.split, len(steps)), partials[chunk]
    first, last = chunk * j.blocks // j.chunks, (chunk + 1) * j.blocks // j.chunks
    if first == last:
        clear(partial, 0, len(out))
    for block in range(first, last):
        fresh, copied = block == first, work[0].copied
        _add_block(partial, x, g, window, packed, block, begin, end, fresh, copied, j, tables)


@parallel
def _run(
    stage, count, out, x, g, partials, windows, packs, axes, channels, phases, steps, weights,
    starts, targets, work, job,
):  # fmt: skip
    for i in prange(count):
        tables, k = (axes, channels, phases, steps, weights, starts, targets), get_thread_id()
        mine = out, x, g, partials, windows[k], packs[k], work, job, tables
        _task(stage, np.int64(i), *borrowed(mine))


# How blocks are dealt: to `chunks`, with the taps cut into `splits` of up to `split`; whether the
# gradient lies in memory as `product` wants it, one panel wide and pixel after pixel.
JOB = record("blocks chunks splits split straight")


@functools.lru_cache(maxsize=512)
def _job(blocks, pixels, size, rows, straight):
    """Choose chunks and splits for weights of a size, whose taps and channels make so many rows."""
    chunks = max(1, min(blocks, 16, _PARTIAL // max(1, size), pixels // _PIXELS))
    splits = max(1, min(-(-8 // chunks), rows // 48))
    split = -(-rows // splits)
    splits = -(-rows // split)
    return chunks, splits, np.array([(blocks, chunks, splits, split, straight)], JOB)


def walk_weights(out, x, g, tables):
    """Compute the gradient of the weights from the tables of the convolution itself."""
    pixels, rows = tables.blocks * len(tables.targets), len(tables.steps)
    chunks, splits, job = _job(tables.blocks, pixels, out.size, rows, tables.one_panel)
    threads, block = started_threads(), len(tables.targets) * tables.packed_columns
    with in_use:
        partials = out.reshape(1, -1)
        if chunks > 1:
            partials = scratch("weight gradients", chunks, out.size, out.dtype)
        windows = scratch("windows", threads, tables.window_size, out.dtype)
        packs = scratch("gradient panels", threads, block, out.dtype)
        arguments = flat(out), flat(x), flat(g), partials, windows, packs, *tables[:8], job
        workers = threads_for(out.size * len(tables.targets) * tables.blocks)
        _run(0, chunks * splits, *arguments, threads=workers)
        if chunks > 1:
            _run(1, -(-out.size // _SLICE), *arguments, threads=workers)
