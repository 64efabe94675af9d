"""How far each layer of a model sees: intervals of input positions, followed through the graph.

Exact for convolutions, pooling, up-sampling and skip connections, also where the answer differs
from pixel to pixel (behind up-sampling): the largest is given. Borders are ignored.
"""

import numpy as np

from tinygrad_astro.layers.structure import leaves
from tinygrad_astro.layers.symbolic import Symbol

# Behind up-sampling the field repeats with the product of the strides: 32 for a U-Net of depth 5.
_POSITIONS = 128


def receptive_field(graph, symbol: Symbol) -> tuple[int | None, ...]:
    """Give, for each spatial axis of `symbol`, how many input pixels one value depends on.

    Parameters
    ----------
    graph : Graph
        That of a model.
    symbol : Symbol
        One in this graph.

    Returns
    -------
    tuple of int or None
        In input pixels, None: all of them. Empty where the symbol has no spatial axes.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> from tinygrad_astro.models.receptive_field import receptive_field
    >>> image = ta.Input((None, None, 1))
    >>> x = ta.layers.Conv2D(4, 3, padding="same")(image)
    >>> x = ta.layers.Conv2D(4, 3, padding="same")(ta.layers.MaxPooling2D(2)(x))
    >>> model = ta.Model(image, x)
    >>> receptive_field(model.graph, model.outputs[0])
    (8, 8)
    """
    positions = np.arange(_POSITIONS)
    widths: list[int | None] = []
    for axis in range(symbol.ndim - 2):
        seen = interval(graph, symbol, axis, positions, positions)
        widths.append(None if seen is None else int((seen[1] - seen[0]).max()) + 1)
    return tuple(widths)


def reach(graph, symbol: Symbol) -> tuple[tuple[int, int] | None, ...]:
    """Give, for each spatial axis, the pixels that one value sees before and after its own place.

    This is the margin that a tile needs for its interior to be that of the whole image, for models
    whose output has the input's size.

    Parameters
    ----------
    graph : Graph
        That of a model.
    symbol : Symbol
        One in this graph.

    Returns
    -------
    tuple of (before, after) or None
        In pixels; None: all of them.
    """
    positions = np.arange(_POSITIONS)
    sides: list[tuple[int, int] | None] = []
    for axis in range(symbol.ndim - 2):
        seen = interval(graph, symbol, axis, positions, positions)
        if seen is None:
            sides.append(None)
        else:
            low, high = seen
            sides.append((int((positions - low).max()), int((high - positions).max())))
    return tuple(sides)


def interval(graph, symbol, axis: int, low, high):
    """Give the first and last input position that positions low..high of `symbol` depend on.

    None: all positions.
    """
    spans = {id(symbol): (low, high)}
    for node in reversed(graph.nodes):
        own = [spans.pop(id(s)) for s in leaves(node.outputs) if id(s) in spans]
        if not own:
            continue
        seen = node.layer.sees(axis, *hull(own))
        if seen is None:
            return None
        for source in node.inputs:
            before = [spans[id(source)]] if id(source) in spans else []
            spans[id(source)] = hull([*before, seen])
    return hull(list(spans.values()))


def hull(spans):
    """Join intervals, each a pair of arrays, to the smallest that covers them all."""
    lows, highs = zip(*spans, strict=True)
    return np.minimum.reduce(lows), np.maximum.reduce(highs)
