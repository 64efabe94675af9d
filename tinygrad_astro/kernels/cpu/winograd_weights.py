"""The gradient of a convolution's weights by Winograd: w' = G' (sum over tiles of B d * A' y') G.

Windows and incoming gradient go to the points, where each point is a product of channels by
channels summed over tiles, and only the sums come back. Where there are many tiles, they are dealt
to a number of chunks that depends on the geometry alone, and the chunks are added in order, so that
the result has the same bits on any number of threads. Where the sums would outweigh the tiles, as
deep in a U-Net, all tiles are transformed first, and each task does a part of the weights from the
points to the end, so that no sum leaves the cache.
"""

import numpy as np
from numba import get_thread_id, prange

from .borrow import borrowed
from .product import WIDEST, product
from .scratch import in_use, scratch
from .simd import float32_lanes, lanes, load, store, store_first
from .target import inline, parallel, started_threads
from .windows import copy_window, flat
from .winograd import SCRATCH, tile_at, transform_tile
from .winograd_points import transform_output_grad, transform_weight_grad
from .winograd_tables import TILES, WEIGHTS, WINDOWS


@inline
def _transform_gradient(y, apart, g, patch, t, depth, number, axes, shape, outputs):
    """Transform the gradient at one tile for all output vectors: row t of the `depth` of panels."""
    rows, columns, s, size = axes[0], axes[1], shape[0], lanes(g)
    n, down, along = tile_at(number, axes)
    top, left, width = down * s.m, along * s.m, len(outputs)
    base = ((n * rows.target + top) * columns.target + left) * s.target
    line, reach = columns.target * s.target, (s.m - 1) * (columns.target + 1) * s.target
    inside = top + s.m <= rows.target and left + s.m <= columns.target
    inside = inside and base + reach + width * size <= len(g)
    if not inside:
        sizes = rows.target, columns.target, s.target
        copy_window(patch, g, n, *sizes, top, left, s.m, s.m)
    for v in range(width):
        panel = v // WIDEST * WIDEST
        wide = min(WIDEST, width - panel)
        to = (panel * depth + t * wide + v - panel) * size
        row, column, k = s.points * apart, s.target, v * size
        if inside:
            transform_output_grad(s.scheme, y, to, row, apart, g, base + k, line, column)
        else:
            transform_output_grad(s.scheme, y, to, row, apart, patch, k, s.m * column, column)


@inline
def _add_tiles(sums, x, g, v, y, patch, first, tiles, begin, end, fresh, job, tables):
    """Add the products of some tiles to the sums of the terms from `begin` to `end`."""
    axes, shape, outputs, near, cut, places, starts, rows = tables
    s, size, columns = shape[0], lanes(x), len(outputs) * lanes(x)
    low, high = places[begin:end].min() // size, places[begin:end].max() // size + 1
    for t in range(tiles):
        transform_tile(v, starts[t], x, patch, first + t, low, high, axes, shape, near, cut)
    for t in range(tiles):
        _transform_gradient(y, job.y, g, patch, t, tiles, first + t, axes, shape, outputs)
    some, terms, depth = rows[begin:end], places[begin:end], starts[:tiles]
    for p in range(s.points**2):
        to, at, weights = p * job.sums, p * s.inputs_apart, p * job.y
        product(sums, to, some, v, at, terms, depth, y, weights, columns, not fresh, False)


@inline
def _write_weights(out, sums, place, d, v, job, shape, outputs, taps, grid):
    """Add up the chunks for one term and output vector, and transform the sum to the weights."""
    s, o, size, to = shape[0], outputs[v], lanes(out), shape[0].points ** 2 * lanes(out)
    row, column = s.r * size, size
    if job.chunks == 1:
        line = s.points * job.sums
        transform_weight_grad(s.scheme, grid, to, row, column, sums[0], place, line, job.sums)
    else:
        for p in range(s.points**2):
            value = load(sums[0], p * job.sums + place)
            for chunk in range(1, job.chunks):
                value = value + load(sums[chunk], p * job.sums + place)
            store(grid, p * size, value)
        line = s.points * size
        transform_weight_grad(s.scheme, grid, to, row, column, grid, 0, line, size)
    for k in range(s.r * s.r):
        if taps[d, 0, k] >= 0:
            store_first(out, taps[d, 0, k] + o.channel, load(grid, to + k * size), o.count)


