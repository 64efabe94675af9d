"""Direct convolution: the register-tiled product over windows of the input, which stay in place.

`walk` computes a convolution, or the gradient of its input, from the tables of conv_tables.py, for
every stride, dilation, padding and number of groups. Sums run in a fixed order, so that results
have the same bits on any number of threads.
"""

import numpy as np
from numba import get_thread_id, prange

from .borrow import borrowed
from .past import fence, may_pass
from .product import BLOCK, WIDEST, finished_product
from .scratch import in_use, scratch
from .simd import clear, copy, float32_lanes, lanes, transpose
from .target import inline, parallel, started_threads, threads_for
from .windows import copy_window, finishing, flat


@inline
def whole(number, unit):
    """Round up to whole units."""
    return (number + unit - 1) // unit * unit


@inline
def _pack_panel(packed, first, w, row_starts, shift, step, columns):
    """Copy columns of weights `step` apart as a panel for `product`, its last vector filled up.

    Rows that lie side by side are turned as many at a time as a vector has lanes.
    """
    size, width, count = lanes(w), whole(columns, lanes(w)), len(row_starts)
    for begin in range(0, count, size):
        end, row, to = min(begin + size, count), row_starts[begin] + shift, first + begin * width
        turned = 0
        if step > 1 and end == begin + size and row_starts[end - 1] == row_starts[begin] + size - 1:
            turned = columns // size * size
            for j in range(0, turned, size):
                transpose(packed, to + j, width, w, row + j * step, step)
        for s in range(begin, end):
            row, to = row_starts[s] + shift, first + s * width
            if step == 1:
                copy(packed, to, w, row, columns)
            else:
                for j in range(turned, columns):
                    packed[to + j] = w[row + j * step]
            clear(packed, to + columns, width - columns)


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
    """Find the first image and the first units of a block."""
    rows, columns = axes[0], axes[1]
    n = number // (rows.blocks * columns.blocks) * axes[2].block
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
        width, sizes = columns.window, (rows.source, columns.source, depth)
        for k in range(min(axes[2].block, axes[2].units - n)):
            image = window[k * rows.window * width * depth :]
            copy_window(image, source, n + k, *sizes, top, left, height, width)
        return window, 0
    return source, ((n * rows.source + top) * columns.source + left) * depth


@inline
def count_pixels(f, n, u, v, axes):
    """Count the pixels of a block that a phase owns: fewer in the last blocks."""
    rows, columns, images = axes[0], axes[1], min(axes[2].block, axes[2].units - n)
    down = (rows.target - f.row + rows.spread - 1) // rows.spread - u
    along = (columns.target - f.column + columns.spread - 1) // columns.spread - v
    return images * max(0, min(down, rows.block)) * max(0, min(along, f.pixel_columns))


@inline
def _columns(target, windows, w, rows, shift, pack, begin, end, step, finish):
    """Compute columns `begin` to `end` of a group for some pixels, packing weights on the way.

    They are read in the order of memory: as many as there may be, nobody else reads them.
    """
    (out, to, channel, ends), (seen, first, begins, steps) = target, windows
    wide = WIDEST * lanes(out)
    for s in range(0, len(steps), BLOCK):
        some, lines = steps[s : s + BLOCK], rows[s : s + BLOCK]
        for panel in range(begin, end, wide):
            columns, at, add = min(wide, end - panel), shift + panel * step, s > 0
            last = finish, channel + panel, s + BLOCK >= len(steps)
            _pack_panel(pack, 0, w, lines, at, step, columns)
            finished_product(
                out, to + panel, ends, seen, first, begins, some, pack, 0, columns, add, False,
                last,
            )  # fmt: skip


@inline
def _walk_task(out, source, w, packed, pack, window, finish, task, tables):
    """Compute some columns of each group, for all phases of one block of pixels."""
    axes, channels, phases, steps, weights, starts, targets, work = tables
    down, along, c, job = axes[0], axes[1], channels[0], work[0]
    begin = task % job.splits * job.split
    end = min(c.columns, begin + job.split)
    n, u, v = block_at(task // job.splits, axes)
    seen, first = open_window(window, source, n, u, v, axes, channels, job.copied)
    past = may_pass(out, c.target) and c.columns % lanes(out) == 0
    for group in range(c.groups):
        for f in phases:
            i, j = u * down.spread + f.row, v * along.spread + f.column
            to = ((n * down.target + i) * along.target + j) * c.target + group * c.target_shift
            stop = f.first_pixel + count_pixels(f, n, u, v, axes)
            ends, begins = targets[f.first_pixel : stop], starts[f.first_pixel : stop]
            taps, at = slice(f.first_step, f.first_step + f.depth), first + group * c.source_shift
            some, channel = steps[taps], group * c.target_shift
            if job.packed or f.depth == 0:
                panel = (group * len(steps) + f.first_step) * whole(c.columns, lanes(out))
                panel, width, last = panel + begin * f.depth, end - begin, past and f.depth <= BLOCK
                to, end_with = to + begin, (finish, channel + begin, True)
                finished_product(
                    out, to, ends, seen, at, begins, some, packed, panel, width, False, last,
                    end_with,
                )  # fmt: skip
            else:
                target, windows = (out, to, channel, ends), (seen, at, begins, some)
                shift, step, rows = group * c.weight_shift, c.weight_step, weights[taps]
                _columns(target, windows, w, rows, shift, pack, begin, end, step, finish)
    if past:
        fence()


@parallel
def _run(
    stage, count, out, source, w, packed, packs, windows, finish, axes, channels, phases,
    steps, weights, starts, targets, work,
):  # fmt: skip
    for i in prange(count):
        if stage == 0:
            mine = borrowed((packed[0], w, np.int64(i), channels, phases, weights))
            _pack_weights(*mine)
        else:
            tables = axes, channels, phases, steps, weights, starts, targets, work
            k = get_thread_id()
            mine = packs[k], windows[k], finish, np.int64(i)
            _walk_task(*borrowed((out, source, w, packed[0], *mine, tables)))


def walk(out, source, w, tables, factor=None, level=None, floor=-np.inf):
    """Compute what `tables` describe: a convolution or its gradient with respect to the input.

    The results are max(factor * sum + level, floor), the first two by channel and optional.
    """
    many, lanes = started_threads(), float32_lanes()
    with in_use:
        packed = scratch("weights", 1, tables.packed_size if tables.counts[0] else 0, out.dtype)
        packs = scratch("panels", many, BLOCK * WIDEST * lanes, out.dtype)
        windows = scratch("windows", many, tables.window_size, out.dtype)
        arguments = flat(out), flat(source), flat(w), packed, packs, windows
        arguments += finishing(out, factor, level, floor), *tables[:8]
        threads = threads_for(out.size * len(tables.steps))
        for stage, count in enumerate(tables.counts):
            if count:
                _run(stage, count, *arguments, threads=threads)
