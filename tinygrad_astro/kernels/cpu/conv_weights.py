"""Direct gradient of a convolution's weights: the forward walk with its two tables exchanged.

Row (a, b, c) of the gradient is a sum over pixels, so where the forward walk steps from tap to tap
this one steps from pixel to pixel. The work is divided in two ways that do not depend on the number
of threads: a small gradient by pixels, each chunk summing into a copy of its own that is added up
in order at the end; a large one by its rows.
"""

import numpy as np
from numba import get_thread_id, prange

from .conv_direct import _block, _open, _pixels, _whole, flat
from .product import WIDEST, product
from .scratch import in_use, scratch
from .simd import float32_lanes, lanes
from .target import get_num_threads, inline, parallel

_TASKS = 8  # parts of the work, whatever the number of threads
_LARGE = 1 << 17  # numbers in a gradient from which on it is divided by rows: 8 copies are 4 MiB


@inline
def _pack_gradient(packed, g, first, targets, columns):
    """Copy the pixels of a block as panels for `product`, filled up to whole vectors."""
    wide, to = WIDEST * lanes(g), 0
    for begin in range(0, columns, wide):
        count = min(wide, columns - begin)
        width = _whole(count, lanes(g))
        for t in range(len(targets)):
            row = first + targets[t] + begin
            for j in range(count):
                packed[to + j] = g[row + j]
            for j in range(count, width):
                packed[to + j] = 0
            to += width


@inline
def _add_block(sums, g, x, packed, window, number, low, high, job, tables):
    """Add what one block of pixels gives to rows `low` to `high` of each group."""
    axes, channels, phases, steps, starts, targets = tables
    rows, columns, c, f = axes[0], axes[1], channels[0], phases[0]
    n, u, v = _block(number, axes)
    seen, first = _open(window, x, n, u, v, axes, channels, job.copied)
    corner = ((n * rows.target + u) * columns.target + v) * c.target
    count = _pixels(f, u, v, axes)
    out_rows = np.arange(low, high) * c.target
    for group in range(c.groups):
        shift = group * c.target_shift
        _pack_gradient(packed, g, corner + shift, targets[:count], c.columns)
        product(
            sums, shift, out_rows, seen, first + group * c.source_shift, steps[low:high],
            starts[:count], packed, 0, c.columns, True,
        )  # fmt: skip


@parallel
def _sum_chunks(
    sums, g, x, packed, windows, blocks, parts, axes, channels, phases, steps, starts, targets, work
):
    tables, chunks = (axes, channels, phases, steps, starts, targets), len(sums)
    for task in prange(chunks * parts):
        chunk, part, thread = np.int64(task) // parts, np.int64(task) % parts, get_thread_id()
        low, high = part * len(steps) // parts, (part + 1) * len(steps) // parts
        mine, panel, window = sums[chunk], packed[thread], windows[thread]
        mine[low * channels[0].target : high * channels[0].target] = 0
        for number in range(chunk * blocks // chunks, (chunk + 1) * blocks // chunks):
            _add_block(mine, g, x, panel, window, number, low, high, work[0], tables)


def weight_sums(out, x, g, tables):
    """Compute the gradient of the weights, from the tables of the forward walk."""
    blocks = len(x) * int(tables.axes["blocks"].prod())
    chunks = 1 if out.size >= _LARGE else max(1, min(_TASKS, blocks))
    parts = -(-_TASKS // chunks) if len(tables.steps) >= 2 * _TASKS else 1
    width = int(tables.channels[0]["columns"]) + float32_lanes()  # filled up to whole vectors
    with in_use:
        threads = get_num_threads()
        sums = scratch("sums", chunks, out.size, out.dtype)
        packed = scratch("gradient", threads, len(tables.targets) * width, out.dtype)
        windows = scratch("windows", threads, tables.window_size, out.dtype)
        arguments = sums, flat(g), flat(x), packed, windows, blocks, parts
        walk = tables.axes, tables.channels, tables.phases, tables.steps, tables.starts
        _sum_chunks(*arguments, *walk, tables.targets, tables.work)
        np.add.reduce(sums[:, : out.size], axis=0, out=out.reshape(-1))
