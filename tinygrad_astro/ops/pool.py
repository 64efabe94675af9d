"""Pooling and its reverse, for spectra and images.

Two families, each closed under transposition: *pick* (argmax_windows says which pixel, take_windows
takes it, put_windows puts it back) and *sum* (sum_windows adds up a window, spread_windows copies a
pixel into its window). Max pooling is argmax then take; unpooling is put or spread.
"""

import numpy as np

from tinygrad_astro import shapes
from tinygrad_astro.kernels import constant, limits, of, xp
from tinygrad_astro.modes import is_recording
from tinygrad_astro.ops.comparison import equal, where
from tinygrad_astro.ops.elementwise import divide, multiply, sqrt, square
from tinygrad_astro.ops.indexing import take
from tinygrad_astro.tape import Tensor, lift, primitive


def _as_image(x):
    x = of(x).rows.contiguous(x)
    return x if x.ndim == 4 else x.reshape(x.shape[0], 1, *x.shape[1:])


def _geometry(window, strides, pads):
    if len(window) == 1:
        return (1, *window), (1, *strides), ((0, 0), *pads)
    return window, strides, pads


def _argmax(x, shape, window, strides, pads):
    """Find the maxima of all windows: where they are, and the values there."""
    indices, values = (of(x).memory.empty(shape, kind) for kind in (np.int64, x.dtype))
    images = _as_image(indices), _as_image(x)
    plain = _geometry(window, strides, pads)
    of(x).pool.argmax_windows(*images, *plain, values=_as_image(values))
    return indices, values


@primitive()
def argmax_windows(x, shape, window, strides, pads):
    """Index into the flattened image of the first maximum in each window; NaN wins, padding never.

    No gradient.
    """
    return _argmax(x, shape, window, strides, pads)[0]


@primitive()
def _max_windows(x, shape, window, strides, pads):
    """The values that argmax_windows picks, where nobody will ask for their gradient."""
    out = of(x).memory.empty(shape, x.dtype)
    of(x).pool.max_windows(_as_image(out), _as_image(x), *_geometry(window, strides, pads))
    return out


def _put_rule(g, out, x, indices, **_):
    return put_windows(g, indices, size=x.shape)


@primitive(_put_rule, None, keeps="indices")
def _taken(x, indices, *, values):
    """take_windows where the values were found with the indices."""
    return values


@primitive(_put_rule, None, keeps="indices")
def take_windows(x, indices):
    """out[n,i,j,c] = x[n, indices[n,i,j,c], c], with positions flattened."""
    out = of(x).memory.empty(indices.shape, x.dtype)
    of(x).pool.take_windows(_as_image(out), _as_image(x), _as_image(indices))
    return out


@primitive(lambda u, out, g, indices, size: take_windows(u, indices), None, keeps="indices")
def put_windows(g, indices, size):
    """Zeros of shape `size` with g added where `indices` point: the adjoint of take_windows."""
    out = of(g).memory.empty(size, g.dtype)
    of(g).pool.put_windows(_as_image(out), _as_image(g), _as_image(indices))
    return out


@primitive(lambda g, out, x, **geometry: spread_windows(g, size=x.shape, **geometry), keeps="")
def sum_windows(x, *, shape, window, strides, pads):
    """The sum of each window; padding counts as zero."""
    out = of(x).memory.empty(shape, x.dtype)
    of(x).pool.sum_windows(_as_image(out), _as_image(x), *_geometry(window, strides, pads))
    return out


@primitive(lambda u, out, g, *, size, **geometry: sum_windows(u, **geometry), keeps="")
def spread_windows(g, *, size, shape, window, strides, pads):
    """Each value copied (added) into its whole window: the adjoint of sum_windows."""
    out = of(g).memory.empty(size, g.dtype)
    of(g).pool.spread_windows(_as_image(out), _as_image(g), *_geometry(window, strides, pads))
    return out


# ---- public ops ----------------------------------------------------------------------------------


def _prepare(inputs, pool_size, strides, padding):
    (x,) = lift([inputs])
    x = x if x.dtype.kind == "f" else x.astype(np.float32)
    shape, window, strides, pads = shapes.pool(x.shape, pool_size, strides, padding)
    return x, {"shape": shape, "window": window, "strides": strides, "pads": pads}


def max_pool(inputs, pool_size, strides=None, padding="valid", return_indices=False):
    """The largest value of each window.

    Parameters
    ----------
    inputs : (N, L, C) or (N, H, W, C) Tensor
    pool_size : int or one per axis
    strides : int or one per axis, optional
        Default: pool_size, windows side by side.
    padding : as in `conv`. Padding is never the maximum, even where all values are negative.
    return_indices : bool
        Also give the position of each maximum in its flattened image, for `max_unpool`.

    Returns
    -------
    Tensor, or (Tensor, Tensor of int64)

    Notes
    -----
    Of equal values the first in reading order counts and gets the gradient. A NaN in the window
    gives NaN.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> ta.ops.max_pool([[[1.0], [3.0], [2.0], [0.0]]], 2).numpy().ravel()
    array([3., 2.], dtype=float32)
    """
    x, geometry = _prepare(inputs, pool_size, strides, padding)
    if not return_indices and not is_recording():
        return _max_windows(x, **geometry)
    indices, values = _argmax(x.data, **geometry)
    indices = Tensor(indices)
    out = _taken(x, indices, values=values)
    return (out, indices) if return_indices else out


