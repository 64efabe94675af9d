"""Convolution as plain loops, one thread per output element: every stride, dilation, pad and group.

The kernels to read first; the fast ones (gemm.py) compute the same where the sizes suit them.
Coordinates outside the image wrap to large uint32 numbers and fail `i < height`.
"""

from . import array as arrays
from .target import D, T, U, cuda, kernel

# Lines of pixels that one thread of the weight gradient sums up: more where the sums of all threads
# would not fit into SUMS numbers.
LINES, SUMS = 8, 2**24


@kernel("T* T* T* u u u u u u u u u u u u u u u u u")
def plain_conv(
    out, x, w, count, rows, columns, channels, height, width, inputs, kh, kw, depth, sh, sw, top,
    left, dh, dw, share,
):  # fmt: skip
    """out[n,p,q,k] = sum_abc x[n, p*sh+a*dh-top, q*sw+b*dw-left, c] * w[a,b,c,k]."""
    at = U(cuda.grid(1))
    if at >= count:
        return
    k, pixel = U(at % channels), U(at // channels)
    q, line = U(pixel % columns), U(pixel // columns)
    p, n = U(line % rows), U(line // rows)
    first = U(U(k // share) * depth)  # the first input channel of the group of k
    total, a = T(0), U(0)
    while a < kh:
        i, b = U(U(U(p * sh) + U(a * dh)) - top), U(0)
        while b < kw and i < height:
            j = U(U(U(q * sw) + U(b * dw)) - left)
            if j < width:
                source = U(U(U(U(U(U(n * height) + i) * width) + j) * inputs) + first)
                weight = U(U(U(U(U(a * kw) + b) * depth) * channels) + k)
                stop = U(source + depth)
                while source < stop:
                    total += x[source] * w[weight]
                    source, weight = U(source + U(1)), U(weight + channels)
            b = U(b + U(1))
        a = U(a + U(1))
    out[at] = total


@kernel("T* T* T* u u u u u u u u u u u u u u u u u")
def plain_conv_input_grad(
    out, g, w, count, rows, columns, channels, height, width, inputs, kh, kw, depth, sh, sw, top,
    left, dh, dw, share,
):  # fmt: skip
    """Gather what each input pixel received: the adjoint of `plain_conv` in its first argument."""
    at = U(cuda.grid(1))
    if at >= count:
        return
    c, pixel = U(at % inputs), U(at // inputs)
    j, line = U(pixel % width), U(pixel // width)
    i, n = U(line % height), U(line // height)
    first = U(U(c // depth) * share)  # the first output channel of the group of c
    total, a = T(0), U(0)
    while a < kh:
        up, b = U(U(i + top) - U(a * dh)), U(0)
        while b < kw and up % sh == 0 and U(up // sh) < rows:
            over = U(U(j + left) - U(b * dw))
            if over % sw == 0 and U(over // sw) < columns:
                line = U(U(U(U(n * rows) + U(up // sh)) * columns) + U(over // sw))
                source = U(U(line * channels) + first)
                tap = U(U(U(U(U(a * kw) + b) * depth) + U(c % depth)) * channels)
                weight, stop = U(tap + first), U(source + share)
                while source < stop:
                    total += g[source] * w[weight]
                    source, weight = U(source + U(1)), U(weight + U(1))
            b = U(b + U(1))
        a = U(a + U(1))
    out[at] = total


@kernel("d* T* T* u u u u u u u u u u u u u u u u u u u u")
def partial_weight_grad(
    partial, x, g, count, rows, columns, channels, height, width, inputs, kh, kw, depth, sh, sw,
    top, left, dh, dw, share, size, lines, chunk,
):  # fmt: skip
    """partial[s, a,b,c,k] = the sum over `chunk` lines of pixels: part s of the weight gradient."""
    at = U(cuda.grid(1))
    if at >= count:
        return
    s, weight = U(at // size), U(at % size)
    k, tap = U(weight % channels), U(weight // channels)
    c = U(U(tap % depth) + U(U(k // share) * depth))
    b, a = U(U(tap // depth) % kw), U(U(tap // depth) // kw)
    line, total = U(s * chunk), D(0)
    stop = min(lines, U(line + chunk))
    while line < stop:
        i, q = U(U(U(U(line % rows) * sh) + U(a * dh)) - top), U(0)
        start = U(U(U(U(line // rows) * height) + i) * width)
        while q < columns and i < height:
            j = U(U(U(q * sw) + U(b * dw)) - left)
            if j < width:
                value = x[U(U(U(start + j) * inputs) + c)]
                total += D(value * g[U(U(U(U(line * columns) + q) * channels) + k)])
            q = U(q + U(1))
        line = U(line + U(1))
    partial[at] = total


@kernel("T* d* u u")
def join_partials(out, partial, size, parts):
    """out[i] = partial[0, i] + partial[1, i] + ... in order: the second pass of a split sum."""
    i = U(cuda.grid(1))
    if i >= size:
        return
    total, at, s = D(0), U(i), U(0)
    while s < parts:
        total += partial[at]
        at, s = U(at + size), U(s + U(1))
    out[i] = total


def geometry(x, w, g, strides, pads, dilation, groups):
    """List the numbers that all three kernels take, from shapes."""
    around = *strides, pads[0][0], pads[1][0], *dilation
    return (*g[1:], *x[1:], *w[:3], *around, w[3] // groups)


def conv(out, x, w, numbers):
    """Launch `plain_conv`."""
    plain_conv(out.size, out, x, w, out.size, *numbers, dtype=out.dtype)


def conv_input_grad(out, g, w, numbers):
    """Launch `plain_conv_input_grad`."""
    plain_conv_input_grad(out.size, out, g, w, out.size, *numbers, dtype=out.dtype)


def conv_weight_grad(out, x, g, numbers):
    """Launch `partial_weight_grad`, then join the parts in order: deterministic, no atomics."""
    lines = g.shape[0] * g.shape[1]
    chunk = max(LINES, -(-lines * out.size // SUMS))
    parts = max(1, -(-lines // chunk))
    partial = arrays.DeviceArray((parts, out.size), "float64")
    arguments = partial, x, g, partial.size, *numbers, out.size, lines, chunk
    partial_weight_grad(partial.size, *arguments, dtype=out.dtype)
    join_partials(out.size, out, partial, out.size, parts, dtype=out.dtype)
