"""Convolution over 2-D images, channels last, and its two adjoints.

All three take `x` of shape (N, H, W, C), `w` of shape (kh, kw, C // groups, K) and `g` or an output
of shape (N, P, Q, K), with P = (H + top + bottom - (kh - 1) * dh - 1) // sh + 1.
"""

from .conv_plain import pack, plain_conv, plain_conv_input_grad, plain_conv_weight_grad


def conv(out, x, w, strides, pads, dilation, groups):
    """out[n,p,q,k] = sum_abc x[n, p*sh + a*dh - top, q*sw + b*dw - left, c] * w[a,b,c,k]."""
    plain_conv(out, x, w, pack(strides, pads, dilation, groups))


def conv_input_grad(out, g, w, strides, pads, dilation, groups):
    """Adjoint of `conv` in `x`: <conv(x, w), g> = <x, conv_input_grad(g, w)>."""
    plain_conv_input_grad(out, g, w, pack(strides, pads, dilation, groups))


def conv_weight_grad(out, x, g, strides, pads, dilation, groups):
    """Adjoint of `conv` in `w`: <conv(x, w), g> = <w, conv_weight_grad(x, g)>."""
    plain_conv_weight_grad(out, x, g, pack(strides, pads, dilation, groups))
