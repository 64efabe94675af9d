"""Models as plain data, and back: which layers, with which arguments, called on what.

A class is found by its name among the library's layers and the `custom_objects` of the caller, and
nowhere else: a file cannot make anything run that was not handed over.
"""

import inspect

from tinygrad_astro import layers
from tinygrad_astro.layers import structure
from tinygrad_astro.layers.config import plain
from tinygrad_astro.layers.input import Input
from tinygrad_astro.layers.layer import Layer
from tinygrad_astro.layers.structure import leaves
from tinygrad_astro.layers.symbolic import Symbol

_CLASSES = {
    name: value
    for name, value in vars(layers).items()
    if name in layers.__all__ and isinstance(value, type) and issubclass(value, Layer)
}


def register(cls):
    """Let files name this class of ours; used as a decorator."""
    _CLASSES[cls.__name__] = cls
    return cls


def describe_layer(layer) -> dict:
    """Give a layer as `{"class_name", "config"}`."""
    return {"class_name": type(layer).__name__, "config": layer.get_config()}


def make_layer(described, custom_objects=None):
    """Make the layer that `describe_layer` described.

    Raises
    ------
    ValueError
        If the class is not known.
    """
    name, config = described["class_name"], described["config"]
    known = {**_CLASSES, **(custom_objects or {})}
    if name not in known:
        raise ValueError(
            f"the class {name!r} is not one of the library's layers; hand it over with "
            f"custom_objects={{{name!r}: {name}}}"
        )
    cls = known[name]
    if "custom_objects" in inspect.signature(cls.from_config).parameters:
        return cls.from_config(config, custom_objects=custom_objects)
    return cls.from_config(revive_arguments(config, custom_objects))


def revive_arguments(config: dict, custom_objects=None) -> dict:
    """Make the layers, and the custom objects, that stand as data among constructor arguments."""
    return {key: _revive(value, custom_objects or {}) for key, value in config.items()}


def _revive(value, custom):
    if isinstance(value, list):
        return [_revive(part, custom) for part in value]
    if isinstance(value, dict) and set(value) == {"class_name", "config"}:
        name = value["class_name"]
        if name in custom and not issubclass(custom[name], Layer):
            return custom[name].from_config(value["config"])
        if name in custom or name in _CLASSES:
            return make_layer(value, custom)
        return value
    return value


def describe(graph) -> dict:
    """Give a graph as lists of inputs, layers and calls that JSON can hold.

    A symbol is written `{"input": i}`, or `{"call": i, "output": j}` for output j of call i.
    """
    places = {id(symbol): {"input": i} for i, symbol in enumerate(graph.symbols)}
    for i, node in enumerate(graph.nodes):
        for j, symbol in enumerate(leaves(node.outputs)):
            places.setdefault(id(symbol), {"call": i, "output": j})
    inner = list(dict.fromkeys(node.layer for node in graph.nodes))

    def write(nest):
        if isinstance(nest, Symbol):
            return places[id(nest)]
        if isinstance(nest, (list, tuple)):
            return [write(part) for part in nest]
        if isinstance(nest, dict):
            return {"keys": {key: write(part) for key, part in nest.items()}}
        return {"value": plain(nest, "an argument of a call")}

    inputs = zip(graph.input_names, graph.symbols, strict=True)
    return {
        "inputs": [{"name": name, "shape": list(s.shape[1:])} for name, s in inputs],
        "input_nest": write(graph.inputs),
        "layers": [describe_layer(layer) for layer in inner],
        "nodes": [
            {
                "layer": inner.index(node.layer),
                "args": [write(arg) for arg in node.args],
                "kwargs": {key: write(part) for key, part in node.kwargs.items()},
                "training": node.training,
            }
            for node in graph.nodes
        ],
        "outputs": write(graph.outputs),
    }


def rebuild(config: dict, custom_objects=None):
    """Make the layers and call them again: (inputs, outputs), nests of symbols."""
    inputs = [Input(tuple(given["shape"]), name=given["name"]) for given in config["inputs"]]
    inner = [make_layer(described, custom_objects) for described in config["layers"]]
    given: list[list] = []

    def read(nest):
        if isinstance(nest, list):
            return [read(part) for part in nest]
        if "input" in nest:
            return inputs[nest["input"]]
        if "call" in nest:
            return given[nest["call"]][nest["output"]]
        if "keys" in nest:
            return {key: read(part) for key, part in nest["keys"].items()}
        return nest["value"]

    for node in config["nodes"]:
        args = [read(arg) for arg in node["args"]]
        kwargs = {key: read(part) for key, part in node["kwargs"].items()}
        outputs = inner[node["layer"]](*args, training=node["training"], **kwargs)
        given.append(structure.leaves(outputs))
    return read(config["input_nest"]), read(config["outputs"])
