"""Which fast kernel computes a convolution or a product, if one does: chosen by size alone.

All take float32, one group, and channels in fours (loads of 16 bytes). The input gradient is a
forward convolution with the kernel turned around; with strides, one such convolution for each
position within the stride. The weight gradient is split over pixels and joined in order.
"""

import numpy as np

from ..precision import current_precision
from . import array as arrays
from . import indexing, tensor_source
from .driver import card
from .gemm_kernels import (
    BK,
    BM,
    PRODUCT,
    WEIGHT_WIDTHS,
    WIDTHS,
    conv_kernel,
    join_splits,
    weight_kernel,
)

# Smaller products are not worth a tile.
LEAST = 2**15
# A grid has at most 65535 rows of blocks; where they are many, each has at least 64 channels.
WIDEST = 65535 * 64
# A weight gradient is split into about this many blocks, of at least SHARE pixels each.
BLOCKS, SHARE = 264, 256


def tile_for(inputs, channels):
    """Give (mode, width of the tile): what `precision` asks for, where the sizes suit it."""
    mode, architecture = current_precision(), card().architecture
    if mode in PRODUCT and inputs % tensor_source.BK == 0 and architecture >= (8, 0):
        return mode, tensor_source.BN
    return "fp32", next((w for w in WIDTHS if channels <= w), WIDTHS[-1])


def suits(dtype, inputs, channels, pixels, taps, groups):
    """Tell whether the tiles can compute this, and whether it is worth it."""
    if current_precision() == "exact":
        return False
    fits = dtype == np.float32 and groups == 1 and inputs % BK == 0 and channels % 4 == 0
    return fits and 16 <= channels <= WIDEST and pixels * channels * inputs * taps >= LEAST


def run_conv(out, x, w, strides, pads, dilation):
    """Launch the forward kernel."""
    shape, (kh, kw) = out.shape, w.shape[:2]
    pixels = shape[0] * shape[1] * shape[2]
    mode, width = tile_for(w.shape[2], shape[3])
    grid = -(-pixels // BM), -(-shape[3] // width)
    around = *strides, pads[0][0] % 2**32, pads[1][0] % 2**32, *dilation
    numbers = *x.shape[1:], *shape[3:], *shape[1:3], kw, kh * kw, *around, pixels
    conv_kernel(mode, width)(grid, out, x, w, *numbers)


def matmul(out, a, b):
    """Try a @ b, a convolution of images of one pixel; tell whether it was computed."""
    (rows, depth), columns = a.shape, b.shape[1]
    if not suits(out.dtype, depth, columns, rows, 1, 1):
        return False
    x, w = a.reshape(rows, 1, 1, depth), b.reshape(1, 1, depth, columns)
    run_conv(out.reshape(rows, 1, 1, columns), x, w, (1, 1), ((0, 0), (0, 0)), (1, 1))
    return True


def conv(out, x, w, strides, pads, dilation, groups):
    """Try the convolution; tell whether it was computed."""
    kh, kw, inputs, channels = w.shape
    if not suits(out.dtype, inputs, channels, out.size // max(1, channels), kh * kw, groups):
        return False
    run_conv(out, x, w, strides, pads, dilation)
    return True


def conv_input_grad(out, g, w, strides, pads, dilation, groups):
    """Try the input gradient; tell whether it was computed."""
    kh, kw, inputs, channels = w.shape
    pixels = out.size // max(1, inputs)
    if not suits(out.dtype, channels, inputs, pixels, kh * kw, groups):
        return False
    if strides == (1, 1):
        reach = [(k - 1) * d for k, d in zip((kh, kw), dilation)]
        around = [(r - p[0], 0) for r, p in zip(reach, pads)]
        run_conv(out, g, turned(w, (0, 0), (1, 1)), (1, 1), around, dilation)
        return True
    if dilation != (1, 1):
        return False
    for first_i in range(strides[0]):
        for first_j in range(strides[1]):
            _grad_of_residue(out, g, w, strides, pads, (first_i, first_j))
    return True


def _grad_of_residue(out, g, w, strides, pads, first):
    """Compute out[:, i::sh, j::sw]: these pixels see every sh-th row and sw-th column of taps."""
    key = slice(None), *(slice(f, None, s) for f, s in zip(first, strides))
    sizes = [-(-(n - f) // s) for n, f, s in zip(out.shape[1:3], first, strides)]
    taps = [(f + p[0]) % s for f, p, s in zip(first, pads, strides)]
    if 0 in sizes:
        return
    if any(t >= k for t, k in zip(taps, w.shape)):
        out[key] = 0
        return
    small = turned(w, taps, strides)
    # Output pixel u = f + s i gets g[(u + pad - tap) / s - a] for the a-th of its taps.
    starts = [(f + p[0] - t) // s for f, p, t, s in zip(first, pads, taps, strides)]
    around = [(k - 1 - start, 0) for k, start in zip(small.shape, starts)]
    part = arrays.DeviceArray((out.shape[0], *sizes, out.shape[3]), out.dtype)
    run_conv(part, g, small, (1, 1), around, (1, 1))
    out[key] = part


def turned(w, first, steps):
    """Give every steps-th tap from `first` on, in reverse order, inputs and outputs exchanged."""
    kh, kw, inputs, channels = w.shape
    counts = [-(-(k - f) // s) for k, f, s in zip((kh, kw), first, steps)]
    last = [f + (n - 1) * s for f, n, s in zip(first, counts, steps)]
    rows, columns = w.strides[:2]
    strides = -steps[0] * rows, -steps[1] * columns, 1, channels
    offset = last[0] * rows + last[1] * columns
    return indexing.strided(w, (*counts, channels, inputs), offset, strides)


def conv_weight_grad(out, x, g, strides, pads, dilation, groups):
    """Try the weight gradient; tell whether it was computed."""
    kh, kw, inputs, channels = out.shape
    pixels = g.size // max(1, channels)
    if not suits(out.dtype, inputs, channels, pixels, kh * kw, groups):
        return False
    rows = kh * kw * inputs
    mode, width = tile_for(inputs, min(channels, WEIGHT_WIDTHS[-1]))
    tiles = -(-rows // BM)
    blocks = tiles * -(-channels // width)
    splits = max(1, min(-(-BLOCKS // blocks), pixels // SHARE))
    share = -(-pixels // splits)
    splits = -(-pixels // share)
    parts = arrays.DeviceArray((splits, out.size), out.dtype) if splits > 1 else out
    around = *strides, pads[0][0], pads[1][0], *dilation
    numbers = *x.shape[1:], *g.shape[3:], *g.shape[1:3], kw, *around, rows, pixels, share, tiles
    weight_kernel(mode, width)((blocks, splits), parts, x, g, *numbers)
    if splits > 1:
        join_splits(out.size, out, parts, out.size, splits)
    return True
