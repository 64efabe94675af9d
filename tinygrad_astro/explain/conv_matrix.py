"""The convolution as a matrix: its transpose is the transposed convolution, seen with the eye.

A convolution is linear in its input, so it is a matrix M from all values of the input to all
values of the output, M x = conv(x). Almost all of M is zero and the kernel repeats along it. Then
M^T takes a gradient of the output back to the input, which is what a "transposed convolution" is
(Dumoulin & Visin 2016, arXiv:1603.07285, section 4.1).
"""

import numpy as np

from tinygrad_astro import shapes
from tinygrad_astro.extras import optional
from tinygrad_astro.tape import Tensor

_MOST_ENTRIES = 20_000_000  # about 1 GB while building; it is for looking, not for computing


def conv_matrix(kernel, input_shape, strides=1, padding="valid", dilation_rate=1, groups=1):
    """M with M @ x.ravel() == conv(x).ravel(), and M.T @ g.ravel() == its transpose.

    Parameters
    ----------
    kernel : (k, C // groups, K) or (kh, kw, C // groups, K) array_like
        As in `ops.conv`; or (k,) or (kh, kw), for one channel in and out.
    input_shape : tuple of int
        Of one example, without the batch: (L, C) or (H, W, C); (L,) or (H, W) with a kernel
        without channels.
    strides, padding, dilation_rate, groups
        As in `ops.conv`.

    Returns
    -------
    (output values, input values) scipy.sparse.csr_array
        Rows and columns count the values in reading order, channels last. Of the kernel's dtype and
        unit. A zero in the kernel is a stored entry: the structure is that of the geometry.

    Raises
    ------
    ValueError
        If shapes do not fit each other, or the matrix would have more than 20 million entries.
    ImportError
        Without scipy, naming the extra.

    Notes
    -----
    A NaN in the kernel stays a NaN. Padding has no column: it is zero and takes no gradient.

    Examples
    --------
    The 4 x 16 matrix of a 3 x 3 kernel on a 4 x 4 image:

    >>> from tinygrad_astro import explain
    >>> M = explain.conv_matrix([[1, 4, 1], [1, 4, 3], [3, 3, 1]], (4, 4))
    >>> print(M.toarray())
    [[1 4 1 0 1 4 3 0 3 3 1 0 0 0 0 0]
     [0 1 4 1 0 1 4 3 0 3 3 1 0 0 0 0]
     [0 0 0 0 1 4 1 0 1 4 3 0 3 3 1 0]
     [0 0 0 0 0 1 4 1 0 1 4 3 0 3 3 1]]
    >>> (M.T @ [2, 1, 4, 4]).reshape(4, 4)  # the transposed convolution of a 2 x 2 image
    array([[ 2,  9,  6,  1],
           [ 6, 29, 30,  7],
           [10, 29, 33, 13],
           [12, 24, 16,  4]])
    """
    sparse = optional("scipy.sparse")
    w = np.asarray(kernel.detach().numpy() if isinstance(kernel, Tensor) else kernel)
    image = tuple(input_shape) if np.ndim(input_shape) == 1 else ()
    if not image or not w.ndim:
        raise ValueError(
            f"conv_matrix got a kernel of shape {w.shape} and input_shape={input_shape!r}, "
            "expected e.g. a kernel (3, 3) and an image (4, 4), without the batch axis"
        )
    if w.ndim == len(image) and w.ndim in (1, 2):
        w, image = w[..., None, None], (*image, 1)
    shape, strides, pads, dilation = shapes.conv(
        (1, *image), w.shape, strides, padding, dilation_rate, groups
    )
    sizes, window, out_sizes = image[:-1], w.shape[:-2], shape[1:-1]
    per_group, channels = w.shape[-2:]
    entries = int(np.prod(out_sizes)) * w.size
    if entries > _MOST_ENTRIES:
        raise ValueError(
            f"conv_matrix of a kernel of shape {w.shape} on an input of shape {image} would have "
            f"{entries} entries, expected at most {_MOST_ENTRIES}; take a smaller image: the "
            "matrix only repeats itself"
        )
    pixel, inside = _input_pixels(sizes, window, out_sizes, strides, pads, dilation)
    # Axes from here on: output pixel, output channel, kernel tap, input channel of the group.
    out_pixel = np.arange(len(pixel))[:, None, None, None]
    k = np.arange(channels)[:, None, None]
    c = np.arange(per_group)
    row = out_pixel * channels + k
    column = pixel[:, None, :, None] * image[-1] + k // (channels // groups) * per_group + c
    value = w.reshape(-1, per_group, channels).transpose(2, 0, 1)
    every = np.broadcast_shapes(row.shape, column.shape, value.shape)
    chosen = np.broadcast_to(inside[:, None, :, None], every)
    row, column, value = (np.broadcast_to(part, every)[chosen] for part in (row, column, value))
    counts = (len(pixel) * channels, int(np.prod(image)))
    return sparse.csr_array((value, (row, column)), shape=counts)


def _input_pixels(sizes, window, out_sizes, strides, pads, dilation):
    """For each output pixel and kernel tap: the flat input pixel, and whether it is inside."""
    pixel = np.zeros((1, 1), np.int64)
    inside = np.ones((1, 1), bool)
    for n, k, p, s, (before, _), d in zip(sizes, window, out_sizes, strides, pads, dilation):
        at = np.arange(p)[:, None] * s - before + np.arange(k) * d
        pixel = pixel[:, None, :, None] * n + at[:, None, :]
        inside = inside[:, None, :, None] & ((at >= 0) & (at < n))[:, None, :]
        shape = (pixel.shape[0] * p, pixel.shape[2] * k)
        pixel, inside = pixel.reshape(shape), inside.reshape(shape)
    return pixel, inside
