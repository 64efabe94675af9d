"""How an array is cut into pieces: by its shape alone, never by the number of threads.

That makes every sum come out with the same bits on one thread or many. The pieces of a (M, C) array
hold whole rows, so that a vector of C numbers, repeated, lines up with each piece.
"""

import numpy as np

from .target import inline

# Below this many elements a launch of all threads (3 to 20 us) costs more than it saves.
SERIAL = 32768
# 64 KiB of float32: several of them stay in one core's second-level cache.
CHUNK = 16384
# Short rows are handled several at a time, in inner loops of about this length.
TILE = 512


def rows_per_chunk(channels: int) -> int:
    """Give the rows in one piece of a (M, C) array: `CHUNK` elements, but never a thin slice."""
    return max(64, CHUNK // max(1, channels))


@inline
def tile_length(rows, channels):
    return min(max(1, TILE // channels), max(1, rows)) * channels


@inline
def tiled(vector, length):
    out = np.empty(length, vector.dtype)
    for start in range(0, length, vector.size):
        out[start : start + vector.size] = vector
    return out


@inline
def add_columns(total, x, length):
    """total[c] += sum_m x[m, c] for flat `x`, in float64; `length` is a multiple of C."""
    partial = np.zeros(length)
    for start in range(0, x.size, length):
        piece = x[start : start + length]
        for i in range(piece.size):
            partial[i] += piece[i]
    channels = total.size
    for start in range(0, length, channels):
        for c in range(channels):
            total[c] += partial[start + c]
