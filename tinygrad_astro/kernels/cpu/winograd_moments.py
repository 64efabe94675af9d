"""Mean and variance of what Winograd tiles write, summed while the numbers are in registers.

Each tile gives, for each vector of outputs, its first number and the sums of differences from it
and of their squares. These come in the order of the tiles, whoever did them, so that the result has
the same bits on any number of threads. They are merged about the first number of all, in float64.
"""

import numpy as np

from .simd import add_to, float32_lanes, lanes, load, multiply_add, splat, store, widen
from .target import inline, serial


@inline
def sum_part(seen, place, grid, m, height, width):
    """Sum up the part of a tile that lies in the image, from the grid of m x m that holds it."""
    size = lanes(grid)
    first, zero = load(grid, 0), splat(grid.dtype.type(0))
    total, squares = zero, zero
    for i in range(max(0, height)):
        for j in range(max(0, width)):
            d = load(grid, (i * m + j) * size) - first
            total, squares = total + d, multiply_add(d, d, squares)
    store(seen, place, first)
    store(seen, place + size, total)
    store(seen, place + 2 * size, squares)


def merge(mean, variance, seen, tables):
    """mean[c], variance[c] = those of the outputs that the tiles wrote, of one phase."""
    channels, images = len(mean), tables.shape[0]["tiles"] // tables.axes["tiles"].prod()
    vectors = seen.reshape(-1, len(tables.outputs), 3, float32_lanes())
    first, sums = vectors[0, :, 0].reshape(-1), np.zeros((2, vectors[0, :, 0].size))
    _merge(sums[0], sums[1], seen, tables.axes, int(tables.shape[0]["m"]))
    count = images * tables.axes["target"].prod()
    total, squares = sums[:, :channels] / count
    mean[:] = first[:channels] + total
    variance[:] = np.maximum(squares - np.square(total), 0)


@serial
def _merge(total, squares, seen, axes, m):
    """total, squares = sums of d and d**2, d = output - first output of all, for each channel.

    With a tile's own sums s and q about its first number, e above that of all: n e + s and
    n e**2 + 2 e s + q.
    """
    size, rows, columns = lanes(seen), axes[0], axes[1]
    vectors = total.size // size
    for t in range(seen.size // (3 * size * vectors)):
        height = min(m, rows.target - t // columns.tiles % rows.tiles * m)
        width = min(m, columns.target - t % columns.tiles * m)
        count = widen(splat(seen.dtype.type(height * width)))
        for v in range(vectors):
            place = (t * vectors + v) * 3 * size
            e = widen(load(seen, place) - load(seen, v * 3 * size))
            s, q = widen(load(seen, place + size)), widen(load(seen, place + 2 * size))
            whole = count * e
            add_to(total, v * size, whole + s)
            add_to(squares, v * size, e * (whole + s + s) + q)
