"""Steps on the CPU, written down once and repeated: the calls on raw arrays, without the tape.

A small step spends its time on what to compute next: layers, checks, the tape. All of that ends in
calls of kernels and of NumPy on raw arrays. While a step is recorded, a `Traced` stands for each
array; what is asked of it becomes a line of a `Program`, and a replay runs the lines alone.

Recording finds shapes and takes memory, and moves nothing: kernels are not run, and NumPy runs on
memory that it may spoil. Memory that nobody holds any more goes to later lines, as it would without
a recording. Who asks for a value (`float`, `if`, `np.asarray`) gets `live.NotRepeatable`.
"""

import itertools
import math
import types
from functools import partial

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from . import cpu, live
from .arguments import found, laid_out, mapped, owner, same_memory

# Functions that give values, and what writes them to memory that is there already.
GIVING = {
    cpu.rows.add: cpu.rows.add_into,
    cpu.rows.concatenate: cpu.rows.concatenate_into,
    cpu.rows.contiguous: cpu.rows.contiguous_into,
    cpu.optimizers.squared_norm: None,
}
# Functions of NumPy that write in place, and those that make an array which others write to.
WRITING = {"at", "put_along_axis", "copyto", "fill"}
MAKING = {"zeros", "ones", "full", "empty"}
# What follows from shapes and dtypes alone.
SHAPES = {np.shape, np.ndim, np.size, np.result_type}


class Lease:
    """Memory lent to one array and its views: when the last of them goes, others may have it.

    Attributes
    ----------
    limits : (int, int) or None
        What its integers lie between, where the kernel that writes them says so.
    number : int
        Its own: no other lease has it.
    """

    numbers = itertools.count()

    def __init__(self, block, free):
        self.block, self.free, self.limits = block, free, None
        self.number = next(self.numbers)

    def __del__(self):
        self.free.setdefault(self.block.size, []).append(self.block)


class Traced(NDArrayOperatorsMixin):
    """Stands for an array of the CPU while a step is recorded.

    Attributes
    ----------
    value : ndarray
        The memory that replays will use.
    program : Program
    lease : Lease or None
        Keeps others from that memory; None where it belongs to a weight or an input.
    owns : bool
        Whether it was made with its memory, and is no view.
    """

    device = "cpu"
    __hash__ = object.__hash__

    def __init__(self, value, program, lease=None, owns=False):
        self.value, self.program, self.lease, self.owns = value, program, lease, owns

    shape = property(lambda self: self.value.shape)
    dtype = property(lambda self: self.value.dtype)
    ndim = property(lambda self: self.value.ndim)
    size = property(lambda self: self.value.size)
    flags = property(lambda self: self.value.flags)
    T = property(lambda self: self.transpose())

    @property
    def memory(self):
        """The array whose memory this is, or is a part of."""
        return owner(self.value)

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        function = ufunc if method == "__call__" else getattr(ufunc, method)
        return self.program.call(function, inputs, kwargs)

    def __array_function__(self, function, types, args, kwargs):
        return self.program.call(function, args, kwargs)

    def __getattr__(self, name):
        method = None if name.startswith("_") else getattr(np.ndarray, name, None)
        if not callable(method):
            raise AttributeError(f"an array of a recorded step has no attribute {name!r}")
        return lambda *args, **kwargs: self.program.call(method, (self, *args), kwargs)

    def __getitem__(self, key):
        return self.program.call(np.ndarray.__getitem__, (self, key), {})

    def __setitem__(self, key, values):
        self.program.write(np.ndarray.__setitem__, (self, key, values), {})

    def __len__(self):
        return len(self.value)

    def limits(self):
        """Give the least and the largest of some integers, which must be known beforehand."""
        if self.lease is None or self.lease.limits is None:
            self._asked()
        return self.lease.limits

    def _asked(self, *_, **__):
        live.refuse("the value of an array was asked for")

    __array__ = __float__ = __int__ = __index__ = __bool__ = __iter__ = copy_to_host = _asked


