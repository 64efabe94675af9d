"""How an array is cut into pieces: by its shape alone, never by the number of threads.

That makes every sum come out with the same bits on one thread or many. Each kernel is a serial
loop over pieces start to stop, and a twin that shares out the same loop between threads; the pieces
of a (M, C) array hold whole rows, so that C numbers, repeated, line up with each piece.
"""

import numpy as np

from .target import inline

# Below this many elements a launch of all threads (3 to 20 us) costs more than it saves.
SERIAL = 32768
# 64 KiB of float32: several of them stay in one core's second-level cache.
CHUNK = 32768
# Short rows are handled several at a time, in inner loops of about this length.
TILE = 128


def launch(serial, parallel, arguments, count, step, work):
    """Run a loop over `count` units on this thread, or in steps on all where there is much work."""
    if work <= SERIAL:
        serial(*arguments, 0, count)
    else:
        parallel(*arguments, count, step)


def rows_per_chunk(channels: int) -> int:
    """Give the rows in one piece of a (M, C) array: `CHUNK` elements, but never a thin slice."""
    return max(64, CHUNK // max(1, channels))


@inline
def tile_length(channels):
    """Give the length of whole rows that an inner loop runs over."""
    return max(1, TILE // channels) * channels


@inline
def tiled(vector, length):
    out = np.empty(length, vector.dtype)
    channels = vector.size
    for start in range(0, length, channels):
        for c in range(channels):
            out[start + c] = vector[c]
    return out


@inline
def fold(total, partial):
    """total[c] = sum of partial[c], partial[C + c], ... in order."""
    channels = total.size
    for c in range(channels):
        total[c] = partial[c]
    for start in range(channels, partial.size, channels):
        for c in range(channels):
            total[c] += partial[start + c]


@inline
def add_columns(total, x):
    """total[c] = sum_m x[m, c] for flat `x`, in float64."""
    length = tile_length(total.size)
    partial = np.zeros(length)
    for start in range(0, x.size, length):
        piece = x[start : start + length]
        for i in range(piece.size):
            partial[i] += piece[i]
    fold(total, partial)
