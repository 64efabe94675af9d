"""Record the kernels of a function once, and launch them all with one call: CUDA graphs.

Not yet run on a GPU: written against the interface of cuda.core 1.2. The simulator keeps the
launches too, and repeats them on the same memory.
"""

import numpy as np

from . import array as arrays
from .blocks import Pool
from .driver import card
from .recording import capturing


class Recorded:
    """The kernels of one call of `function`, with arrays of fixed place and shape.

    Memory that the function takes while it is recorded belongs to the graph, because every replay
    writes to the same addresses. What it only reads (weights) must be written in place later on.
    """

    def __init__(self, function, inputs):
        self.function = function  # keeps alive what the graph reads
        self.inputs = [x.copy() for x in inputs]
        function(*self.inputs)  # compiles what is not compiled yet
        card().wait()
        self.pool, builder = Pool(card().allocate), card().start_graph()
        try:
            with capturing(card(), builder, self.pool):
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
        self.graph.launch(card().own_stream)
        return self.outputs
