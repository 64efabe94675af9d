"""Numbers on the card that are new at every replay of a graph: their place, and how they get there.

They travel as the arguments of one small kernel, launched before the graph: arguments are copied at
the launch, so that nothing waits, whereas a copy from NumPy's memory would wait for the stream.
"""

import numpy as np

from .. import live
from ..live import Live, now
from . import array as arrays
from .driver import Borrowed
from .target import SIMULATED, cuda, kernel

AT_ONCE = 16  # numbers in one launch
WIDTH = 8  # bytes of a number's place


@kernel("T*" + " T" * AT_ONCE, dtypes=("uint64",), block=32)
def _store(out, a, b, c, d, e, f, g, h, p, q, r, s, t, u, v, w):
    if cuda.grid(1) == 0:
        out[0], out[1], out[2], out[3] = a, b, c, d
        out[4], out[5], out[6], out[7] = e, f, g, h
        out[8], out[9], out[10], out[11] = p, q, r, s
        out[12], out[13], out[14], out[15] = t, u, v, w


class Numbers:
    """The numbers of one graph: a place on the card for each, and its bits on the host."""

    def __init__(self):
        self.places: dict = {}  # (number, dtype): its array of no axes
        self.sources: list = []  # (number, where on the host its bits are written)
        self.pieces: list = []  # (array on the card, its bits on the host)

    def place(self, number, dtype):
        """Give the array, of no axes, in which kernels find a number; the same one every time."""
        dtype = np.dtype(dtype)
        key = id(number) if isinstance(number, Live) else (type(number), number), dtype
        if key not in self.places:
            slot = len(self.sources) % AT_ONCE
            if slot == 0:
                with live.outside():  # no kernel of the graph may write here
                    there = arrays.DeviceArray((AT_ONCE,), np.uint64)
                self.pieces.append((there, np.zeros(AT_ONCE, np.uint64)))
            there, bits = self.pieces[-1]
            self.sources.append((number, bits[slot : slot + 1].view(dtype)))
            self.places[key] = arrays.DeviceArray((), dtype, part(there.memory, slot * WIDTH))
        return self.places[key]

    def send(self):
        """Put the values for the next replay on the card."""
        for number, bits in self.sources:
            bits[0] = now(number)
        for there, bits in self.pieces:
            _store(1, there, *bits.tolist(), dtype=np.uint64)


def part(memory, start):
    """Give the memory of one number inside that of many."""
    block = memory.block[start : start + WIDTH] if SIMULATED else None
    return Borrowed(memory.pointer + start, WIDTH, memory, block)


def placed(number, dtype):
    """Give the array, of no axes, that a Live is read from."""
    return number.recording.store.place(number, dtype)
