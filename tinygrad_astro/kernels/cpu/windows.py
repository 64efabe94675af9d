"""Pieces of images: copied with zeros beyond the edge, or seen as one line of numbers."""

import numpy as np

from .simd import clear, copy, float32_lanes
from .target import inline


def flat(array):
    """View as one line of numbers; a read-only one is copied, as it would be a type of its own."""
    return array.reshape(-1) if array.flags.writeable else array.flatten()


def finishing(out, factor, level, floor):
    """Give what sums end with, max(factor * sum + level, floor), as one array for the kernels.

    First come the factors of all channels and then the levels, in whole vectors; the floor is last.
    """
    channels = out.shape[3]
    made = np.zeros(2 * (channels + float32_lanes()) + 1, out.dtype)
    made[:channels] = 1 if factor is None else factor
    if level is not None:
        made[len(made) // 2 :][:channels] = level
    made[-1] = floor
    return made


@inline
def copy_window(window, source, n, rows, columns, depth, top, left, height, width):
    """Copy `height` x `width` pixels from (top, left) on of image n, of rows x columns pixels."""
    begin, end = max(0, -left), max(0, min(width, columns - left))
    for i in range(height):
        to = i * width * depth
        if top + i < 0 or top + i >= rows or begin >= end:
            clear(window, to, width * depth)
            continue
        first = ((n * rows + top + i) * columns + left + begin) * depth
        clear(window, to, begin * depth)
        copy(window, to + begin * depth, source, first, (end - begin) * depth)
        clear(window, to + end * depth, (width - end) * depth)
