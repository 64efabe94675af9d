"""Record the kernels of a function once, and launch them all with one call: CUDA graphs.

Not yet run on a GPU: written against the interface of cuda.core 1.2. The simulator keeps the
launches too, with their arguments, and repeats them on the same memory.

A function is called twice. The first time is a rehearsal: kernels are compiled and loaded, memory
is taken, but nothing runs; so the second call, which is recorded, asks the driver for nothing. Both
leave weights, counts and random numbers as they are: only replays move them.
"""

from contextlib import contextmanager

import numpy as np

from .. import live
from . import array as arrays
from .blocks import Pool
from .driver import card
from .numbers import Numbers
from .recording import REHEARSAL, capturing


class Recorded:
    """The kernels of one call of `function`, with arrays of fixed place and shape.

    Memory that the function takes while it is recorded belongs to the graph, because every replay
    writes to the same addresses. What it only reads (weights) must be written in place later on.

    Parameters
    ----------
    function : callable
        Takes device arrays, gives a list of them.
    inputs : list of DeviceArray
        Of the shapes and dtypes of all later ones.
    pool : Pool, optional
        Where it takes memory from. Graphs that share one use the same memory one after another;
        the outputs of each are its own.
    """

    def __init__(self, function, inputs, pool=None):
        self.function = function  # keeps alive what the graph reads
        self.inputs = [x.copy() for x in inputs]
        self.pool = Pool(card().allocate) if pool is None else pool
        with capturing(card(), REHEARSAL, self.pool), live.recording(new_recording()):
            function(*self.inputs)
        card().wait()
        self.host, builder = new_recording(), card().start_graph()
        try:
            with capturing(card(), builder, self.pool), live.recording(self.host):
                self.outputs = function(*self.inputs)
        except BaseException:
            card().discard_graph(builder)
            raise
        self.graph = card().finish_graph(builder)

    def __call__(self, *inputs):
        """Copy the inputs to their places and replay; the outputs are overwritten every time."""
        for place, x in zip(self.inputs, inputs, strict=True):
            if place.shape != x.shape or place.dtype != x.dtype:
                raise ValueError(
                    f"a graph was recorded for {place.dtype} of shape {place.shape}, and got "
                    f"{x.dtype} of shape {x.shape}; record another one"
                )
            if isinstance(x, arrays.DeviceArray):
                card().duplicate(place.memory, x.memory, x.nbytes)
            else:
                card().upload(place.memory, np.ascontiguousarray(x))
        self.host.advance()
        self.host.store.send()
        self.graph.launch(card().own_stream)
        self.host.finish()
        return self.outputs


def new_recording():
    """Give what keeps the host's part of a graph."""
    return live.Recording(Numbers(), suspended)


@contextmanager
def suspended():
    """Work at once, on the card's own stream and memory, also where a graph is recorded."""
    with capturing(card(), card().own_stream, card().own_pool):
        yield
