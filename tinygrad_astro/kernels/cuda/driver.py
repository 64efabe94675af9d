"""The card of this process: device, stream and memory, through `cuda.core`, or their stand-ins.

Memory comes from the driver's stream-ordered pool and goes back to a free list of our own, sorted
by size, so that a training step asks the driver for nothing. Everything runs on one stream, which
is why a freed block can be used again at once.
"""

import functools
import gc
import os
import threading
import weakref

from ..gpu import NoCard, why_not
from .blocks import Pool
from .recording import REHEARSAL, refuse_while_recording
from .simulated_card import SimulatedCard
from .target import SIMULATED


class Memory:
    """Bytes on the card; they go back to their pool when nothing refers to them any more.

    Attributes
    ----------
    limits : (int, int) or None
        The least and the largest of the integers in it, where the host knows them: indexing with
        those asks the card for nothing.
    host : ndarray or None
        Its values, where they never change.
    """

    __slots__ = ("block", "host", "limits", "nbytes", "pointer", "pool", "__weakref__")

    def __init__(self, nbytes):
        one = card()
        self.host, self.limits, self.pool = None, None, one.pool
        self.block, size = one.pool.take(nbytes)
        self.nbytes, self.pointer = nbytes, one.address(self.block)
        weakref.finalize(self, one.pool.give, self.block, size)


class Borrowed:
    """Bytes that another library owns, kept alive with `owner`."""

    __slots__ = ("block", "host", "limits", "nbytes", "pointer", "owner", "__weakref__")

    def __init__(self, pointer, nbytes, owner, block=None):
        self.host = self.limits = None
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
        self.pool = self.own_pool = Pool(self.allocate)
        # For the tests, when they run on a card.
        self.poisons = os.environ.get("TINYGRAD_ASTRO_GPU", "0") not in ("", "0")

    def allocate(self, size):
        """Ask the driver for memory; where there is none left, let go of free blocks first."""
        self.attend()
        resource = self.device.memory_resource
        try:
            return resource.allocate(size, stream=self.own_stream)
        except Exception:
            gc.collect()  # recordings refer to themselves
            # Never of a graph's blocks: every replay writes to them.
            self.own_pool.clear()
            self.own_stream.sync()
        try:
            return resource.allocate(size, stream=self.own_stream)
        except Exception as error:
            raise MemoryError(
                f"{self.name} has no room for {size / 2**20:.0f} MiB more; arrays here hold "
                f"{self.own_pool.held / 2**20:.0f} MiB of it: use smaller batches"
            ) from error

    def attend(self):
        """Make the card current in this Python thread."""
        if not getattr(self.threads, "ready", False):
            type(self.device)(self.device.device_id).set_current()
            self.threads.ready = True

    @property
    def recording(self) -> bool:
        """Whether kernels are being recorded into a graph instead of run."""
        return self.stream is not self.own_stream

    def upload(self, memory, array):
        """Copy a contiguous NumPy array to the card."""
        refuse_while_recording(self, "an array was copied to the card")
        self.attend()
        self._check(
            self.driver.cuMemcpyHtoDAsync(
                memory.pointer, array.ctypes.data, array.nbytes, self._handle()
            )
        )

    def download(self, array, memory):
        """Copy from the card into a contiguous NumPy array, and wait for it."""
        refuse_while_recording(self, "a value was read from the card")
        self.attend()
        handle = self._handle()
        self._check(
            self.driver.cuMemcpyDtoHAsync(array.ctypes.data, memory.pointer, array.nbytes, handle)
        )
        self.stream.sync()

    def duplicate(self, target, source, nbytes):
        """Copy within the card."""
        if self.stream is REHEARSAL:
            return
        self.attend()
        self._check(
            self.driver.cuMemcpyDtoDAsync(target.pointer, source.pointer, nbytes, self._handle())
        )

    def fill(self, memory, byte):
        """Set every byte."""
        if self.stream is REHEARSAL:
            return
        self.attend()
        nbytes = max(1, memory.nbytes)
        self._check(self.driver.cuMemsetD8Async(memory.pointer, byte, nbytes, self._handle()))

    def wait(self):
        """Wait until the card has done all that it was asked to."""
        refuse_while_recording(self, "the card was waited for")
        self.own_stream.sync()

    def address(self, block) -> int:
        """Give the address of a block of memory."""
        return int(block.handle)

    @property
    def stream_number(self) -> int:
        """The stream that other libraries have to wait for."""
        return int(self.own_stream.handle)

    @property
    def dlpack_device(self):
        """Give the kind (kDLCUDA) and number of this device."""
        return 2, self.device.device_id

    def view(self, array):
        """Give an object that exports the array through DLPack, and keeps it alive."""
        from cuda.core.utils import StridedMemoryView

        return StridedMemoryView.from_cuda_array_interface(array, stream_ptr=-1)

    def borrowed(self, exporter):
        """Give address, shape, strides, dtype, block and owner of what another library exports."""
        from cuda.core.utils import StridedMemoryView

        # Our stream waits for the exporter's kernels.
        view = StridedMemoryView.from_any_interface(exporter, stream_ptr=self.stream_number)
        return int(view.ptr), tuple(view.shape), view.strides, view.dtype, None, view

    def start_graph(self):
        """Give what stands for the stream while a graph is recorded."""
        return self.device.create_graph_builder().begin_building()

    def finish_graph(self, builder):
        """Give the graph, which has a method `launch(stream)`."""
        return builder.end_building().complete()

    def discard_graph(self, builder):
        """End what could not be recorded."""
        builder.close()

    def _handle(self):
        stream = self.stream.stream if self.recording else self.stream
        return self.driver.CUstream(int(stream.handle))

    def _check(self, result):
        if result[0] != self.driver.CUresult.CUDA_SUCCESS:
            raise RuntimeError(f"the CUDA driver answered {result[0].name}")


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
        raise NoCard(why_not() or f"CUDA cannot be used: {error}") from error
