"""Memory for large results: when an array goes, the next one of its size takes its place.

The system hands out memory by pages and clears each at its first touch, which takes a kernel that
is bound by memory two to four times as long as its work. A training step asks for the same sizes
over and over, so memory is kept from step to step, by size and up to a limit.
"""

import os
import threading

import numpy as np

# Smaller arrays come from NumPy, which keeps their memory itself.
SMALLEST = 1 << 18

# Bytes of a cache line: data start on one, so that no vector load straddles two.
_LINE = 64


class _Pool:
    """Blocks of bytes by size: those that nobody uses, and how much is lent."""

    def __init__(self):
        # Re-entrant: an array may go wherever Python collects garbage, in here too.
        self.lock = threading.RLock()
        self.free: dict[int, list] = {}
        self.kept = self.in_use = 0
        pages = os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 1 << 20
        self.limit = pages * 4096 // 4

    def lend(self, size):
        with self.lock:
            self.in_use += size
            blocks = self.free.get(size)
            if blocks:
                self.kept -= size
                return blocks.pop()
        raw = np.empty(size + _LINE, np.uint8)
        first = raw.__array_interface__["data"][0]
        return raw, first + -first % _LINE, size

    def take_back(self, block):
        size = block[2]
        with self.lock:
            self.in_use -= size
            if self.kept + size > self.limit:
                self.release()
            if size <= self.limit:
                self.free.setdefault(size, []).append(block)
                self.kept += size

    def release(self):
        with self.lock:
            self.free.clear()
            self.kept = 0


_pool = _Pool()


class _Lease:
    """A block lent to one array and all its views: when the last of them goes, so does this."""

    def __init__(self, block, shape, dtype):
        self.block = block
        data = block[1], False
        self.__array_interface__ = dict(shape=shape, typestr=dtype.str, data=data, version=3)

    def __del__(self, pool=_pool):
        pool.take_back(self.block)


def empty(shape, dtype):
    """Give an array whose values are not set, on memory that was used before if there is any."""
    dtype = np.dtype(dtype)
    size = dtype.itemsize
    for n in shape:
        size *= n
    if size < SMALLEST:
        return np.empty(shape, dtype)
    return np.asarray(_Lease(_pool.lend(size), tuple(shape), dtype))


def owns(array):
    """Tell whether an array is the whole of its memory, from NumPy or from here, and no view."""
    return array.flags["OWNDATA"] or type(array.base) is _Lease


def memory_stats() -> dict[str, int]:
    """Count the bytes of large arrays on the CPU: results of ops of 256 KiB or more.

    Returns
    -------
    dict
        "in_use": lent to arrays that live; "kept": waiting for the next array of the same size;
        "limit": how much may be kept, at first a quarter of the machine's memory.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> before = ta.memory_stats()["in_use"]
    >>> y = ta.ops.relu(ta.ops.expand_dims([0.0] * 65536, 0))
    >>> ta.memory_stats()["in_use"] - before
    262144
    """
    with _pool.lock:
        return {"in_use": _pool.in_use, "kept": _pool.kept, "limit": _pool.limit}


def set_memory_limit(size: int) -> None:
    """Keep at most `size` bytes for later arrays; what is kept beyond goes back to the system.

    Raises
    ------
    ValueError
        If `size` is negative or no integer.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> ta.set_memory_limit(2 * 1024**3)
    """
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise ValueError(f"set_memory_limit got {size!r}, expected a number of bytes, 0 or more")
    with _pool.lock:
        _pool.limit = size
        if _pool.kept > size:
            _pool.release()
