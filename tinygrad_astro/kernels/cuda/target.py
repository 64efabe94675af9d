"""How a CUDA kernel is written, specialised and launched.

    @kernel("T* T* u", block=256)
    def scale(out, x, n):
        i = U(cuda.grid(1))
        if i < n:
            out[i] = T(2) * x[i]

    scale(out.size, out, x, out.size, dtype=out.dtype)

The signature has one word per argument: `T*` array of the call's dtype, `i*` int64, `u*` uint32,
`b*` bytes (booleans), `d*` float64, `h*` 16-bit words; `T` a number of the call's dtype, `u` a
uint32, `i` an int64, `d` a float64. A number with a question mark, `T?`, may be new at every replay
of a recorded step (live.py): there, a second kernel of the same code reads it from memory. Arrays
arrive as bare pointers, which is what makes kernels
fast: no shape, no stride, no test for negative indices.

Two rules of integers. Readable kernels may count in int64 (`range`). Where speed matters, wrap
products and loop variables in `U(...)`: Numba makes uint32 * uint32 a uint64, and uint64 with int64
a float64.
"""

import math
import os
from functools import partial
from types import FunctionType

import numpy as np

from ..gpu import misplaced
from ..live import Live, is_recording
from .build import Program, import_cuda, load
from .recording import keep_used

SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0")

# Inside kernels: T is the dtype of the call, U wraps an integer to 32 bits, D is double.
T = np.float32
U = np.uint32
D = np.float64
LIMIT = 2**31  # of values in an array
REGISTRY: list["Kernel"] = []

if SIMULATED:
    from . import intrinsics_simulated as intrinsics
    from .simulator import Functions, Pointer, cuda, run, wrap
else:
    from . import intrinsics  # type: ignore[no-redef]

    cuda = import_cuda()

WORDS = {"i": np.int64, "u": np.uint32, "d": np.float64, "b": np.uint8, "h": np.uint16}


class Device:
    """A function that kernels call; it is specialised together with them."""

    def __init__(self, function):
        self.function = function

    def specialised(self, dtype):
        """Give the function with T and the names that it uses bound for `dtype`."""
        bound = rebuilt(self.function, dtype)
        return bound if SIMULATED else cuda.jit(device=True)(bound)


def device(function):
    """Mark a function as callable from kernels only."""
    return Device(function)


def rebuilt(function, dtype):
    """Copy a function with T, U, math, intrinsics and device functions bound for `dtype`."""
    names = dict(function.__globals__)
    for name in function.__code__.co_names:
        if isinstance(names.get(name), Device):
            names[name] = names[name].specialised(dtype)
    names["T"] = np.dtype(dtype).type
    names["cuda"], names["intrinsics"] = cuda, intrinsics
    names["U"], names["math"] = (wrap, Functions) if SIMULATED else (np.uint32, math)
    return FunctionType(
        function.__code__, names, function.__name__, function.__defaults__, function.__closure__
    )


