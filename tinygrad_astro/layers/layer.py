"""Layer: weights made when the first shape is seen, and a `call` written with ops.

A layer is called with `training` in plain sight; there is no global mode. Layers inside a layer are
found by looking through its attributes, so lists and dictionaries of layers just work.
"""

import functools
import inspect

import numpy as np

from tinygrad_astro.layers import checks, config, symbolic
from tinygrad_astro.layers.structure import is_numbers, leaves, map_leaves, shape_of
from tinygrad_astro.layers.weights import Weight, WeightTree
from tinygrad_astro.modes import no_grad
from tinygrad_astro.tape import Tensor
from tinygrad_astro.tensor import tensor

_DTYPES = ("float32", "float64")


class Layer(WeightTree):
    """Base of all layers. A subclass defines `call`, and `build` if it has weights.

    Parameters
    ----------
    name : str, optional
        Default: the class's name in snake case with a running number, as Keras counts.
    trainable : bool
        Whether the weights are trained.
    dtype : {"float32", "float64"}
        Of the weights; inputs are converted to it.
    input_shape : tuple, optional
        Without the batch axis; lets a Sequential build at once.

    Raises
    ------
    ValueError
        For arguments of Keras that are not supported, saying what to use.
    TypeError
        For unknown arguments.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> class Scale(ta.layers.Layer):
    ...     def build(self, input_shape):
    ...         self.factor = self.add_weight(input_shape[-1:], "ones", name="factor")
    ...     def call(self, inputs):
    ...         return inputs * self.factor
    >>> Scale()([[1.0, 2.0]]).numpy()
    array([[1., 2.]], dtype=float32)
    """

    note: str | None = None  # a line that summary() adds
    input_rank: int | None = None
    input_channels: int | None = None

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        # A build() called by the user must not be repeated, with new weights, at the first call.
        if "build" in vars(cls):
            cls.build = _marking(cls.build)

    def __init__(self, *, name=None, trainable=True, dtype=None, **others):
        self.name = config.auto_name(type(self).__name__) if name is None else str(name)
        self.input_shape_given = _given_shape(others)
        config.refuse(self.title, others, config.parameters(type(self)))
        dtype_name = "float32" if dtype is None else getattr(dtype, "name", str(dtype))
        if dtype_name not in _DTYPES:
            raise ValueError(f"{self.title}: dtype={dtype!r}, expected one of {', '.join(_DTYPES)}")
        self._dtype = np.dtype(dtype_name)
        self._trainable = bool(trainable)
        self._weights: list[Weight] = []
        self._device = "cpu"
        self.nodes: list[symbolic.Node] = []
        self.built = False
        self.build_shapes: tuple | None = None

    def __repr__(self):
        return f"<{self.title}{'' if self.built else ', not built'}>"

    # ---- calling ---------------------------------------------------------------------------------

    def build(self, input_shape) -> None:
        """Make the weights for inputs of this shape, whose batch axis is None."""
        self.built = True
        self.build_shapes = (input_shape,)

    def shapes_built(self):
        """Give the shapes, or nest of them, that the weights were made for; None if not known."""
        return self.build_shapes

    def call(self, *inputs):
        """Compute the outputs; take an argument `training` if they depend on it."""
        raise NotImplementedError(f"{self.title} does not define call(inputs)")

    def __call__(self, *args, training=None, **kwargs):
        if not hasattr(self, "_weights"):
            raise RuntimeError(
                f"{type(self).__name__}.__init__ must call super().__init__(**kwargs) first"
            )
        if len(args) == 1 and not kwargs and type(args[0]) in (Tensor, np.ndarray):
            x = self.as_input(args[0])  # the common case, without looking for nests
            self.ensure_built(x.data.shape if self.built else shape_of(x))
            args = (self._in_own_dtype(x) if self._weights else x,)
        elif any(isinstance(leaf, symbolic.Symbol) for leaf in leaves((args, kwargs))):
            return symbolic.record(self, args, kwargs, training)
        else:
            if args and args[0] is None:
                raise TypeError(f"{self.title} was called on None, expected an array or a Tensor")
            given = [np.asarray(a) if is_numbers(a) else a for a in args]
            args = [map_leaves(self.as_input, a) for a in given]
            self.ensure_built(*[map_leaves(shape_of, a) for a in args])
            if self._weights:
                args = [map_leaves(self._in_own_dtype, a) for a in args]
        if takes_training(type(self)):
            kwargs["training"] = bool(training)
        return self.call(*args, **kwargs)

    def as_input(self, x):
        """Turn an input into a float tensor on this layer's device."""
        if isinstance(x, Tensor):
            return x if x.data.dtype.kind == "f" else x.astype(self.dtype)
        return None if x is None else tensor(x, dtype=self.dtype, device=self._device)

    def _in_own_dtype(self, x):
        return x if x is None or x.data.dtype == self.dtype else x.astype(self.dtype)

    def ensure_built(self, *shapes) -> None:
        """Check the input shapes, and build on the first of them if that has not happened yet."""
        if shapes and (self.input_rank is not None or self.input_channels is not None):
            checks.input_shape(self, shapes[0])
        if not self.built:
            self.build(*shapes[:1])
            self.built = True
            self.build_shapes = shapes

    def compute_output_shape(self, *input_shapes):
        """Give the output's shape, or nest of shapes, without computing it.

        Found by following `call` with symbols; where `call` does more than hand them to layers, by
        running it once on zeros, for which all axes but the batch must be known.

        Raises
        ------
        ValueError
            If neither works.
        """
        self.ensure_built(*input_shapes)
        try:
            return symbolic.shapes_of(symbolic.trace(self, *input_shapes)[1])
        except (TypeError, AttributeError):
            return self._probe(input_shapes)

    def _probe(self, input_shapes):
        if any(n is None for shape in symbolic.flat_shapes(input_shapes) for n in shape[1:]):
            raise ValueError(
                f"{self.title}: the output shape for an input of unknown size {input_shapes} "
                "cannot be tried out; define compute_output_shape(input_shape)"
            )
        zeros = symbolic.map_shapes(
            lambda s: tensor(np.zeros((1, *s[1:]), self.dtype)), input_shapes
        )
        with no_grad():
            return symbolic.shapes_of(self.call(*zeros))

    # ---- graph and configuration -----------------------------------------------------------------

    @property
    def input(self):
        """The symbol, or nest of them, that this layer was called on."""
        args = self._only_node("input").args
        return args[0] if len(args) == 1 else args

    @property
    def output(self):
        """The symbol, or nest of them, that this layer gave: to make a model up to here."""
        return self._only_node("output").outputs

    def _only_node(self, what):
        if len(self.nodes) != 1:
            raise AttributeError(
                f"{self.title} has been called on {len(self.nodes)} symbolic inputs, so "
                f"layer.{what} is not defined; it takes exactly one call in a functional model"
            )
        return self.nodes[0]

    def get_config(self) -> dict:
        """Give the constructor's arguments, as values that JSON can hold."""
        return config.arguments(self)

    @classmethod
    def from_config(cls, config: dict) -> "Layer":
        """Make a layer from what `get_config` gave; the weights are drawn anew."""
        return cls(**config)

    # ---- what summary() asks ---------------------------------------------------------------------

    def multiply_adds(self, input_shape, output_shape) -> int | None:
        """Count multiplications of one example, None where a size is not known."""
        return 0

    def sees(self, axis: int, low, high):
        """Give the first and last input position that outputs low..high along an axis depend on.

        Positions are integer arrays, axis 0 is the first after the batch; None: all of them.
        """
        return None


class Elementwise(Layer):
    """A layer whose output at each position depends on the input there alone."""

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def sees(self, axis, low, high):
        return low, high


def _marking(build):
    """Make a build() note that it ran, and on which shape, and run once."""

    @functools.wraps(build)
    def build_once(self, input_shape):
        if self.built:
            checks.same_build(self, self.shapes_built(), input_shape)
            return
        build(self, input_shape)
        self.built = True
        self.build_shapes = (input_shape,)

    return build_once


@functools.cache
def takes_training(cls) -> bool:
    """Whether `call` of this class has an argument `training`."""
    given = inspect.signature(cls.call).parameters
    return "training" in given or any(p.kind is p.VAR_KEYWORD for p in given.values())


def _given_shape(others: dict):
    """Take Keras's `input_shape` or `input_dim` out of a layer's arguments."""
    if others.get("input_dim") is not None:
        return (int(others.pop("input_dim")),)
    shape = others.pop("input_shape", None)
    return None if shape is None else tuple(shape)
