"""Solutions to the exercises of notebook 10, one kernel three ways."""

import numba


@numba.njit
def max_pool(out, x, size):
    """out[n,i,j,c] = the largest of a window; NaN if it holds one."""
    for n in range(out.shape[0]):
        for i in range(out.shape[1]):
            for j in range(out.shape[2]):
                out[n, i, j] = x[n, i * size, j * size]
                for a in range(size):
                    for b in range(size):
                        for c in range(out.shape[3]):
                            value = x[n, i * size + a, j * size + b, c]
                            # A comparison with NaN is false: ask whether it is *not* smaller.
                            if not value <= out[n, i, j, c] and out[n, i, j, c] == out[n, i, j, c]:
                                out[n, i, j, c] = value


@numba.njit(parallel=True)
def conv_input_grad(out, g, w):
    """out[n,i,j,c] = sum over a, b, k of g[n, i-a, j-b, k] w[a,b,c,k]; each turn owns a line."""
    lines = out.shape[1]
    for line in numba.prange(out.shape[0] * lines):
        n, i = line // lines, line % lines
        for j in range(out.shape[2]):
            for c in range(out.shape[3]):
                total = 0.0
                for a in range(max(0, i - g.shape[1] + 1), min(w.shape[0], i + 1)):
                    for b in range(max(0, j - g.shape[2] + 1), min(w.shape[1], j + 1)):
                        for k in range(g.shape[3]):
                            total += g[n, i - a, j - b, k] * w[a, b, c, k]
                out[n, i, j, c] = total
