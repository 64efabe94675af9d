"""The checkerboard of transposed convolutions, before any weight is learned."""

import numpy as np

from tinygrad_astro import shapes


def overlap_count(
    input_size, kernel_size, strides=1, padding="valid", output_padding=None, dilation_rate=1
) -> np.ndarray:
    """Count how many input pixels each output pixel of a transposed convolution is summed from.

    Where the stride does not divide the kernel size, the counts alternate, and the output shows a
    checkerboard that training must undo; kernel_size = 4 with strides = 2 does not, 3 does.

    Parameters
    ----------
    input_size : int or (height, width)
        In pixels.
    kernel_size, strides, dilation_rate : int or one per axis
    padding, output_padding
        As in `ops.conv_transpose`.

    Returns
    -------
    (L,) or (H, W) ndarray of int
        0 where only the bias arrives.

    Raises
    ------
    ValueError
        If the geometry does not fit, in words.

    References
    ----------
    Odena, Dumoulin & Olah 2016, "Deconvolution and Checkerboard Artifacts", Distill,
    doi:10.23915/distill.00003.

    Examples
    --------
    >>> from tinygrad_astro import explain
    >>> print(explain.overlap_count((3, 3), kernel_size=3, strides=2))
    [[1 1 2 1 2 1 1]
     [1 1 2 1 2 1 1]
     [2 2 4 2 4 2 2]
     [1 1 2 1 2 1 1]
     [2 2 4 2 4 2 2]
     [1 1 2 1 2 1 1]
     [1 1 2 1 2 1 1]]
    """
    sizes = (input_size,) if isinstance(input_size, (int, np.integer)) else tuple(input_size)
    rank = len(sizes)
    window = shapes.per_axis(kernel_size, rank, "kernel_size")
    out, strides, pads, dilation = shapes.conv_transpose(
        (1, *sizes, 1), (*window, 1, 1), strides, padding, output_padding, dilation_rate
    )
    counts = np.ones((), np.int64)
    for axis, n in enumerate(sizes):
        along = np.zeros(out[1 + axis], np.int64)
        for tap in range(window[axis]):
            at = np.arange(n) * strides[axis] + tap * dilation[axis] - pads[axis][0]
            along[at[(at >= 0) & (at < len(along))]] += 1
        counts = np.multiply.outer(counts, along)
    return counts
