"""Convolution over 2-D images, channels last, and its two adjoints.

All three take `x` of shape (N, H, W, C), `w` of shape (kh, kw, C // groups, K) and `g` or an output
of shape (N, P, Q, K), with P = (H + top + bottom - (kh - 1) * dh - 1) // sh + 1. The output comes
first. There are these algorithms, and conv_choice.py chooses between the first two:

- conv_direct.py and conv_weights.py sum directly, for every geometry;
- winograd.py and winograd_weights.py need fewer multiplications, in float32, and round a little
  more: errors of 1e-6 to 5e-6 of the norm, where direct sums err by 3e-7. A NaN or infinity makes
  all outputs of its tile NaN. The precision "exact" forbids them;
- conv_narrow.py is for the weights that mix the channels of each pixel into a few;
- conv_depthwise.py is for one channel per group.
"""

import numpy as np

from ..precision import current_precision
from . import conv_depthwise, conv_narrow, conv_tables, norm, winograd_tables
from .conv_choice import scheme_for
from .conv_direct import walk
from .conv_weights import walk_weights
from .elementwise import finish
from .simd import float32_lanes
from .target import get_num_threads
from .winograd import winograd
from .winograd_weight_tables import weight_grad
from .winograd_weights import winograd_weights


def _is_empty(out, *inputs):
    """Whether there is nothing to sum: then the result is zero."""
    if out.size and all(array.size for array in inputs):
        return False
    out[...] = 0
    return True


def _scheme(describe, dtype, *geometry):
    if dtype != np.float32 or current_precision() == "exact":
        return None
    return scheme_for(describe, *geometry)


def _is_depthwise(source, target, groups):
    return groups == source.shape[3] == target.shape[3] > 1


def _is_narrow(w, strides, pads, groups, lanes):
    mixes = w.shape[:2] == strides == (1, 1) and groups == 1 and not any(map(any, pads))
    return mixes and w.shape[3] <= conv_narrow.WIDEST and w.shape[2] % lanes == 0


def _lanes(array):
    return max(1, float32_lanes() * 4 // array.itemsize)


def _as_line(strides, pads, w_shape, *images):
    """See the pixels of all images as one line, where a 1 x 1 kernel looks at each alone."""
    if w_shape[:2] == strides == (1, 1) and not any(map(any, pads)):
        return [image.reshape(1, 1, -1, image.shape[3]) for image in images]
    return images


# What sums may not fall below, where that is all that an activation does.
FLOORS = {"linear": -np.inf, "relu": 0.0}

# A convolution and the gradient of its input are one walk over windows, by different tables: how it
# is described, and the tables of direct sums and of tiles.
_FORWARD = conv_tables.describe_forward, conv_tables.forward, winograd_tables.forward
_INPUT_GRAD = conv_tables.describe_input_grad, conv_tables.input_grad, winograd_tables.input_grad


def _sum_windows(way, out, source, w, geometry, bias, activation, scale, moments=None):
    """Compute a walk; tell whether `moments` were filled on the way."""
    describe, sums, tiles = way
    (strides, pads, _, groups), lanes = geometry, _lanes(source)
    geometry = *geometry, lanes
    if _is_empty(out, source, w):
        finish(out, bias, activation)
        return False
    if _is_depthwise(source, out, groups):
        tables = sums(source.shape, w.shape, out.shape, *geometry)
        conv_depthwise.depthwise(out, source, w if scale is None else w * scale, tables, lanes)
        finish(out, bias, activation)
        return False
    out, source = _as_line(strides, pads, w.shape, out, source)
    shapes, floor = (source.shape, w.shape, out.shape), FLOORS.get(activation, -np.inf)
    scheme = _scheme(describe, source.dtype, shapes, *geometry)
    if scheme is None:
        walk(out, source, w, sums(*shapes, *geometry), scale, bias, floor)
    else:
        tables = tiles(*shapes, strides, pads, scheme, lanes, get_num_threads())
        moments = moments if activation in FLOORS else None
        winograd(out, source, w, tables, scale, bias, floor, moments)
    if activation not in FLOORS:
        finish(out, None, activation)
    return scheme is not None and moments is not None


def conv(
    out, x, w, strides, pads, dilation, groups, bias=None, activation="linear", scale=None,
    moments=None,
):  # fmt: skip
    """out[n,p,q,k] = f(bias[k] + scale[k] sum_abc x[n, p sh + a dh - top, ..., c] w[a,b,c,k]).

    `moments` are two arrays for the mean and the variance of out[..., k].
    """
    geometry = strides, pads, dilation, groups
    done = _sum_windows(_FORWARD, out, x, w, geometry, bias, activation, scale, moments)
    if moments is not None and not done:
        norm.moments(*moments, out.reshape(-1, out.shape[3]))


def conv_input_grad(out, g, w, strides, pads, dilation, groups, bias=None, activation="linear"):
    """Adjoint of `conv` in `x`: <conv(x, w), g> = <x, conv_input_grad(g, w)>; then bias and f."""
    geometry = strides, pads, dilation, groups
    _sum_windows(_INPUT_GRAD, out, g, w, geometry, bias, activation, None)


def conv_input_grad_apart(out, g, w, strides, pads, dilation, groups):
    """The same of the input's first half of channels to out[0], and of its second to out[1]."""
    lanes, shape = _lanes(g), (*out.shape[1:4], 2 * out.shape[4])
    geometry, shapes = (strides, pads, dilation, groups, lanes), (g.shape, w.shape, shape)
    scheme = None
    if out.size and g.size and out.shape[4] % lanes == 0:
        scheme = _scheme(conv_tables.describe_input_grad, g.dtype, shapes, *geometry)
    if scheme is None:
        whole = np.empty(shape, out.dtype)
        conv_input_grad(whole, g, w, *geometry[:-1])
        out[0], out[1] = np.split(whole, 2, axis=3)
        return
    threads = get_num_threads()
    tables = winograd_tables.input_grad_apart(*shapes, strides, pads, scheme, lanes, threads)
    winograd(out.reshape(shape), g, w, tables)  # which asks for the number of channels alone


def conv_weight_grad(out, x, g, strides, pads, dilation, groups):
    """Adjoint of `conv` in `w`: <conv(x, w), g> = <w, conv_weight_grad(x, g)>."""
    if _is_empty(out, x, g):
        return
    x, g = _as_line(strides, pads, out.shape, x, g)
    lanes, shapes = _lanes(x), (x.shape, out.shape, g.shape)
    geometry = strides, pads, dilation, groups, lanes
    if _is_depthwise(x, g, groups):
        tables = conv_tables.forward(*shapes, *geometry)
        conv_depthwise.depthwise_weights(out, x, g, tables, lanes)
        return
    scheme = _scheme(conv_tables.describe_forward, x.dtype, shapes, *geometry)
    if _is_narrow(out, strides, pads, groups, lanes):
        conv_narrow.narrow_weight_grad(out, x, g)
    elif scheme is None:
        walk_weights(out, x, g, conv_tables.forward(*shapes, *geometry))
    else:
        tiles = weight_grad(*shapes, strides, pads, scheme, lanes)
        winograd_weights(out, x, g, tiles)
