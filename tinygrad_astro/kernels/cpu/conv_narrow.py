"""The weight gradient where pixels are mixed into a few channels, as at the end of a U-Net.

There, vectors of outputs would have most of their lanes empty, so they run along the inputs. Sums
run in a fixed order, so that results have the same bits on any number of threads.
"""

import numpy as np
from numba import prange

from .chunks import launch
from .simd import add_to, lanes, load, multiply_add, splat, widen
from .target import inline, parallel, serial
from .windows import flat

# The most output channels for which this is faster.
WIDEST = 4

# Pixels of a task, and pixels whose products are summed before the sum goes on in float64.
_PIECE = 4096
_FEW = 64


def narrow_weight_grad(out, x, g):
    """out[c, k] = sum_p x[p, c] g[p, k] over all pixels p; channels c come in whole vectors."""
    channels, width = x.shape[-1], g.shape[-1]
    pixels = x.size // channels
    partial = np.zeros((-(-pixels // _PIECE), width * channels))
    arguments = partial, flat(x), flat(g), width
    launch(_weights, _weights_parallel, arguments, len(partial), 1, x.size)
    out.reshape(channels, width)[:] = partial.sum(axis=0).reshape(width, channels).T


@parallel
def _weights_parallel(partial, x, g, width, count, _):
    for i in prange(count):
        _weights(partial, x, g, width, i, i + 1)


@serial
def _weights(partial, x, g, width, start, stop):
    """partial[i, k channels + c] = sum of x[p, c] g[p, k] over the pixels of task i."""
    channels = partial.shape[1] // width
    pixels = len(x) // channels
    for i in range(start, stop):
        for first in range(i * _PIECE, min(pixels, (i + 1) * _PIECE), _FEW):
            last = min(pixels, first + _FEW)
            for k in range(width):
                _add_products(partial[i], x, g, channels, width, k, first, last)


@inline
def _add_products(total, x, g, channels, width, k, first, last):
    """Add the products of a few pixels with column k of g."""
    size = lanes(x)
    for v in range(channels // size):
        some = splat(x.dtype.type(0))
        for p in range(first, last):
            some = multiply_add(load(x, p * channels + v * size), splat(g[p * width + k]), some)
        add_to(total, k * channels + v * size, widen(some))
