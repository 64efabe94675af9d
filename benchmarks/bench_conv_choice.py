"""Time each convolution algorithm on one thread: the table in kernels/cpu/conv_choice.py.

    python benchmarks/bench_conv_choice.py

prints its rows, milliseconds of a forward convolution, the least of interleaved runs; * marks what
the estimate takes. Update the table when the kernels change.
"""

import time

import numpy as np

from tinygrad_astro.kernels.cpu import conv_choice, conv_tables, winograd_tables
from tinygrad_astro.kernels.cpu.conv_direct import walk
from tinygrad_astro.kernels.cpu.simd import float32_lanes
from tinygrad_astro.kernels.cpu.target import set_num_threads
from tinygrad_astro.kernels.cpu.winograd import winograd
from tinygrad_astro.kernels.cpu.winograd_points import SCHEMES

# N, C, H, K, k, s: layers of the convolution benchmark, and the deep ends of U-Net and ResNet.
LAYERS = [
    (4, 1, 128, 32, 3, 1),
    (4, 16, 128, 16, 3, 1),
    (4, 32, 128, 32, 3, 1),
    (4, 64, 64, 64, 3, 1),
    (4, 128, 32, 128, 3, 1),
    (4, 256, 16, 256, 3, 1),
    (4, 512, 8, 512, 3, 1),
    (8, 128, 8, 128, 3, 1),
    (8, 256, 4, 256, 3, 1),
    (8, 512, 2, 512, 3, 1),
    (4, 48, 50, 80, 3, 1),
    (4, 64, 64, 128, 3, 2),
    (4, 3, 69, 32, 6, 1),
    (4, 32, 69, 64, 5, 1),
    (2, 3, 224, 64, 7, 2),
]
RUNS = 15


def candidates(n, c, h, k, size, stride):
    """Make one function per algorithm, and say which of them the estimate takes."""
    rng, pad, lanes = np.random.default_rng(0), size // 2, float32_lanes()
    x = rng.standard_normal((n, h, h, c), dtype=np.float32)
    w = rng.standard_normal((size, size, c, k), dtype=np.float32)
    side = (h + 2 * pad - size) // stride + 1
    out = np.empty((n, side, side, k), np.float32)
    shapes, steps = (x.shape, w.shape, out.shape), ((stride, stride), ((pad, pad), (pad, pad)))
    geometry = *steps, (1, 1), 1, lanes
    tables = [
        winograd_tables.forward(*shapes, *steps, scheme, lanes, 1) for scheme in range(len(SCHEMES))
    ]
    runs = [lambda: walk(out, x, w, conv_tables.forward(*shapes, *geometry))]
    runs += [lambda t=t: winograd(out, x, w, t) for t in tables]
    taken = conv_choice.scheme_for(conv_tables.describe_forward, shapes, *geometry)
    return runs, 0 if taken is None else taken + 1


def least_times(runs):
    times = np.full((RUNS, len(runs)), np.inf)
    for row in times:
        for i, run in enumerate(runs):
            start = time.perf_counter()
            run()
            row[i] = time.perf_counter() - start
    return times[2:].min(0) * 1e3


def main():
    set_num_threads(1)
    for layer in LAYERS:
        runs, taken = candidates(*layer)
        cells = [f"{t:.2f}{' *' * (i == taken)}" for i, t in enumerate(least_times(runs))]
        name = "{}, {}, {}, {}, {}/{}".format(*layer)
        print(f"| {name:20} | {cells[0]:6} | " + " | ".join(f"{c:6}" for c in cells[1:]) + " |")


if __name__ == "__main__":
    main()
