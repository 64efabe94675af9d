"""CUDA kernels in Numba: the same names and signatures as on the CPU, on device arrays."""

from tinygrad_astro.kernels.cuda import (
    conv,
    dropout,
    elementwise,
    losses,
    matmul,
    memory,
    norm,
    optimizers,
    pool,
    rows,
)

__all__ = [
    "conv", "dropout", "elementwise", "losses", "matmul", "memory", "norm", "optimizers", "pool",
    "rows",
]  # fmt: skip
