"""DeviceArray: a contiguous array on the card, with the part of NumPy's interface that ops use.

It is always contiguous: transposing or slicing copies (one kernel), reshaping does not. Its
functions under NumPy's names are in `namespace`; NumPy's own ufuncs are answered by them too, so
`np.sqrt(x)` of a device array stays on the device.
"""

import math

import numpy as np

from . import indexing, maps, namespace, reductions
from .driver import Borrowed, Memory, card
from .recording import keep_used
from .target import check_index


class Flags(dict):
    """NumPy's flags, under both of their names: flags["OWNDATA"], flags.owndata."""

    c_contiguous = property(lambda self: self["C_CONTIGUOUS"])
    owndata = property(lambda self: self["OWNDATA"])


class DeviceArray:
    """An array on the card.

    Attributes
    ----------
    memory : Memory or Borrowed
        Its bytes, shared with arrays that were reshaped from it.
    shape : tuple of int
    dtype : numpy.dtype
    """

    __slots__ = ("memory", "shape", "dtype", "whole", "__weakref__")
    device = "cuda"

    def __init__(self, shape, dtype, memory=None):
        self.shape, self.dtype = tuple(shape), np.dtype(dtype)
        self.whole = memory is None
        if memory is None:
            check_index(self)
            memory = Memory(self.nbytes)
            if card().poisons:
                card().fill(memory, 0xFF)  # NaN, so that what a kernel forgets to write shows
        self.memory = memory

    ndim = property(lambda self: len(self.shape))
    size = property(lambda self: math.prod(self.shape))
    itemsize = property(lambda self: self.dtype.itemsize)
    nbytes = property(lambda self: self.size * self.dtype.itemsize)
    pointer = property(lambda self: self.memory.pointer)
    strides = property(lambda self: maps.contiguous_strides(self.shape), doc="In elements.")
    flags = property(lambda self: Flags(C_CONTIGUOUS=True, OWNDATA=self.whole))
    T = property(lambda self: self.transpose())

    # ---- to and from the host --------------------------------------------------------------------

    def copy_to_host(self):
        """Give the values as a NumPy array, waiting for the kernels that compute them."""
        host = np.empty(self.shape, self.dtype)
        if self.size:
            card().download(host, self.memory)
        return host

    def item(self):
        """Give the single value as a Python number."""
        return self.copy_to_host().item()

    def tolist(self):
        """Give nested lists of Python numbers."""
        return self.copy_to_host().tolist()

    def __array__(self, dtype=None, copy=None):
        raise TypeError(
            f"an array of shape {self.shape} on cuda was used where one on the CPU is expected; "
            'copy it with tensor.to("cpu"), or .copy_to_host()'
        )

    def __float__(self):
        return float(self.item())

    def __int__(self):
        return int(self.item())

    def __bool__(self):
        return bool(self.item())

    def __len__(self):
        if not self.shape:
            raise TypeError("an array without axes has no length")
        return self.shape[0]

    def __repr__(self):
        return f"DeviceArray({self.copy_to_host()!r})"

    def __format__(self, spec):
        return format(self.item(), spec) if not self.shape else repr(self)

    # ---- shape -----------------------------------------------------------------------------------

    def reshape(self, *shape):
        """Give the same bytes in another shape; one size may be -1."""
        shape = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
        shape = [int(n) for n in ((shape,) if isinstance(shape, int) else shape)]
        if -1 in shape:
            known = math.prod(n for n in shape if n != -1)
            shape[shape.index(-1)] = self.size // known if known else 0
        if math.prod(shape) != self.size:
            raise ValueError(f"cannot reshape {self.shape} into {tuple(shape)}")
        return DeviceArray(shape, self.dtype, self.memory)

    def transpose(self, axes=None):
        """Give a copy with reordered axes."""
        axes = tuple(range(self.ndim))[::-1] if axes is None else tuple(axes)
        shape = tuple(self.shape[a] for a in axes)
        return indexing.strided(self, shape, 0, tuple(self.strides[a] for a in axes))

    def astype(self, dtype, copy=True):
        """Convert to another dtype; itself where it has it and no copy is asked for."""
        dtype = np.dtype(dtype)
        if dtype == self.dtype:
            return self.copy() if copy else self
        made = namespace.convert(self, dtype)
        made.memory.limits = self.memory.limits if dtype.kind in "iu" else None
        return made

    def copy(self, order="C"):
        """Give a copy."""
        made = DeviceArray(self.shape, self.dtype)
        if self.size:
            keep_used(card().pool, [self])
            card().duplicate(made.memory, self.memory, self.nbytes)
        return made

    def __getitem__(self, key):
        return indexing.get(self, key)

    def __setitem__(self, key, value):
        indexing.put(self, key, value)

    # ---- functions -------------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **kwargs):
        name = {"absolute": "abs", "divide": "true_divide"}.get(ufunc.__name__, ufunc.__name__)
        if method == "reduce" and ufunc.__name__ in reductions.REDUCED:
            return reductions.reduced(reductions.REDUCED[ufunc.__name__], *inputs, **kwargs)
        if method != "__call__" or out is not None or kwargs or name not in maps.EXPRESSIONS:
            raise TypeError(f"np.{ufunc.__name__} has no CUDA kernel; compute it on the CPU")
        return namespace.elementwise(name, *inputs)

    def sum(self, axis=None, keepdims=False):
        """Sum over axes."""
        return reductions.reduced("sum", self, axis, keepdims)

    def max(self, axis=None, keepdims=False):
        """Give the largest value; NaN if there is one."""
        return reductions.reduced("max", self, axis, keepdims)

    def min(self, axis=None, keepdims=False):
        """Give the smallest value; NaN if there is one."""
        return reductions.reduced("min", self, axis, keepdims)

    def any(self, axis=None):
        """Whether any value is not zero."""
        return reductions.reduced("max", namespace.not_equal(self, 0), axis)

    def all(self, axis=None):
        """Whether no value is zero."""
        return reductions.reduced("min", namespace.not_equal(self, 0), axis)

    def argmax(self, axis=None):
        """Give the index of the first largest value."""
        return reductions.chosen("argmax", self, axis)

    def argmin(self, axis=None):
        """Give the index of the first smallest value."""
        return reductions.chosen("argmin", self, axis)

    # ---- exchange with other libraries, without a copy -------------------------------------------

    @property
    def __cuda_array_interface__(self):
        self.memory.limits = None  # others may write
        return {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "data": (self.pointer, False),
            "version": 3,
            "strides": None,
            "stream": card().stream_number,
        }

    def __dlpack__(self, *, stream=None, **kwargs):
        """Give a capsule of the same memory; waits for the kernels that write it."""
        if stream != -1:  # the consumer orders the work itself
            card().wait()
        self.memory.limits = None
        return card().view(self).__dlpack__(**kwargs)

    def __dlpack_device__(self):
        return card().dlpack_device


