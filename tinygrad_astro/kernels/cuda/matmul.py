"""The product of two matrices."""

from . import gemm, namespace
from .elementwise import finish
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


def matmul(out, a, b, bias=None, activation="linear"):
    """out[i,j] = f(bias[j] + sum_k a[i,k] * b[k,j]) for a (M, K), b (K, N), out (M, N)."""
    (rows, depth), columns = a.shape, b.shape[1]
    if not gemm.matmul(out, a, b):
        plain_matmul(out.size, out, a, b, out.size, rows, depth, columns, dtype=out.dtype)
    finish(out, bias, activation)


def matmul_left_grad(out, g, b):
    """out[i,k] = sum_j g[i,j] * b[k,j] for g (M, N), b (K, N), out (M, K)."""
    matmul(out, g, namespace.ascontiguousarray(b.transpose((1, 0))))


def matmul_right_grad(out, a, g):
    """out[k,j] = sum_i a[i,k] * g[i,j] for a (M, K), g (M, N), out (K, N)."""
    matmul(out, namespace.ascontiguousarray(a.transpose((1, 0))), g)


def batched_matmul(out, a, b, batches):
    """out[n] = a[n] @ b[n] for (..., M, K), (..., K, N) of `batches` matrices."""
    rows, depth, columns = a.shape[-2], a.shape[-1], b.shape[-1]
    plain_matmul(out.size, out, a, b, out.size, rows, depth, columns, dtype=out.dtype)
