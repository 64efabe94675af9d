"""Where Winograd tiles read and write: the geometry of winograd.py as records and index tables.

Along an axis the taps of a kernel are cut into *parts*: a stride s separates them into s classes,
and each class is cut into runs of r taps. A part is a small stride-1 filter of its own, so that
F(m, r) applies to kernels of any size and any stride; the parts' products add up in the same sum
as those of the input channels. Kernels of 5 are two runs of 3, kernels of 6 two, kernels of 7
with stride 2 have runs of 4 and 3.
"""

import functools
from typing import NamedTuple

import numpy as np

from . import conv_tables
from .conv_tables import record
from .product import ROWS, WIDEST
from .target import started_threads
from .winograd_points import SCHEMES

# Tiles along an axis: tile t makes units t*m .. t*m + m - 1 from the `patch` rows of the source
# from t*m*step + first on.
AXIS = record("source target step spread units first patch tiles")

# The stages of the work, see winograd.py.
WEIGHTS, TILES, WINDOWS, PANELS = range(4)

# Terms of the sum whose weights are transformed at once: 64 of them take, for a panel of 64 outputs
# and all points, 0.6 MB.
TERMS = 64

# A tile sums over `depth` pairs of part and channel, which it holds in `inputs` vectors. It touches
# `reach` numbers of the source. Transformed weights, inputs and outputs of successive points lie as
# far apart as the last three say.
SHAPE = record(
    "scheme points m r tiles depth inputs source target weight_step reach"
    " weights_apart inputs_apart outputs_apart"
)

# An output vector holds `count` channels of the target from `channel` on, for the phase that
# starts at pixel (row, column). In memory they are those from `place` on.
OUTPUT = record("row column channel count phase place")


class Tables(NamedTuple):
    """A walk over tiles.

    near[i] and cut[i] say where input vector i lies in the source and in a patch copied from it,
    places[d] where the sum's term d is among a tile's inputs, and taps[d, phase] where its r * r
    weights are, -1 for none. Tile t of a block holds its inputs from tile_inputs[t] on and its
    outputs from tile_outputs[t] on; block b begins at tile blocks[b].
    """

    axes: np.ndarray
    shape: np.ndarray
    outputs: np.ndarray
    near: np.ndarray
    cut: np.ndarray
    places: np.ndarray
    taps: np.ndarray
    tile_inputs: np.ndarray
    tile_outputs: np.ndarray
    blocks: np.ndarray
    memory: tuple  # rows and numbers per row of weights, windows, outputs and patches
    stages: tuple
    counts: tuple  # of the tasks in each stage


def _parts(axis, r):
    """Cut the displacements of an axis into runs of r: their starts, and taps[phase, run, i]."""
    reach = [e for pairs in axis.phases for _, e in pairs]
    starts = [
        start
        for residue in range(axis.step)
        for start in range(min(reach) + residue, max(reach) + 1, axis.step * r)
    ]
    runs = [[start + axis.step * i for i in range(r)] for start in starts]
    found = [{e: a for a, e in pairs} for pairs in axis.phases]
    taps = [[[numbers.get(e, -1) for e in run] for run in runs] for numbers in found]
    return np.array(starts), np.array(taps)


def _cover(offsets, lanes):
    """Cover offsets by as few vectors as possible; give the starts of these."""
    starts = []
    for offset in sorted(offsets):
        if not starts or offset >= starts[-1] + lanes:
            starts.append(offset)
    return np.array(starts)


def _inputs(parts, source, depth, lines, lanes):
    """Place vectors on all channels of all parts; say where they start and which lanes count."""
    rows, columns = (starts - starts.min() for starts in parts)
    within = (columns[:, None] * source + np.arange(depth)).ravel()
    starts = _cover(within, lanes)
    vector = np.searchsorted(starts, within, side="right") - 1
    places = np.arange(len(rows))[:, None] * len(starts) * lanes + vector * lanes
    vectors = [(rows[:, None] * line + starts).ravel() for line in lines]
    return (places + within - starts[vector]).ravel(), *vectors


def _taps(taps, w_shape, depth, reduction_step):
    """Locate the weights of each term in the flat array of weights."""
    down, along = taps  # [phase, part, i] each
    a = down.transpose(1, 0, 2)[:, None, None, :, None, :, None]
    b = along.transpose(1, 0, 2)[None, :, None, None, :, None, :]
    c = np.arange(depth)[:, None, None, None, None]
    index = (a * w_shape[1] + b) * (w_shape[2] * w_shape[3]) + c * reduction_step
    index = np.where((a >= 0) & (b >= 0), index, -1)
    return index.reshape(-1, len(down) * len(along), down.shape[2] * along.shape[2])


