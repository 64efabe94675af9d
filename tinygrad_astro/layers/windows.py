"""Which input positions a window sees: interval arithmetic on integer arrays, one axis at a time.

Pads of "same" depend on the size of the input; here the size counts as a multiple of the stride,
which is what U-Nets and residual networks are given.
"""

from tinygrad_astro.shapes import span


def pad_before(axis, window, strides, padding, dilation) -> int:
    """Pixels added before the first along one axis."""
    wide = span(window[axis], dilation[axis])
    if padding == "valid":
        return 0
    if padding == "causal":
        return wide - 1
    if padding == "same":
        return max(wide - strides[axis], 0) // 2
    per_axis = padding if isinstance(padding, (tuple, list)) else (padding,) * len(window)
    return per_axis[axis] if isinstance(per_axis[axis], int) else per_axis[axis][0]


def places(axis, low, high, window, strides, padding, dilation):
    """Give the input positions under the windows of outputs low..high of a convolution."""
    before = pad_before(axis, window, strides, padding, dilation)
    first = low * strides[axis] - before
    return first, high * strides[axis] - before + span(window[axis], dilation[axis]) - 1


def steps(axis, low, high, window, strides, padding, dilation):
    """Give the input positions whose copies of the kernel reach outputs low..high (transposed)."""
    before = pad_before(axis, window, strides, padding, dilation)
    wide = max(span(window[axis], dilation[axis]), strides[axis])
    first = -((wide - 1 - low - before) // strides[axis])
    return first, (high + before) // strides[axis]
