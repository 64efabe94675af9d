"""The graph of a functional model: read off its symbols, run on tensors, or run on shapes alone."""

from contextlib import nullcontext

from tinygrad_astro.kernels.precision import current_precision
from tinygrad_astro.layers.input import InputLayer
from tinygrad_astro.layers.structure import leaves, map_leaves
from tinygrad_astro.layers.symbolic import Symbol, map_shapes
from tinygrad_astro.models.folding import convolve_normalized, foldable, still_plain
from tinygrad_astro.modes import is_recording
from tinygrad_astro.ops.ahead import moments_wanted


class Graph:
    """All calls of layers between `inputs` and `outputs`, nests of symbols.

    Attributes
    ----------
    nodes : list of Node
        In the order they were made, which is an order to compute in.
    layers : list of Layer
        In Keras's order: farthest from the outputs first.

    Raises
    ------
    TypeError
        If something is not a symbol.
    ValueError
        If an output depends on an input that is not given, or two layers share a name.
    """

    def __init__(self, inputs, outputs):
        self.inputs, self.outputs = inputs, outputs
        for what, nest in (("inputs", inputs), ("outputs", outputs)):
            for leaf in leaves(nest):
                if not isinstance(leaf, Symbol):
                    raise TypeError(
                        f"Model got {what} with a {type(leaf).__name__}, expected what Input(...) "
                        "and layers called on it give"
                    )
        self.symbols = leaves(inputs)
        self.nodes = _collect(self.symbols, leaves(outputs))
        self.layers = _keras_order(self.nodes, self.symbols, leaves(outputs))
        _refuse_equal_names(self.layers)
        self._done_with = _last_uses(self.nodes, leaves(outputs))
        self._foldable = foldable(self.nodes, leaves(outputs))

    @property
    def input_names(self) -> list[str]:
        """The names of the inputs, in order."""
        return [s.node.layer.name if s.node else f"input_{i}" for i, s in enumerate(self.symbols)]

    def bind(self, given, title) -> dict:
        """Pair the input symbols with what is given: a tensor, a list, or a dictionary by name.

        Raises
        ------
        ValueError
            If their number, names, or a size that is fixed differ.
        """
        if isinstance(given, dict) and not isinstance(self.inputs, dict):
            missing = [name for name in self.input_names if name not in given]
            if missing:
                raise ValueError(
                    f"{title} got inputs named {sorted(given)}, expected {self.input_names}"
                )
            values = [given[name] for name in self.input_names]
        elif isinstance(given, dict):
            values = [given.get(key) for key in self.inputs]
        else:
            values = leaves(given)
        if len(values) != len(self.symbols) or not all([v is not None for v in values]):
            raise ValueError(
                f"{title} got {len(values)} inputs, expected {len(self.symbols)}: "
                f"{', '.join(self.input_names)}"
            )
        return {id(s): v for s, v in zip(self.symbols, values, strict=True)}

    def check(self, bound, title) -> None:
        """Check the shapes of what `bind` paired.

        Raises
        ------
        ValueError
            If the rank or a fixed size differs.
        """
        for i, symbol in enumerate(self.symbols):
            got, fixed = bound[id(symbol)].shape, symbol.shape
            if len(got) == len(fixed) and fits(got[1:], fixed[1:]):
                continue
            hint = ""
            if len(got) == len(fixed) - 1:
                hint = "; add the missing axis: x[..., None] for channels, x[None] for a batch"
            raise ValueError(
                f"{title} got an input {self.input_names[i]!r} of shape {tuple(got)}, expected "
                f"{fixed} with any batch size{hint}"
            )

    def run(self, bound, training=False):
        """Compute the outputs; each intermediate value is dropped after its last use."""
        values = dict(bound)
        folds = self._foldable if current_precision() != "exact" else {}
        for node, done in zip(self.nodes, self._done_with, strict=True):
            norm = folds.get(node)
            if norm is not None and training:
                learns = norm.layer.trainable and norm.training is None
                with moments_wanted() if learns else nullcontext():
                    self._call(node, values, training)
            elif norm is not None and not is_recording() and still_plain(node.layer, norm.layer):
                x = values[id(node.args[0])]
                values[id(norm.outputs)] = convolve_normalized(node.layer, norm.layer, x)
            elif not isinstance(node.outputs, Symbol) or id(node.outputs) not in values:
                self._call(node, values, training)
            for key in done:
                values.pop(key, None)
        if isinstance(self.outputs, Symbol):
            return values[id(self.outputs)]
        return map_leaves(lambda leaf: values[id(leaf)], self.outputs)

    def _call(self, node, values, training):
        """Call a layer on the values of its inputs, and keep what it gives."""
        mode = training if node.training is None else node.training
        if len(node.args) == 1 and isinstance(node.args[0], Symbol) and not node.kwargs:
            outputs = node.layer(values[id(node.args[0])], training=mode)
        else:
            args = map_leaves(lambda leaf: _value(leaf, values), node.args)
            kwargs = map_leaves(lambda leaf: _value(leaf, values), node.kwargs)
            outputs = node.layer(*args, training=mode, **kwargs)
        if isinstance(node.outputs, Symbol):
            values[id(node.outputs)] = outputs
        else:
            for symbol, value in zip(leaves(node.outputs), leaves(outputs), strict=True):
                values[id(symbol)] = value

    def shapes(self, bound) -> dict:
        """Give the shape of every symbol, by id, for input shapes by id; nothing is computed."""
        found = {key: tuple(shape) for key, shape in bound.items()}
        for node in self.nodes:
            args = map_leaves(lambda leaf: _value(leaf, found), node.args)
            given = [] if not args else node.layer.compute_output_shape(*args)
            flat: list = []
            map_shapes(flat.append, given)
            found.update(zip(map(id, leaves(node.outputs)), flat, strict=True))
        return found


