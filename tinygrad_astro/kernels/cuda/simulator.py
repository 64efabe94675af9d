"""CUDA kernels as plain Python, thread by thread: for tests, and for reading along with a debugger.

Chosen by NUMBA_ENABLE_CUDASIM=1. It stands in for the few names of `numba.cuda` that kernels use,
so it needs neither a GPU nor a CUDA package. A kernel without barriers runs its threads one after
another; with barriers (or warp collectives) every CUDA thread of a block is a Python thread.
Reading or writing outside an array raises IndexError here, where a GPU would corrupt memory.
"""

import math
import threading

import numpy as np

WARP = 32
# Threads past the end of the work that run too, so that a kernel's guard is tested.
SURPLUS = 2


class Pointer:
    """What a kernel gets for an array: flat, indexed from 0, guarded at both ends."""

    __slots__ = ("values",)

    def __init__(self, values):
        self.values = values

    def __getitem__(self, index):
        if index < 0:
            raise IndexError(f"index {index} before the start of an array")
        return self.values[index]

    def __setitem__(self, index, value):
        if index < 0:
            raise IndexError(f"index {index} before the start of an array")
        self.values[index] = value


class Place:
    """An index with axes x and y."""

    __slots__ = ("x", "y")

    def __init__(self, x=0, y=0):
        self.x, self.y = x, y


class Block:
    """What the threads of one block share: arrays, barriers, and how the first failure ended."""

    def __init__(self, threads):
        self.barrier = threading.Barrier(threads)
        self.warps = [threading.Barrier(min(WARP, threads)) for _ in range(-(-threads // WARP))]
        self.slots = [[None] * WARP for _ in self.warps]
        self.results = [None] * len(self.warps)
        self.arrays, self.lock, self.error = [], threading.Lock(), None

    def stop(self, error):
        """Remember the first error and wake those that wait."""
        with self.lock:
            if self.error is None and not isinstance(error, threading.BrokenBarrierError):
                self.error = error
        for barrier in (self.barrier, *self.warps):
            barrier.abort()


class Shared:
    """`cuda.shared`: the n-th call of every thread of a block gives the block's n-th array."""

    def array(self, shape, dtype, alignment=None):
        """Give the block's array; its contents start as NaN, to be written before read."""
        block, number = cuda.block, cuda.arrays
        cuda.arrays += 1
        with block.lock:
            if number == len(block.arrays):
                made = np.empty(shape, dtype)
                made.fill(np.nan if made.dtype.kind == "f" else 0xAA)
                block.arrays.append(Pointer(made))
            return block.arrays[number]


class Cuda(threading.local):
    """The part of `numba.cuda` that kernels use; each Python thread sees its own indices."""

    shared = Shared()

    def __init__(self):
        self.threadIdx, self.blockIdx = Place(), Place()
        self.blockDim, self.gridDim = Place(1, 1), Place(1, 1)
        self.block, self.arrays = None, 0

    def grid(self, axes):
        """Give the index of this thread in the whole grid."""
        return self.blockIdx.x * self.blockDim.x + self.threadIdx.x

    def syncthreads(self):
        """Wait for all threads of the block."""
        self.block.barrier.wait()


cuda = Cuda()


def collective(value, combine):
    """Exchange values within a warp: `combine` maps the 32 values to 32 results, once."""
    block, thread = cuda.block, cuda.threadIdx.x
    warp, lane = thread // WARP, thread % WARP
    block.slots[warp][lane] = value
    if block.warps[warp].wait() == 0:
        block.results[warp] = combine(list(block.slots[warp]))
    block.warps[warp].wait()
    result = block.results[warp][lane]
    block.warps[warp].wait()
    return result


def wrap(value):
    """Stand in for numpy.uint32: wrap around at 32 bits, as the GPU does."""
    return int(value) & 0xFFFFFFFF


class Functions:
    """Stands in for the module `math`: precision of the argument, NaN and inf instead of errors."""

    exp, expm1, log, log1p = np.exp, np.expm1, np.log, np.log1p
    sin, cos, tanh, asinh, atan = np.sin, np.cos, np.tanh, np.arcsinh, np.arctan
    sqrt, floor, fabs, isfinite, pow = np.sqrt, np.floor, np.abs, np.isfinite, np.power
    pi, inf, nan = math.pi, math.inf, math.nan

    @staticmethod
    def erf(x):
        """Give the standard library's error function in the precision of x."""
        return type(x)(math.erf(x))


def run(function, barriers, grid, block, threads, arguments):
    """Run `function` for every thread of the grid, or for `threads` and a few more."""
    cuda.blockDim, cuda.gridDim = Place(block), Place(*grid)
    with np.errstate(all="ignore"):
        if barriers:
            for y in range(grid[1]):
                for x in range(grid[0]):
                    _run_block(function, grid, block, Place(x, y), arguments)
            return
        last = grid[0] * block if threads is None else min(grid[0] * block, threads + SURPLUS)
        for y in range(grid[1]):
            for start in range(0, last, block):
                cuda.blockIdx = Place(start // block, y)
                for x in range(min(block, last - start)):
                    cuda.threadIdx = Place(x)
                    function(*arguments)


def _run_block(function, grid, size, place, arguments):
    block = Block(size)

    def thread(index):
        cuda.threadIdx, cuda.blockIdx, cuda.block = Place(index), place, block
        cuda.blockDim, cuda.gridDim = Place(size), Place(*grid)
        try:
            with np.errstate(all="ignore"):
                function(*arguments)
        except BaseException as error:
            block.stop(error)

    running = [threading.Thread(target=thread, args=(i,)) for i in range(size)]
    for one in running:
        one.start()
    for one in running:
        one.join()
    if block.error is not None:
        raise block.error
