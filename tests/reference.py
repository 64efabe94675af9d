"""Plain loops that say what an op means; slow, and independent of everything in the library."""

import numpy as np


def conv(x, w, strides, pads, dilation, groups):
    """Convolve (N, H, W, C) with (kh, kw, C // groups, K), tap by tap."""
    (sh, sw), (dh, dw) = strides, dilation
    kh, kw, per_group, out_channels = w.shape
    padded = np.pad(x, ((0, 0), *pads, (0, 0)))
    rows = (padded.shape[1] - (kh - 1) * dh - 1) // sh + 1
    columns = (padded.shape[2] - (kw - 1) * dw - 1) // sw + 1
    out = np.zeros((x.shape[0], rows, columns, out_channels), x.dtype)
    for i in range(rows):
        for j in range(columns):
            for d in range(out_channels):
                first = d // (out_channels // groups) * per_group
                window = padded[
                    :,
                    i * sh : i * sh + (kh - 1) * dh + 1 : dh,
                    j * sw : j * sw + (kw - 1) * dw + 1 : dw,
                    first : first + per_group,
                ]
                out[:, i, j, d] = (window * w[..., d]).sum(axis=(1, 2, 3))
    return out


def pool(x, size, strides, pads, reduce, fill):
    """Apply `reduce` to each window of (N, H, W, C); padding holds `fill`."""
    padded = np.pad(x, ((0, 0), *pads, (0, 0)), constant_values=fill)
    rows = (padded.shape[1] - size[0]) // strides[0] + 1
    columns = (padded.shape[2] - size[1]) // strides[1] + 1
    out = np.empty((x.shape[0], rows, columns, x.shape[3]), x.dtype)
    for i in range(rows):
        for j in range(columns):
            top, left = i * strides[0], j * strides[1]
            window = padded[:, top : top + size[0], left : left + size[1]]
            flat = window.reshape(x.shape[0], size[0] * size[1], x.shape[3])
            out[:, i, j] = reduce(flat, axis=1)
    return out
