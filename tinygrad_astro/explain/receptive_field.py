"""How much of the input a value inside a network sees, from where, and in which steps.

One layer takes the outputs u..v to the inputs under their windows (Araujo, Norris & Sim 2019,
"Computing Receptive Fields of Convolutional Neural Networks", Distill, doi:10.23915/distill.00021,
equations 3 and 4, s the stride, p the pixels added before, k the span of the kernel):

    u' = u s - p,    v' = v s - p + k - 1

Layers know this as `sees`. Followed back through the graph, joining what several paths see, it
gives the field of every value; without branches, its size is their equation 2,
1 + sum_l (k_l - 1) prod_{i<l} s_i.
"""

import html
from dataclasses import dataclass

import numpy as np

from tinygrad_astro.explain import summaries
from tinygrad_astro.layers.layer import Layer
from tinygrad_astro.layers.structure import leaves
from tinygrad_astro.models.model import Model
from tinygrad_astro.models.receptive_field import hull, interval
from tinygrad_astro.models.sequential import Sequential

_FIRST_TRY, _LAST_TRY = 64, 16384


@dataclass(frozen=True)
class AxisField:
    """What outputs 0, 1, ... period - 1 see along one axis; then it repeats, `shift` pixels on."""

    low: np.ndarray
    high: np.ndarray
    shift: int

    size = property(lambda self: int((self.high - self.low).max()) + 1)
    jump = property(lambda self: _simple(self.shift / len(self.low)))
    start = property(lambda self: int(self.low[0]))

    def at(self, position: int) -> tuple[int, int]:
        """Give the first and last input pixel that one output sees."""
        turns, phase = divmod(position, len(self.low))
        low, high = (int(end[phase]) + turns * self.shift for end in (self.low, self.high))
        return low, high


@dataclass(frozen=True)
class Field:
    """The receptive field of one layer's output, in pixels of the model's input.

    Attributes
    ----------
    name, kind : str
        Of the layer, and its class.
    axes : tuple of AxisField or None
        One per spatial axis; None where everything is seen.
    """

    name: str
    kind: str
    axes: tuple

    @property
    def size(self) -> tuple[int | None, ...]:
        """Pixels that one value depends on along each axis: the most, where values differ."""
        return tuple(None if axis is None else axis.size for axis in self.axes)

    @property
    def jump(self) -> tuple[float | None, ...]:
        """Input pixels from one output to the next, the product of the strides; 0.5 if doubled."""
        return tuple(None if axis is None else axis.jump for axis in self.axes)

    @property
    def start(self) -> tuple[int | None, ...]:
        """First pixel that output 0 sees; negative in the padding."""
        return tuple(None if axis is None else axis.start for axis in self.axes)

    def box(self, *position: int) -> tuple[tuple[int, int] | None, ...]:
        """Give the first and last input pixel seen from an output position, for each axis."""
        if len(position) != len(self.axes):
            raise ValueError(
                f"box{position} of {self.name!r}: expected {len(self.axes)} positions, one per axis"
            )
        pairs = zip(self.axes, position, strict=True)
        return tuple(None if axis is None else axis.at(i) for axis, i in pairs)


class Fields:
    """Receptive fields of all layers of a model, made by `explain.receptive_field`.

    Attributes
    ----------
    layers : list of Field
        In the order of computation.
    total : Field
        Of the output; of several outputs, the one that sees most.
    """

    def __init__(self, layers: list[Field], total: Field):
        self.layers, self.total = layers, total

    def __getitem__(self, name: str) -> Field:
        """Give the field of a layer by its name."""
        for field in self.layers:
            if field.name == name:
                return field
        known = ", ".join(field.name for field in self.layers)
        raise KeyError(f"no layer {name!r}; there are {known}")

    def table(self) -> str:
        """Give size, jump and start of every layer as lines of text."""
        rows = [
            [f.name, f.kind, _text(f.size), _text(f.jump), _text(f.start, ", ")]
            for f in self.layers
        ]
        header = ["layer", "type", "sees", "jump", "start"]
        return summaries.table(header, rows, right=("sees", "jump", "start"))

    __str__ = table

    def __repr__(self):
        return f"<Fields of {len(self.layers)} layers, in all {_text(self.total.size)} pixels>"

    def _repr_html_(self):
        return f"<pre>{html.escape(self.table())}</pre>"


