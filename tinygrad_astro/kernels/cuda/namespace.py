"""NumPy's names for device arrays: what `kernels.xp(x)` gives where x lies on the card."""

import sys

import numpy as np

from ..gpu import DeviceError
from ..live import Live
from . import array as arrays
from . import indexing, maps, numbers, products, reductions
from .driver import card

_FLOATING = {**maps.FUNCTIONS, **maps.RATIOS}


def _is_number(x):
    return isinstance(x, (bool, int, float, np.generic)) or (
        isinstance(x, np.ndarray) and x.ndim == 0
    )


def _on_card(x, name):
    if isinstance(x, arrays.DeviceArray) or _is_number(x):
        return x
    raise DeviceError(
        f"{name} got an array on cuda and one on cpu (of shape {np.shape(x)}); move one of them "
        'with tensor.to("cuda") or tensor.to("cpu")'
    )


def elementwise(name, *operands, out=None):
    """Compute one of the functions in `maps`, broadcasting; into `out` where one is given."""
    operands = [_on_card(x, name) for x in operands]
    typed = [x.item() if _is_number(x) and hasattr(x, "item") else x for x in operands]
    kinds = [
        x.dtype if isinstance(x, (arrays.DeviceArray, np.ndarray)) or isinstance(x, np.generic)
        else x for x in operands
    ]  # fmt: skip
    compute = np.result_type(*(kinds[1:] if name == "where" else kinds))
    if name in _FLOATING and compute.kind != "f":
        compute = np.dtype(np.float64 if compute.itemsize == 8 else np.float32)
    dtype = np.dtype(bool) if name in maps.TESTS else compute
    return _map(name, typed, dtype, compute, out)


def _map(name, operands, dtype, compute, out=None):
    shape = np.broadcast_shapes(*(getattr(x, "shape", ()) for x in operands))
    layouts = [
        (0, maps.broadcast_strides(x.shape, x.strides, shape))
        if isinstance(x, arrays.DeviceArray)
        else None
        for x in operands
    ]
    out = arrays.DeviceArray(shape, dtype) if out is None else _room(out, shape)
    if compute == np.bool_:
        compute = np.dtype(np.uint8)
    layout = (0, maps.contiguous_strides(shape))
    maps.launch_map(name, out, layout, operands, layouts, shape, compute)
    return out


def _room(out, shape):
    """Give `out` if it has the shape of the result, or say that it has not, as NumPy does."""
    if out.shape != shape:
        raise ValueError(f"a result of shape {shape} does not fit into one of shape {out.shape}")
    out.memory.limits = None
    return out


def convert(x, dtype):
    """Give x as another dtype; anything but 0 is True."""
    if dtype == np.bool_:
        return elementwise("not_equal", x, 0)
    return _map("copy", [x], dtype, dtype)


def _function(name):
    def function(*operands, out=None):
        return elementwise(name, *operands, out=out)

    function.__name__, function.__doc__ = name, f"{maps.EXPRESSIONS[name]}, elementwise."
    return function


for _name in maps.EXPRESSIONS:
    if _name not in ("copy", "invert"):
        setattr(sys.modules[__name__], _name, _function(_name))


def invert(x):
    """Turn each bit over; for booleans, not x."""
    return elementwise("logical_not" if x.dtype == np.bool_ else "invert", x)


def clip(x, minimum, maximum):
    """Limit x to [minimum, maximum]; NaN stays NaN."""
    return elementwise("minimum", elementwise("maximum", x, minimum), maximum)


class _Add:
    """Addition: called elementwise; `reduce` sums, `at` adds at indices."""

    def __call__(self, x, y):
        return elementwise("add", x, y)

    def reduce(self, x, axis=0):
        """Sum over axes."""
        return reductions.reduced("sum", x, axis)

    def at(self, out, key, values):
        """Add values at indices, in order: the same bits every time."""
        indexing.add_at(out, key, values)


add = _Add()


