"""CPU kernels in Numba: one file per family; importing them compiles nothing."""

from tinygrad_astro.kernels.cpu import (
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
