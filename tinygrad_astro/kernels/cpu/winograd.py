"""Winograd convolution and its input gradient: 36 products per tile of m x m outputs.

Weights, windows and outputs go through the transforms of winograd_points.py along both axes; in
between, each of the 36 points is a matrix product of tiles by channels. For 3 x 3 kernels that is
36 multiplications where the direct sum takes 144. The tables are those of winograd_tables.py.

The work has two stages, of one parallel launch each. Where there are many tiles, all weights are
transformed first, and then each task does a block of tiles from windows to outputs. Where the
transformed weights would outweigh the tiles, as deep in a U-Net, all windows are transformed first,
and each task does one panel of outputs for many tiles, with its weights transformed on the way.
"""

import numpy as np
from numba import get_thread_id, prange

from .borrow import borrowed
from .past import fence, may_pass
from .product import WIDEST, product
from .scratch import in_use, scratch
from .simd import float32_lanes, lanes, load, store, store_first, transpose
from .target import inline, parallel, started_threads
from .windows import copy_window, finishing, flat
from .winograd_moments import merge, sum_part
from .winograd_points import (
    transform_outputs,
    transform_outputs_past,
    transform_weights,
    transform_window,
)
from .winograd_tables import PANELS, TERMS, TILES, WEIGHTS, WINDOWS

# What the rows of memory are for; the weight gradient, which never runs at the same time, keeps its
# sums in the place of the weights and its incoming gradients in that of the outputs.
SCRATCH = "winograd weights", "winograd windows", "winograd outputs", "winograd patch"

# Vectors of an edge tile's outputs, and of the weights of as many terms as there are lanes.
_GRID = 36 + 25 * float32_lanes()


@inline
def _load_weights(grid, k, w, start, step, count):
    """Read one vector of weights into place k of a grid: zeros for no tap and beyond `count`."""
    size = lanes(w)
    if step == 1 and start >= 0 and count == size:
        store(grid, k * size, load(w, start))
        return
    for i in range(size):
        grid[k * size + i] = w[start + i * step] if start >= 0 and i < count else 0


@inline
def _term(u, to, apart, w, d, o, g, taps, grid):
    """Transform the weights of term d for one vector of outputs."""
    size, first, last = lanes(w), taps[d, o.phase, 0], taps[d, o.phase, g.r * g.r - 1]
    if g.weight_step == 1 and o.count == size and first >= 0 and last >= 0:
        row, column = taps[d, o.phase, g.r] - first, taps[d, o.phase, 1] - first
        first += o.channel
        transform_weights(g.scheme, u, to, g.points * apart, apart, w, first, row, column)
        return
    for k in range(g.r * g.r):
        tap = taps[d, o.phase, k]
        start = tap + o.channel * g.weight_step if tap >= 0 else tap
        _load_weights(grid, k, w, start, g.weight_step, o.count)
    transform_weights(g.scheme, u, to, g.points * apart, apart, grid, 0, g.r * size, size)


@inline
def _terms(u, to, step, apart, w, d, o, g, taps, grid):
    """Transform the weights of as many terms as a vector has lanes, which lie side by side in w.

    Those of one term lie far apart there, and change places before the transform.
    """
    size = lanes(w)
    square = size * size
    for k in range(g.r * g.r):
        start = taps[d, o.phase, k] + o.channel * g.weight_step
        transpose(grid, k * square, size, w, start, g.weight_step)
    for k in range(size):
        place, row = to + k * step, g.r * square
        transform_weights(g.scheme, u, place, g.points * apart, apart, grid, k * size, row, square)


@inline
def _side_by_side(d, o, g, taps, size):
    """Tell whether all taps of terms d to d + size - 1 exist, with their weights side by side."""
    if g.weight_step == 1 or o.count < size or d + size > len(taps):
        return False
    first, last = taps[d, o.phase, 0], taps[d, o.phase, g.r * g.r - 1]
    return first >= 0 and last >= 0 and taps[d + size - 1, o.phase, 0] == first + size - 1


@inline
def _weights(u, apart, first, w, panel, begin, end, shape, outputs, taps, grid):
    """Transform the weights of some terms for one panel of outputs, as `product` wants them."""
    g, size = shape[0], lanes(w)
    v, stop = panel * WIDEST, min((panel + 1) * WIDEST, len(outputs))
    step, end = (stop - v) * size, min(end, g.depth)
    for block in range(begin, end, size):
        for i in range(v, stop):
            o, to = outputs[i], first + (block - begin) * step + (i - v) * size
            if block + size <= end and _side_by_side(block, o, g, taps, size):
                _terms(u, to, step, apart, w, block, o, g, taps, grid)
                continue
            for d in range(block, min(block + size, end)):
                _term(u, to + (d - block) * step, apart, w, d, o, g, taps, grid)


