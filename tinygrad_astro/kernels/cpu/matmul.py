"""The product of two matrices: small ones in a loop, large ones as a 1x1 convolution."""

from .conv import conv
from .target import serial

# Multiply-adds up to which the plain loop is done before the tables of the other way are looked up.
_SMALL = 1 << 15


def matmul(out, a, b):
    """out[i,j] = sum_k a[i,k] * b[k,j] for a (M, K), b (K, N), out (M, N)."""
    if a.size * b.shape[1] <= _SMALL:
        _matmul(out, a, b)
    else:
        conv(out[None, None], a[None, None], b[None, None], (1, 1), ((0, 0), (0, 0)), (1, 1), 1)


@serial
def _matmul(out, a, b):
    for i in range(out.shape[0]):
        out[i] = 0
        for k in range(b.shape[0]):
            value = a[i, k]
            for j in range(out.shape[1]):
                out[i, j] += value * b[k, j]
