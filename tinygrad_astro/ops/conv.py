"""Convolution, its adjoints, and the transposed convolution, for spectra and images.

The three primitives are each other's transposes: conv is linear in the input and in the kernel, and
each gradient rule is another member of the family. "Convolution" is cross-correlation, as in all of
deep learning; flip the kernel (`ops.flip(kernel, (0, 1))`) for the mathematician's.

    out[n, i, j, d] = sum_abc  x[n, i s - before + a dilation, j s - before + b dilation, c]
                               kernel[a, b, c, d]

Dumoulin & Visin 2016 (arXiv:1603.07285) draw every case; sizes are in shapes.py.
"""

from tinygrad_astro import shapes
from tinygrad_astro.kernels import of
from tinygrad_astro.ops import ahead
from tinygrad_astro.ops.activation import FUSED, activation_grad, sum_rows
from tinygrad_astro.ops.activation import activation as activate
from tinygrad_astro.ops.elementwise import one_float_dtype
from tinygrad_astro.tape import lift, primitive


def _as_image(x):
    """Lift a spectrum (N, L, C), or its kernel, to an image of height 1."""
    x = of(x).rows.contiguous(x)
    if x.ndim == 4:
        return x
    return x.reshape(x.shape[0], 1, *x.shape[1:])


def _as_kernel(w):
    w = of(w).rows.contiguous(w)
    return w if w.ndim == 4 else w.reshape(1, *w.shape)


def _geometry(strides, pads, dilation, groups):
    if len(strides) == 1:
        return (1, *strides), ((0, 0), *pads), (1, *dilation), groups
    return strides, pads, dilation, groups


@primitive(
    lambda g, out, x, w, **geometry: conv_input_grad(g, w, size=x.shape, **geometry),
    lambda g, out, x, w, **geometry: conv_weight_grad(x, g, size=w.shape, **geometry),
    keeps="x w",
)
def conv_valid(x, w, *, shape, strides, pads, dilation, groups):
    """The convolution with all geometry in numbers; `conv` checks and calls it."""
    out = of(x).memory.empty(shape, x.dtype)
    geometry = _geometry(strides, pads, dilation, groups)
    arrays = _as_image(out), _as_image(x), _as_kernel(w)
    of(x).conv.conv(*arrays, *geometry, moments=ahead.room(out))
    return out


@primitive(
    lambda u, out, g, w, *, size, **geometry: conv_valid(u, w, **geometry),
    lambda u, out, g, w, *, size, **geometry: conv_weight_grad(u, g, size=w.shape, **geometry),
    keeps="g w",
)
def conv_input_grad(g, w, *, size, shape, strides, pads, dilation, groups):
    """The adjoint of conv in its input: gives shape `size`; <conv(x, w), g> = <x, this>."""
    out = of(g).memory.empty(size, g.dtype)
    geometry = _geometry(strides, pads, dilation, groups)
    of(g).conv.conv_input_grad(_as_image(out), _as_image(g), _as_kernel(w), *geometry)
    return out


@primitive(
    lambda u, out, x, g, *, size, **geometry: conv_input_grad(g, u, size=x.shape, **geometry),
    lambda u, out, x, g, *, size, **geometry: conv_valid(x, u, **geometry),
    keeps="x g",
)
def conv_weight_grad(x, g, *, size, shape, strides, pads, dilation, groups):
    """The adjoint of conv in its kernel: gives shape `size`; <conv(x, w), g> = <w, this>."""
    out = of(x).memory.empty(size, x.dtype)
    geometry = _geometry(strides, pads, dilation, groups)
    of(x).conv.conv_weight_grad(_as_kernel(out), _as_image(x), _as_image(g), *geometry)
    return out


# ---- with bias and activation, which the kernels mind while they write ---------------------------


def _passed(g, out, name):
    return g if name == "linear" else activation_grad(g, out, name=name)


def _layer_rule(g, out, x, w, bias, name, wanted, **geometry):
    h = _passed(g, out, name)
    return [
        conv_input_grad(h, w, size=x.shape, **geometry) if wanted[0] else None,
        conv_weight_grad(x, h, size=w.shape, **geometry) if wanted[1] else None,
        sum_rows(h) if wanted[2] else None,
    ]


def _conv_layer(x, w, bias, *, name, shape, strides, pads, dilation, groups):
    """activation(conv(x, w) + bias)."""
    out = of(x).memory.empty(shape, x.dtype)
    geometry = *_geometry(strides, pads, dilation, groups), bias, name
    arrays = _as_image(out), _as_image(x), _as_kernel(w)
    of(x).conv.conv(*arrays, *geometry, moments=ahead.room(out))
    return out


def _transposed_layer_rule(u, out, g, w, bias, name, wanted, size, **geometry):
    h = _passed(u, out, name)
    return [
        conv_valid(h, w, **geometry) if wanted[0] else None,
        conv_weight_grad(h, g, size=w.shape, **geometry) if wanted[1] else None,
        sum_rows(h) if wanted[2] else None,
    ]


def _transposed_layer(g, w, bias, *, name, size, shape, strides, pads, dilation, groups):
    """activation(conv_input_grad(g, w) + bias)."""
    out = of(g).memory.empty(size, g.dtype)
    geometry = *_geometry(strides, pads, dilation, groups), bias, name
    of(g).conv.conv_input_grad(_as_image(out), _as_image(g), _as_kernel(w), *geometry)
    return out


