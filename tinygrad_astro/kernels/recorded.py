"""A function recorded on the CPU: its program, with places for the inputs and the outputs."""

import numpy as np

from . import live
from .arguments import found
from .splits import split_gradients
from .trace import Traced, bare


class Recorded:
    """The lines of one call of `function`; CPU twin of `kernels.cuda.graph.Recorded`.

    Parameters
    ----------
    function : callable
        Takes arrays, gives a list of them.
    inputs : list of ndarray
        Of the shapes and dtypes of all later ones.
    program : Program
    weights : list of ndarray
        Arrays that tensors hold, whose values a replay reads anew.
    """

    def __init__(self, function, inputs, program, weights=()):
        self.inputs = [np.array(x, order="C") for x in inputs]
        self.host, self.program = live.Recording(program), program
        self.host.stand_ins = {id(array): Traced(array, program) for array in weights}
        with live.recording(self.host):
            self.kept = function(*[Traced(x, program) for x in self.inputs])
        split_gradients(program, found(self.kept, Traced))
        self.outputs = bare(self.kept)

    def __call__(self, *inputs):
        """Copy the inputs to their places and replay; the outputs are overwritten every time."""
        for place, x in zip(self.inputs, inputs, strict=True):
            place[...] = x
        self.host.advance()
        self.program.run()
        self.host.finish()
        return self.outputs