def receptive_field(model) -> Fields:
    """size = 1 + sum_l (k_l - 1) prod_{i<l} s_i along a path; of several paths, all they see.

    Parameters
    ----------
    model : Model or list of Layer
        A list, or a Sequential without input shape, need not be built.

    Returns
    -------
    Fields
        With `.total`, a field for each layer by its name, and a table when printed. All in input
        pixels; None, printed as "all", where a value depends on the whole input.

    Raises
    ------
    TypeError
        If it is neither a model nor layers.
    ValueError
        If the graph is not known: the model is not built, its `call` cannot be followed, or it has
        no spatial axis.

    Notes
    -----
    Borders are ignored: fields reach into the padding. "same" padding with strides counts as for
    sizes that the strides divide. Behind up-sampling the size differs from pixel to pixel; `size`
    is the largest and `box(i, j)` says it for one. Some of the pixels between the first and the
    last may be unseen (dilation), and the middle counts for more than the rim (Luo et al. 2016,
    arXiv:1701.04128).

    References
    ----------
    Araujo, Norris & Sim 2019, Distill, doi:10.23915/distill.00021, equations 2 to 4.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> from tinygrad_astro.layers import Conv2D, MaxPooling2D
    >>> fields = ta.explain.receptive_field(
    ...     [Conv2D(8, 3, name="a"), MaxPooling2D(2, name="b"), Conv2D(8, 3, name="c")]
    ... )
    >>> print(fields)
    layer  type          sees  jump  start
    a      Conv2D         3x3   1x1   0, 0
    b      MaxPooling2D   4x4   2x2   0, 0
    c      Conv2D         8x8   2x2   0, 0
    >>> fields.total.size, fields["c"].box(1, 2)
    ((8, 8), ((2, 9), (4, 11)))
    """
    layers = _unbuilt_chain(model)
    if layers is not None:
        rank = next((r - 2 for r in (x.input_rank for x in layers) if r is not None and r > 2), 2)
        fields = []
        for count, layer in enumerate(layers, start=1):
            part = layers[:count]
            axes = tuple(_periodic(_through(part, axis), layer.name) for axis in range(rank))
            fields.append(Field(layer.name, type(layer).__name__, axes))
        return Fields(fields, fields[-1])
    graph = _graph(model)
    rank = max(symbol.ndim for symbol in graph.symbols) - 2
    if rank < 1:
        raise ValueError(f"{model.title} takes tables, which have no pixels to see")

    def field(name, kind, symbol):
        spatial = range(rank) if symbol.ndim == rank + 2 else ()
        axes = [_periodic(_back(graph, symbol, axis), name) for axis in spatial]
        return Field(name, kind, tuple(axes or [None] * rank))

    fields = []
    calls: dict[str, int] = {}
    for node in graph.nodes:
        name, kind = node.layer.name, type(node.layer).__name__
        calls[name] = calls.get(name, 0) + 1
        again = f" (call {calls[name]})" if calls[name] > 1 else ""
        fields.append(field(name + again, kind, leaves(node.outputs)[0]))
    outputs = [field(model.name, type(model).__name__, s) for s in leaves(graph.outputs)]
    return Fields(fields, max(outputs, key=lambda f: [np.inf if n is None else n for n in f.size]))


def _unbuilt_chain(model) -> list[Layer] | None:
    """Give the layers of what needs no graph."""
    if isinstance(model, Sequential) and model.graph is None:
        model = model.layers
    if isinstance(model, Model):
        return None
    layers = [model] if isinstance(model, Layer) else model
    if not isinstance(layers, (list, tuple)) or not layers:
        raise TypeError(f"receptive_field got {model!r}, expected a Model or a list of layers")
    for layer in layers:
        if not isinstance(layer, Layer):
            raise TypeError(f"receptive_field got a list with {layer!r}, expected layers")
    return list(layers)


def _graph(model):
    graph = model.traced()
    if graph is None:
        state = "is not built: call build((None, height, width, channels))"
        if model.build_shapes is not None:
            state = "does more in call() than hand its inputs to layers; give the layers as a list"
        raise ValueError(f"{model.title} {state}")
    return graph


def _through(layers, axis):
    def seen(positions):
        ends = positions, positions
        for layer in reversed(layers):
            ends = layer.sees(axis, *ends)
            if ends is None:
                return None
        return hull([ends])

    return seen


def _back(graph, symbol, axis):
    return lambda positions: interval(graph, symbol, axis, positions, positions)


def _periodic(seen, name) -> AxisField | None:
    """Find after how many outputs the intervals repeat, which up-sampling makes more than one."""
    count = _FIRST_TRY
    while count <= _LAST_TRY:
        found = seen(np.arange(count))
        if found is None:
            return None
        ends = np.array(found)
        for period in range(1, count // 2 + 1):
            steps = ends[:, period:] - ends[:, :-period]
            if (steps == steps[0, 0]).all():
                return AxisField(ends[0, :period], ends[1, :period], int(steps[0, 0]))
        count *= 4
    raise ValueError(
        f"what {name!r} sees does not repeat within {_LAST_TRY // 2} outputs; a layer of your own "
        "must give intervals from sees() that move on by whole pixels"
    )


def _simple(x: float):
    return int(x) if x == int(x) else x


def _text(numbers, between="x") -> str:
    return "all" if None in numbers else between.join(f"{n:.4g}" for n in numbers)
