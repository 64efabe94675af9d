"""Layers as plain data: the constructor's arguments of a layer, in a form that JSON can hold.

A layer keeps each constructor argument in an attribute of the same name; that is all `get_config`
needs to know.
"""

import inspect
import re
from collections import defaultdict
from itertools import count

import numpy as np

from tinygrad_astro import activations, initializers

# Arguments that Keras has and this library does not, with what to do instead.
REFUSED = {
    "kernel_regularizer": "use the AdamW optimizer's weight_decay",
    "bias_regularizer": "use the AdamW optimizer's weight_decay",
    "depthwise_regularizer": "use the AdamW optimizer's weight_decay",
    "pointwise_regularizer": "use the AdamW optimizer's weight_decay",
    "beta_regularizer": "use the AdamW optimizer's weight_decay",
    "gamma_regularizer": "use the AdamW optimizer's weight_decay",
    "alpha_regularizer": "use the AdamW optimizer's weight_decay",
    "activity_regularizer": "add the penalty to the loss",
    "kernel_constraint": "clip gradients in the optimizer, or set the weights in a callback",
    "bias_constraint": "clip gradients in the optimizer, or set the weights in a callback",
    "depthwise_constraint": "clip gradients in the optimizer, or set the weights in a callback",
    "pointwise_constraint": "clip gradients in the optimizer, or set the weights in a callback",
    "beta_constraint": "clip gradients in the optimizer, or set the weights in a callback",
    "gamma_constraint": "clip gradients in the optimizer, or set the weights in a callback",
    "alpha_constraint": "clip gradients in the optimizer, or set the weights in a callback",
    "synchronized": "the statistics are those of the batch on this machine",
    "batch_input_shape": "give input_shape, without the batch axis",
    "batch_shape": "give shape, without the batch axis",
    "autocast": "inputs are always converted to the layer's dtype",
    "lora_rank": "train the whole kernel",
    "lora_alpha": "train the whole kernel",
    "quantization_config": "weights are float32 or float64",
    "sparse": "inputs are dense",
    "ragged": "pad the inputs to one size",
}

_counters: defaultdict[str, count] = defaultdict(count)


def auto_name(class_name: str) -> str:
    """Give the next free name for a class: conv2d, conv2d_1, ..., as Keras counts them."""
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=.)(?=[A-Z][a-z])", "_", class_name).lower()
    snake = snake.strip("_")
    number = next(_counters[snake])
    return f"{snake}_{number}" if number else snake


def refuse(title: str, given: dict, known) -> None:
    """Raise for arguments that a layer does not take; None, which asks for nothing, passes.

    Raises
    ------
    ValueError
        For an argument of Keras that is not supported here.
    TypeError
        For any other.
    """
    for name, value in given.items():
        if name in REFUSED:
            if value is not None and value is not False:
                raise ValueError(
                    f"{title} got {name}={value!r}, which is not supported here; {REFUSED[name]}"
                )
        else:
            raise TypeError(
                f"{title} got an unknown argument {name!r}; it takes {', '.join(known)}"
            )


def parameters(cls) -> list[str]:
    """Name the arguments of a layer class, following **kwargs up to its bases."""
    found: list[str] = []
    for base in cls.__mro__:
        if "__init__" not in vars(base) or base is object:
            continue
        given = inspect.signature(base.__init__).parameters.values()
        named = [p.name for p in given if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        found += [name for name in named if name != "self" and name not in found]
        if not any(p.kind is p.VAR_KEYWORD for p in given):
            break
    return found


def arguments(layer, but=()) -> dict:
    """Give the constructor's arguments of a layer, all `but` some, as JSON values.

    Raises
    ------
    ValueError
        If the layer did not keep an argument, or an argument cannot be written to a file.
    """
    config = {}
    for name in parameters(type(layer)):
        if name in but:
            continue
        if not hasattr(layer, name):
            raise ValueError(
                f"{layer.title} keeps no attribute {name!r} for its constructor's argument of that "
                "name; set it in __init__, or define get_config()"
            )
        config[name] = plain(getattr(layer, name), f"{layer.title}: {name}")
    return config


def plain(value, what: str):
    """Turn a value into what JSON can hold: numbers, text, lists, configurations."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.dtype):
        return value.name
    if isinstance(value, (list, tuple)):
        return [plain(part, what) for part in value]
    if isinstance(value, dict):
        return {str(key): plain(part, what) for key, part in value.items()}
    if isinstance(value, initializers.Initializer) or hasattr(value, "get_config"):
        return {"class_name": type(value).__name__, "config": value.get_config()}
    name = activations.name_of(value)
    if name is not None:
        return name
    raise ValueError(
        f"{what} is {value!r}, which a file cannot hold; use a name, a number, or an object with "
        "get_config()"
    )
