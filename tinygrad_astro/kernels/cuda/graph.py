"""Record the kernels of a function once, and launch them all with one call: CUDA graphs.

Not yet run on a GPU: written against the interface of cuda.core 1.2; the simulator only calls the
function again.
"""

from . import array as arrays
from .driver import Pool, capturing, card
from .target import SIMULATED


class Recorded:
    """The kernels of one call of `function`, with arrays of fixed place and shape.

    Memory that the function takes while it is recorded belongs to the graph, because every replay
    writes to the same addresses.
    """

    def __init__(self, function, inputs):
        self.function = function
        self.inputs = [x.copy() for x in inputs]
        self.pool = Pool(card()._allocate) if not SIMULATED else None
        self.outputs = function(*self.inputs)  # compiles what is not compiled yet
        self.graph = None
        if not SIMULATED:
            card().wait()
            builder = card().device.create_graph_builder().begin_building()
            with capturing(builder, self.pool):
                self.outputs = function(*self.inputs)
            self.graph = builder.end_building().complete()

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
                card().upload(place.memory, x)
        if self.graph is None:
            self.outputs = self.function(*self.inputs)
        else:
            self.graph.launch(card().own_stream)
        return self.outputs