# ---- making and joining --------------------------------------------------------------------------


def empty(shape, dtype=np.float32):
    """Give an array whose values are not set."""
    return arrays.DeviceArray((shape,) if isinstance(shape, int) else shape, dtype)


def full(shape, value, dtype=None):
    """Give an array of one value."""
    made = empty(shape, np.result_type(value) if dtype is None else dtype)
    made[...] = value
    return made


def zeros(shape, dtype=np.float32):
    """Give zeros."""
    return full(shape, 0, dtype)


def ones(shape, dtype=np.float32):
    """Give ones."""
    return full(shape, 1, dtype)


def zeros_like(x):
    """Give zeros of x's shape and dtype."""
    return full(x.shape, 0, x.dtype)


def ones_like(x):
    """Give ones of x's shape and dtype."""
    return full(x.shape, 1, x.dtype)


def asarray(x, dtype=None):
    """Give x on the card, copying it there if it is not."""
    if isinstance(x, Live):
        return numbers.placed(x, dtype)
    made = x if isinstance(x, arrays.DeviceArray) else arrays.upload(x)
    return made if dtype is None else made.astype(dtype, copy=False)


def array(x, dtype=None, order="C", copy=True):
    """Give a copy of x on the card."""
    made = asarray(x, dtype)
    return made.copy() if copy and made is x else made


def ascontiguousarray(x):
    """Give x itself: arrays on the card are contiguous."""
    return _on_card(x, "this operation")


def arange(stop):
    """Give the whole numbers from 0 to stop - 1."""
    return reductions.count_up(stop)


def broadcast_to(x, shape):
    """Repeat x up to `shape`, as a copy."""
    return indexing.strided(x, shape, 0, maps.broadcast_strides(x.shape, x.strides, shape))


def concatenate(xs, axis=0):
    """Join arrays along an axis."""
    xs = [_on_card(x, "concatenate") for x in xs]
    cuts = np.cumsum([x.shape[axis] for x in xs])
    shape = *xs[0].shape[:axis], int(cuts[-1]), *xs[0].shape[axis:][1:]
    out = empty(shape, np.result_type(*[x.dtype for x in xs]))
    start = 0
    for x in xs:
        out[(slice(None),) * axis + (slice(start, start + x.shape[axis]),)] = x
        start += x.shape[axis]
    return out


# ---- reducing and multiplying --------------------------------------------------------------------


def sum(x, axis=None, keepdims=False):  # noqa: A001  (NumPy's name)
    """Sum over axes."""
    return reductions.reduced("sum", x, axis, keepdims)


def max(x, axis=None, keepdims=False):  # noqa: A001  (NumPy's name)
    """Give the largest value over axes."""
    return reductions.reduced("max", x, axis, keepdims)


def min(x, axis=None, keepdims=False):  # noqa: A001  (NumPy's name)
    """Give the smallest value over axes."""
    return reductions.reduced("min", x, axis, keepdims)


def argmax(x, axis=None):
    """Give the index of the first largest value."""
    return reductions.chosen("argmax", x, axis)


def argmin(x, axis=None):
    """Give the index of the first smallest value."""
    return reductions.chosen("argmin", x, axis)


def cumsum(x, axis, dtype=None):
    """Give running sums along an axis."""
    return reductions.running_sum(x, axis)


def take_along_axis(x, indices, axis):
    """Pick values along an axis by an array of indices."""
    return indexing.take_along(x, indices, axis)


def put_along_axis(x, indices, values, axis):
    """Write values at an array of indices along an axis, in place: the reverse of picking."""
    indexing.put_along(x, indices, values, axis)


def matmul(x, y):
    """Multiply matrices; leading axes broadcast."""
    return products.batched(x, y)


def einsum(subscripts, *operands, optimize=False):
    """Sum products in index notation."""
    return products.einsum(subscripts, *operands)


def synchronize():
    """Wait until the card has done all that it was asked to."""
    card().wait()
