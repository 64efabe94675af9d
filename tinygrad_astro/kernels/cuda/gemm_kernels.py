"""The fast kernels, made from their generated sources when they are first needed."""

import functools

import numpy as np

from . import gemm_source, tensor_source
from .target import D, T, U, cuda, device, intrinsics, kernel

BM, BK = 128, 8
# Output channels per block of the fp32 tiles: the narrowest that holds them all is taken.
WIDTHS = (32, 64, 128)
# The weight gradient keeps more addresses: at 128 channels its registers spill on sm_100.
WEIGHT_WIDTHS = (32, 64)
# Blocks per multiprocessor, and registers per thread that this leaves.
BOUNDS = {32: (6, 168), 64: (3, 168), 128: (2, 128)}
TENSOR_BOUNDS = {"tf32": (3, 168), "3xtf32": (2, 255), "bf16": (3, 168)}
PRODUCT = {
    "tf32": r"HMMA\.1688\.F32\.TF32", "3xtf32": r"HMMA\.1688\.F32\.TF32",
    "bf16": r"HMMA\.16816\.F32\.BF16",
}  # fmt: skip


@device
def rounded(word):
    """Round to the 10 bits of mantissa that TF32 has; NaN and inf stay."""
    return U(word + U(0x1000)) if U(word & U(0x7F800000)) != U(0x7F800000) else word


@device
def low(word):
    """Give the bits of what TF32 cuts off."""
    high = U(word & U(0xFFFFE000))
    return intrinsics.bits(intrinsics.number(word) - intrinsics.number(high))


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


def function(source, name, mode):
    """Make the function that a generated source defines."""
    names = {"__name__": __name__, "U": U, "I": np.int32, "cuda": cuda, "float32": np.float32}
    names.update(rounded=rounded, low=low, zeros=intrinsics.make_zeros(64))
    for each in "ld4 st4 outer cp_async16 cp_async_commit cp_async_wait_1 bits pack_bf16".split():
        names[each] = getattr(intrinsics, each)
    if mode != "fp32":
        step = 16 * tensor_source.LEFT
        names["ldmatrix"] = intrinsics.make_ldmatrix(4, step)
        make = intrinsics.make_mma_bf16 if mode == "bf16" else intrinsics.make_mma_tf32
        names["mma"] = make(4, 4)
    exec(source, names)
    return names[name]


def made(name, signature, mode, width):
    """Make one kernel: `name` is conv or weight_grad."""
    if mode == "fp32":
        write = gemm_source.conv_source if name == "conv" else gemm_source.weight_source
        source, threads = write(BM, width, BK)
        bounds, registers = BOUNDS[width]
        expects = "LDG.E.128", "LDS.128", "FFMA"
        label = f"{BM}x{width}x{BK}"
    else:
        write = tensor_source.conv_source if name == "conv" else tensor_source.weight_source
        source, threads = write(mode), tensor_source.THREADS
        bounds, registers = TENSOR_BOUNDS[mode]
        expects = PRODUCT[mode], "LDGSTS"
        if name == "conv" and mode != "bf16":
            expects += ("LDSM",)
        label = mode
    return kernel(
        signature, block=threads, bounds=bounds, registers=registers, barriers=True, label=label,
        expects=expects, dtypes=("float32",), min_cc=(7, 5) if mode == "fp32" else (8, 0),
    )(function(source, name, mode))  # fmt: skip


@functools.cache
def conv_kernel(mode, width):
    """Give the forward convolution."""
    return made("conv", "T* T* T*" + " u" * 15, mode, width)


@functools.cache
def weight_kernel(mode, width):
    """Give the weight gradient, split over pixels."""
    return made("weight_grad", "T* T* T*" + " u" * 17, mode, width)


def register_all():
    """Make all fast kernels, for the compile check."""
    for give, widths in ((conv_kernel, WIDTHS), (weight_kernel, WEIGHT_WIDTHS)):
        for width in widths:
            give("fp32", width)
        for mode in PRODUCT:
            give(mode, tensor_source.BN)