@inline
def tile_at(t, axes):
    """Find the image of tile t, and its row and column among the tiles of that image."""
    rows, columns = axes[0], axes[1]
    line = t // columns.tiles
    return line // rows.tiles, line % rows.tiles, t % columns.tiles


@inline
def transform_tile(v, first, source, patch, t, begin, end, axes, shape, near, cut):
    """Transform some input vectors of tile t, straight from the source where it lies inside."""
    rows, columns, g = axes[0], axes[1], shape[0]
    n, down, along = tile_at(t, axes)
    top = down * g.m * rows.step + rows.first
    left = along * g.m * columns.step + columns.first
    base = ((n * rows.source + top) * columns.source + left) * g.source
    inside = top >= 0 and top + rows.patch <= rows.source and base + g.reach <= len(source)
    apart = g.inputs_apart
    if inside and left >= 0 and left + columns.patch <= columns.source:
        row, column = rows.step * columns.source * g.source, columns.step * g.source
        for i in range(begin, end):
            to, at = first + i * lanes(source), base + near[i]
            transform_window(g.scheme, v, to, g.points * apart, apart, source, at, row, column)
    else:
        sizes = rows.source, columns.source, g.source
        copy_window(patch, source, n, *sizes, top, left, rows.patch, columns.patch)
        row, column = rows.step * columns.patch * g.source, columns.step * g.source
        for i in range(begin, end):
            to, at = first + i * lanes(source), cut[i]
            transform_window(g.scheme, v, to, g.points * apart, apart, patch, at, row, column)


