"""Convolution over 2-D images, channels last, and its two adjoints.

All three take `x` of shape (N, H, W, C), `w` of shape (kh, kw, C // groups, K) and `g` or an output
of shape (N, P, Q, K). Each tries the fast kernels (gemm.py) and falls back to the plain ones.
"""

from . import conv_plain, gemm, norm
from .elementwise import finish


def conv(
    out, x, w, strides, pads, dilation, groups, bias=None, activation="linear", scale=None,
    moments=None,
):  # fmt: skip
    """out[n,p,q,k] = f(bias[k] + scale[k] sum_abc x[n, p sh + a dh - top, ..., c] w[a,b,c,k]).

    `moments` are two arrays for the mean and the variance of out[..., k].
    """
    w = w if scale is None else w * scale
    if not gemm.conv(out, x, w, strides, pads, dilation, groups):
        numbers = conv_plain.geometry(x.shape, w.shape, out.shape, strides, pads, dilation, groups)
        conv_plain.conv(out, x, w, numbers)
    finish(out, bias, activation)
    if moments is not None:
        norm.moments(*moments, out.reshape(-1, out.shape[3]))


def conv_input_grad(out, g, w, strides, pads, dilation, groups, bias=None, activation="linear"):
    """Adjoint of `conv` in `x`: <conv(x, w), g> = <x, conv_input_grad(g, w)>; then bias and f."""
    if not gemm.conv_input_grad(out, g, w, strides, pads, dilation, groups):
        numbers = conv_plain.geometry(out.shape, w.shape, g.shape, strides, pads, dilation, groups)
        conv_plain.conv_input_grad(out, g, w, numbers)
    finish(out, bias, activation)


def conv_weight_grad(out, x, g, strides, pads, dilation, groups):
    """Adjoint of `conv` in `w`: <conv(x, w), g> = <w, conv_weight_grad(x, g)>."""
    if not gemm.conv_weight_grad(out, x, g, strides, pads, dilation, groups):
        numbers = conv_plain.geometry(x.shape, out.shape, g.shape, strides, pads, dilation, groups)
        conv_plain.conv_weight_grad(out, x, g, numbers)
