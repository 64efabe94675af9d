"""The state of training in one file, so complete that a killed run goes on as if it never was.

A state holds the weights, the optimizer with its schedule's step, the position (epoch and step),
the order of batches (its seed), the library's random state, the running loss and metrics, and what
callbacks remember. It is a safetensors file, arrays with JSON in the metadata; never unpickled.
"""

import json
import os
from dataclasses import dataclass

import numpy as np
import safetensors
import safetensors.numpy

from tinygrad_astro import random
from tinygrad_astro.files import write_atomically
from tinygrad_astro.layers.weights import assign
from tinygrad_astro.modes import no_grad

__all__ = [
    "CheckpointError",
    "State",
    "load_training",
    "read_state",
    "save_training",
    "write_state",
]

FORMAT, VERSION = "tinygrad_astro.training", 1


class CheckpointError(ValueError):
    """A file is no training state, or one of another model; the message says which and why."""


@dataclass
class State:
    """A training state: arrays by name, and everything else as JSON can hold it."""

    arrays: dict[str, np.ndarray]
    info: dict


def write_state(path, state: State) -> None:
    """Write a state to a file, all or nothing.

    Parameters
    ----------
    path : path
        Replaced if it is there.
    state : State
        What to write.

    Raises
    ------
    OSError
        If the folder cannot be written to.
    """
    arrays = {name: np.asarray(value, order="C") for name, value in state.arrays.items()}
    header = {"format": FORMAT, "version": str(VERSION), "info": json.dumps(state.info)}
    write_atomically(path, safetensors.numpy.save(arrays, header))


def read_state(path) -> State:
    """Read a state from a file.

    Parameters
    ----------
    path : path
        What `write_state` wrote.

    Raises
    ------
    CheckpointError
        If it is anything else: empty, cut off, garbage, or a file of another kind.
    FileNotFoundError
        If there is none.
    """
    if not os.path.exists(path):
        raise FileNotFoundError(f"there is no training state {os.fspath(path)!r}")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
            if header.get("format") != FORMAT:
                kind = header.get("format", "a safetensors file of another program")
                raise CheckpointError(f"it is {kind}, expected {FORMAT}")
            if header.get("version") != str(VERSION):
                raise CheckpointError(
                    f"its version is {header.get('version')}, this library reads {VERSION}"
                )
            info = json.loads(header["info"])
            return State({name: file.get_tensor(name) for name in file.keys()}, info)
    except Exception as error:
        raise CheckpointError(
            f"{os.fspath(path)!r} is no training state that can be read: {error}; delete it to "
            "start anew"
        ) from error


def save_training(path, run) -> None:
    """Write where a run of `fit` is to a file, all or nothing.

    Parameters
    ----------
    path : path
        Replaced if it is there.
    run : training.Run
        Between two steps.
    """
    model, objective = run.model, run.objective
    arrays = {f"weights/{i}": w for i, w in enumerate(model.get_weights())}
    arrays |= {f"optimizer/{key}": v for key, v in objective.optimizer.get_state().items()}
    for name, meter in objective.meters().items():
        arrays |= {f"meters/{name}/{key}": v for key, v in meter.get_state().items()}
    callbacks = _without_arrays(run.callbacks.get_state(), "callbacks", arrays)
    info = {
        "epoch": run.epoch,
        "step": run.step,
        "steps": run.feed.steps,
        "order": run.feed.seed,
        "random": random.get_state(),
        "optimizer": type(objective.optimizer).__name__,
        "stop_training": bool(model.stop_training),
        "callbacks": callbacks,
    }
    write_state(path, State(arrays, info))


def load_training(path, run) -> None:
    """Put a run of `fit` where the one was that wrote the file.

    Parameters
    ----------
    path : path
        What `save_training` wrote.
    run : training.Run
        Of the same model, optimizer and data; changed in place.

    Raises
    ------
    CheckpointError
        If the file is no training state, or of another model, optimizer or length of epochs.
    """
    state = read_state(path)
    try:
        _check(state, run)
        _restore(state, run)
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise CheckpointError(f"{os.fspath(path)!r} does not fit this run: {error}") from error


def _check(state, run) -> None:
    """Raise, before anything is changed, if the state is not one of this run."""
    found = [v.shape for _, v in _numbered(state.arrays, "weights/")]
    expected = [w.shape for w in run.model.weights]
    if found != expected:
        differ = [pair for pair in zip(found, expected, strict=False) if pair[0] != pair[1]]
        detail = (
            f"; the first that differs is {differ[0][0]}, here {differ[0][1]}" if differ else ""
        )
        raise ValueError(
            f"it holds {len(found)} weights, the model has {len(expected)}{detail}: the model has "
            "changed"
        )
    name = type(run.objective.optimizer).__name__
    if state.info["optimizer"] != name:
        raise ValueError(f"it was written with {state.info['optimizer']}, the model has {name}")
    if state.info["step"] and state.info["steps"] != run.feed.steps:
        raise ValueError(
            f"it stands within an epoch of {state.info['steps']} steps, the data now give "
            f"{run.feed.steps}: data or batch_size have changed"
        )


def _restore(state, run) -> None:
    info, model, objective = state.info, run.model, run.objective
    for weight, (_, value) in zip(model.weights, _numbered(state.arrays, "weights/"), strict=True):
        assign(weight, value)
    slots = _under(state.arrays, "optimizer/")
    objective.optimizer.set_state(slots, objective.weights_of(model))
    run.epoch, run.step, run.feed.seed = info["epoch"], info["step"], info["order"]
    if run.step and objective.outputs is None:
        with no_grad():  # one sample tells how many outputs there are, hence which metrics
            objective.build(model(run.feed.first().x, training=False), objective.names_of(model))
    for name, meter in objective.meters().items():
        sums = _under(state.arrays, f"meters/{name}/")
        if run.step and sums:
            meter.set_state(sums)
    run.callbacks.set_state(_with_arrays(info["callbacks"], "callbacks", state.arrays))
    model.stop_training = info["stop_training"]
    random.set_state(info["random"])


def _numbered(arrays, prefix):
    """List (number, array) under a prefix, in order."""
    found = [(int(key), value) for key, value in _under(arrays, prefix).items()]
    return sorted(found, key=lambda pair: pair[0])


def _under(arrays, prefix):
    """Give the arrays whose names begin so, with the rest of their names."""
    return {key[len(prefix) :]: v for key, v in arrays.items() if key.startswith(prefix)}


def _without_arrays(value, path, arrays):
    """Move the arrays of a nest into `arrays`, leaving their names: what remains is JSON."""
    if isinstance(value, np.ndarray):
        arrays[path] = value
        return {"array": path}
    if isinstance(value, dict):
        return {"dict": {k: _without_arrays(v, f"{path}/{k}", arrays) for k, v in value.items()}}
    if isinstance(value, (list, tuple)):
        return [_without_arrays(v, f"{path}/{i}", arrays) for i, v in enumerate(value)]
    return value.item() if isinstance(value, np.generic) else value


def _with_arrays(value, path, arrays):
    """Undo `_without_arrays`."""
    if isinstance(value, dict):
        if "array" in value:
            return arrays[value["array"]]
        return {k: _with_arrays(v, f"{path}/{k}", arrays) for k, v in value["dict"].items()}
    if isinstance(value, list):
        return [_with_arrays(v, path, arrays) for v in value]
    return value
