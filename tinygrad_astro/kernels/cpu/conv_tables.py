"""Where windows start and where taps lie in them: the geometry of a convolution as index tables.

A convolution and the gradient of its input are the same walk with different numbers. For output
row p the convolution reads rows p*sh + e of its source, with e = a*dh - top for tap a. Row
i = u*sh + r of the input gradient reads rows u + e of the incoming gradient, with
e = (r + top - a*dh) / sh, for just those taps a that make e an integer: each remainder r is a
*phase* with taps of its own (the sub-pixel form of the transposed convolution). The tables are
built once per geometry, here, in NumPy, and kept.
"""

import functools
import itertools
from typing import NamedTuple

import numpy as np

from .product import WIDEST
from .target import started_threads

# A block of output pixels is done at once: enough of them to repay reading the weights, with a
# window (in numbers) that stays in L2.
_PIXELS = 384
_WINDOW = 128 * 1024

# Tasks worth having where the geometry has them to give, and blocks that are too few to share
# weights that were packed before.
_BLOCKS = 8
_FEW = 2


class Axis(NamedTuple):
    """One axis of a walk: target = u * spread + phase, source = u * step + displacement."""

    source: int
    target: int
    step: int
    spread: int
    phases: tuple  # for each phase its pairs (tap, displacement)


def _forward_axis(source, target, taps, stride, pad, dilation):
    pairs = tuple((a, a * dilation - pad) for a in range(taps))
    return Axis(source, target, stride, 1, (pairs,))


