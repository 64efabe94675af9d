"""Which algorithm a convolution takes: direct sums, or one of the Winograd schemes.

Each candidate's cost is estimated from the geometry, in multiply-adds at full speed, and the least
is taken. The estimate was fitted to this table, which also justifies it: milliseconds of one thread
for the forward convolution, float32, AVX-512 at about 2.9 GHz (peak 185 GFLOP/s). A scheme is named
by its points and taps; * is what the estimate takes (benchmarks/bench_conv_choice.py).

| N, C, H, K, k/s      | direct | 6, 3   | 8, 3   | 8, 4   | 8, 5   |
|----------------------|--------|--------|--------|--------|--------|
| 4, 1, 128, 32, 3/1   | 0.59 * | 1.80   | 1.75   | 2.07   | 2.77   |
| 4, 16, 128, 16, 3/1  | 2.50   | 1.78   | 1.57 * | 2.07   | 2.85   |
| 4, 32, 128, 32, 3/1  | 7.85   | 4.05   | 3.61 * | 4.71   | 6.50   |
| 4, 64, 64, 64, 3/1   | 7.53   | 2.95   | 2.89 * | 3.82   | 5.30   |
| 4, 128, 32, 128, 3/1 | 7.47   | 2.89 * | 3.54   | 4.72   | 6.00   |
| 4, 256, 16, 256, 3/1 | 8.29   | 3.21 * | 3.82   | 7.19   | 7.53   |
| 4, 512, 8, 512, 3/1  | 9.33   | 4.86 * | 8.05   | 11.49  | 13.81  |
| 8, 128, 8, 128, 3/1  | 1.07   | 0.51 * | 0.94   | 1.13   | 1.27   |
| 8, 256, 4, 256, 3/1  | 1.41   | 0.89 * | 1.47   | 2.18   | 2.78   |
| 8, 512, 2, 512, 3/1  | 2.19 * | 3.50   | 5.79   | 8.99   | 11.15  |
| 4, 48, 50, 80, 3/1   | 4.58   | 1.95   | 1.87 * | 2.27   | 3.41   |
| 4, 64, 64, 128, 3/2  | 4.04 * | 6.47   | 6.95   | 9.48   | 12.58  |
| 4, 3, 69, 32, 6/1    | 0.87   | 0.84   | 0.71 * | 0.89   | 1.88   |
| 4, 32, 69, 64, 5/1   | 11.94  | 6.77   | 6.64   | 8.40   | 3.50 * |
| 2, 3, 224, 64, 7/2   | 2.99   | 2.86   | 2.57   | 2.11 * | 2.65   |
"""

import functools

from .winograd_points import SCHEMES

# Multiply-adds that take as long as transforming one number of a window or of an output with 6 and
# with 8 points, going through L2; and as transforming one number of the weights.
_TRANSFORM = {6: 15, 8: 19}
_WEIGHTS = 20


def _direct(images, axes, depth, columns, lanes):
    """Estimate direct sums: each phase has the taps that reach it, each column a lane."""
    taps = [sum(len(pairs) for pairs in axis.phases) for axis in axes]
    units = [-(-axis.target // axis.spread) for axis in axes]
    whole = -(-columns // lanes) * lanes
    return images * units[0] * units[1] * taps[0] * taps[1] * depth * whole


def _winograd(scheme, images, axes, depth, columns, lanes):
    """Estimate a scheme: products of all points, and the transforms on the way there and back."""
    points, r = SCHEMES[scheme]
    runs, tiles, phases = [], images, 1
    for axis in axes:
        reach = [e for pairs in axis.phases for _, e in pairs]
        length = max(reach) - min(reach) + 1
        runs.append(sum(-(-(length - i) // (axis.step * r)) for i in range(min(axis.step, length))))
        tiles *= -(-axis.target // (axis.spread * (points + 1 - r)))
        phases *= axis.spread
    terms = runs[0] * runs[1] * depth
    inputs = runs[0] * -(-runs[1] * depth // lanes) * lanes
    outputs = phases * -(-columns // lanes) * lanes
    moved = _TRANSFORM[points] * tiles * (inputs + outputs) + _WEIGHTS * terms * outputs
    return points**2 * (tiles * terms * outputs + moved)


@functools.lru_cache(maxsize=1024)
def scheme_for(describe, shapes, strides, pads, dilation, groups, lanes):
    """Choose a scheme for the walk that `describe` describes, or None for direct sums."""
    axes, channels = describe(*shapes, strides, pads, dilation, groups)
    if groups > 1 or dilation != (1, 1) or max(shapes[1][:2]) < 3:
        return None
    work = shapes[0][0], axes, channels[3], channels[4], lanes
    costs = {scheme: _winograd(scheme, *work) for scheme in range(len(SCHEMES))}
    best = min(costs, key=costs.get)
    return best if costs[best] < _direct(*work) else None