class Program:
    """The lines of a recorded step, (function, args, kwargs) each, and the memory that they use.

    Parameters
    ----------
    limit : float
        Bytes that it may take.

    Attributes
    ----------
    taken : int
        Bytes that it has taken.
    marks : list of dict
        For each line, whose memory its arrays have: the number of a lease by the id of an array.
    """

    def __init__(self, limit=math.inf):
        self.lines: list[tuple] = []
        self.marks: list[dict] = []
        self.free: dict[int, list] = {}
        self.limit, self.taken = limit, 0
        self.kernels, self.numpy = Kernels(self), Namespace(self, np)

    def run(self) -> None:
        """Run all lines, in order."""
        with np.errstate(all="ignore"):
            for function, args, kwargs in self.lines:
                function(*args, **kwargs)

    def write(self, function, args, kwargs) -> None:
        """Add the line of a function that writes in place."""
        target = kwargs.get("out", args[0])
        target = target[0] if isinstance(target, tuple) else target
        if not isinstance(target, Traced):
            live.refuse(f"{function.__name__} wrote to an array that is not a part of the step")
        if target.lease is not None:
            target.lease.limits = None
        given, named = bare(args), bare(kwargs)
        lent = [x for x in found([args, kwargs], Traced) if x.lease is not None]
        self.marks.append({id(x.value): x.lease.number for x in lent})
        if found([args, kwargs], live.Live):
            self.lines.append((Late(function), given, named))
        else:
            self.lines.append((function, given, named))

    def call(self, function, args, kwargs):
        """Add the line of a function that gives an array; give what stands for that."""
        if function in SHAPES:
            return function(*bare(args), **bare(kwargs))
        out = kwargs.get("out")
        if out is not None or function.__name__ in WRITING:
            self.write(function, args, kwargs)
            return out[0] if isinstance(out, tuple) else out
        result = self.tried(function, args, kwargs)
        if not isinstance(result, (np.ndarray, np.generic, float)):
            live.refuse(f"{function.__name__} gave a {type(result).__name__}")
        source = next((x for x in found(args, Traced) if same_memory(result, x.value)), None)
        if source is not None:  # found to be a view that nothing was written to: now of the memory
            return Traced(function(*bare(args), **bare(kwargs)), self, source.lease)
        made = self.empty(np.shape(result), np.asarray(result).dtype, np.asarray(result))
        if isinstance(getattr(function, "__self__", function), np.ufunc):
            self.write(function, args, {**kwargs, "out": made})
        elif GIVING.get(function) is not None:
            self.write(GIVING[function], (made, *args), kwargs)
        else:
            self.write(Copied(function), (made, *args), kwargs)
        return made

    def tried(self, function, args, kwargs):
        """Give what a function gives now, kept from writing to the memory of its arguments."""
        key = args[1:] if function is np.ndarray.__getitem__ else ()
        if any(x.dtype == bool for x in found(key, Traced)):
            live.refuse("as many values were taken as a mask is True")
        see = bare if function in GIVING else guarded
        try:
            with np.errstate(all="ignore"):
                return function(*known(see(args)), **known(see(kwargs)))
        except ValueError as error:
            if "read-only" in str(error):
                live.refuse(f"{function.__name__} wrote in place, other than to its out=...,")
            raise

    def kernel(self, function, *args, **kwargs):
        """Add the line of a kernel; give what it would give."""
        if function is cpu.memory.empty:
            return self.empty(*args)
        if function is cpu.memory.owns:
            return args[0].owns
        if function in GIVING:
            return self.call(function, args, kwargs)
        self.write(function, args, kwargs)
        if function is cpu.pool.argmax_windows:
            out, x = args[:2]
            out.lease.limits = 0, max(0, x.shape[1] * x.shape[2] - 1)
        return None

    def empty(self, shape, dtype, like=None):
        """Give an array on memory that no living one uses, laid out like another one."""
        size = max(1, math.prod(shape) * np.dtype(dtype).itemsize)
        blocks = self.free.get(size)
        if not blocks:
            self.taken += size
            if self.taken > self.limit:
                live.refuse("more memory than a recorded step on the CPU may take")
        block = blocks.pop() if blocks else cpu.memory.empty((size,), np.uint8)
        block[:] = 0  # what a line may take for an index while shapes are found
        value = block[: math.prod(shape) * np.dtype(dtype).itemsize].view(dtype)
        value = value.reshape(shape) if like is None else laid_out(value, like)
        return Traced(value, self, Lease(block, self.free), owns=True)


class Late:
    """A function some of whose arguments are numbers that are new at each replay."""

    def __init__(self, function):
        self.function, self.__name__ = function, function.__name__

    def __call__(self, *args, **kwargs):
        now = live.now
        self.function(*[now(x) for x in args], **{name: now(x) for name, x in kwargs.items()})


class Copied:
    """A function whose result is copied to its place."""

    def __init__(self, function):
        self.function, self.__name__ = function, function.__name__

    def __call__(self, place, *args, **kwargs):
        result = self.function(*args, **kwargs)
        if np.shape(result) != place.shape:
            live.refuse(f"{self.__name__} gave another number of values than it had before")
        place[...] = result


class Kernels:
    """The kernels of the CPU, as a recorded step sees them: calls become lines."""

    def __init__(self, program):
        self._program = program

    def __getattr__(self, name):
        return Module(self._program, getattr(cpu, name))


class Module:
    """One module of them."""

    def __init__(self, program, module):
        self._program, self._module = program, module

    def __getattr__(self, name):
        there = getattr(self._module, name)
        if not isinstance(there, types.FunctionType):
            return there
        return partial(self._program.kernel, there)


class Namespace:
    """NumPy or one of its functions, as a recorded step sees it."""

    def __init__(self, program, there):
        self._program, self._there = program, there

    def __getattr__(self, name):
        return Namespace(self._program, getattr(self._there, name))

    def __call__(self, *args, **kwargs):
        recorded = self._there.__name__ in MAKING or found([args, kwargs], (Traced, live.Live))
        if not recorded:
            return self._there(*args, **kwargs)
        return self._program.call(self._there, args, kwargs)


def bare(nest):
    """Give the memory in place of what stands for it."""
    return mapped(nest, lambda x: x.value if isinstance(x, Traced) else x)


def guarded(nest):
    """Give views of the memory that cannot be written to."""

    def view(x):
        if not isinstance(x, Traced):
            return x
        seen = x.value.view()
        seen.flags.writeable = False
        return seen

    return mapped(nest, view)


def known(nest):
    """Give some number for each that is known at replays only."""
    return mapped(nest, lambda x: 1 if isinstance(x, live.Live) else x)
