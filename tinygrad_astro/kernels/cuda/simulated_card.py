"""Stands in for the GPU where the simulator is on: the host's memory, work done at once."""

import ctypes
import functools
import math

import numpy as np

from .blocks import Pool
from .recording import REHEARSAL, refuse_while_recording


class SimulatedCard:
    """Memory is NumPy's, filled with NaN so that unwritten parts show."""

    dlpack_device = 1, 0  # kDLCPU
    name, architecture = "simulator", (9, 0)
    poisons, own_stream = True, None
    stream_number = 1  # CUDA's default stream, in the words of the array interface

    def __init__(self):
        self.stream = None
        self.pool = self.own_pool = Pool(self.allocate)

    @property
    def recording(self) -> bool:
        """Whether a stream stands for a graph that is being recorded."""
        return self.stream is not None

    def allocate(self, size):
        """Take memory of the host."""
        return np.empty(size, np.uint8)

    def address(self, block) -> int:
        """Give the address of a block of memory."""
        return block.ctypes.data

    def upload(self, memory, array):
        """Copy a contiguous NumPy array."""
        refuse_while_recording(self, "an array was copied to the card")
        memory.block[: array.nbytes] = array.reshape(-1).view(np.uint8)

    def download(self, array, memory):
        """Copy into a contiguous NumPy array."""
        refuse_while_recording(self, "a value was read from the card")
        array.reshape(-1).view(np.uint8)[:] = memory.block[: array.nbytes]

    def duplicate(self, target, source, nbytes):
        """Copy bytes."""
        to, what = target.block[:nbytes], source.block[:nbytes]
        self.do(lambda: np.copyto(to, what))

    def fill(self, memory, byte):
        """Set every byte."""
        self.do(functools.partial(memory.block.fill, byte))

    def do(self, work):
        """Do it, keep it for the replays of a graph, or neither while a function is tried out."""
        if self.stream is REHEARSAL:
            return
        if self.recording:
            self.stream.append(work)
        else:
            work()

    def view(self, array):
        """Give an object that exports the array through DLPack, and keeps it alive."""
        return np.asarray(Exported(array))

    def borrowed(self, exporter):
        """Give address, shape, strides, dtype, block and owner of what another library exports."""
        told = getattr(exporter, "__cuda_array_interface__", None)
        if told is None:
            host = np.from_dlpack(exporter)
            block = host.reshape(-1).view(np.uint8)
            strides = tuple(s // host.itemsize for s in host.strides)
            return host.ctypes.data, host.shape, strides, host.dtype, block, exporter
        (pointer, _), shape, dtype = told["data"], tuple(told["shape"]), np.dtype(told["typestr"])
        strides = told.get("strides")
        strides = None if strides is None else tuple(s // dtype.itemsize for s in strides)
        nbytes = math.prod(shape) * dtype.itemsize
        block = np.ctypeslib.as_array((ctypes.c_uint8 * nbytes).from_address(pointer))
        return pointer, shape, strides, dtype, block, exporter

    def start_graph(self):
        """Give the list that work is kept in."""
        return []

    def finish_graph(self, works):
        """Give the graph."""
        return SimulatedGraph(works)

    def discard_graph(self, works):
        """Nothing to end."""

    def wait(self):
        """Nothing to wait for."""
        refuse_while_recording(self, "the card was waited for")


class Exported:
    """What NumPy makes a view of, and keeps alive with it."""

    def __init__(self, array):
        self.array = array
        self.__array_interface__ = {
            "shape": array.shape, "typestr": array.dtype.str, "data": (array.pointer, False),
            "version": 3,
        }  # fmt: skip


class SimulatedGraph:
    """What was kept instead of done; done at every launch, on the same memory, as on a card."""

    def __init__(self, works):
        self.works = works

    def launch(self, stream):
        """Do all of it."""
        for work in self.works:
            work()