def apart(size):
    """Round up to an odd number of cache lines, lest the 36 points all fall on one set of L1."""
    return (-(-size // 16) | 1) * 16


def share(rows, tasks, width):
    """Deal rows of a product to tasks, in whole tiles of the product: where each begins.

    43 rows at a time would take as long as 48.
    """
    height = ROWS[min(WIDEST, width)]
    units = -(-rows // height)
    return np.minimum(rows, np.arange(tasks + 1) * units // tasks * height)


def largest(begins):
    """Give the size of the largest share."""
    return int(np.diff(begins).max())


# Numbers that the tiles done at once may take, which L2 holds beside the weights: the fastest of 12
# to 96 tiles for 16 to 128 channels. Weights larger than L2 want more tiles at a time.
TILES_AT_ONCE = 256 * 1024
LARGE = 384 * 1024


def _tasks(points, tiles, depth, inputs, outputs, threads):
    """Choose to how many tasks the tiles are dealt: the same number for each thread."""
    block = max(24, min(96, TILES_AT_ONCE // (points**2 * (inputs + outputs)) // 24 * 24))
    if points**2 * depth * outputs > LARGE:
        block = max(48, block)
    tasks = -(-tiles // block)
    return -(-tasks // threads) * threads if tasks < 8 * threads else tasks


def _plan(points, tiles, depth, inputs, outputs, lanes, threads):
    """Choose the order of the work: blocks of tiles, distances of points, copies, stages, tasks.

    Tiles of one point lie side by side, for `product` reads them so.
    """
    panel, most, vectors = WIDEST * lanes, started_threads(), outputs // lanes
    panels = -(-outputs // panel)
    if 2 * depth * outputs > tiles * (inputs + outputs):
        width, groups = min(panel, outputs), max(1, min(-(-threads // panels), tiles // 24))
        blocks = share(tiles, groups, vectors)
        sizes = TERMS * width, tiles * inputs, largest(blocks) * width
        return blocks, width, sizes, (most, 1, most), (WINDOWS, PANELS), (tiles, panels * groups)
    tasks = _tasks(points, tiles, depth, inputs, outputs, threads)
    blocks = share(tiles, tasks, vectors)
    block = largest(blocks)
    sizes, rows = (depth * outputs, block * inputs, block * outputs), (1, most, most)
    counts = panels * -(-depth // TERMS), tasks
    return blocks, outputs, sizes, rows, (WEIGHTS, TILES), counts


def _build(images, axes, channels, w_shape, reduction_step, scheme, lanes, threads):
    source, target, _, depth, columns, *_, weight_step = channels
    points, r = SCHEMES[scheme]
    m, record = points + 1 - r, np.zeros(2, AXIS)
    parts, taps = zip(*(_parts(axis, r) for axis in axes), strict=True)
    for i, axis in enumerate(axes):
        units = -(-axis.target // axis.spread)
        patch = (points - 1) * axis.step + int(np.ptp(parts[i])) + 1
        record[i] = (*axis[:4], units, parts[i].min(), patch, -(-units // m))
    lines = source * record["source"][1], source * record["patch"][1]
    places, near, cut = _inputs(parts, source, depth, lines, lanes)
    outputs = [
        (row, column, k, min(lanes, columns - k), phase, k)
        for phase, (row, column) in enumerate(np.ndindex(axes[0].spread, axes[1].spread))
        for k in range(0, columns, lanes)
    ]
    tiles, outs = images * int(record["tiles"].prod()), len(outputs) * lanes
    terms, inputs = len(places), len(near)
    numbers = inputs * lanes
    blocks, width, sizes, rows, stages, counts = _plan(
        points, tiles, terms, numbers, outs, lanes, threads
    )
    sizes = [apart(size) for size in sizes]
    memory = ((number, points**2 * size) for number, size in zip(rows, sizes, strict=True))
    last = (points - 1) * (record["step"][0] * np.array(lines) + record["step"][1] * source)
    reach, patch = (int(v.max() + l + lanes) for v, l in zip((near, cut), last, strict=True))
    shape = scheme, points, m, r, tiles, terms, inputs, source, target, weight_step, reach
    return Tables(
        record,
        np.array([(*shape, *sizes)], SHAPE),
        np.array(outputs, OUTPUT),
        near,
        cut,
        places,
        _taps(taps, w_shape, depth, reduction_step),
        np.arange(tiles) * numbers,
        np.arange(tiles) * width,
        blocks,
        (*memory, (started_threads(), patch)),
        stages,
        counts,
    )


@functools.lru_cache(maxsize=512)
def forward(x_shape, w_shape, out_shape, strides, pads, scheme, lanes, threads):
    """Build the tables of the convolution of x with w."""
    walk = conv_tables.describe_forward(x_shape, w_shape, out_shape, strides, pads, (1, 1), 1)
    return _build(x_shape[0], *walk, w_shape, w_shape[3], scheme, lanes, threads)


@functools.lru_cache(maxsize=512)
def input_grad(g_shape, w_shape, out_shape, strides, pads, scheme, lanes, threads):
    """Build the tables of the gradient with respect to x."""
    walk = conv_tables.describe_input_grad(g_shape, w_shape, out_shape, strides, pads, (1, 1), 1)
    return _build(g_shape[0], *walk, w_shape, 1, scheme, lanes, threads)


@functools.lru_cache(maxsize=512)
def input_grad_apart(g_shape, w_shape, out_shape, strides, pads, scheme, lanes, threads):
    """Build the tables of the gradient with respect to x, written as two images of half of x each.

    A vector must not reach from one into the other: half of the channels are whole vectors.
    """
    tables = input_grad(g_shape, w_shape, out_shape, strides, pads, scheme, lanes, threads)
    half, size = out_shape[3] // 2, int(np.prod(out_shape)) // 2
    shape, outputs = tables.shape.copy(), tables.outputs.copy()
    shape["target"] = half
    outputs["place"] = outputs["channel"] // half * size + outputs["channel"] % half
    return tables._replace(shape=shape, outputs=outputs)
