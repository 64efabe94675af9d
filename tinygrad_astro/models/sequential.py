"""Sequential: layers one after another."""

from tinygrad_astro.layers.input import Input, InputLayer
from tinygrad_astro.layers.layer import Layer
from tinygrad_astro.layers.symbolic import Symbol
from tinygrad_astro.models import architecture
from tinygrad_astro.models.graph import Graph
from tinygrad_astro.models.model import Model

__all__ = ["Sequential"]


class Sequential(Model):
    """A model of layers one after another, each taking what the one before gives.

    Parameters
    ----------
    layers : list of Layer, optional
        An `Input(shape)`, or `input_shape=` of the first layer, builds the model at once; otherwise
        it is built from the first data it sees.
    name : str, optional
        Default: "sequential" with a running number.
    **kwargs
        `trainable`.

    Raises
    ------
    TypeError
        If something is not a layer.
    ValueError
        If shapes do not fit, or a name repeats.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> model = ta.Sequential([ta.Input((8,)), ta.layers.Dense(16, "relu"), ta.layers.Dense(1)])
    >>> model.count_params()
    161
    """

    def __init__(self, layers=None, name=None, **kwargs):
        super().__init__(name=name, **kwargs)
        self._stack: list[Layer] = []
        self._head: Symbol | None = None
        self._tail: Symbol | None = None
        self._declared = False
        if not isinstance(layers, (list, tuple, type(None))):
            raise TypeError(
                f"{self.title} got a {type(layers).__name__} ({layers!r}), expected a list of "
                "layers"
            )
        for layer in layers or []:
            self.add(layer)

    def add(self, layer) -> None:
        """Put a layer at the end.

        Parameters
        ----------
        layer : Layer
            Or an `Input(shape)`, at the beginning.

        Raises
        ------
        TypeError
            If it is not a layer.
        ValueError
            If its name is taken, it does not fit, or an Input comes late.
        """
        if isinstance(layer, Symbol) and layer.node and isinstance(layer.node.layer, InputLayer):
            layer = layer.node.layer
        if not isinstance(layer, Layer):
            raise TypeError(
                f"{self.title}.add got a {type(layer).__name__} ({layer!r}), expected a layer such "
                "as ta.layers.Dense(10); write Dense(10), not Dense or Dense(10)(x)"
            )
        if isinstance(layer, InputLayer):
            if self._stack or self._head is not None:
                raise ValueError(f"{self.title}: an Input must come first, and only once")
            self._begin(layer.output, declared=True)
            return
        if any(layer.name == other.name for other in self._stack):
            raise ValueError(
                f"{self.title}: the name {layer.name!r} is used already; layer names must be "
                "unique in a model, and a layer can be added once"
            )
        if self._head is None and not self._stack:
            self._begin_with(layer)
        if self._tail is not None:
            self._tail = layer(self._tail)
        self._stack.append(layer)
        self._graph = None

    def pop(self) -> Layer:
        """Take the last layer off."""
        if not self._stack:
            raise ValueError(f"{self.title} has no layers to take off")
        last = self._stack.pop()
        if self._tail is not None:
            node = last.nodes.pop()
            self._tail = node.inputs[0]
        self._graph = None
        return last

    def _begin(self, symbol, declared) -> None:
        self._head = self._tail = symbol
        self._declared = declared
        self.built = True
        self.build_shapes = (symbol.shape,)

    def _begin_with(self, layer) -> None:
        """Begin from a shape that the first layer carries."""
        shape = layer.input_shape_given
        if shape is None and isinstance(layer, Model) and layer.graph is not None:
            shape = layer.inputs[0].shape[1:]
        if shape is not None:
            self._begin(Input(shape), declared=True)

    @property
    def graph(self):
        """The graph of calls; None before the input shape is known."""
        if self._graph is None and self._head is not None and self._tail is not None:
            self._graph = Graph(self._head, self._tail)
        return self._graph

    def children(self):
        return list(self._stack)

    def build(self, input_shape):
        """Make the weights for inputs of this shape, batch axis first: `(None, 128, 128, 1)`."""
        if self._head is not None:
            return
        if not self._stack:
            raise ValueError(f"{self.title} has no layers; add some before using it")
        self._begin(Input(tuple(input_shape)[1:]), declared=False)
        for layer in self._stack:
            self._tail = layer(self._tail)

    def ensure_built(self, *shapes):
        if self._head is None:
            self.build(shapes[0])

    def call(self, inputs, training=False):
        bound = self.graph.bind(inputs, self.title)
        if self._declared:
            self.graph.check(bound, self.title)
        return self.graph.run(bound, training)

    def get_config(self):
        shape = None if self._head is None else list(self._head.shape[1:])
        layers = [architecture.describe_layer(layer) for layer in self._stack]
        known = {"input_shape": shape, "declared": self._declared}
        return {"name": self.name, "trainable": self.trainable, "layers": layers} | known

    @classmethod
    def from_config(cls, config, custom_objects=None):
        made = cls(name=config.get("name"))
        if config.get("input_shape") is not None and config.get("declared"):
            made.add(Input(tuple(config["input_shape"])))
        for described in config["layers"]:
            made.add(architecture.make_layer(described, custom_objects))
        if config.get("input_shape") is not None:
            made.build((None, *config["input_shape"]))
        made._trainable = bool(config.get("trainable", True))
        return made