def upload(array):
    """Copy a NumPy array to the card; a single number travels as an argument, without waiting."""
    array = np.asarray(array, order="C")
    if not array.shape:
        return namespace.full((), array[()])
    made = DeviceArray(array.shape, array.dtype)
    if array.size:
        card().upload(made.memory, array)
        if array.dtype.kind in "iu":
            made.memory.limits = int(array.min()), int(array.max())
    return made


def borrow(exporter):
    """Give a device array on the memory of a DLPack exporter or a CUDA array interface."""
    pointer, shape, strides, dtype, block, owner = card().borrowed(exporter)
    if strides is not None and not maps.is_contiguous(shape, strides):
        raise ValueError(
            f"cannot take over a strided array of shape {shape}; give a contiguous copy of it"
        )
    dtype = np.dtype(dtype)
    nbytes = math.prod(shape) * dtype.itemsize
    found = DeviceArray(shape, dtype, Borrowed(pointer, nbytes, owner, block))
    check_index(found)
    # The fast kernels load 16 bytes at once; a slice of a foreign array may start in between.
    return found.copy() if pointer % 16 else found


def _in_place(name):
    def apply(self, other):
        return namespace.elementwise(name, self, other, out=self)

    return apply


def _operator(name, swapped=False):
    def apply(self, other):
        pair = (other, self) if swapped else (self, other)
        return namespace.elementwise(name, *pair)

    return apply


for _symbol, _name in {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "true_divide", "pow": "power",
    "and": "bitwise_and", "or": "bitwise_or",
}.items():  # fmt: skip
    setattr(DeviceArray, f"__{_symbol}__", _operator(_name))
    setattr(DeviceArray, f"__r{_symbol}__", _operator(_name, swapped=True))
    setattr(DeviceArray, f"__i{_symbol}__", _in_place(_name))
for _symbol, _name in {
    "eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal", "gt": "greater",
    "ge": "greater_equal",
}.items():  # fmt: skip
    setattr(DeviceArray, f"__{_symbol}__", _operator(_name))
DeviceArray.__hash__ = object.__hash__
DeviceArray.__neg__ = lambda self: namespace.elementwise("negative", self)
DeviceArray.__abs__ = lambda self: namespace.elementwise("abs", self)
DeviceArray.__invert__ = lambda self: namespace.invert(self)
