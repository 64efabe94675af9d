"""The dense layer on our own kernels: a product of two matrices, with bias and activation."""

from tinygrad_astro.kernels import of
from tinygrad_astro.ops.activation import FUSED, activation_grad, sum_rows
from tinygrad_astro.ops.elementwise import one_float_dtype
from tinygrad_astro.tape import lift, primitive


@primitive(
    lambda g, out, x, w: _dense_left_grad(g, w),
    lambda g, out, x, w: _dense_right_grad(x, g),
    keeps="x w",
)
def _dense(x, w):
    return _product(x, w)


@primitive(
    lambda u, out, g, w: _dense(u, w),
    lambda u, out, g, w: _dense_right_grad(u, g),
    keeps="g w",
)
def _dense_left_grad(g, w):
    """g w', the adjoint of the product in its left factor."""
    kernels = of(g)
    contiguous = kernels.rows.contiguous
    out = kernels.memory.empty((g.shape[0], w.shape[0]), g.dtype)
    kernels.matmul.matmul_left_grad(out, contiguous(g), contiguous(w))
    return out


@primitive(
    lambda u, out, x, g: _dense_left_grad(g, u),
    lambda u, out, x, g: _dense(x, u),
    keeps="x g",
)
def _dense_right_grad(x, g):
    """x' g, the adjoint of the product in its right factor."""
    kernels = of(x)
    contiguous = kernels.rows.contiguous
    out = kernels.memory.empty((x.shape[1], g.shape[1]), x.dtype)
    kernels.matmul.matmul_right_grad(out, contiguous(x), contiguous(g))
    return out


def _dense_layer_rule(g, out, x, w, bias, name, wanted):
    h = g if name == "linear" else activation_grad(g, out, name=name)
    return [
        _dense_left_grad(h, w) if wanted[0] else None,
        _dense_right_grad(x, h) if wanted[1] else None,
        sum_rows(h) if wanted[2] else None,
    ]


@primitive(joint=_dense_layer_rule, keeps="x w out")
def _dense_layer(x, w, bias, name):
    return _product(x, w, bias, name)


def _product(x, w, bias=None, name="linear"):
    kernels = of(x)
    contiguous = kernels.rows.contiguous
    out = kernels.memory.empty((x.shape[0], w.shape[1]), x.dtype)
    kernels.matmul.matmul(out, contiguous(x), contiguous(w), bias, name)
    return out


def dense(x, w, bias=None, activation="linear"):
    """activation(x @ w + bias), summed in one fixed order, whatever the number of threads.

    Parameters
    ----------
    x : (M, K) Tensor
    w : (K, N) Tensor
    bias : (N,) Tensor, optional
    activation : str
        One that `bias_activation` fuses; only with a bias.

    Raises
    ------
    ValueError
        If these are not two matrices, or the summed sizes differ, or the bias does not have one
        value per column.
    """
    x, w = one_float_dtype(x, w)
    rows, columns = x.data.shape, w.data.shape
    if len(rows) != 2 or len(columns) != 2 or rows[1] != columns[0]:
        raise ValueError(f"dense got shapes {rows} and {columns}, expected (M, K) and (K, N)")
    if bias is None and activation == "linear":
        return _dense(x, w)
    (bias,) = lift([bias])
    if bias.data.shape != columns[1:] or activation not in FUSED:
        raise ValueError(
            f"dense got a bias of shape {bias.shape} and the activation {activation!r}, expected "
            f"{columns[1:]} and one of {FUSED}"
        )
    bias = bias if bias.data.dtype == x.data.dtype else bias.astype(x.dtype)
    return _dense_layer(x, w, bias, name=activation)