def _input_grad_axis(source, target, taps, stride, pad, dilation):
    gaps = [[(a, phase + pad - a * dilation) for a in range(taps)] for phase in range(stride)]
    phases = (tuple((a, gap // stride) for a, gap in pairs if gap % stride == 0) for pairs in gaps)
    return Axis(source, target, 1, stride, tuple(phases))


def record(names):
    """Make the type of a record of integers, whose fields compiled code reads by name."""
    return np.dtype([(name, np.int64) for name in names.split()])


# An axis with `units` values of u, cut in `blocks` of up to `block`. Displacements run over `span`
# rows from `first` on; a block sees at most `window` rows. The images are the third axis: several
# small ones make a block, for which the weights are read once.
AXIS = record("source target step spread units first span block blocks window")

# Each of the groups makes `columns` channels of the target from `depth` channels of the source.
# The shifts lead from one group to the next, weight_step from one column to the next.
CHANNELS = record(
    "source target groups depth columns source_shift target_shift weight_shift weight_step"
)

# A phase starts at pixel (row, column) of the target and owns a part of each table.
PHASE = record("row column first_step depth first_pixel pixel_columns")

# A block of pixels is divided into `splits` tasks of `split` columns each. Where windows reach over
# the edge they are `copied`, with their padding. Weights are `packed` first where many blocks share
# them, and else on the way.
WORK = record("splits split copied packed")


class Tables(NamedTuple):
    """A walk over images as records, whose fields are named above, and tables of offsets.

    steps[s] says where tap s lies in a window and weights[s] where its weights are; starts[t] says
    where the window of pixel t of a block starts and targets[t] where its result goes.
    """

    axes: np.ndarray
    channels: np.ndarray
    phases: np.ndarray
    steps: np.ndarray
    weights: np.ndarray
    starts: np.ndarray
    targets: np.ndarray
    work: np.ndarray
    counts: tuple  # of panels to pack, and of tasks
    blocks: int
    packed_columns: int  # of a group, in whole vectors
    one_panel: bool  # whether the pixels of a block lie side by side, each as one panel of vectors
    packed_size: int
    window_size: int


def _cut(images, units, pixels, wanted):
    """Size a block: some whole images, some whole rows of one, or a piece of one row."""
    rows, columns = (max(1, number) for number in units)
    whole = max(1, min(rows, pixels // columns, -(-images * rows // wanted)))
    if whole == 1 and columns > 2 * pixels:
        return 1, pixels, 1
    together = min(pixels // (rows * columns), images // wanted) if whole == rows else 1
    return whole, columns, max(1, together)


def _axes_record(images, axes, channels, lanes):
    units = [*(-(-axis.target // axis.spread) for axis in axes), images]
    seen = channels[0] * axes[0].step * axes[1].step
    wanted = -(-_BLOCKS // max(1, channels[4] // (WIDEST * lanes)))
    blocks = _cut(images, units[:2], max(48, min(_PIXELS, _WINDOW // seen)), wanted)
    axis_records = np.zeros(3, AXIS)
    all_axes = *axes, Axis(images, images, 1, 1, (((0, 0),),))
    for i, (axis, number, block) in enumerate(zip(all_axes, units, blocks, strict=True)):
        reach = [e for pairs in axis.phases for _, e in pairs] or [0]
        span = max(reach) - min(reach) + 1
        window = (block - 1) * axis.step + span
        axis_records[i] = (*axis[:4], number, min(reach), span, block, -(-number // block), window)
    return axis_records


def _work(record, channels, phases, lanes, copied):
    """Divide the work into tasks, and say how much memory its copies take."""
    wide, columns = WIDEST * lanes, channels[4]
    panels, blocks = -(-columns // wide), int(record["blocks"].prod())
    packed = blocks > _FEW
    splits = min(panels, -(-(_BLOCKS if packed else started_threads()) // max(1, blocks)))
    split = -(-panels // splits) * wide
    splits = -(-columns // split)
    counts = panels * channels[2] * len(phases) if packed else 0, blocks * splits
    return np.array([(splits, split, copied, packed)], WORK), counts, blocks


def _build(images, axes, channels, w_shape, reduction_step, lanes):
    """Build the tables: each is a sum of one part per axis, in the order that kernels walk."""
    rows, columns, together = record = _axes_record(images, axes, channels, lanes)
    source, target, depth = channels[0], channels[1], np.arange(channels[3])
    last = record["first"] + (record["units"] - 1) * record["step"] + record["span"] - 1
    copied = bool((record["first"] < 0).any() or (last >= record["source"]).any())
    # Depthwise kernels read whole vectors, which must not reach past the last pixel of all.
    copied = copied or (channels[2] == source and source % lanes != 0)
    line = source * (columns["window"] if copied else columns["source"])
    image = line * (rows["window"] if copied else rows["source"])
    k = np.arange(together["block"])[:, None, None]
    tap_size = w_shape[2] * w_shape[3]
    phases, tables = [], [[], [], [], []]
    for (row, row_pairs), (column, column_pairs) in itertools.product(
        enumerate(axes[0].phases), enumerate(axes[1].phases)
    ):
        a, e = np.array(row_pairs, np.int64).reshape(-1, 2).T[:, :, None, None]
        b, f = np.array(column_pairs, np.int64).reshape(-1, 2).T[:, None, :, None]
        pixel_rows, pixel_columns = (
            min(axis["block"], max(0, -(-(axis["target"] - first) // axis["spread"])))
            for axis, first in ((rows, row), (columns, column))
        )
        u, v = np.ogrid[:pixel_rows, :pixel_columns]
        parts = (
            (e - rows["first"]) * line + (f - columns["first"]) * source + depth,
            (a * w_shape[1] + b) * tap_size + depth * reduction_step,
            k * image + u * rows["step"] * line + v * columns["step"] * source,
            ((k * rows["target"] + u * rows["spread"]) * columns["target"] + v * columns["spread"])
            * target,
        )
        first_step, first_pixel = (sum(map(len, tables[i])) for i in (0, 2))
        phases.append((row, column, first_step, parts[0].size, first_pixel, pixel_columns))
        for table, part in zip(tables, parts, strict=True):
            table.append(part.ravel())
    packed = -(-channels[4] // lanes) * lanes
    joined = [np.concatenate(table).astype(np.int64) for table in tables]
    side_by_side = np.array_equal(joined[3], np.arange(len(joined[3])) * target)
    one_panel = target == channels[4] == packed <= WIDEST * lanes and side_by_side
    return Tables(
        record,
        np.array([channels], CHANNELS),
        np.array(phases, PHASE),
        *joined,
        *_work(record, channels, phases, lanes, copied),
        packed,
        one_panel,
        channels[2] * len(joined[0]) * packed,
        int(record["window"].prod()) * channels[0] + lanes if copied else 0,
    )


def _both_axes(describe, source_shape, target_shape, w_shape, strides, pads, dilation):
    return [
        describe(source_shape[1 + i], target_shape[1 + i], w_shape[i], s, pads[i][0], dilation[i])
        for i, s in enumerate(strides)
    ]


def describe_forward(x_shape, w_shape, out_shape, strides, pads, dilation, groups):
    """Describe axes and channels of the convolution: the sum runs over x's channels."""
    axes = _both_axes(_forward_axis, x_shape, out_shape, w_shape, strides, pads, dilation)
    depth, width = w_shape[2], w_shape[3] // groups
    return axes, (x_shape[3], w_shape[3], groups, depth, width, depth, width, width, 1)


def describe_input_grad(g_shape, w_shape, out_shape, strides, pads, dilation, groups):
    """Describe axes and channels of the gradient of x: the sum runs over g's channels."""
    axes = _both_axes(_input_grad_axis, g_shape, out_shape, w_shape, strides, pads, dilation)
    depth, width = w_shape[2], w_shape[3] // groups
    channels = w_shape[3], out_shape[3], groups, width, depth, width, depth, width, w_shape[3]
    return axes, channels


@functools.lru_cache(maxsize=512)
def forward(x_shape, w_shape, out_shape, strides, pads, dilation, groups, lanes):
    """Build the tables of the convolution of x with w."""
    walk = describe_forward(x_shape, w_shape, out_shape, strides, pads, dilation, groups)
    return _build(x_shape[0], *walk, w_shape, w_shape[3], lanes)


@functools.lru_cache(maxsize=512)
def input_grad(g_shape, w_shape, out_shape, strides, pads, dilation, groups, lanes):
    """Build the tables of the gradient with respect to x."""
    walk = describe_input_grad(g_shape, w_shape, out_shape, strides, pads, dilation, groups)
    return _build(g_shape[0], *walk, w_shape, 1, lanes)
