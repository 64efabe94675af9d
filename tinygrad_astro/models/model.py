"""Model: layers joined into one, as a graph of symbols or by a `call` of your own."""

from tinygrad_astro import training
from tinygrad_astro.layers import symbolic
from tinygrad_astro.layers.config import arguments, auto_name
from tinygrad_astro.layers.layer import Layer
from tinygrad_astro.layers.structure import leaves, map_leaves
from tinygrad_astro.models import architecture, saving, summary
from tinygrad_astro.models.graph import Graph
from tinygrad_astro.models.receptive_field import hull, interval
from tinygrad_astro.tape import Tensor
from tinygrad_astro.tensor import tensor

__all__ = ["Model"]


class Model(Layer):
    """A layer made of layers, which can be compiled, fitted, saved and summarised.

    Functional: `Model(inputs, outputs)` of what `Input` and layers called on it gave; with lists or
    dictionaries of them for several. Subclassed: keep layers in attributes and define
    `call(self, inputs, training=False)`; hand `training` on to the layers that want it, there is no
    global mode.

    Parameters
    ----------
    inputs, outputs : Symbol, or list or dict of them, optional
        The two ends of a functional model.
    name : str, optional
        Default: "functional", or the subclass's name, with a running number.
    **kwargs
        `trainable`, `dtype`.

    Attributes
    ----------
    metadata : dict
        Anything JSON can hold that belongs to the weights (class names, bands, stretch); it is
        saved and loaded with them.

    Raises
    ------
    TypeError
        If only one of inputs and outputs is given, or they are no symbols.
    ValueError
        If the graph is not connected, or names repeat.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> image = ta.Input((32, 32, 1))
    >>> x = ta.layers.Conv2D(4, 3, padding="same", activation="relu")(image)
    >>> x = ta.layers.Add()([x, image])
    >>> model = ta.Model(image, x)
    >>> model.output_shape, model.count_params()
    ((None, 32, 32, 4), 40)
    """

    def __init__(self, inputs=None, outputs=None, name=None, **kwargs):
        if (inputs is None) != (outputs is None):
            raise TypeError("Model got only one of inputs and outputs, expected both or neither")
        if name is None and type(self) is Model and inputs is not None:
            name = auto_name("Functional")
        super().__init__(name=name, **kwargs)
        self.metadata: dict = {}
        self.optimizer = self.loss = None
        self._recorded_predictions = training.RecordedPredictions()
        self._graph = None if inputs is None else Graph(inputs, outputs)
        self.built = self._graph is not None

    # ---- as a layer ------------------------------------------------------------------------------

    @property
    def graph(self) -> Graph | None:
        """The graph of calls; None for a subclassed model."""
        return self._graph

    def children(self):
        inside = [] if self.graph is None else self.graph.layers
        return list(dict.fromkeys([*inside, *super().children()]))

    @property
    def layers(self) -> list[Layer]:
        """The layers of this model, in Keras's order."""
        return self.children()

    @property
    def dtype(self):
        """The dtype of the first layer."""
        inner = self.children()
        return inner[0].dtype if inner else self._dtype

    def as_input(self, x):
        if isinstance(x, Tensor) or x is None:
            return x
        return tensor(x, dtype=self.dtype, device=self._device)

    def ensure_built(self, *shapes):
        if not self.built and (self.graph is not None or type(self).build is not Model.build):
            self.build(*shapes[:1])
        self.built = True
        self.build_shapes = self.build_shapes or shapes

    def build(self, input_shape):
        """Make the weights for inputs of this shape, batch axis first: `(None, 128, 128, 1)`."""
        if self.graph is None:
            self.built = True
            self.compute_output_shape(input_shape)

    def shapes_built(self):
        if self.graph is None:
            return super().shapes_built()
        return [symbol.shape for symbol in self.graph.symbols]

    def call(self, inputs, training=False):
        if self.graph is None:
            raise NotImplementedError(
                f"{self.title} has no graph: give Model(inputs, outputs), or define "
                "call(self, inputs, training=False) in a subclass"
            )
        bound = self.graph.bind(inputs, self.title)
        self.graph.check(bound, self.title)
        return self.graph.run(bound, training)

    def compute_output_shape(self, *input_shapes):
        if self.graph is None:
            return super().compute_output_shape(*input_shapes)
        flat = symbolic.flat_shapes(input_shapes)
        found = self.graph.shapes({id(s): t for s, t in zip(self.graph.symbols, flat, strict=True)})
        return map_leaves(lambda symbol: found[id(symbol)], self.graph.outputs)

    def traced(self) -> Graph | None:
        """Give the graph, that of a subclassed model by following its `call`; None if it hides."""
        if self.graph is not None or self.build_shapes is None:
            return self.graph
        try:
            symbols, outputs = symbolic.trace(self, *self.build_shapes)
            return Graph(list(symbols), outputs)
        except (TypeError, AttributeError, ValueError):
            return None

    # ---- what summary() asks ---------------------------------------------------------------------

    def sees(self, axis, low, high):
        inner = self.traced()
        spans = (
            []
            if inner is None
            else [interval(inner, symbol, axis, low, high) for symbol in leaves(inner.outputs)]
        )
        return None if not spans or None in spans else hull(spans)

    # ---- the two ends ----------------------------------------------------------------------------

    def _ends(self) -> Graph:
        if self.graph is None:
            raise AttributeError(
                f"{self.title} has no symbolic inputs and outputs; it has them if made by "
                "Model(inputs, outputs), or as a Sequential that knows its input shape"
            )
        return self.graph

    @property
    def inputs(self) -> list:
        """The input symbols."""
        return leaves(self._ends().inputs)

    @property
    def outputs(self) -> list:
        """The output symbols."""
        return leaves(self._ends().outputs)

    @property
    def input(self):
        """The input symbol, or the nest of them."""
        return self._ends().inputs

    @property
    def output(self):
        """The output symbol, or the nest of them."""
        return self._ends().outputs

    @property
    def input_shape(self):
        """The shape of the input, batch axis None, or the nest of shapes."""
        return map_leaves(lambda symbol: symbol.shape, self._ends().inputs)

    @property
    def output_shape(self):
        """The shape of the output, batch axis None, or the nest of shapes."""
        return map_leaves(lambda symbol: symbol.shape, self._ends().outputs)

    def get_layer(self, name=None, index=None) -> Layer:
        """Give a layer by its name, or by its place in `layers`.

        Raises
        ------
        ValueError
            If there is none.
        """
        if index is not None and -len(self.layers) <= index < len(self.layers):
            return self.layers[index]
        for layer in self.layers:
            if index is None and layer.name == name:
                return layer
        raise ValueError(
            f"{self.title} has no layer {name if index is None else index!r}; it has "
            f"{', '.join(layer.name for layer in self.layers)}"
        )

    # ---- training, see training.py ---------------------------------------------------------------

    def compile(self, optimizer="rmsprop", loss=None, metrics=None, *args, **kwargs):
        """Choose how to train; see `ta.training.compile`."""
        training.compile(self, optimizer, loss, metrics, *args, **kwargs)

    def fit(self, x=None, y=None, *args, **kwargs):
        """Train; gives the History. See `ta.training.fit`."""
        return training.fit(self, x, y, *args, **kwargs)

    def evaluate(self, x=None, y=None, *args, **kwargs):
        """Give the loss and metrics on data. See `ta.training.evaluate`."""
        return training.evaluate(self, x, y, *args, **kwargs)

    def predict(self, x, *args, **kwargs):
        """Give the outputs as arrays, batch by batch. See `ta.training.predict`."""
        return training.predict(self, x, *args, **kwargs)

    def train_on_batch(self, x, y=None, *args, **kwargs):
        """Take one step. See `ta.training.train_on_batch`."""
        return training.train_on_batch(self, x, y, *args, **kwargs)

    def test_on_batch(self, x, y=None, *args, **kwargs):
        """Give the loss and metrics of one batch. See `ta.training.test_on_batch`."""
        return training.test_on_batch(self, x, y, *args, **kwargs)

    def predict_on_batch(self, x):
        """Give the outputs for one batch as arrays. See `ta.training.predict_on_batch`."""
        return training.predict_on_batch(self, x)

    # ---- files and text --------------------------------------------------------------------------

    def summary(self, print_fn=None, expand_nested=False) -> None:
        """Print the layers with shapes, parameters, receptive field, cost and memory.

        Parameters
        ----------
        print_fn : callable, optional
            Takes the text, line by line; by default `print`.
        expand_nested : bool
            Show the layers of models inside this one.
        """
        for line in summary.lines(self, expand_nested):
            (print_fn or print)(line)

    def save(self, path) -> None:
        """Write architecture, weights and metadata to one .safetensors file, all or nothing."""
        saving.save_model(self, path)

    def save_weights(self, path) -> None:
        """Write the weights to a .safetensors file, all or nothing."""
        saving.save_weights(self, path)

    def load_weights(self, path) -> None:
        """Read the weights from a file that `save` or `save_weights` wrote."""
        saving.load_weights(self, path)

    def get_config(self) -> dict:
        """Give the layers and how they are joined, as values that JSON can hold."""
        if self.graph is None or type(self) is not Model:
            return arguments(self, but=("inputs", "outputs"))
        return {"name": self.name, "trainable": self.trainable} | architecture.describe(self.graph)

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Make a model from what `get_config` gave; the weights are drawn anew."""
        if cls is not Model or "nodes" not in config:
            return cls(**architecture.revive_arguments(config, custom_objects))
        inputs, outputs = architecture.rebuild(config, custom_objects)
        made = cls(inputs, outputs, name=config.get("name"))
        made._trainable = bool(config.get("trainable", True))
        return made
