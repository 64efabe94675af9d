"""Whole steps of training recorded, one per shape of batch: CUDA graphs, or programs on the CPU.

What a batch brings (inputs, labels, weights, the divisor of a mean) is checked and encoded on the
host as ever, and copied to where the recording reads it; rates, counts and seeds follow through
`kernels.live`. So a replay is the step, with the same checks and the same random numbers.

On the CPU a step gains what Python takes between kernels, from half of a small one to a few percent
of a large one, and what Python does on the way might be a user's: there, "auto" records steps of
the library's own parts, and leaves others alone.

A recording is kept as long as it would come out the same: the same memory of weights, the same
layers frozen, the same numbers in the attributes of layers, losses and optimizer. Recording moves
nothing, so where it fails the step can still be made kernel by kernel.
"""

import math
import warnings
from contextlib import contextmanager
from typing import Any

from tinygrad_astro.kernels import live, moved
from tinygrad_astro.kernels.recorded import Recorded as RecordedOnCPU
from tinygrad_astro.kernels.trace import Program, Traced
from tinygrad_astro.layers.structure import leaves, map_leaves
from tinygrad_astro.losses.labels import Cells
from tinygrad_astro.modes import mode
from tinygrad_astro.tape import Tensor
from tinygrad_astro.training.feed import Batch
from tinygrad_astro.training.learn import eager_step, learn
from tinygrad_astro.training.objective import Objective
from tinygrad_astro.training.recordable import (
    MOST,
    UNKNOWN,
    Like,
    device_of,
    is_ours,
    kind,
    look,
    on_card,
    on_host,
    room,
    same,
)

# What training itself sets on an optimizer, and no recorded kernel reads.
OF_OPTIMIZER = {"_iterations", "_learning_rate", "_weights", "state"}


def can_be_recorded(model, objective: Objective) -> bool:
    """Tell whether a step runs on one device, and nobody looks at its values on the way."""
    if mode.anomaly or not mode.recording:
        return False
    weights, device = objective.weights_of(model), device_of(model)
    return bool(weights) and all(w.device == device and w.grad is None for w in weights)


class Entry:
    """The steps on batches of one shape: at first the shapes of outputs, then the recording.

    Attributes
    ----------
    likes : Like, or nest of them
        The outputs of the model.
    graph : Recorded or None
    kinds : list
        Shapes and dtypes that it was recorded for.
    totals : list
        What the losses of the batch at hand are divided by.
    alone : bool
        Whether these steps could not be recorded, and run kernel by kernel.
    """

    def __init__(self, y_pred):
        self.likes = map_leaves(lambda t: Like(t.shape, t.dtype, t.device), y_pred)
        self.graph: Any = None
        self.kinds: list = []
        self.totals: list = []
        self.alone = False