def fits(sizes, fixed) -> bool:
    """Whether sizes are the fixed ones, where these are not None."""
    return sizes == fixed or all(f in (None, n) for n, f in zip(sizes, fixed, strict=True))


def _value(leaf, values):
    return values[id(leaf)] if isinstance(leaf, Symbol) else leaf


def _collect(inputs, outputs):
    """List the calls that lead from inputs to outputs, oldest first."""
    given = {id(symbol) for symbol in inputs}
    found, stack = set(), list(outputs)
    while stack:
        symbol = stack.pop()
        if id(symbol) in given or symbol.node in found:
            continue
        if symbol.node is None or isinstance(symbol.node.layer, InputLayer):
            name = symbol.node.layer.name if symbol.node else "?"
            raise ValueError(
                f"the outputs depend on the Input {name!r} of shape {symbol.shape}, which is not "
                "among the model's inputs; add it to them"
            )
        found.add(symbol.node)
        stack.extend(symbol.node.inputs)
    return sorted(found, key=lambda node: node.birth)


def _keras_order(nodes, inputs, outputs):
    """Sort layers by their distance from the outputs, ties as a walk from the outputs meets them.

    Keras keeps this order, so lists of weights can be exchanged.
    """
    sources = [s.node for s in inputs if s.node and isinstance(s.node.layer, InputLayer)]
    inside = {*nodes, *sources}
    met: dict[int, int] = {}
    seen, stack = set(), [s.node for s in reversed(outputs)]
    while stack:
        node = stack.pop()
        if node not in inside or node in seen:
            continue
        seen.add(node)
        met.setdefault(id(node.layer), len(met))
        stack.extend(s.node for s in reversed(node.inputs))
    depth: dict[int, int] = {id(node.layer): 0 for node in inside}
    of_node = dict.fromkeys(inside, 0)
    for node in sorted(inside, key=lambda node: -node.birth):
        of_node[node] = depth[id(node.layer)] = max(of_node[node], depth[id(node.layer)])
        for symbol in node.inputs:
            if symbol.node in inside:
                of_node[symbol.node] = max(of_node[symbol.node], of_node[node] + 1)
    layers = {id(node.layer): node.layer for node in [*sources, *nodes]}
    return sorted(layers.values(), key=lambda x: (-depth[id(x)], met.get(id(x), -1)))


def _last_uses(nodes, outputs):
    """For each node, list the symbols (by id) that nothing after it needs."""
    kept, done = {id(symbol) for symbol in outputs}, []
    for node in reversed(nodes):
        ids = {id(symbol) for symbol in [*node.inputs, *leaves(node.outputs)]}
        done.append(ids - kept)
        kept |= ids
    return done[::-1]


def _refuse_equal_names(layers):
    names = [layer.name for layer in layers]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(
            f"layer names must be unique in a model, but {', '.join(map(repr, twice))} is used by "
            "several layers; give them other names"
        )
