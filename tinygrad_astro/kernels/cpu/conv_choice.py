"""Which algorithm a convolution takes: direct sums, or one of the Winograd schemes.

Each candidate's cost is estimated from the geometry, in multiply-adds at full speed, and the least
is taken. The estimate was fitted to this table, which also justifies it: milliseconds of one thread
for the forward convolution, float32, AVX-512 at about 2.9 GHz (peak 185 GFLOP/s). A scheme is named
by its points and taps; * is what the estimate takes (benchmarks/bench_conv_choice.py).

| N, C, H, K, k/s      | direct | 6, 3   | 8, 3   | 8, 4   | 8, 5   |
|----------------------|--------|--------|--------|--------|--------|
| 4, 1, 128, 32, 3/1   | 0.58 * | 1.71   | 1.60   | 1.85   | 2.46   |
| 4, 16, 128, 16, 3/1  | 2.56   | 1.68 * | 1.44   | 1.87   | 2.61   |
| 4, 32, 128, 32, 3/1  | 8.02   | 3.88   | 3.56 * | 4.47   | 6.07   |
| 4, 64, 64, 64, 3/1   | 7.60   | 2.87   | 2.85 * | 3.66   | 5.16   |
| 4, 128, 32, 128, 3/1 | 7.54   | 3.03 * | 4.02   | 5.17   | 6.59   |
| 4, 256, 16, 256, 3/1 | 8.53   | 3.42 * | 3.94   | 7.48   | 7.63   |
| 4, 512, 8, 512, 3/1  | 9.54   | 5.49 * | 8.66   | 12.38  | 15.61  |
| 8, 128, 8, 128, 3/1  | 1.04   | 0.49 * | 0.91   | 1.12   | 1.26   |
| 8, 256, 4, 256, 3/1  | 1.34   | 0.86 * | 1.44   | 2.26   | 2.86   |
| 8, 512, 2, 512, 3/1  | 2.36 * | 3.62   | 5.85   | 9.15   | 12.08  |
| 4, 48, 50, 80, 3/1   | 4.50   | 1.79   | 1.76 * | 2.10   | 3.26   |
| 4, 64, 64, 128, 3/2  | 4.28 * | 6.81   | 7.43   | 10.52  | 13.39  |
| 4, 3, 69, 32, 6/1    | 0.86   | 0.80   | 0.70 * | 0.87   | 1.76   |
| 4, 32, 69, 64, 5/1   | 12.22  | 7.19   | 7.21   | 8.73   | 3.75 * |
| 2, 3, 224, 64, 7/2   | 3.01   | 2.76   | 2.68   | 2.04 * | 2.60   |
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
