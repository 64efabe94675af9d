"""The card of this process: device, stream and memory, through `cuda.core`, or their stand-ins.

Memory comes from the driver's stream-ordered pool and goes back to a free list of our own, sorted
by size, so that a training step asks the driver for nothing. Everything runs on one stream, which
is why a freed block can be used again at once.
"""

import functools
import os
import threading
import weakref
from contextlib import contextmanager

import numpy as np

from .target import SIMULATED

SMALLEST = 512  # bytes of the smallest block


class NoCard(RuntimeError):
    """CUDA cannot be used; the message says what is missing and what to do."""


class Pool:
    """Free blocks by size, in powers of two and their halves (512, 768, 1024, 1536 ...)."""

    def __init__(self, allocate):
        self.allocate = allocate
        self.free: dict[int, list] = {}
        self.lock = threading.Lock()
        self.held = 0

    def take(self, nbytes):
        """Give (block, its size): a used one if there is one."""
        size = bucket(nbytes)
        with self.lock:
            blocks = self.free.get(size)
            if blocks:
                return blocks.pop(), size
            self.held += size
        return self.allocate(size), size

    def give(self, block, size):
        """Take a block back."""
        with self.lock:
            self.free.setdefault(size, []).append(block)

    def clear(self):
        """Let go of all free blocks."""
        with self.lock:
            self.held -= sum(size * len(blocks) for size, blocks in self.free.items())
            self.free.clear()


def bucket(nbytes) -> int:
    """Round up to a power of two, or to three quarters of one."""
    size = SMALLEST
    while size < nbytes:
        size *= 2
    middle = size // 4 * 3
    return middle if middle >= max(nbytes, SMALLEST) else size


class Memory:
    """Bytes on the card; they go back to their pool when nothing refers to them any more."""

    __slots__ = ("block", "nbytes", "__weakref__")

    def __init__(self, nbytes):
        pool = card().pool
        self.block, size = pool.take(nbytes)
        self.nbytes = nbytes
        weakref.finalize(self, pool.give, self.block, size)

    @property
    def pointer(self) -> int:
        """The address on the card."""
        return int(self.block.handle)


class Borrowed:
    """Bytes that another library owns, kept alive with `owner`."""

    __slots__ = ("block", "nbytes", "pointer", "owner", "__weakref__")

    def __init__(self, pointer, nbytes, owner, block=None):
        self.pointer, self.nbytes, self.owner, self.block = pointer, nbytes, owner, block


class Card:
    """The GPU through cuda.core."""

    def __init__(self):
        from cuda.bindings import driver
        from cuda.core import Device

        self.driver, self.device = driver, Device(0)
        self.device.set_current()
        self.threads = threading.local()
        major, minor = self.device.compute_capability
        self.architecture = (major, minor, "a") if (major, minor) == (9, 0) else (major, minor)
        self.stream = self.own_stream = self.device.create_stream()
        self.name = self.device.name
        self.pool = Pool(self._allocate)
        # For the tests, when they run on a card.
        self.poisons = os.environ.get("TINYGRAD_ASTRO_GPU", "0") not in ("", "0")

    def _allocate(self, size):
        self.attend()
        resource = self.device.memory_resource
        try:
            return resource.allocate(size, stream=self.own_stream)
        except Exception:
            self.pool.clear()
            return resource.allocate(size, stream=self.own_stream)

    def attend(self):
        """Make the card current in this Python thread."""
        if not getattr(self.threads, "ready", False):
            type(self.device)(self.device.device_id).set_current()
            self.threads.ready = True

    @property
    def recording(self) -> bool:
        """Whether kernels are being recorded into a graph instead of run."""
        return self.stream is not self.own_stream

    def _refuse_while_recording(self, what):
        if self.recording:
            raise RuntimeError(
                f"{what} inside a function that is recorded as a CUDA graph: a replay would not "
                "repeat it; do it before or after, outside of the graph"
            )

    def upload(self, memory, array):
        """Copy a contiguous NumPy array to the card."""
        self._refuse_while_recording("an array was copied to the card")
        self.attend()
        self._check(
            self.driver.cuMemcpyHtoDAsync(
                memory.pointer, array.ctypes.data, array.nbytes, self._handle()
            )
        )

    def download(self, array, memory):
        """Copy from the card into a contiguous NumPy array, and wait for it."""
        self._refuse_while_recording("a value was read from the card")
        self.attend()
        handle = self._handle()
        self._check(
            self.driver.cuMemcpyDtoHAsync(array.ctypes.data, memory.pointer, array.nbytes, handle)
        )
        self.stream.sync()

    def duplicate(self, target, source, nbytes):
        """Copy within the card."""
        self._check(
            self.driver.cuMemcpyDtoDAsync(target.pointer, source.pointer, nbytes, self._handle())
        )

    def fill(self, memory, byte):
        """Set every byte."""
        nbytes = max(1, memory.nbytes)
        self._check(self.driver.cuMemsetD8Async(memory.pointer, byte, nbytes, self._handle()))

    def wait(self):
        """Wait until the card has done all that it was asked to."""
        self.own_stream.sync()

    def _handle(self):
        stream = self.stream.stream if self.recording else self.stream
        return self.driver.CUstream(int(stream.handle))

    def _check(self, result):
        if result[0] != self.driver.CUresult.CUDA_SUCCESS:
            raise RuntimeError(f"the CUDA driver answered {result[0].name}")


class SimulatedCard:
    """Stands in for the GPU: memory is NumPy's, filled with NaN so that unwritten parts show."""

    name, architecture = "simulator", (9, 0)
    recording, poisons = False, True

    def __init__(self):
        self.stream = None
        self.pool = Pool(lambda size: np.empty(size, np.uint8))

    def upload(self, memory, array):
        """Copy a contiguous NumPy array."""
        memory.block[: array.nbytes] = array.reshape(-1).view(np.uint8)

    def download(self, array, memory):
        """Copy into a contiguous NumPy array."""
        array.reshape(-1).view(np.uint8)[:] = memory.block[: array.nbytes]

    def duplicate(self, target, source, nbytes):
        """Copy bytes."""
        target.block[:nbytes] = source.block[:nbytes]

    def fill(self, memory, byte):
        """Set every byte."""
        memory.block[:] = byte

    def wait(self):
        """Nothing to wait for."""


@functools.cache
def card():
    """Give the card of this process, making it ready at the first call.

    Raises
    ------
    NoCard
        If there is none, or it cannot be used, in words.
    """
    if SIMULATED:
        return SimulatedCard()
    try:
        return Card()
    except Exception as error:
        from tinygrad_astro.kernels.gpu import why_not

        raise NoCard(why_not() or f"CUDA cannot be used: {error}") from error


@contextmanager
def capturing(stream, pool):
    """Send kernels to `stream`, and take memory from `pool`, inside the `with` block."""
    one = card()
    before = one.stream, one.pool
    one.stream, one.pool = stream, pool
    try:
        yield
    finally:
        one.stream, one.pool = before