@inline
def _write_tile(out, y, first, t, begin, end, axes, shape, outputs, grid, finish, seen):
    """Transform output vectors `begin` to `end` of tile t back and write what lies in the image."""
    rows, columns, g, size = axes[0], axes[1], shape[0], lanes(out)
    n, down, along = tile_at(t, axes)
    apart, past, wanted = g.outputs_apart, may_pass(out, g.target), len(seen) > 0
    row, column = rows.spread * columns.target * g.target, columns.spread * g.target
    for v in range(begin, end):
        o = outputs[v]
        i, j = down * g.m * rows.spread + o.row, along * g.m * columns.spread + o.column
        height = min(g.m, (rows.target - i + rows.spread - 1) // rows.spread)
        width = min(g.m, (columns.target - j + columns.spread - 1) // columns.spread)
        to = ((n * rows.target + i) * columns.target + j) * g.target + o.place
        y_first, level = first + (v - begin) * size, o.channel + len(finish) // 2
        place = (t * len(outputs) + v) * 3 * size
        if height == g.m and width == g.m and o.count == size:
            if past:
                transform_outputs_past(
                    g.scheme, out, to, row, column, y, y_first, g.points * apart, apart,
                    finish, o.channel, level, finish[-1], seen, place, wanted,
                )  # fmt: skip
            else:
                transform_outputs(
                    g.scheme, out, to, row, column, y, y_first, g.points * apart, apart,
                    finish, o.channel, level, finish[-1], seen, place, wanted,
                )  # fmt: skip
            continue
        transform_outputs(
            g.scheme, grid, 0, g.m * size, size, y, y_first, g.points * apart, apart,
            finish, o.channel, level, finish[-1], seen, 0, False,
        )  # fmt: skip
        for k in range(max(0, height) * max(0, width)):
            i, j = k // width, k % width
            store_first(out, to + i * row + j * column, load(grid, (i * g.m + j) * size), o.count)
        if wanted:
            sum_part(seen, place, grid, g.m, height, width)


@inline
def _tiles(out, source, u, v, y, patch, grid, finish, seen, number, tables):
    """Do one block of tiles: windows to points, products of the points, points to outputs."""
    axes, shape, outputs, near, cut, places, tile_inputs, tile_outputs, blocks = tables
    g, size, begin = shape[0], lanes(out), blocks[number]
    tiles = blocks[number + 1] - begin
    starts, ends = tile_inputs[:tiles], tile_outputs[:tiles]
    for t in range(tiles):
        transform_tile(v, starts[t], source, patch, begin + t, 0, g.inputs, axes, shape, near, cut)
    columns = len(outputs) * size
    for x in range(g.points**2):
        to, at, weights = x * g.outputs_apart, x * g.inputs_apart, x * g.weights_apart
        product(y, to, ends, v, at, starts, places, u, weights, columns, False, False)
    for t in range(tiles):
        where = ends[t], begin + t, 0, len(outputs)
        _write_tile(out, y, *where, axes, shape, outputs, grid, finish, seen)


@inline
def _panel(out, w, u, v, y, grid, finish, seen, i, tables, taps):
    """Do one panel of output vectors for a block of tiles, a part of the sum after another."""
    axes, shape, outputs, _, _, places, starts, ends, blocks = tables
    g, size, panels = shape[0], lanes(out), (len(outputs) + WIDEST - 1) // WIDEST
    panel, first, last = i % panels, blocks[i // panels], blocks[i // panels + 1]
    begin = panel * WIDEST
    end = min(begin + WIDEST, len(outputs))
    columns, inputs = (end - begin) * size, starts[first:last]
    for d in range(0, g.depth, TERMS):
        _weights(u, g.weights_apart, 0, w, panel, d, d + TERMS, shape, outputs, taps, grid)
        some = places[d : d + TERMS]
        for x in range(g.points**2):
            to, at, weights = x * g.outputs_apart, x * g.inputs_apart, x * g.weights_apart
            product(y, to, ends, v, at, inputs, some, u, weights, columns, d > 0, False)
    for t in range(first, last):
        place = ends[t - first]
        _write_tile(out, y, place, t, begin, end, axes, shape, outputs, grid, finish, seen)


@inline
def _task(stage, i, out, source, w, u, v, y, patch, grid, finish, seen, tables, taps):
    """Do task i of a stage."""
    axes, shape, outputs, near, cut, _, starts, _, _ = tables
    g = shape[0]
    if stage == WEIGHTS:
        parts = (g.depth + TERMS - 1) // TERMS
        panel, begin = i // parts, i % parts * TERMS
        width = min(WIDEST, len(outputs) - panel * WIDEST)
        first = (panel * WIDEST * g.depth + begin * width) * lanes(w)
        end = begin + TERMS
        _weights(u, g.weights_apart, first, w, panel, begin, end, shape, outputs, taps, grid)
    elif stage == TILES:
        _tiles(out, source, u, v, y, patch, grid, finish, seen, i, tables)
    elif stage == WINDOWS:
        transform_tile(v, starts[i], source, patch, i, 0, g.inputs, axes, shape, near, cut)
    else:
        _panel(out, w, u, v, y, grid, finish, seen, i, tables, taps)
    if stage in (TILES, PANELS) and may_pass(out, g.target):
        fence()


@parallel
def _run(
    stage, count, out, source, w, u, v, y, patches, grids, finish, seen, axes, shape, outputs,
    near, cut, places, taps, starts, ends, blocks,
):  # fmt: skip
    for i in prange(count):
        tables, k = (axes, shape, outputs, near, cut, places, starts, ends, blocks), get_thread_id()
        # Weights or windows have one row, for all threads to share, or one row each.
        mine = u[min(k, len(u) - 1)], v[min(k, len(v) - 1)], y[k], patches[k], grids[k]
        arrays = out, source, w, *mine, finish, seen, tables, taps
        _task(stage, np.int64(i), *borrowed(arrays))


def winograd(out, source, w, tables, factor=None, level=None, floor=-np.inf, moments=None):
    """Compute what `tables` describe: a convolution or its gradient with respect to the input.

    The results are max(factor * sum + level, floor), the first two by channel and optional. Their
    mean and variance by channel go to the two arrays `moments`: of a convolution only.
    """
    with in_use:
        memory = [
            scratch(name, rows, size, out.dtype)
            for name, (rows, size) in zip(SCRATCH, tables.memory, strict=True)
        ]
        grids = scratch("winograd grid", started_threads(), _GRID * float32_lanes(), out.dtype)
        arguments = flat(out), flat(source), flat(w), *memory, grids
        size = (
            int(tables.shape[0]["tiles"]) * len(tables.outputs) * 3 * float32_lanes()
            if moments
            else 0
        )
        seen = scratch("winograd moments", 1, size, out.dtype)[0, :size]
        arguments += finishing(out, factor, level, floor), seen, *tables[:10]
        for stage, count in zip(tables.stages, tables.counts, strict=True):
            _run(stage, count, *arguments)
        if moments:
            merge(*moments, seen, tables)
