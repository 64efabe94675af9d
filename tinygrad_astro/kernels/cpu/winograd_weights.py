"""The gradient of a convolution's weights by Winograd: w' = G' (sum over tiles of B d * A' y') G.

Windows and incoming gradient go to the points, where each point is a product of channels by
channels summed over tiles, and only the sums come back. Tiles are dealt to a number of chunks that
depends on the geometry alone, and the chunks are added in order, so that the result has the same
bits on any number of threads.
"""

import numpy as np
from numba import get_thread_id, prange

from .product import WIDEST, product
from .scratch import in_use, scratch
from .simd import float32_lanes, lanes, load, store, store_first
from .target import inline, parallel, started_threads
from .windows import copy_window, flat
from .winograd import SCRATCH, tile_at, transform_tile
from .winograd_points import transform_output_grad, transform_weight_grad


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
    for p in range(s.points**2):
        product(
            sums,
            p * job.sums,
            rows[begin:end],
            v,
            p * s.inputs_apart,
            places[begin:end],
            starts[:tiles],
            y,
            p * job.y,
            columns,
            not fresh,
        )


@inline
def _write_weights(out, sums, d, v, job, shape, outputs, taps, grid):
    """Add up the chunks for one term and output vector, and transform the sum to the weights."""
    s, o, size, points = shape[0], outputs[v], lanes(out), shape[0].points ** 2
    total, to = grid, points * size
    for p in range(points):
        place = p * job.sums + (d * len(outputs) + v) * size
        value = load(sums[0], place)
        for chunk in range(1, job.chunks):
            value = value + load(sums[chunk], place)
        store(total, p * size, value)
    row = s.points * size
    transform_weight_grad(s.scheme, grid, to, s.r * size, size, total, 0, row, size)
    for k in range(s.r * s.r):
        if taps[d, 0, k] >= 0:
            store_first(out, taps[d, 0, k] + o.channel, load(grid, to + k * size), o.count)


@inline
def _task(stage, i, out, x, g, sums, v, y, patch, grid, jobs, tables, taps):
    """Sum up some terms over one chunk of tiles, or write the weights of one term."""
    _, shape, outputs, _, _, _, _, _ = tables
    job, s = jobs[0], shape[0]
    if stage == 1:
        for vector in range(len(outputs)):
            _write_weights(out, sums, i, vector, job, shape, outputs, taps, grid)
        return
    chunk, begin = i // job.splits, i % job.splits * job.split
    first, last = chunk * s.tiles // job.chunks, (chunk + 1) * s.tiles // job.chunks
    end = min(begin + job.split, s.depth)
    for t in range(first, last, job.block):
        tiles, fresh = min(job.block, last - t), t == first
        _add_tiles(sums[chunk], x, g, v, y, patch, t, tiles, begin, end, fresh, job, tables)


@parallel
def _run(
    stage, count, out, x, g, sums, v, y, patches, grids, job, axes, shape, outputs, near, cut,
    places, taps, starts, rows,
):  # fmt: skip
    for i in prange(count):
        tables, k = (axes, shape, outputs, near, cut, places, starts, rows), get_thread_id()
        mine = v[k], y[k], patches[k], grids[k]
        _task(stage, np.int64(i), out, x, g, sums, *mine, job, tables, taps)


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
        for stage, count in enumerate(tables.counts):
            _run(stage, count, *arguments)
