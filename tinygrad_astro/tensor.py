"""How tensors are made, their operator table, and their handshake with NumPy and DLPack."""

import numpy as np

from tinygrad_astro import ops
from tinygrad_astro.arrays import as_array, cuda_interface, native_dtype, take_over
from tinygrad_astro.kernels import moved
from tinygrad_astro.reverse import backward
from tinygrad_astro.tape import Tensor, primitive
from tinygrad_astro.writes import written


def tensor(data, dtype=None, device="cpu", requires_grad: bool = False) -> Tensor:
    """Make a Tensor.

    Parameters
    ----------
    data : array_like
        Python floats become float32; an array keeps its dtype, in native byte order. Memory is
        shared where it can be, unless the tensor is tracked.
    dtype : dtype, optional
        Convert to this: float32, float64, an integer or bool.
    device : str
        "cpu" or "cuda".
    requires_grad : bool
        Track this tensor: it is a leaf, and `backward` fills its `.grad`. Integers become float32.

    Raises
    ------
    TypeError
        If `data` is ragged, holds objects, strings, dates or complex numbers, or is a masked
        array; or `dtype` is none of those.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> ta.tensor([1.0, 2.0]).dtype
    dtype('float32')
    """
    if isinstance(data, Tensor):
        array = data.data if dtype is None else data.data.astype(native_dtype(dtype), copy=False)
    else:
        array = as_array(data, dtype)
    if requires_grad and array.dtype.kind != "f":
        array = array.astype(np.float32)
    made = Tensor(array.copy() if requires_grad else array)
    if device != "cpu":
        made = made.to(device)
    made._leaf = bool(requires_grad)
    return made


# ---- operators -----------------------------------------------------------------------------------

Tensor.__add__ = ops.add
Tensor.__radd__ = lambda self, other: ops.add(other, self)
Tensor.__sub__ = ops.subtract
Tensor.__rsub__ = lambda self, other: ops.subtract(other, self)
Tensor.__mul__ = ops.multiply
Tensor.__rmul__ = lambda self, other: ops.multiply(other, self)
Tensor.__truediv__ = ops.divide
Tensor.__rtruediv__ = lambda self, other: ops.divide(other, self)
Tensor.__pow__ = ops.power
Tensor.__rpow__ = lambda self, other: ops.power(other, self)
Tensor.__mod__ = ops.mod
Tensor.__rmod__ = lambda self, other: ops.mod(other, self)
Tensor.__matmul__ = ops.matmul
Tensor.__rmatmul__ = lambda self, other: ops.matmul(other, self)
Tensor.__neg__ = ops.negative
Tensor.__pos__ = lambda self: self
Tensor.__abs__ = ops.abs
Tensor.__eq__ = ops.equal
Tensor.__ne__ = ops.not_equal
Tensor.__lt__ = ops.less
Tensor.__le__ = ops.less_equal
Tensor.__gt__ = ops.greater
Tensor.__ge__ = ops.greater_equal
Tensor.__and__ = ops.bitwise_and
Tensor.__rand__ = ops.bitwise_and
Tensor.__or__ = ops.bitwise_or
Tensor.__ror__ = ops.bitwise_or
Tensor.__invert__ = ops.invert
Tensor.__hash__ = object.__hash__
Tensor.__getitem__ = ops.getitem

# ---- methods -------------------------------------------------------------------------------------

Tensor.backward = backward
Tensor.sum = ops.sum
Tensor.mean = ops.mean
Tensor.var = ops.var
Tensor.std = ops.std
Tensor.max = ops.max
Tensor.min = ops.min
Tensor.prod = ops.prod
Tensor.cumsum = ops.cumsum
Tensor.any = ops.any
Tensor.all = ops.all
Tensor.argmax = ops.argmax
Tensor.argmin = ops.argmin
Tensor.astype = ops.astype
Tensor.clip = ops.clip
Tensor.squeeze = ops.squeeze
Tensor.T = property(ops.transpose)


def _shape_arguments(shape):
    return shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape


def _reshape(self, *shape):
    """Give the same values in another shape: t.reshape(2, 3) or t.reshape((2, 3))."""
    return ops.reshape(self, _shape_arguments(shape))


def _transpose(self, *axes):
    """Reorder the axes; reverse them without arguments."""
    return ops.transpose(self, _shape_arguments(axes) if axes else None)


Tensor.reshape = _reshape
Tensor.transpose = _transpose
Tensor.flatten = lambda self: ops.reshape(self, (-1,))


# ---- out of the tape -----------------------------------------------------------------------------


def _numpy(self):
    """Give the values as an array sharing memory, off the tape: read-only if this is tracked."""
    view = self.data.view() if isinstance(self.data, np.ndarray) else self.data.copy_to_host()
    if self.requires_grad or self._kept:
        view.flags.writeable = False
    return view


def _item(self):
    """Give the single value as a Python number."""
    if self.size != 1:
        raise ValueError(f"item() needs one value, this tensor has shape {self.shape}")
    return self.numpy().item()


def _array(self, dtype=None, copy=None):
    if self.requires_grad:
        raise TypeError(
            "np.asarray of a tracked tensor would silently leave the tape; write t.detach() or "
            "t.numpy() to leave it on purpose, or use the op of the same name in ta.ops"
        )
    view = self.numpy()
    if dtype is not None and view.dtype != dtype:
        return view.astype(dtype)
    return view.copy() if copy else view


@primitive(
    lambda g, out, x, device: _moved(g, device="cpu" if device == "cuda" else "cuda"), keeps=""
)
def _moved(x, device):
    return moved(x, device)


