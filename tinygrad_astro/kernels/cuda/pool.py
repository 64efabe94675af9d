"""Windows over (N, H, W, C): pick the largest, sum, and the adjoints of both.

Two families, each closed under transposition: take_windows and put_windows; sum_windows and
spread_windows. Letters: n image, i j output row and column, p q input row and column, c channel.
One thread per output element; coordinates left of the border wrap to large uint32 and fail p < H.
"""

from . import namespace
from .target import D, U, cuda, kernel

GEOMETRY = "u u u u u u u u u u u"


@kernel("i* T* u " + GEOMETRY)
def _argmax_windows(
    out, x, count, rows, columns, height, width, channels, kh, kw, sh, sw, top, left
):
    at = U(cuda.grid(1))
    if at >= count:
        return
    c, pixel = U(at % channels), U(at // channels)
    j, line = U(pixel % columns), U(pixel // columns)
    image = U(U(U(line // rows) * height) * width)
    first_p, first_q = U(U(U(line % rows) * sh) - top), U(U(j * sw) - left)
    best, index, found, a = x[0], U(0), False, U(0)
    while a < kh:
        p, b = U(first_p + a), U(0)
        while b < kw:
            q = U(first_q + b)
            if p < height and q < width:
                pixel = U(U(p * width) + q)
                v = x[U(U(U(image + pixel) * channels) + c)]
                if not found or (not v <= best and best == best):
                    best, index, found = v, pixel, True
            b = U(b + U(1))
        a = U(a + U(1))
    out[at] = index


@kernel("T* T* i* u u u u")
def _take_windows(out, x, indices, count, pixels, channels, windows):
    at = U(cuda.grid(1))
    if at < count:
        n = U(U(at // channels) // windows)
        out[at] = x[U(U(U(U(n * pixels) + U(indices[at])) * channels) + U(at % channels))]


@kernel("T* T* i* i* i* u u u u u u")
def _put_windows(out, g, indices, low, high, count, height, width, channels, rows, columns):
    """One thread per row of outputs and channel; it reads the rows of windows that point there."""
    at = U(cuda.grid(1))
    if at >= count:
        return
    c, line = U(at % channels), U(at // channels)
    n, first = U(line // height), U(U(line % height) * width)
    start, q, i = U(U(U(line * width) * channels) + c), U(0), U(0)
    while q < width:
        out[U(start + U(q * channels))] = 0
        q = U(q + U(1))
    while i < rows:
        windows = U(U(n * rows) + i)
        if U(low[windows]) < U(first + width) and U(high[windows]) >= first:
            j, source = U(0), U(U(U(windows * columns) * channels) + c)
            while j < columns:
                q = U(U(indices[source]) - first)
                if q < width:
                    out[U(start + U(q * channels))] += g[source]
                j, source = U(j + U(1)), U(source + channels)
        i = U(i + U(1))


@kernel("T* T* u " + GEOMETRY)
def _sum_windows(out, x, count, rows, columns, height, width, channels, kh, kw, sh, sw, top, left):
    at = U(cuda.grid(1))
    if at >= count:
        return
    c, pixel = U(at % channels), U(at // channels)
    j, line = U(pixel % columns), U(pixel // columns)
    image = U(U(U(line // rows) * height) * width)
    first_p, first_q = U(U(U(line % rows) * sh) - top), U(U(j * sw) - left)
    total, a = D(0), U(0)
    while a < kh:
        p, b = U(first_p + a), U(0)
        while b < kw:
            q = U(first_q + b)
            if p < height and q < width:
                total += x[U(U(U(image + U(U(p * width) + q)) * channels) + c)]
            b = U(b + U(1))
        a = U(a + U(1))
    out[at] = total


@kernel("T* T* u " + GEOMETRY)
def _spread_windows(
    out, g, count, rows, columns, height, width, channels, kh, kw, sh, sw, top, left
):
    at = U(cuda.grid(1))
    if at >= count:
        return
    c, pixel = U(at % channels), U(at // channels)
    q, line = U(U(pixel % width) + left), U(pixel // width)
    image, p = U(U(U(line // height) * rows) * columns), U(U(line % height) + top)
    # Rows i with i sh <= p < i sh + kh; the same for columns.
    i = U(U(U(p - kh) // sh) + U(1)) if p >= kh else U(0)
    first_j = U(U(U(q - kw) // sw) + U(1)) if q >= kw else U(0)
    total = D(0)
    while i < rows and U(i * sh) <= p:
        j = first_j
        while j < columns and U(j * sw) <= q:
            total += g[U(U(U(image + U(U(i * columns) + j)) * channels) + c)]
            j = U(j + U(1))
        i = U(i + U(1))
    out[at] = total


def argmax_windows(out, x, size, strides, pads, values=None):
    """out[n,i,j,c] = p W + q of the largest x[n,p,q,c] in window i, j.

    The first of equal values in row-major order; the first NaN before any number; padding never.
    The largest themselves go to `values`.
    """
    arguments = out, x, out.size, *_geometry(out, x, size, strides, pads)
    _argmax_windows(out.size, *arguments, dtype=x.dtype)
    out.memory.limits = 0, max(0, x.shape[1] * x.shape[2] - 1)
    if values is not None:
        take_windows(values, x, out)


def max_windows(out, x, size, strides, pads):
    """out[n,i,j,c] = the x[n,p,q,c] that argmax_windows picks."""
    indices = namespace.empty(out.shape, "int64")
    argmax_windows(indices, x, size, strides, pads)
    take_windows(out, x, indices)


def take_windows(out, x, indices):
    """out[n,i,j,c] = x[n, :, :, c].flat[indices[n,i,j,c]]."""
    pixels, windows = x.shape[1] * x.shape[2], out.shape[1] * out.shape[2]
    arguments = out, x, indices, out.size, pixels, out.shape[3], windows
    _take_windows(out.size, *arguments, dtype=x.dtype)


def put_windows(out, g, indices):
    """out[n, :, :, c].flat[k] = sum of g[n,i,j,c] where indices[n,i,j,c] = k, in order of i, j."""
    images, height, width, channels = out.shape
    rows, columns = g.shape[1:3]
    lines = indices.reshape(images * rows, -1)
    low, high = (lines.min(1), lines.max(1)) if lines.size else (lines, lines)
    count = images * height * channels
    geometry = count, height, width, channels, rows if g.size else 0, columns
    _put_windows(count, out, g, indices, low, high, *geometry, dtype=g.dtype)


def sum_windows(out, x, size, strides, pads):
    """out[n,i,j,c] = sum of x[n,p,q,c] over window i, j, in float64."""
    arguments = out, x, out.size, *_geometry(out, x, size, strides, pads)
    _sum_windows(out.size, *arguments, dtype=x.dtype)


def spread_windows(out, g, size, strides, pads):
    """out[n,p,q,c] = sum of g[n,i,j,c] over the windows that hold p, q: sum_windows transposed."""
    arguments = out, g, out.size, *_geometry(g, out, size, strides, pads)
    _spread_windows(out.size, *arguments, dtype=g.dtype)


def _geometry(windows, image, size, strides, pads):
    return (*windows.shape[1:3], *image.shape[1:], *size, *strides, pads[0][0], pads[1][0])
