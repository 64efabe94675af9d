"""The product of two matrices and its adjoints: small in a loop, large as 1x1 convolutions.

With out = a b, the gradients of a sum weighted by g are g b' and a' g: the three take the same
matrices in other places, and none of them is ever transposed in memory.
"""

from .conv import conv, conv_input_grad, conv_weight_grad
from .elementwise import KINDS, _bias_activation, finish
from .target import serial

# Multiply-adds up to which the plain loop is done before the tables of the other way are looked up.
_SMALL = 1 << 15

# Columns below which a row of the product is too short for a loop of its own.
_NARROW = 4

_PLAIN = (1, 1), ((0, 0), (0, 0)), (1, 1), 1


def _images(*matrices):
    """See the rows as pixels of one image, or as the one tap of a kernel."""
    return [matrix[None, None] for matrix in matrices]


def matmul(out, a, b, bias=None, activation="linear"):
    """out[i,j] = f(bias[j] + sum_k a[i,k] * b[k,j]) for a (M, K), b (K, N), out (M, N)."""
    if a.size * b.shape[1] > _SMALL:
        conv(*_images(out, a, b), *_PLAIN, bias, activation)
        return
    if bias is None:
        _matmul(out, a, b)
        finish(out, bias, activation)
    else:
        _biased_matmul(out, a, b, bias, KINDS[activation])


def matmul_left_grad(out, g, b):
    """out[i,k] = sum_j g[i,j] * b[k,j] for g (M, N), b (K, N), out (M, K)."""
    if g.size * b.shape[0] <= _SMALL:
        _matmul_left_grad(out, g, b)
    else:
        conv_input_grad(*_images(out, g, b), *_PLAIN)


def matmul_right_grad(out, a, g):
    """out[k,j] = sum_i a[i,k] * g[i,j] for a (M, K), g (M, N), out (K, N)."""
    if a.size * g.shape[1] <= _SMALL:
        _matmul_right_grad(out, a, g)
    else:
        conv_weight_grad(*_images(out, a, g), *_PLAIN)


@serial
def _biased_matmul(out, a, b, bias, kind):
    """Both in one launch: for a small product that is half of the time."""
    _matmul(out, a, b)
    flat = out.reshape(-1)
    _bias_activation(flat, flat, bias, kind, 0, flat.size)


@serial
def _matmul(out, a, b):
    if out.shape[1] < _NARROW:
        for i in range(out.shape[0]):
            for j in range(out.shape[1]):
                total = out.dtype.type(0)
                for k in range(b.shape[0]):
                    total += a[i, k] * b[k, j]
                out[i, j] = total
        return
    for i in range(out.shape[0]):
        out[i] = 0
        for k in range(b.shape[0]):
            value = a[i, k]
            for j in range(out.shape[1]):
                out[i, j] += value * b[k, j]


@serial
def _matmul_left_grad(out, g, b):
    if g.shape[1] < _NARROW:
        out[:] = 0
        for i in range(out.shape[0]):
            for j in range(g.shape[1]):
                value = g[i, j]
                for k in range(out.shape[1]):
                    out[i, k] += value * b[k, j]
        return
    for i in range(out.shape[0]):
        for k in range(out.shape[1]):
            total = g.dtype.type(0)
            for j in range(g.shape[1]):
                total += g[i, j] * b[k, j]
            out[i, k] = total


@serial
def _matmul_right_grad(out, a, g):
    out[:] = 0
    if g.shape[1] < _NARROW:
        for i in range(a.shape[0]):
            for j in range(g.shape[1]):
                value = g[i, j]
                for k in range(out.shape[0]):
                    out[k, j] += a[i, k] * value
        return
    for i in range(a.shape[0]):
        for k in range(out.shape[0]):
            value = a[i, k]
            for j in range(out.shape[1]):
                out[k, j] += value * g[i, j]