# Only an activation's slope is found from the output: without one, the tape need not keep it.
_FORWARD = {
    "linear": primitive(joint=_layer_rule, keeps="x w")(_conv_layer),
    "activated": primitive(joint=_layer_rule, keeps="x w out")(_conv_layer),
}
_TRANSPOSED = {
    "linear": primitive(joint=_transposed_layer_rule, keeps="g w")(_transposed_layer),
    "activated": primitive(joint=_transposed_layer_rule, keeps="g w out")(_transposed_layer),
}


def _layer(plain, layers, x, w, bias, activation, geometry):
    """Sum windows, then add the bias and activate, in one primitive where there is a bias."""
    if activation not in FUSED:
        raise ValueError(f"convolutions fuse the activations {FUSED}, got {activation!r}")
    if bias is None:
        summed = plain(x, w, **geometry)
        return summed if activation == "linear" else activate(summed, name=activation)
    (bias,) = lift([bias])
    channels = geometry["size" if plain is conv_input_grad else "shape"][-1]
    if bias.shape != (channels,):
        raise ValueError(f"bias of shape {bias.shape} for {channels} output channels")
    bias = bias if bias.dtype == x.dtype else bias.astype(x.dtype)
    layer = layers["linear" if activation == "linear" else "activated"]
    return layer(x, w, bias, name=activation, **geometry)


@primitive()
def conv_finished(x, w, factor, level, *, name, shape, strides, pads, dilation, groups):
    """activation(conv(x, w) * factor + level): for prediction, it has no gradient."""
    out = of(x).memory.empty(shape, x.dtype)
    geometry = *_geometry(strides, pads, dilation, groups), level, name, factor
    of(x).conv.conv(_as_image(out), _as_image(x), _as_kernel(w), *geometry)
    return out


def conv(
    inputs,
    kernel,
    strides=1,
    padding="valid",
    dilation_rate=1,
    groups=1,
    bias=None,
    activation="linear",
):
    """out[n,i,j,d] = f(bias[d] + sum_abc inputs[n, i s + a r, j s + b r, c] kernel[a,b,c,d]).

    Parameters
    ----------
    inputs : (N, L, C) or (N, H, W, C) Tensor
        Spectra or images, channels last, any unit.
    kernel : (k, C // groups, K) or (kh, kw, C // groups, K) Tensor
    strides, dilation_rate : int or one per axis
        Steps of the window, and of its taps, in pixels.
    padding : "valid", "same", "causal" (spectra), int, or pairs (before, after) per axis
        Zeros around; "same" puts an odd pixel at the end, as Keras does.
    groups : int
        Output channel d sees input channels of its own group only; `groups=C` is depthwise.
    bias : (K,) Tensor, optional
    activation : str
        One that `bias_activation` fuses.

    Returns
    -------
    (N, P, Q, K) Tensor
        Unit of inputs times unit of kernel. P = (H + before + after - span) // s + 1.

    Raises
    ------
    ValueError
        If channels, groups, sizes, bias or activation do not fit, in words.

    Notes
    -----
    A NaN spreads to every output whose window holds it. The tape keeps inputs and kernel.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> ta.ops.conv([[[1.0], [2.0], [4.0]]], [[[-1.0]], [[1.0]]]).numpy().ravel()
    array([1., 2.], dtype=float32)
    """
    x, w = one_float_dtype(inputs, kernel)
    shape, strides, pads, dilation = shapes.conv(
        x.shape, w.shape, strides, padding, dilation_rate, groups
    )
    geometry = dict(shape=shape, strides=strides, pads=pads, dilation=dilation, groups=groups)
    return _layer(conv_valid, _FORWARD, x, w, bias, activation, geometry)


def conv_transpose(
    inputs,
    kernel,
    strides=1,
    padding="valid",
    output_padding=None,
    dilation_rate=1,
    bias=None,
    activation="linear",
):
    """The adjoint of the convolution with this kernel: each input pixel spreads it into the output.

    Parameters
    ----------
    inputs : (N, L, C) or (N, H, W, C) Tensor
    kernel : (k, K, C) or (kh, kw, K, C) Tensor
        Output channels before input channels, as in Keras: the kernel of the convolution from K to
        C channels whose adjoint this is.
    strides, dilation_rate : int or one per axis
    padding : as in `conv`; it crops the output.
    output_padding : int or one per axis, optional
        Pixels to add at the end, less than the stride: a strided convolution maps several input
        sizes to one output size, and this chooses among them.
    bias : (K,) Tensor, optional
    activation : str
        As in `conv`.

    Returns
    -------
    Tensor
        "valid": (n - 1) s + max(span, s) pixels; "same": n s. See `shapes.conv_transpose`.

    Raises
    ------
    ValueError
        If channels, sizes or output_padding do not fit, in words.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> ta.ops.conv_transpose([[[1.0], [2.0]]], [[[1.0]], [[3.0]]], strides=2).numpy().ravel()
    array([1., 3., 2., 6.], dtype=float32)
    """
    g, w = one_float_dtype(inputs, kernel)
    size, strides, pads, dilation = shapes.conv_transpose(
        g.shape, w.shape, strides, padding, output_padding, dilation_rate
    )
    geometry = dict(size=size, shape=g.shape, strides=strides, pads=pads, dilation=dilation)
    return _layer(conv_input_grad, _TRANSPOSED, g, w, bias, activation, geometry | {"groups": 1})
