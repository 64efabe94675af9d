"""Direct convolution: the register-tiled product over windows of the input, which stay in place.

`walk` computes a convolution, or the gradient of its input, from the tables of conv_tables.py, for
every stride, dilation, padding and number of groups. Sums run in a fixed order, so that results
have the same bits on any number of threads.
"""

import numpy as np
from numba import get_thread_id, prange

from .product import WIDEST, product
from .scratch import in_use, scratch
from .simd import lanes
from .target import inline, parallel, started_threads, threads_for
from .windows import copy_window, flat


@inline
def whole(number, unit):
    """Round up to whole units."""
    return (number + unit - 1) // unit * unit


@inline
def _pack_panel(packed, first, w, row_starts, shift, step, columns):
    """Copy columns of weights `step` apart as a panel for `product`, its last vector filled up."""
    width = whole(columns, lanes(w))
    for s in range(len(row_starts)):
        row, to = row_starts[s] + shift, first + s * width
        for j in range(columns):
            packed[to + j] = w[row + j * step]
        for j in range(columns, width):
            packed[to + j] = 0


@inline
def _pack_weights(packed, w, i, channels, phases, weights):
    """Pack the panel with number `i` among all panels of all phases and groups."""
    c, wide = channels[0], WIDEST * lanes(w)
    panels = whole(c.columns, wide) // wide
    f = phases[i // panels % len(phases)]
    group, begin = i // (panels * len(phases)), i % panels * wide
    rows = weights[f.first_step : f.first_step + f.depth]
    first = (group * len(weights) + f.first_step) * whole(c.columns, lanes(w)) + begin * f.depth
    shift = group * c.weight_shift + begin * c.weight_step
    _pack_panel(packed, first, w, rows, shift, c.weight_step, min(wide, c.columns - begin))


@inline
def block_at(number, axes):
    """Find the image and the first units of a block."""
    rows, columns = axes[0], axes[1]
    n = number // (rows.blocks * columns.blocks)
    return (
        n,
        number // columns.blocks % rows.blocks * rows.block,
        number % columns.blocks * columns.block,
    )


@inline
def open_window(window, source, n, u, v, axes, channels, copied):
    """Give the array that holds the window of a block and its first element there."""
    rows, columns, depth = axes[0], axes[1], channels[0].source
    top, left = u * rows.step + rows.first, v * columns.step + columns.first
    if copied:
        height = (min(rows.block, rows.units - u) - 1) * rows.step + rows.span
        width, sizes = columns.window, (rows.source, columns.source)
        copy_window(window, source, n, *sizes, depth, top, left, height, width)
        return window, 0
    return source, ((n * rows.source + top) * columns.source + left) * depth


@inline
def count_pixels(f, u, v, axes):
    """Count the pixels of a block that a phase owns: fewer in the last blocks."""
    rows, columns = axes[0], axes[1]
    down = (rows.target - f.row + rows.spread - 1) // rows.spread - u
    along = (columns.target - f.column + columns.spread - 1) // columns.spread - v
    return max(0, min(down, rows.block)) * max(0, min(along, f.pixel_columns))


@inline
def _walk_task(out, source, packed, window, task, tables):
    """Compute some columns of each group, for all phases of one block of pixels."""
    axes, channels, phases, steps, starts, targets, work = tables
    rows, columns, c, job = axes[0], axes[1], channels[0], work[0]
    begin = task % job.splits * job.split
    n, u, v = block_at(task // job.splits, axes)
    seen, first = open_window(window, source, n, u, v, axes, channels, job.copied)
    for group in range(c.groups):
        for f in phases:
            i, j = u * rows.spread + f.row, v * columns.spread + f.column
            corner = ((n * rows.target + i) * columns.target + j) * c.target
            panel = (group * len(steps) + f.first_step) * whole(c.columns, lanes(out))
            stop = f.first_pixel + count_pixels(f, u, v, axes)
            product(
                out,
                corner + group * c.target_shift + begin,
                targets[f.first_pixel : stop],
                seen,
                first + group * c.source_shift,
                starts[f.first_pixel : stop],
                steps[f.first_step : f.first_step + f.depth],
                packed,
                panel + begin * f.depth,
                min(c.columns - begin, job.split),
                False,
            )


@parallel
def _run(
    stage, count, out, source, w, packed, windows, axes, channels, phases, steps, weights,
    starts, targets, work,
):  # fmt: skip
    for i in prange(count):
        if stage == 0:
            _pack_weights(packed[0], w, np.int64(i), channels, phases, weights)
        else:
            tables = axes, channels, phases, steps, starts, targets, work
            _walk_task(out, source, packed[0], windows[get_thread_id()], np.int64(i), tables)


def walk(out, source, w, tables):
    """Compute what `tables` describe: a convolution or its gradient with respect to the input."""
    with in_use:
        packed = scratch("weights", 1, tables.packed_size, out.dtype)
        windows = scratch("windows", started_threads(), tables.window_size, out.dtype)
        arguments = flat(out), flat(source), flat(w), packed, windows, *tables[:8]
        threads = threads_for(out.size * len(tables.steps))
        for stage, count in enumerate(tables.counts):
            _run(stage, count, *arguments, threads=threads)