def _to(self, device):
    """Give this tensor on another device; differentiable, and itself where it is there already."""
    return self if device == self.device else _moved(self, device=device)


def _setitem(self, key, value):
    if self.requires_grad or self._kept:
        raise TypeError(
            "a tensor on the tape cannot be written in place, its gradients would be wrong; "
            "write ta.ops.where(mask, value, t) or join parts with ta.ops.concatenate instead"
        )
    if isinstance(value, Tensor) and value.requires_grad:
        raise TypeError(
            "writing a tracked value into an array would leave the tape silently; join parts with "
            "ta.ops.concatenate or ta.ops.where, or write value.detach() to leave it on purpose"
        )
    self.data[key.numpy() if isinstance(key, Tensor) else key] = np.asarray(value)
    written(self.data)


def _repr(self):
    text = np.array2string(self.numpy(), separator=", ", threshold=20, prefix="tensor(")
    if self.record is not None:
        how = f", from={self.record.op.__name__}"
    else:
        how = ", requires_grad=True" if self.requires_grad else ""
    return f"tensor({text}, shape={self.shape}, dtype={self.dtype}{how})"


def _format(self, spec):
    """Format a single value as a number: f"{loss:.3f}"."""
    return format(self.item(), spec) if spec else str(self)


def _len(self):
    if not self.ndim:
        raise TypeError("a tensor without axes has no length")
    return self.shape[0]


Tensor.numpy = _numpy
Tensor.item = _item
Tensor.to = _to
Tensor.__array__ = _array
Tensor.__setitem__ = _setitem
Tensor.__repr__ = _repr
Tensor.__format__ = _format
Tensor.__len__ = _len
Tensor.__iter__ = lambda self: (self[i] for i in range(len(self)))
Tensor.__float__ = lambda self: float(self.item())
Tensor.__int__ = lambda self: int(self.item())
Tensor.__bool__ = lambda self: bool(self.item())
Tensor.__index__ = lambda self: self.numpy().__index__()


# ---- NumPy calls our ops, so that nothing leaves the tape silently -------------------------------

_UFUNCS = {
    **{
        name: getattr(ops, name)
        for name in (
            "add subtract multiply divide power negative sign exp log log1p expm1 sqrt square sin "
            "cos tanh arcsinh arctan maximum minimum floor isnan isfinite equal not_equal less "
            "less_equal greater greater_equal logical_and logical_or logical_not bitwise_and "
            "bitwise_or invert matmul"
        ).split()
    },
    "absolute": ops.abs,
    "remainder": ops.mod,
    "positive": lambda x: x,
    "reciprocal": lambda x: ops.divide(1.0, x),
}
_REDUCE = {
    "add": ops.sum, "multiply": ops.prod, "maximum": ops.max, "minimum": ops.min
}  # fmt: skip
_FUNCTIONS = {
    getattr(np, name): getattr(ops, name)
    for name in (
        "sum mean var std max min prod cumsum any all argmax argmin clip where reshape transpose "
        "moveaxis swapaxes concatenate stack split expand_dims squeeze broadcast_to flip roll pad "
        "take take_along_axis tile repeat tensordot einsum zeros_like ones_like"
    ).split()
}
_FUNCTIONS[np.shape] = lambda x: x.shape
_FUNCTIONS[np.ndim] = lambda x: x.ndim
_FUNCTIONS[np.size] = lambda x: x.size


def _refuse(name):
    return TypeError(
        f"np.{name} has no gradient rule for a Tensor; use an op of ta.ops, or leave the tape on "
        "purpose with t.numpy()"
    )


def _array_ufunc(self, ufunc, method, *inputs, **kwargs):
    if kwargs.pop("out", None) is not None:
        raise TypeError(f"np.{ufunc.__name__}(out=...) would write in place; assign the result")
    if method == "__call__" and ufunc.__name__ in _UFUNCS and not kwargs:
        return _UFUNCS[ufunc.__name__](*inputs)
    if method == "reduce" and ufunc.__name__ in _REDUCE:
        kwargs.setdefault("axis", 0)
        return _REDUCE[ufunc.__name__](*inputs, **kwargs)
    raise _refuse(ufunc.__name__ + ("" if method == "__call__" else f".{method}"))


def _array_function(self, function, types, args, kwargs):
    if function not in _FUNCTIONS:
        raise _refuse(function.__name__)
    if kwargs.pop("out", None) is not None:
        raise TypeError(f"np.{function.__name__}(out=...) would write in place; assign the result")
    return _FUNCTIONS[function](*args, **kwargs)


def _dlpack(self, **kwargs):
    if self.requires_grad:
        raise BufferError("DLPack export of a tracked tensor would leave the tape; detach() first")
    return self.data.__dlpack__(**kwargs)


Tensor.__array_ufunc__ = _array_ufunc
Tensor.__array_function__ = _array_function
Tensor.__dlpack__ = _dlpack
Tensor.__dlpack_device__ = lambda self: self.data.__dlpack_device__()
Tensor.__cuda_array_interface__ = property(cuda_interface)


def from_dlpack(source) -> Tensor:
    """Make a Tensor of any DLPack exporter (PyTorch, CuPy, JAX, NumPy, Numba), sharing its memory.

    Examples
    --------
    >>> import numpy as np, tinygrad_astro as ta
    >>> ta.from_dlpack(np.ones(2, np.float32)).numpy()
    array([1., 1.], dtype=float32)
    """
    array = take_over(source)
    native_dtype(array.dtype)
    return Tensor(array)
