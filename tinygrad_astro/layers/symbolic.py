"""Tensors without values: calling a layer on one draws the graph of a model and computes nothing.

`Input` makes the first `Symbol`. A layer called on symbols gives symbols of the shapes it would
give, each knowing the `Node`, the call, that it came from; `models.graph` reads the graph from
there.
"""

import itertools

import numpy as np

from tinygrad_astro.layers.structure import is_shape, leaves, map_leaves

_births = itertools.count()


class SymbolicError(TypeError):
    """Values were asked of a tensor that has none."""


class Symbol:
    """What a layer will give: a shape, whose unknown sizes are None, and a dtype.

    Attributes
    ----------
    shape : tuple of int or None
    dtype : dtype
    node : Node or None
        The call that gives it; None for the input of a trace.
    """

    __slots__ = ("shape", "dtype", "node")

    def __init__(self, shape, dtype, node=None):
        self.shape, self.dtype, self.node = tuple(shape), np.dtype(dtype), node

    ndim = property(lambda self: len(self.shape))

    def __repr__(self):
        source = repr(self.node.layer.name) if self.node else "a trace"
        return f"<Symbol shape={self.shape} from {source}>"

    def _refuse(self, *_args, **_kwargs):
        raise SymbolicError(
            f"{self!r} has no values yet: use layers on it, or put the operation into the call() "
            "of a Layer of your own"
        )

    __array__ = __bool__ = __iter__ = __float__ = __getitem__ = _refuse


class Node:
    """One call of one layer: its arguments, nests with symbols, and the symbols that it gave.

    Nodes are numbered as they are made. A call comes after the calls that gave its arguments, so
    this number is an order to compute in.
    """

    __slots__ = ("birth", "layer", "args", "kwargs", "training", "inputs", "outputs")

    def __init__(self, layer, args, kwargs, training, shapes):
        self.birth = next(_births)
        self.layer, self.args, self.kwargs, self.training = layer, args, kwargs, training
        self.inputs = [leaf for leaf in leaves((args, kwargs)) if isinstance(leaf, Symbol)]
        self.outputs = map_shapes(lambda shape: Symbol(shape, layer.dtype, self), shapes)


def map_shapes(function, shapes):
    """Apply `function` to each shape of a nest of shapes."""
    if is_shape(shapes):
        return function(tuple(shapes))
    if isinstance(shapes, dict):
        return {key: map_shapes(function, part) for key, part in shapes.items()}
    return type(shapes)(map_shapes(function, part) for part in shapes)


def record(layer, args, kwargs, training):
    """Make the node of calling `layer` on symbols, and give its outputs.

    Raises
    ------
    TypeError
        If tensors with values are mixed with symbols: a graph holds no data but weights.
    """
    for leaf in leaves(args):
        if not isinstance(leaf, Symbol) and hasattr(leaf, "shape"):
            raise TypeError(
                f"{layer.title} got symbolic inputs together with a {type(leaf).__name__} of shape "
                f"{tuple(leaf.shape)}; give that one an Input of its own, or keep it in a layer "
                "as a weight (add_weight(..., trainable=False))"
            )
    shapes = map_leaves(lambda leaf: leaf.shape if isinstance(leaf, Symbol) else leaf, args)
    layer.ensure_built(*shapes)
    node = Node(layer, args, kwargs, training, layer.compute_output_shape(*shapes))
    layer.nodes.append(node)
    return node.outputs


def trace(layer, *shapes):
    """Call `layer.call` on symbols of these shapes: (symbols, what it gave).

    Raises
    ------
    SymbolicError, AttributeError
        If `call` does more with its inputs than hand them to layers.
    """
    before = next(_births)
    symbols = tuple(map_shapes(lambda shape: Symbol(shape, layer.dtype), shape) for shape in shapes)
    try:
        return symbols, layer.call(*symbols)
    finally:
        for inner in layer.sublayers():
            inner.nodes = [node for node in inner.nodes if node.birth < before]


def shapes_of(outputs):
    """Give the nest of shapes of a nest of symbols or tensors."""
    return map_leaves(lambda leaf: (None, *leaf.shape[1:]), outputs)


def flat_shapes(shapes) -> list[tuple]:
    """List all shapes of a nest of shapes."""
    if is_shape(shapes):
        return [tuple(shapes)]
    parts = shapes.values() if isinstance(shapes, dict) else shapes
    return [shape for part in parts for shape in flat_shapes(part)]
