"""The product of two matrices."""

from . import gemm
from .target import T, U, cuda, kernel


@kernel("T* T* T* u u u u")
def plain_matmul(out, a, b, count, rows, depth, columns):
    """out[n,i,j] = sum_k a[n,i,k] * b[n,k,j]: one thread per output."""
    at = U(cuda.grid(1))
    if at >= count:
        return
    j, row = U(at % columns), U(at // columns)
    left, right = U(row * depth), U(U(U(U(row // rows) * depth) * columns) + j)
    stop = U(left + depth)
    total = T(0)
    while left < stop:
        total += a[left] * b[right]
        left = U(left + U(1))
        right = U(right + columns)
    out[at] = total


def matmul(out, a, b):
    """out[i,j] = sum_k a[i,k] * b[k,j] for a (M, K), b (K, N), out (M, N)."""
    (rows, depth), columns = a.shape, b.shape[1]
    if not gemm.matmul(out, a, b):
        plain_matmul(out.size, out, a, b, out.size, rows, depth, columns, dtype=out.dtype)


def batched_matmul(out, a, b, batches):
    """out[n] = a[n] @ b[n] for (..., M, K), (..., K, N) of `batches` matrices."""
    rows, depth, columns = a.shape[-2], a.shape[-1], b.shape[-1]
    plain_matmul(out.size, out, a, b, out.size, rows, depth, columns, dtype=out.dtype)
