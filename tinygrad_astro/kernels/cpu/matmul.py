"""The product of two matrices."""

from numba import prange

from .target import parallel


@parallel
def plain_matmul(out, a, b):
    """out[i,j] = sum_k a[i,k] * b[k,j]."""
    for i in prange(out.shape[0]):
        out[i] = 0
        for k in range(b.shape[0]):
            value = a[i, k]
            for j in range(out.shape[1]):
                out[i, j] += value * b[k, j]


def matmul(out, a, b):
    """out[i,j] = sum_k a[i,k] * b[k,j] for a (M, K), b (K, N), out (M, N)."""
    plain_matmul(out, a, b)
