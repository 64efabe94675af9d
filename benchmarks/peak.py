"""The measured peak: float32 multiply-adds of our micro-kernel on data in the first-level cache."""

import time

import numpy as np
from numba import njit, prange

from tinygrad_astro.kernels.cpu.product import ROWS, WIDEST, product
from tinygrad_astro.kernels.cpu.simd import float32_lanes

DEPTH, REPEATS, ATTEMPTS = 128, 20_000, 60


@njit(parallel=True)
def _work(threads, out, rows, a, steps, b, columns, repeats):
    for thread in prange(threads):
        for _ in range(repeats):
            product(out[thread], 0, rows, a, 0, rows, steps, b, 0, columns, False, False)


def peak_gflops():
    """Give GFLOP/s of all threads together, the best of a few attempts."""
    import numba

    threads, height = numba.get_num_threads(), ROWS[WIDEST]
    columns = WIDEST * float32_lanes()
    a = np.ones(height * max(DEPTH, columns), np.float32)
    b = np.ones(DEPTH * columns, np.float32)
    out = np.zeros((threads, height * max(DEPTH, columns)), np.float32)
    rows, steps = np.arange(height) * max(DEPTH, columns), np.arange(DEPTH)
    best = np.inf
    for _ in range(ATTEMPTS):
        start = time.perf_counter()
        _work(threads, out, rows, a, steps, b, columns, REPEATS)
        best = min(best, time.perf_counter() - start)
    return 2e-9 * threads * height * DEPTH * columns * REPEATS / best