def max_unpool(inputs, indices, output_size):
    """Put each value back at the position that `max_pool` took it from; zeros elsewhere.

    Parameters
    ----------
    inputs : (N, P, Q, C) Tensor
    indices : (N, P, Q, C) Tensor of int64
        From `max_pool(..., return_indices=True)`.
    output_size : int or one per axis
        Size of the image before pooling, e.g. (H, W).

    Raises
    ------
    ValueError
        If the shapes differ or an index lies outside.
    """
    x, indices = lift([inputs, indices])
    size = shapes.unpool(x.shape, indices.shape, output_size)
    pixels = int(np.prod(size[1:-1]))
    if indices.dtype.kind not in "iu":
        raise ValueError(f"max_unpool: indices have dtype {indices.dtype}, expected integers")
    least, largest = limits(indices.data) if indices.size else (0, -1)
    if least < 0 or largest >= pixels:
        raise ValueError(
            f"max_unpool: indices run from {least} to {largest}, but "
            f"output_size={tuple(size[1:-1])} has only {pixels} pixels"
        )
    return put_windows(x, indices.astype(np.int64), size=size)


def sum_pool(inputs, pool_size, strides=None, padding="valid"):
    """The sum of each window; arguments as in `max_pool`, padding counts as zero."""
    x, geometry = _prepare(inputs, pool_size, strides, padding)
    return sum_windows(x, **geometry)


def average_pool(inputs, pool_size, strides=None, padding="valid"):
    """The mean of each window over the pixels inside the image (padding does not count)."""
    x, geometry = _prepare(inputs, pool_size, strides, padding)
    total = sum_windows(x, **geometry)
    if not any(map(any, geometry["pads"])):
        return multiply(total, 1.0 / float(np.prod(geometry["window"])))
    ones = Tensor(xp(x.data).ones((1, *x.shape[1:-1], 1), x.dtype))
    counts = sum_windows(ones, **{**geometry, "shape": (1, *total.shape[1:-1], 1)})
    return divide(total, counts)


def l2_pool(inputs, pool_size, strides=None, padding="valid"):
    """The root of the sum of squares of each window; arguments as in `max_pool`.

    At a window of zeros, common behind relu, the gradient is 0.
    """
    x, geometry = _prepare(inputs, pool_size, strides, padding)
    total = sum_windows(square(x), **geometry)
    zero = equal(total, 0.0)
    return where(zero, 0.0, sqrt(where(zero, 1.0, total)))


def upsample(inputs, size, interpolation="nearest"):
    """Enlarge by whole factors.

    Parameters
    ----------
    inputs : (N, L, C) or (N, H, W, C) Tensor
    size : int or one per axis
        Factors.
    interpolation : {"nearest", "bilinear"}
        "nearest" copies each pixel into its window; "bilinear" interpolates between pixel centres,
        values at the border held (Keras's and PyTorch's half-pixel rule). NaN and infinities reach
        only what is interpolated from them.

    Raises
    ------
    ValueError
        If interpolation is another name.
    """
    (x,) = lift([inputs])
    rank = shapes.spatial_rank(x.shape, "upsample")
    factors = shapes.per_axis(size, rank, "size")
    if interpolation == "nearest":
        wide = (x.shape[0], *[n * f for n, f in zip(x.shape[1:-1], factors)], x.shape[-1])
        return spread_windows(
            x, size=wide, shape=x.shape, window=factors, strides=factors, pads=((0, 0),) * rank
        )
    if interpolation != "bilinear":
        raise ValueError(f'interpolation={interpolation!r}: expected "nearest" or "bilinear"')
    x = x if x.dtype.kind == "f" else x.astype(np.float32)
    for axis, f in enumerate(factors, start=1):
        n = x.shape[axis]
        centre = np.clip((np.arange(n * f) + 0.5) / f - 0.5, 0, n - 1)
        below, above = np.floor(centre).astype(np.int64), np.ceil(centre).astype(np.int64)
        # On a pixel's centre it counts half twice: a NaN beside it, times 0, would come through.
        weight = np.where(below == above, 0.5, centre - below).astype(x.dtype)
        weight = weight.reshape((-1,) + (1,) * (x.ndim - 1 - axis))
        parts = [constant(part, x.device) for part in (below, 1 - weight, above, weight)]
        below, lower, above, upper = map(Tensor, parts)
        x = multiply(take(x, below, axis), lower) + multiply(take(x, above, axis), upper)
    return x