class RecordedSteps:
    """The recorded steps of one compiled model, and whether they still hold.

    Parameters
    ----------
    objective : Objective
    """

    def __init__(self, objective: Objective):
        self.objective = objective
        self.entries: dict[tuple, Entry] = {}
        self.layers: list = []
        self.state: list = []
        self.pool: Any = None
        self.prevented = ""  # the device on which nothing can be recorded

    def __reduce__(self):
        """Leave the recordings behind where a model is copied or sent elsewhere."""
        return RecordedSteps, (self.objective,)

    def step(self, model, batch: Batch, class_weight=None):
        """Make one step, replayed if one of its kind was recorded; give (loss, outputs)."""
        key = tuple(kind(part) for part in batch)
        if self.prevented == device_of(model) or UNKNOWN in key:
            return eager_step(model, self.objective, batch, class_weight)
        if not same(self.look(), self.state):
            self.forget()
        entry = self.entries.get(key)
        if len(self.entries) == MOST if entry is None else entry.alone:
            return eager_step(model, self.objective, batch, class_weight)
        if entry is None:
            loss, y_pred = eager_step(model, self.objective, batch, class_weight)
            self.entries[key] = Entry(y_pred)
            self.layers = [model, *model.sublayers()]
            self.state = self.look()
            own = [one for one in [*self.layers, *self.state] if not is_ours(one)]
            if own and self.objective.jit_compile == "auto" and not on_card(model):
                self.prevented = "cpu"
            return loss, y_pred
        cells = self.objective.cells(entry.likes, batch, class_weight)
        try:
            arrays = self.ready(model, entry, batch, cells)
        except Exception as error:
            self.prevent(model, entry, error)
            return eager_step(model, self.objective, batch, class_weight)
        losses, *outputs = entry.graph(*arrays)
        if not on_card(model):  # a metric may keep what the next replay writes over
            outputs = [a.copy() for a in outputs]
        given = map(Tensor, outputs)
        loss = self.objective.read(Tensor(losses), batch.size)
        return loss, map_leaves(lambda _: next(given), entry.likes)

    def ready(self, model, entry, batch, cells) -> list:
        """Record the step where that is needed; give the arrays that its graph is to be fed."""
        x = map_leaves(lambda leaf: on_host(leaf, model.dtype), batch.x)
        brought = [arrays_of(c, t.dtype) for c, t in zip(cells, leaves(entry.likes), strict=True)]
        arrays = [*leaves(x), *(a for each in brought for a in each.values())]
        entry.totals = [None if cell is None else cell.total for cell in cells]
        kinds = [kind(arrays), *map(tuple, brought), *(t is None for t in entry.totals)]
        if entry.graph is None or kinds != entry.kinds:
            entry.graph = self.record(model, entry, x, cells, arrays)
            entry.kinds, self.state = kinds, self.look()
        return arrays

    def record(self, model, entry, x, cells, arrays):
        """Record the whole step: from the arrays of a batch to the losses and the outputs."""

        def divisor(i):
            return None if entry.totals[i] is None else live.number(lambda: entry.totals[i])

        def whole(*arrays):
            given = iter([Tensor(a) for a in arrays])
            inputs = map_leaves(lambda _: next(given), x)
            placed = []
            for i, (cell, like) in enumerate(zip(cells, leaves(entry.likes), strict=True)):
                if cell is not None:
                    names = arrays_of(cell, like.dtype)
                    there = {name: next(given) for name in names}
                    cell = cell._replace(**there, total=divisor(i))
                placed.append(cell)
            y_pred = model(inputs, training=True)
            losses = learn(model, self.objective, placed, y_pred)
            return [losses.data, *(leaf.data for leaf in leaves(y_pred))]

        forced = self.objective.jit_compile is True
        try:
            if on_card(model):
                return self.on_card(whole, arrays)
            return self.on_cpu(whole, arrays, math.inf if forced else room(model))
        finally:
            for weight in self.objective.weights_of(model):
                weight.grad = None

    def on_card(self, whole, arrays):
        """Record a CUDA graph."""
        from tinygrad_astro.kernels.cuda.blocks import Pool
        from tinygrad_astro.kernels.cuda.driver import card
        from tinygrad_astro.kernels.cuda.graph import Recorded

        self.pool = self.pool or Pool(card().allocate)
        return Recorded(whole, [moved(a, "cuda") for a in arrays], self.pool)

    def on_cpu(self, whole, arrays, limit):
        """Record the calls of kernels and NumPy."""
        program = Program(limit)
        with traced_weights(self.layers, self.objective.optimizer, program):
            return RecordedOnCPU(whole, arrays, program)

    def prevent(self, model, entry, error):
        """Raise what prevented a recording, or say it once, where steps may run without one."""
        if self.objective.jit_compile is True:
            raise error
        if not on_card(model):
            entry.alone = True
            return
        self.forget()
        self.prevented = "cuda"
        warnings.warn(
            f"the steps of {model.title} run kernel by kernel, not recorded as a CUDA graph, which "
            f"failed: {type(error).__name__}: {error}. This changes the speed alone; "
            "compile(..., jit_compile=False) asks for it",
            stacklevel=6,
        )

    def forget(self) -> None:
        """Let go of all recordings and their memory, though they refer to themselves."""
        for entry in self.entries.values():
            entry.graph = None
        self.entries, self.pool = {}, None

    def look(self) -> list:
        """List all that a recording has taken as fixed."""
        optimizer = self.objective.optimizer
        found = [optimizer, *look(self.layers)]
        found += [v for name, v in vars(optimizer).items() if name not in OF_OPTIMIZER]
        for output in self.objective.outputs or []:
            found += [output.share, output.loss, *getattr(output.loss, "__dict__", {}).values()]
        return found


@contextmanager
def traced_weights(layers, optimizer, program):
    """Let a program see weights and slots as arrays that it reads and writes."""
    tensors = {id(w.tensor): w.tensor for layer in layers for w in layer._weights}.values()
    before = [t.data for t in tensors], dict(optimizer.state)
    try:
        for t in tensors:
            t.data = Traced(t.data, program)
        for name, slots in optimizer.state.items():
            optimizer.state[name] = [Traced(slot, program) for slot in slots]
        yield
    finally:
        for t, data in zip(tensors, before[0], strict=True):
            t.data = data
        optimizer.state.update(before[1])


def arrays_of(cell, dtype) -> dict:
    """Give the arrays of cells by name; a loss that goes its own way cannot be recorded."""
    if cell is None:
        return {}
    if not isinstance(cell, Cells):
        live.refuse("a loss with a __call__ of its own checked labels")
    return cell.arrays(dtype)
