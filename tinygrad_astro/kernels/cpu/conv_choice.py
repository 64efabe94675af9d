"""Which algorithm a convolution takes: direct sums, or one of the Winograd schemes.

Each candidate's cost is estimated from the geometry, in multiply-adds at full speed, and the least
is taken. The estimate was fitted to this table, which also justifies it: milliseconds of one thread
for the forward convolution, float32, AVX-512 at about 2.9 GHz (peak 185 GFLOP/s). A scheme is named
by its points and taps; * is what the estimate takes (benchmarks/bench_conv_choice.py).

| N, C, H, K, k/s      | direct | 6, 3   | 8, 3   | 8, 4   | 8, 5   |
|----------------------|--------|--------|--------|--------|--------|
| 4, 1, 128, 32, 3/1   | 0.63 * | 1.77   | 1.72   | 2.19   | 2.79   |
| 4, 16, 128, 16, 3/1  | 2.55   | 1.67 * | 1.53   | 2.01   | 2.72   |
| 4, 32, 128, 32, 3/1  | 7.91   | 3.78   | 3.61 * | 4.68   | 6.41   |
| 4, 64, 64, 64, 3/1   | 7.55   | 2.94   | 3.04 * | 3.91   | 5.40   |
| 4, 128, 32, 128, 3/1 | 7.68   | 3.26 * | 3.71   | 4.75   | 6.12   |
| 4, 256, 16, 256, 3/1 | 8.74   | 3.82 * | 4.74   | 8.53   | 8.04   |
| 4, 512, 8, 512, 3/1  | 13.85  | 6.94 * | 11.66  | 13.03  | 15.21  |
| 4, 48, 50, 80, 3/1   | 4.60   | 1.88   | 1.99 * | 2.28   | 3.42   |
| 4, 64, 64, 128, 3/2  | 4.10 * | 6.24   | 6.44   | 9.10   | 11.71  |
| 4, 3, 69, 32, 6/1    | 0.87   | 0.86   | 0.77 * | 0.97   | 1.87   |
| 4, 32, 69, 64, 5/1   | 12.03  | 7.06   | 6.90   | 9.10   | 3.56 * |
| 2, 3, 224, 64, 7/2   | 3.04   | 2.83   | 2.82   | 2.13 * | 2.61   |
"""

import functools

from .winograd_points import SCHEMES

# Multiply-adds that take as long as transforming one number of a window or of an output with 6 and
# with 8 points, going through L2; and as transforming one number of the weights.
_TRANSFORM = {6: 15, 8: 20}
_WEIGHTS = 30


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
