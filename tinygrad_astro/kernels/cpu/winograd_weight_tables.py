"""How the weight gradient of winograd_weights.py is divided, on the tables of the convolution."""

import functools
from typing import NamedTuple

import numpy as np

from .conv_tables import record
from .target import started_threads
from .winograd_tables import LARGE, TILES_AT_ONCE, apart, forward

# Tiles are dealt to `chunks`, done `block` at a time; the terms are cut into `splits` of up to
# `split`. Sums and transformed gradients of successive points are `sums` and `y` apart.
JOB = record("chunks block splits split sums y")

# Sums over tiles that one task may hold, about an L2, and tasks worth having.
_SUMS = 640 * 1024
_TASKS = 8


class WeightTables(NamedTuple):
    """What the weight gradient uses of `Tables`; sums of term d start at rows[d]."""

    job: np.ndarray
    axes: np.ndarray
    shape: np.ndarray
    outputs: np.ndarray
    near: np.ndarray
    cut: np.ndarray
    places: np.ndarray
    taps: np.ndarray
    tile_inputs: np.ndarray
    rows: np.ndarray
    memory: tuple  # rows and numbers per row of sums, windows, gradients and patches
    counts: tuple  # of the tasks in each stage


def _divide(points, tiles, depth, inputs, outputs):
    """Choose chunks, tiles at once and splits, from the geometry alone.

    Each chunk has sums of its own, which cost as much to keep and add as many tiles to transform.
    """
    splits = max(1, min(-(-points * apart(depth * outputs) // _SUMS), depth // 32))
    worth = tiles * (inputs + outputs) // (depth * outputs)
    chunks = max(1, min(-(-_TASKS // splits), tiles // 24, worth))
    longest = -(-tiles // chunks)
    if longest <= 96:
        return chunks, longest, splits
    least = 72 if points * depth * outputs > LARGE else 32
    return chunks, min(96, max(least, TILES_AT_ONCE // (points * (inputs + outputs)))), splits


@functools.lru_cache(maxsize=512)
def weight_grad(x_shape, w_shape, out_shape, strides, pads, scheme, lanes):
    """Build the tables of the gradient with respect to w."""
    walk, most = (
        forward(x_shape, w_shape, out_shape, strides, pads, scheme, lanes, 1),
        started_threads(),
    )
    s, outputs = walk.shape[0], len(walk.outputs) * lanes
    points, depth, inputs = int(s["points"]) ** 2, int(s["depth"]), int(s["inputs"]) * lanes
    chunks, block, splits = _divide(points, int(s["tiles"]), depth, inputs, outputs)
    split, shape = -(-depth // splits), walk.shape.copy()
    shape["inputs_apart"] = apart(block * inputs)
    splits, sums, y = -(-depth // split), apart(depth * outputs), apart(block * outputs)
    patch = max(walk.memory[3][1], int(s["m"]) ** 2 * w_shape[3] + lanes)
    sizes = points * sums, points * apart(block * inputs), points * y, patch
    return WeightTables(
        np.array([(chunks, block, splits, split, sums, y)], JOB),
        walk.axes,
        shape,
        *walk[2:7],
        np.arange(block) * inputs,
        np.arange(depth) * outputs,
        tuple(zip((chunks, most, most, most), sizes, strict=True)),
        (chunks * splits, depth),
    )
