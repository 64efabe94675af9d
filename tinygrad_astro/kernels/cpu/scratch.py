"""Working memory that kernels keep between calls.

Fresh memory costs a page fault every 4 KiB at its first touch, as much as the arithmetic that it
is for, and inside a parallel region the faults queue up. So a kernel asks here, outside the region,
for memory that was touched before, and holds the lock `in_use` as long as its contents matter.
"""

import threading

import numpy as np

in_use = threading.RLock()

_kept: dict[tuple[str, str], np.ndarray] = {}

# Bytes of a cache line: rows start on one, so that no vector load straddles two.
_LINE = 64


def scratch(purpose, rows, size, dtype):
    """Give `rows` rows of at least `size` numbers: for one purpose, the same memory each call."""
    itemsize = np.dtype(dtype).itemsize
    # An odd number of lines keeps rows from falling on the same sets of a cache.
    width = (-(-size * itemsize // _LINE) | 1) * (_LINE // itemsize)
    key = purpose, np.dtype(dtype).str
    kept = _kept.get(key)
    if kept is None or kept.size < rows * width:
        raw = np.empty(rows * width + _LINE // itemsize, dtype)
        first = -raw.ctypes.data % _LINE // itemsize
        kept = _kept[key] = raw[first : first + rows * width]
    return kept[: rows * width].reshape(rows, width)


def release():
    """Return all of it to the system; the next calls ask anew."""
    with in_use:
        _kept.clear()
