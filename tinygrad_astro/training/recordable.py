"""What a recording takes as fixed: the kind of a batch, the device, all that the layers hold.

A step or a prediction may be recorded where Python does the same each time: on the CPU, that is
taken for granted of the library's own parts alone.
"""

import types
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_astro.kernels.cpu.memory import memory_stats
from tinygrad_astro.kernels.precision import current_precision
from tinygrad_astro.tape import Tensor
from tinygrad_astro.tensor import tensor

MOST = 16  # recordings of one model: batches of ever new shapes run kernel by kernel
UNKNOWN = ("unknown",)  # the kind of what is no array
PLAIN = (int, float, bool, str, type(None))
# The part of the memory that may be kept between steps that a model's recordings on the CPU take.
SHARE = 4
# What training itself sets on a model, and no recorded kernel reads.
OF_MODEL = {"history", "stop_training", "objective", "optimizer", "loss", "metadata"}


@dataclass
class Like:
    """What the host knows of a prediction that is not computed yet."""

    shape: tuple
    dtype: Any
    device: str

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)


def look(layers) -> list:
    """List all that a recording has taken as fixed in layers, a model and all inside it."""
    found = [current_precision()]
    for i, layer in enumerate(layers):
        found += [v for name, v in vars(layer).items() if i or name not in OF_MODEL]
    for layer in layers:
        for weight in layer._weights:
            found += [weight.tensor.data, weight.tensor._leaf]
    return found


def room(model) -> int:
    """Give the bytes that one more recording of a model on the CPU may take."""
    objective = getattr(model, "objective", None)
    entries = [*model._recorded_predictions.entries.values()]
    if objective is not None and objective.recorded is not None:
        entries += objective.recorded.entries.values()
    programs = [e.graph.program for e in entries if hasattr(e.graph, "program")]
    return memory_stats()["limit"] // SHARE - sum(program.taken for program in programs)


def device_of(model) -> str:
    """Give where the weights of a model are."""
    return getattr(model, "_device", "cpu")


def on_card(model) -> bool:
    """Whether the weights of a model are on the card."""
    return device_of(model) == "cuda"


def is_ours(thing) -> bool:
    """Whether what a step is made of is plain data, or a part of the library."""
    if isinstance(thing, (*PLAIN, np.ndarray, np.generic)):
        return True
    if isinstance(thing, (tuple, list, set)):
        return all(map(is_ours, thing))
    if isinstance(thing, dict):
        return all(map(is_ours, thing.values()))
    if isinstance(thing, types.MethodType):
        return is_ours(thing.__func__) and is_ours(thing.__self__)
    if isinstance(thing, types.FunctionType):  # whose `__module__` functools.wraps overwrites
        module = thing.__globals__.get("__name__", "")
    else:  # an op names the module of its body
        module = getattr(thing, "__module__", None) or type(thing).__module__
    return module.partition(".")[0] in ("tinygrad_astro", "numpy", "builtins")


def same(now, before) -> bool:
    """Compare two looks: plain values by their value, all else by being the same object."""
    return len(now) == len(before) and all(
        a is b or (type(a) is type(b) and type(a) in PLAIN and a == b) for a, b in zip(now, before)
    )


def kind(part):
    """Describe a nest of arrays by structure, shapes and dtypes; UNKNOWN if it holds others."""
    if part is None:
        return None
    if getattr(part, "requires_grad", False):
        return UNKNOWN  # its gradient goes by the tape
    if isinstance(part, dict):
        found = [(key, kind(value)) for key, value in part.items()]
        return UNKNOWN if any(one is UNKNOWN for _, one in found) else tuple(found)
    if isinstance(part, (list, tuple)):
        found = [kind(value) for value in part]
        return UNKNOWN if any(one is UNKNOWN for one in found) else (type(part), *found)
    if hasattr(part, "shape") and hasattr(part, "dtype"):
        return tuple(part.shape), part.dtype
    return UNKNOWN


def on_host(leaf, dtype):
    """Give an input as an array in the dtype of the model; one that is on the card stays there."""
    return leaf.data if isinstance(leaf, Tensor) else tensor(leaf, dtype).data
