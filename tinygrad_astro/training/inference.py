"""The outputs for one batch, off the tape; on the CPU recorded too, one program per kind of batch.

A recorded prediction runs kernels alone, as a recorded step does, and gives the same bits. It reads
the weights where they are, so that training may go on in between. One thread at a time replays it;
those that come meanwhile run layer by layer.
"""

import threading
from typing import Any

from tinygrad_astro.kernels import live
from tinygrad_astro.kernels.recorded import Recorded
from tinygrad_astro.kernels.trace import Program
from tinygrad_astro.layers.structure import leaves, map_leaves
from tinygrad_astro.modes import mode, no_grad
from tinygrad_astro.tape import Tensor
from tinygrad_astro.training.learn import straight
from tinygrad_astro.training.recordable import (
    MOST,
    UNKNOWN,
    is_ours,
    kind,
    look,
    on_card,
    on_host,
    room,
    same,
)


def infer(model, x):
    """Give the outputs of a model, `training=False`: Tensors off the tape, on memory of their own.

    Parameters
    ----------
    model : Model
        Recorded at the second batch of a kind if it is on the CPU, made of the library's own parts
        alone, and not compiled with `jit_compile=False`.
    x : array (N, ...), or nest of them

    Returns
    -------
    Tensor, or nest of them

    Raises
    ------
    ValueError
        If the shapes do not fit the model.
    """
    x = map_leaves(straight, x)
    objective = getattr(model, "objective", None)
    wanted = objective is None or objective.jit_compile is not False
    with no_grad():
        if wanted and not mode.anomaly and not on_card(model):
            return model._recorded_predictions.outputs(model, x)
        return model(x, training=False)


class Prediction:
    """The prediction for batches of one kind, recorded at the second.

    Attributes
    ----------
    graph : Recorded or None
    outputs : Tensor, or nest of them
        Of the recording, whose values mean nothing.
    alone : bool
        Whether it could not be recorded, and runs layer by layer.
    """

    graph: Any = None
    outputs: Any = None
    alone = False

    def record(self, model, x, layers, limit) -> None:
        """Record it, in a program that takes up to `limit` bytes."""

        def whole(*arrays):
            given = map(Tensor, arrays)
            self.outputs = model(map_leaves(lambda _: next(given), x), training=False)
            return [leaf.data for leaf in leaves(self.outputs)]

        weights = [weight.tensor.data for layer in layers for weight in layer._weights]
        self.graph = Recorded(whole, arrays_of(model, x), Program(limit), weights)

    def replayed(self, model, x):
        """Give the outputs for one batch."""
        made = iter(self.graph(*arrays_of(model, x)))
        return map_leaves(lambda _: Tensor(next(made).copy()), self.outputs)


class RecordedPredictions:
    """The recorded predictions of one model, by kind of batch, and whether they still hold."""

    def __init__(self):
        self.entries: dict[Any, Prediction] = {}
        self.layers: list = []
        self.state: list = []
        self.turn = threading.Lock()

    def __reduce__(self):
        """Leave the recordings behind where a model is copied or sent elsewhere."""
        return RecordedPredictions, ()

    def outputs(self, model, x):
        """Give the outputs for one batch."""
        if not self.turn.acquire(blocking=False):
            return model(x, training=False)
        try:
            entry = self.entry(model, x)
            return model(x, training=False) if entry is None else entry.replayed(model, x)
        finally:
            self.turn.release()

    def entry(self, model, x):
        """Give the recorded prediction for this kind of batch; None where there is none."""
        key = kind(x)
        if not same(look(self.layers), self.state):
            self.entries = {}
        entry = self.entries.get(key)
        if entry is None:
            if model.built and len(self.entries) < MOST and key is not UNKNOWN:
                self.entries[key] = Prediction()
                self.layers = [model, *model.sublayers()]
                self.state = look(self.layers)
            return None
        if entry.graph is None and not entry.alone:
            try:
                if not all(map(is_ours, [*self.layers, *self.state])):
                    live.refuse("a layer that is not the library's own was called")
                entry.record(model, x, self.layers, room(model))
            except Exception:  # which the layers tell better themselves, if it is no matter of this
                entry.alone = True
        return None if entry.alone else entry


def arrays_of(model, x) -> list:
    """Give inputs as arrays in the dtype of the model."""
    return [on_host(leaf, model.dtype) for leaf in leaves(x)]