@inline
def _panel(out, sums, v, y, grid, i, job, tables, taps):
    """Do some terms and one panel of outputs for all tiles, from their points to the weights.

    A group of panels, whose gradients stay in the cache, takes some terms after the others.
    """
    _, shape, outputs, _, _, places, starts, rows = tables
    s, size = shape[0], lanes(out)
    before = i // (job.splits * job.group) * job.group
    group = min(job.group, (len(outputs) + WIDEST - 1) // WIDEST - before)
    k = i - before * job.splits
    begin, panel = k // group * job.split, (before + k % group) * WIDEST
    end, width = min(begin + job.split, s.depth), min(WIDEST, len(outputs) - panel)
    some, terms = rows[: end - begin], places[begin:end]
    for p in range(s.points**2):
        to, at, weights = p * job.sums, p * s.inputs_apart, p * job.y + panel * s.tiles * size
        product(sums[0], to, some, v, at, terms, starts, y, weights, width * size, False, False)
    for d in range(begin, end):
        for k in range(width):
            place = rows[d - begin] + k * size
            _write_weights(out, sums, place, d, panel + k, job, shape, outputs, taps, grid)


@inline
def _task(stage, i, out, x, g, sums, k, v, y, patch, grid, jobs, tables, taps):
    """Do task i of a stage."""
    axes, shape, outputs, near, cut, _, starts, rows = tables
    job, s = jobs[0], shape[0]
    if stage == TILES:
        chunk, begin = i // job.splits, i % job.splits * job.split
        first, last = chunk * s.tiles // job.chunks, (chunk + 1) * s.tiles // job.chunks
        end = min(begin + job.split, s.depth)
        for t in range(first, last, job.block):
            tiles, fresh = min(job.block, last - t), t == first
            _add_tiles(sums[chunk], x, g, v, y, patch, t, tiles, begin, end, fresh, job, tables)
    elif stage == WEIGHTS:
        for vector in range(len(outputs)):
            place = rows[i] + vector * lanes(out)
            _write_weights(out, sums, place, i, vector, job, shape, outputs, taps, grid)
    elif stage == WINDOWS:
        transform_tile(v, starts[i], x, patch, i, 0, s.inputs, axes, shape, near, cut)
        _transform_gradient(y, job.y, g, patch, i, s.tiles, i, axes, shape, outputs)
    else:
        _panel(out, sums[k : k + 1], v, y, grid, i, job, tables, taps)


@parallel
def _run(
    stage, count, out, x, g, sums, v, y, patches, grids, job, axes, shape, outputs, near, cut,
    places, taps, starts, rows,
):  # fmt: skip
    for i in prange(count):
        tables, k = (axes, shape, outputs, near, cut, places, starts, rows), get_thread_id()
        # Points have one row, for all threads to share, or one row each.
        mine = v[min(k, len(v) - 1)], y[min(k, len(y) - 1)], patches[k], grids[k]
        _task(stage, np.int64(i), *borrowed((out, x, g, sums, k, *mine, job, tables, taps)))


def winograd_weights(out, x, g, tables):
    """Compute the gradient of the weights; `tables` are those of winograd_weight_tables.py."""
    with in_use:
        memory = [
            scratch(name, rows, size, out.dtype)
            for name, (rows, size) in zip(SCRATCH, tables.memory, strict=True)
        ]
        room = 2 * 64 * float32_lanes()
        grids = scratch("winograd grid", started_threads(), room, out.dtype)
        arguments = flat(out), flat(x), flat(g), *memory, grids, *tables[:10]
        for stage, count in zip(tables.stages, tables.counts, strict=True):
            _run(stage, count, *arguments)
