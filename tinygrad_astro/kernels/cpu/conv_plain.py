"""Convolution as plain loops: the definition, for every stride, dilation, padding and group count.

Each parallel kernel is a shell around the body of one line of pixels (or one tap), which keeps
Numba's analysis of parallel loops, its slowest part, away from the loops that matter.
"""

import functools

import numpy as np
from numba import prange

from .target import inline, parallel


@functools.lru_cache(maxsize=1024)
def pack(strides, pads, dilation, groups):
    """Write the geometry as seven integers in an array, since `prange` accepts no tuples."""
    numbers = *strides, pads[0][0], pads[1][0], *dilation, groups
    packed = np.array(numbers, np.int64)
    packed.flags.writeable = False
    return packed


@inline
def unpack(geometry):
    """Give strides, leading pads, dilation and groups back as scalars."""
    g = geometry
    return g[0], g[1], g[2], g[3], g[4], g[5], g[6]


@inline
def _output_line(out, x, w, n, p, geometry):
    sh, sw, top, left, dh, dw, groups = unpack(geometry)
    kh, kw, depth, channels = w.shape
    width = channels // groups
    out[n, p] = 0
    for q in range(out.shape[2]):
        for a in range(kh):
            i = p * sh + a * dh - top
            if i < 0 or i >= x.shape[1]:
                continue
            for b in range(kw):
                j = q * sw + b * dw - left
                if j < 0 or j >= x.shape[2]:
                    continue
                for group in range(groups):
                    for c in range(depth):
                        value = x[n, i, j, group * depth + c]
                        for k in range(group * width, group * width + width):
                            out[n, p, q, k] += value * w[a, b, c, k]


@parallel
def plain_conv(out, x, w, geometry):
    """out[n,p,q,k] = sum_abc x[n, p*sh+a*dh-top, q*sw+b*dw-left, c] * w[a,b,c,k]."""
    rows = out.shape[1]
    for line in prange(out.shape[0] * rows):
        _output_line(out, x, w, line // rows, line % rows, geometry)


@inline
def _input_line(out, g, w, n, i, geometry):
    sh, sw, top, left, dh, dw, groups = unpack(geometry)
    kh, kw, depth, channels = w.shape
    width = channels // groups
    out[n, i] = 0
    for j in range(out.shape[2]):
        for a in range(kh):
            p, skipped = divmod(i + top - a * dh, sh)
            if skipped or p < 0 or p >= g.shape[1]:
                continue
            for b in range(kw):
                q, skipped = divmod(j + left - b * dw, sw)
                if skipped or q < 0 or q >= g.shape[2]:
                    continue
                for group in range(groups):
                    for c in range(depth):
                        total = out[n, i, j, group * depth + c]
                        for k in range(group * width, group * width + width):
                            total += g[n, p, q, k] * w[a, b, c, k]
                        out[n, i, j, group * depth + c] = total


@parallel
def plain_conv_input_grad(out, g, w, geometry):
    """Gather what each input pixel received: the adjoint of `plain_conv` in its first argument."""
    rows = out.shape[1]
    for line in prange(out.shape[0] * rows):
        _input_line(out, g, w, line // rows, line % rows, geometry)


@inline
def _weight_tap(out, x, g, a, b, c, geometry):
    sh, sw, top, left, dh, dw, groups = unpack(geometry)
    depth, channels = out.shape[2:]
    width = channels // groups
    partial = np.empty(channels, out.dtype)
    out[a, b, c] = 0
    for n in range(g.shape[0]):
        for p in range(g.shape[1]):
            i = p * sh + a * dh - top
            if i < 0 or i >= x.shape[1]:
                continue
            partial[:] = 0
            for q in range(g.shape[2]):
                j = q * sw + b * dw - left
                if j < 0 or j >= x.shape[2]:
                    continue
                for group in range(groups):
                    value = x[n, i, j, group * depth + c]
                    for k in range(group * width, group * width + width):
                        partial[k] += value * g[n, p, q, k]
            for k in range(channels):
                out[a, b, c, k] += partial[k]


@parallel
def plain_conv_weight_grad(out, x, g, geometry):
    """Correlate input with gradient: the adjoint of `plain_conv` in its second argument.

    Each line of pixels is summed apart first, so that rounding grows with the square root of a
    line's length and of the number of lines, not of their product.
    """
    kw, depth = out.shape[1], out.shape[2]
    for tap in prange(out.shape[0] * kw * depth):
        a, b, c = tap // (kw * depth), tap // depth % kw, tap % depth
        _weight_tap(out, x, g, a, b, c, geometry)
