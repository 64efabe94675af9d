"""The table that `model.summary()` prints: Keras's columns, and what a model sees and costs."""

import math
from typing import Any

from tinygrad_astro.layers.input import InputLayer
from tinygrad_astro.layers.structure import leaves, map_leaves
from tinygrad_astro.layers.symbolic import Symbol
from tinygrad_astro.models.receptive_field import receptive_field

_HEADER = ["Layer (type)", "Output Shape", "Param #", "Receptive field", "Multiply-adds"]
_HEADER += ["Activations", "Connected to"]
_RIGHT = (2, 3, 4, 5)


def lines(model, expand_nested=False) -> list[str]:
    """Give the summary of a model, line by line.

    Parameters
    ----------
    model : Model
        Built or not.
    expand_nested : bool
        Show the layers of models inside it.

    Returns
    -------
    list of str
        Multiply-adds and activations (bytes of all outputs, as kept for a gradient) are those of
        one example; "?" where a size is not known.
    """
    graph = model.traced()
    if graph is None:
        rows = [_bare_row(layer) for layer in model.layers]
        costs: list[tuple[Any, int | None, int | None]] = []
    else:
        shapes = {id(s): s.shape for s in graph.symbols}
        costs = node_costs(graph, shapes)
        rows = _rows(model, graph, costs, expand_nested)
    if all(row[6] in ("", "-") for row in rows):
        rows = [row[:6] for row in rows]
    return [f'Model: "{model.name}"', *_table(rows), *_totals(model, costs), *_notes(model)]


def node_costs(graph, shapes) -> list[tuple[Any, int | None, int | None]]:
    """Give (node, multiply-adds, bytes of its outputs) of each call, for one example."""
    found = graph.shapes(shapes)
    costs: list[tuple[Any, int | None, int | None]] = []
    for node in graph.nodes:
        inner = getattr(node.layer, "graph", None)
        if inner is not None:
            given = [found[id(s)] for s in node.inputs]
            bound = {id(s): t for s, t in zip(inner.symbols, given, strict=True)}
            parts = node_costs(inner, bound)
            costs.append((node, _sum(c[1] for c in parts), _sum(c[2] for c in parts)))
            continue
        args = [map_leaves(lambda leaf: _shape(leaf, found), arg) for arg in node.args]
        outputs = map_leaves(lambda leaf: _shape(leaf, found), node.outputs)
        work = node.layer.multiply_adds(args[0] if args else None, outputs)
        itemsize = node.layer.dtype.itemsize
        sizes = [found[id(s)][1:] for s in leaves(node.outputs)]
        kept = _sum(None if None in size else math.prod(size) * itemsize for size in sizes)
        costs.append((node, work, kept))
    return costs


def _shape(leaf, found):
    return found[id(leaf)] if isinstance(leaf, Symbol) else leaf


def _sum(values) -> int | None:
    values = list(values)
    return None if None in values else sum(values)


def _rows(model, graph, costs, expand_nested, indent="", path=None):
    rows = []
    linear = _is_chain(graph)
    shown = graph.layers if path is None or indent else graph.layers
    for layer in shown:
        if isinstance(layer, InputLayer):
            if type(model).__name__ == "Sequential" or indent:
                continue
            rows.append([f"{layer.name} (InputLayer)", _text((None, *layer.shape)), "0", "1"])
            rows[-1] += ["0", "0 B", "-"]
            rows[-1][3] = _field_text((1,) * (len(layer.shape) - 1), graph)
            continue
        mine = [cost for cost in costs if cost[0].layer is layer]
        output = mine[-1][0].outputs
        first = leaves(output)[0]
        field = _field_text(receptive_field(graph, first), graph)
        rows.append(
            [
                f"{indent}{layer.name} ({type(layer).__name__})",
                _shapes_text(output),
                f"{layer.count_params():,}",
                "" if indent else field,
                _count(_sum(c[1] for c in mine)),
                _bytes(_sum(c[2] for c in mine)),
                "" if linear else ", ".join(_sources(mine)),
            ]
        )
        inner = getattr(layer, "graph", None)
        if expand_nested and inner is not None:
            given = [s.shape for s in mine[0][0].inputs]
            bound = {id(s): t for s, t in zip(inner.symbols, given, strict=True)}
            rows += _rows(model, inner, node_costs(inner, bound), True, indent + "  ")
    return rows


def _sources(costs):
    names = [s.node.layer.name if s.node else "input" for cost in costs for s in cost[0].inputs]
    return list(dict.fromkeys(names))


def _is_chain(graph) -> bool:
    """Whether each call takes what the call before it gave, and nothing else."""
    if len(graph.symbols) != 1:
        return False
    before = graph.symbols[0]
    for node in graph.nodes:
        if node.inputs != [before]:
            return False
        before = leaves(node.outputs)[0]
    return len({id(node.layer) for node in graph.nodes}) == len(graph.nodes)


def _bare_row(layer):
    count = f"{layer.count_params():,}" if layer.built else "0 (not built)"
    return [f"{layer.name} ({type(layer).__name__})", "?", count, "?", "?", "?", ""]


def _table(rows):
    header = _HEADER[: len(rows[0])] if rows else _HEADER[:6]
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]

    def line(cells):
        parts = [
            cell.rjust(width) if i in _RIGHT else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return "  ".join(parts).rstrip()

    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    return [rule, line(header), rule, *map(line, rows), rule]


def _totals(model, costs):
    """Count parameters as Keras does, and add up the costs."""
    sizes = {
        "Total params": model.weights,
        "Trainable params": model.trainable_weights,
        "Non-trainable params": model.non_trainable_weights,
    }
    text = []
    for name, weights in sizes.items():
        count, size = sum(w.size for w in weights), sum(w.size * w.dtype.itemsize for w in weights)
        text.append(f"{name}: {count:,} ({_bytes(size)})")
    if costs:
        text.append(f"Multiply-adds per example: {_count(_sum(c[1] for c in costs))}")
        text.append(f"Activations per example: {_bytes(_sum(c[2] for c in costs))}")
    return text


def _notes(model):
    inner = [model, *model.sublayers()]
    return list(dict.fromkeys(layer.note for layer in inner if layer.note is not None))


def _text(shape):
    return "(" + ", ".join("None" if n is None else str(n) for n in shape) + ")"


def _shapes_text(outputs):
    return ", ".join(_text(symbol.shape) for symbol in leaves(outputs))


def _field_text(widths, graph):
    """Write 5x5 for images, 5 for spectra, "all" for the whole input, "-" for tables."""
    if not any(symbol.ndim > 2 for symbol in graph.symbols):
        return "-"
    if not widths or None in widths:
        return "all"
    return "x".join(str(n) for n in widths)


def _count(n):
    return "?" if n is None else f"{n:,}"


def _bytes(n):
    if n is None:
        return "?"
    for unit in ("B", "KB", "MB"):
        if n < 1024:
            return f"{n:.2f} {unit}" if unit != "B" else f"{n} B"
        n /= 1024
    return f"{n:.2f} GB"
