"""Convolution over 2-D images, channels last, and its two adjoints.

All three take `x` of shape (N, H, W, C), `w` of shape (kh, kw, C // groups, K) and `g` or an output
of shape (N, P, Q, K), with P = (H + top + bottom - (kh - 1) * dh - 1) // sh + 1.
"""

from . import conv_tables
from .conv_direct import walk
from .conv_weights import weight_sums
from .simd import float32_lanes


def _lanes(array):
    return max(1, float32_lanes() * 4 // array.itemsize)


def _is_empty(out, *inputs):
    """Whether there is nothing to sum over: then the result is zero."""
    if all(array.size for array in (out, *inputs)):
        return False
    out[...] = 0
    return True


def conv(out, x, w, strides, pads, dilation, groups):
    """out[n,p,q,k] = sum_abc x[n, p*sh + a*dh - top, q*sw + b*dw - left, c] * w[a,b,c,k]."""
    geometry = x.shape, w.shape, out.shape, strides, pads, dilation, groups
    if not _is_empty(out, x, w):
        walk(out, x, w, conv_tables.forward(*geometry, _lanes(x)))


def conv_input_grad(out, g, w, strides, pads, dilation, groups):
    """Adjoint of `conv` in `x`: <conv(x, w), g> = <x, conv_input_grad(g, w)>."""
    geometry = g.shape, w.shape, out.shape, strides, pads, dilation, groups
    if not _is_empty(out, g, w):
        walk(out, g, w, conv_tables.input_grad(*geometry, _lanes(g)))


def conv_weight_grad(out, x, g, strides, pads, dilation, groups):
    """Adjoint of `conv` in `w`: <conv(x, w), g> = <w, conv_weight_grad(x, g)>."""
    geometry = x.shape, out.shape, g.shape, strides, pads, dilation, groups
    if not _is_empty(out, x, g):
        weight_sums(out, x, g, conv_tables.forward(*geometry, _lanes(x)))