class Kernel:
    """A function run by many threads; compiled for a dtype when it is first called with it.

    Attributes
    ----------
    words : list of str
        The signature.
    block : int
        Threads per block.
    bounds : int
        Blocks per multiprocessor that the compiler must leave registers for.
    registers : int
        Most registers per thread that the compile check accepts.
    expects : tuple of str
        Instructions that the compile check demands in the machine code.
    min_cc : tuple
        Least compute capability.
    dtypes : tuple of str
        What it is compiled for in the compile check.
    barriers : bool
        Whether it has barriers or warp collectives, which the simulator runs in real threads.
    label : str
        Tells kernels of one name apart.
    foreign : bool
        Whether a user wrote it: what is known of the integers in its arguments no longer holds.
    """

    def __init__(self, function, signature, **options):
        words = signature.split()
        numbers = [i for i, word in enumerate(words) if word.endswith("?")]
        self.function, self.words = function, [word.rstrip("?") for word in words]
        self.replayed = Replayed(function, self.words, numbers, options) if numbers else None
        self.__name__, self.__doc__ = function.__name__, function.__doc__
        self.block = options.pop("block", 256)
        self.bounds = options.pop("bounds", 0)
        self.registers = options.pop("registers", 64)
        self.expects = options.pop("expects", ())
        self.min_cc = options.pop("min_cc", (7, 5))
        self.dtypes = options.pop("dtypes", ("float32", "float64"))
        self.barriers = options.pop("barriers", False)
        self.label = options.pop("label", "")
        self.foreign = options.pop("foreign", False)
        if options:
            raise TypeError(f"kernel {self.__name__}: unknown options {sorted(options)}")
        self._ready = {}
        REGISTRY.append(self)

    def __call__(self, size, *arguments, dtype=np.float32):
        """Launch with `size` threads, or with a grid of (x, y) blocks, on the library's stream."""
        if size == 0:
            return
        if self.replayed is not None and self.replayed.suits(arguments):
            self.replayed.kernel(size, *self.replayed.placed(arguments, dtype), dtype=dtype)
            return
        if is_recording():
            from .driver import card

            keep_used(card().pool, arguments)
        if self.foreign:
            for array in arguments:
                if hasattr(array, "memory"):
                    array.memory.limits = None
        grid = size if isinstance(size, tuple) else (-(-size // self.block), 1)
        dtype = np.dtype(dtype)
        ready = self._ready.get(dtype)
        if ready is None:
            ready = self._ready[dtype] = self._prepare(dtype)
        if SIMULATED:
            from .driver import card

            if max(grid[1:]) > 65535:
                raise ValueError(f"kernel {self.__name__}: a card has no grid of {grid} blocks")
            pairs = zip(self.words, arguments, strict=True)
            passed = [simulate(word, a, dtype) for word, a in pairs]
            threads = None if isinstance(size, tuple) else size
            card().do(partial(run, ready, self.barriers, grid, self.block, threads, passed))
        else:
            ready.launch(grid, arguments)

    def _prepare(self, dtype):
        bound = rebuilt(self.function, dtype)
        return bound if SIMULATED else load(self.program(dtype))

    def program(self, dtype):
        """Give what the compiler needs for one dtype."""
        return Program(
            rebuilt(self.function, dtype), self.function, self.words, np.dtype(dtype), self.block,
            self.bounds,
        )  # fmt: skip


class Replayed:
    """The twin of a kernel that reads some of its numbers from memory, where replays find them."""

    def __init__(self, function, words, numbers, options):
        self.words, self.numbers = words, numbers
        names = [f"a{i}" for i in range(len(words))]
        values = [f"{name}[0]" if i in numbers else name for i, name in enumerate(names)]
        name = function.__name__
        bound = {"__name__": function.__module__, "body": Device(function)}
        exec(f"def {name}({', '.join(names)}):\n    body({', '.join(values)})", bound)
        signature = " ".join(f"{w}*" if i in numbers else w for i, w in enumerate(words))
        self.kernel = Kernel(bound[name], signature, **{**options, "label": "replayed"})

    def suits(self, arguments):
        """Tell whether one of the numbers is new at every replay."""
        return any(type(arguments[i]) is Live for i in self.numbers)

    def placed(self, arguments, dtype):
        """Give the arguments with the places of the numbers."""
        store = next(a for a in arguments if type(a) is Live).recording.store
        kinds = (dtype if word == "T" else WORDS.get(word, word) for word in self.words)
        return [
            store.place(a, kind) if i in self.numbers else a
            for i, (a, kind) in enumerate(zip(arguments, kinds, strict=True))
        ]


def kernel(signature, **options):
    """Make a Kernel of a function; see the top of this file for the signature."""
    return lambda function: Kernel(function, signature, **options)


def simulate(word, value, dtype):
    """Give an argument as the kernel sees it in the simulator."""
    if word.endswith("*"):
        if not hasattr(value, "memory"):
            raise misplaced(value)
        kind = dtype if word[0] == "T" else np.dtype(WORDS.get(word[:-1], word[:-1]))
        return Pointer(value.memory.block[: value.nbytes].view(kind))
    if word == "T":
        return dtype.type(value)
    if word == "d":
        return np.float64(value)
    return int(np.dtype(WORDS.get(word, word)).type(value))  # OverflowError as at a launch


def check_index(array):
    """Refuse an array so large that a uint32 index, or the sum of two, could wrap around."""
    if array.size >= LIMIT:
        raise ValueError(
            f"an array of shape {array.shape} has {array.size} values; CUDA kernels count up to "
            f"{LIMIT - 1}: use smaller batches"
        )
