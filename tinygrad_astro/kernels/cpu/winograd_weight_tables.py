"""How the weight gradient of winograd_weights.py is divided, on the tables of the convolution."""

import functools
from typing import NamedTuple

import numpy as np

from .conv_tables import record
from .product import WIDEST
from .target import started_threads
from .winograd_tables import (
    LARGE,
    PANELS,
    TERMS,
    TILES,
    TILES_AT_ONCE,
    WEIGHTS,
    WINDOWS,
    apart,
    forward,
    largest,
    share,
)

# Tiles are dealt to `chunks`, done `block` at a time; the terms are cut into `splits` of up to
# `split`. Sums and transformed gradients of successive points are `sums` and `y` apart. Panels of
# outputs come in groups of `group`.
JOB = record("chunks block splits split group sums y")

# Sums over tiles that one task may hold, about an L2, and tasks worth having.
_SUMS = 640 * 1024
_TASKS = 8
# Transformed gradients that stay in the cache while terms go by.
_GRADIENTS = 448 * 1024


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
    stages: tuple
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


def _plan(points, tiles, depth, inputs, outputs, lanes):
    """Choose the order of the work: the job, copies and distances of points, stages, tasks."""
    most, panel = started_threads(), min(WIDEST * lanes, outputs)
    if depth * outputs > tiles * (inputs + outputs):
        panels = -(-outputs // panel)
        splits = max(-(-depth // TERMS), min(-(-2 * _TASKS // panels), depth // 16))
        split = largest(share(depth, splits, panel // lanes))
        sizes, rows = (split * panel, tiles * inputs, tiles * outputs), (most, 1, 1)
        splits = -(-depth // split)
        counts = tiles, splits * panels
        group = max(1, min(panels, _GRADIENTS // (points * tiles * panel)))
        return (1, tiles, splits, split, group), panel, sizes, rows, (WINDOWS, PANELS), counts
    chunks, block, splits = _divide(points, tiles, depth, inputs, outputs)
    split = largest(share(depth, splits, outputs // lanes))
    splits = -(-depth // split)
    sizes, rows = (depth * outputs, block * inputs, block * outputs), (chunks, most, most)
    counts = chunks * splits, depth
    return (chunks, block, splits, split, 1), outputs, sizes, rows, (TILES, WEIGHTS), counts


@functools.lru_cache(maxsize=512)
def weight_grad(x_shape, w_shape, out_shape, strides, pads, scheme, lanes):
    """Build the tables of the gradient with respect to w."""
    walk = forward(x_shape, w_shape, out_shape, strides, pads, scheme, lanes, 1)
    s, outputs = walk.shape[0], len(walk.outputs) * lanes
    points, depth, inputs = int(s["points"]) ** 2, int(s["depth"]), int(s["inputs"]) * lanes
    job, width, sizes, rows, stages, counts = _plan(
        points, int(s["tiles"]), depth, inputs, outputs, lanes
    )
    sums, windows, gradients = (apart(size) for size in sizes)
    shape = walk.shape.copy()
    shape["inputs_apart"] = windows
    patch = max(walk.memory[3][1], int(s["m"]) ** 2 * w_shape[3] + lanes)
    memory = [(number, points * size) for number, size in zip(rows, (sums, windows, gradients))]
    return WeightTables(
        np.array([(*job, sums, gradients)], JOB),
        walk.axes,
        shape,
        *walk[2:7],
        np.arange(job[1]) * inputs,
        np.arange(depth) * width,
        (*memory, (started_threads(), patch)),
        stages,
        counts,
    )
