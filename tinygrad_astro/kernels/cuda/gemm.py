"""Which fast kernel computes a convolution or a product, if one does: chosen by size alone.

All take float32, one group, and channels in fours (loads of 16 bytes). The input gradient is a
forward convolution with the kernel turned around; with strides, one such convolution for each
position within the stride. The weight gradient is split over pixels and joined in order.
"""

import functools

import numpy as np

from . import array as arrays
from . import gemm_source, indexing
from .target import D, T, U, cuda, intrinsics, kernel

BK = 8
# Output channels per block: the narrowest tile that holds them all, 128 at most.
WIDTHS = (32, 64, 128)
BM = 128
# Blocks per multiprocessor, and registers that this leaves.
BOUNDS = {32: (6, 168), 64: (3, 168), 128: (2, 128)}
# Smaller products are not worth a tile.
LEAST = 2**15
# A weight gradient is split into about this many blocks, of at least SHARE pixels each.
BLOCKS, SHARE = 264, 256


def named(source, name):
    """Make the function that a generated source defines."""
    names = {
        "__name__": __name__,
        "U": np.uint32,
        "cuda": cuda,
        "float32": np.float32,
        "outer": intrinsics.outer,
    }
    names.update(ld4=intrinsics.ld4, st4=intrinsics.st4, zeros=intrinsics.make_zeros(64))
    exec(source, names)
    return names[name]


@functools.cache
def conv_kernel(BN):
    """Make the forward kernel for tiles of 128 pixels by BN channels."""
    source, threads = gemm_source.conv_source(BM, BN, BK)
    bounds, registers = BOUNDS[BN]
    return kernel(
        "T* T* T*" + " u" * 15, block=threads, bounds=bounds, registers=registers, barriers=True,
        expects=("LDG.E.128", "LDS.128", "FFMA"), dtypes=("float32",), label=f"{BM}x{BN}x{BK}",
    )(named(source, "conv"))  # fmt: skip


@functools.cache
def weight_kernel(BN):
    """Make the weight-gradient kernel for tiles of 128 weights by BN channels."""
    source, threads = gemm_source.weight_source(BM, BN, BK)
    bounds, registers = BOUNDS[BN]
    return kernel(
        "T* T* T*" + " u" * 17, block=threads, bounds=bounds, registers=registers, barriers=True,
        expects=("LDG.E.128", "LDS.128", "FFMA"), dtypes=("float32",), label=f"{BM}x{BN}x{BK}",
    )(named(source, "weight_grad"))  # fmt: skip


@kernel("T* T* u u", dtypes=("float32",))
def join_splits(out, parts, size, splits):
    """out[i] = parts[0, i] + parts[1, i] + ... in order: the second pass of a split sum."""
    i = U(cuda.grid(1))
    if i >= size:
        return
    total, at, s = D(0), U(i), U(0)
    while s < splits:
        total += parts[at]
        at, s = U(at + size), U(s + U(1))
    out[i] = T(total)


def register_all():
    """Make all fast kernels, for the compile check."""
    for width in WIDTHS:
        conv_kernel(width)
        weight_kernel(width)


def width_of(channels):
    """Give the tile's width for this many output channels."""
    return next((w for w in WIDTHS if channels <= w), WIDTHS[-1])


def suits(dtype, inputs, channels, pixels, taps, groups):
    """Tell whether the tiles can compute this, and whether it is worth it."""
    fits = dtype == np.float32 and groups == 1 and inputs % BK == 0 and channels % 4 == 0
    return fits and channels >= 16 and pixels * channels * inputs * taps >= LEAST


def run_conv(out, x, w, strides, pads, dilation):
    """Launch the forward kernel."""
    shape, (kh, kw) = out.shape, w.shape[:2]
    pixels = shape[0] * shape[1] * shape[2]
    width = width_of(shape[3])
    grid = -(-pixels // BM), -(-shape[3] // width)
    around = *strides, pads[0][0] % 2**32, pads[1][0] % 2**32, *dilation
    numbers = *x.shape[1:], *shape[3:], *shape[1:3], kw, kh * kw, *around, pixels
    conv_kernel(width)(grid, out, x, w, *numbers)


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
    rows, width = kh * kw * inputs, width_of(channels)
    tiles = -(-rows // BM)
    blocks = tiles * -(-channels // width)
    splits = max(1, min(-(-BLOCKS // blocks), pixels // SHARE))
    share = -(-pixels // splits)
    splits = -(-pixels // share)
    parts = arrays.DeviceArray((splits, out.size), out.dtype) if splits > 1 else out
    around = *strides, pads[0][0], pads[1][0], *dilation
    numbers = *x.shape[1:], *g.shape[3:], *g.shape[1:3], kw, *around, rows, pixels, share, tiles
    weight_kernel(width)((blocks, splits), parts, x, g, *numbers)
    if splits > 1:
        join_splits(out.size, out, parts, out.size, splits)
    return True
