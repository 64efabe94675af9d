"""The weights of a layer and of the layers inside it: found, counted, copied, frozen, moved.

Inner layers are found by looking through the attributes of a layer, in the order they were set, so
lists and dictionaries of layers just work.
"""

import numpy as np

from tinygrad_astro import initializers
from tinygrad_astro.layers.structure import leaves
from tinygrad_astro.tape import Tensor
from tinygrad_astro.tensor import tensor
from tinygrad_astro.writes import written


class Weight:
    """A named tensor of a layer; `trainable` says whether it can be trained at all."""

    __slots__ = ("name", "tensor", "trainable")

    def __init__(self, name, value, trainable):
        self.name, self.tensor, self.trainable = name, value, trainable


class WeightTree:
    """The half of Layer that deals with weights."""

    _weights: list[Weight]
    _trainable: bool
    _device: str
    _dtype: np.dtype
    name: str
    built: bool

    @property
    def dtype(self) -> np.dtype:
        """The dtype of the weights, float32 or float64."""
        return self._dtype

    @property
    def title(self) -> str:
        """How error messages name this layer."""
        return f"{type(self).__name__} {self.name!r}"

    def add_weight(self, shape=(), initializer="glorot_uniform", trainable=True, name=None):
        """Make a weight: a tracked tensor that is trained, saved and counted with this layer.

        Parameters
        ----------
        shape : tuple of int
            Of the weight.
        initializer : str, Initializer or callable
            Where its first values come from.
        trainable : bool
            False for statistics, which a gradient never changes.
        name : str, optional
            Its name in files and messages.

        Returns
        -------
        Tensor
        """
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        name = name or f"weight_{len(self._weights)}"
        initializer = "glorot_uniform" if initializer is None else initializer
        values = np.array(initializers.get(initializer)(shape, self.dtype), self.dtype, order="C")
        if values.shape != shape:
            raise ValueError(
                f"{self.title}: the initializer of {name!r} gave shape {values.shape}, expected "
                f"{shape}"
            )
        made = tensor(values, device=self._device)
        made.requires_grad = trainable and self._trainable
        self._weights.append(Weight(name, made, trainable))
        return made

    def children(self) -> list["WeightTree"]:
        """List the layers kept in the attributes of this one, each once."""
        kept = [x for value in vars(self).values() for x in leaves(value)]
        found = {id(x): x for x in kept if isinstance(x, WeightTree) and x is not self}
        return list(found.values())

    def sublayers(self) -> list["WeightTree"]:
        """List the layers inside this one at any depth, each once."""
        found: dict[int, WeightTree] = {}
        pending = self.children()
        while pending:
            inner = pending.pop(0)
            if inner is not self and id(inner) not in found:
                found[id(inner)] = inner
                pending += inner.children()
        return list(found.values())

    def named_weights(self, prefix="") -> list[tuple[str, Weight]]:
        """List ("layer/weight", Weight) of this layer and all inside it, shared ones once."""
        path = f"{prefix}{self.name}/"
        found = {id(w.tensor): (path + w.name, w) for w in self._weights}
        for inner in self.children():
            for name, weight in inner.named_weights(path):
                found.setdefault(id(weight.tensor), (name, weight))
        return list(found.values())

    @property
    def weights(self) -> list[Tensor]:
        """All weights, in Keras's order: own before those of inner layers, as they were made."""
        return [w.tensor for _, w in self.named_weights()]

    @property
    def trainable_weights(self) -> list[Tensor]:
        """The weights that training changes."""
        if not self._trainable:
            return []
        found = {id(w.tensor): w.tensor for w in self._weights if w.trainable}
        for inner in self.children():
            found.update((id(w), w) for w in inner.trainable_weights)
        return list(found.values())

    @property
    def non_trainable_weights(self) -> list[Tensor]:
        """Statistics, and the weights of frozen layers."""
        trained = {id(w) for w in self.trainable_weights}
        return [w for w in self.weights if id(w) not in trained]

    variables = weights
    trainable_variables = trainable_weights
    non_trainable_variables = non_trainable_weights

    @property
    def trainable(self) -> bool:
        """Whether training changes the weights; set it to False to freeze, inner layers too."""
        return self._trainable

    @trainable.setter
    def trainable(self, value) -> None:
        for layer in [self, *self.sublayers()]:
            layer._trainable = bool(value)
            for weight in layer._weights:
                weight.tensor.requires_grad = bool(value) and weight.trainable

    def get_weights(self) -> list[np.ndarray]:
        """Copy the weights out as arrays."""
        return [np.array(w.tensor.detach().numpy()) for _, w in self.named_weights()]

    def set_weights(self, weights) -> None:
        """Copy arrays into the weights, in the order of `get_weights`.

        Raises
        ------
        ValueError
            If their number or a shape differs; nothing has been changed then.
        TypeError
            If they are no list of arrays of real numbers; nor then.
        """
        own = self.named_weights()
        if not isinstance(weights, (list, tuple)):
            raise TypeError(
                f"{self.title} got weights that are a {type(weights).__name__}, expected a list of "
                f"{len(own)} arrays, as get_weights() gives"
            )
        arrays = [np.asarray(w) for w in weights]
        if len(arrays) != len(own):
            raise ValueError(
                f"{self.title} got {len(arrays)} arrays, expected {len(own)}: "
                f"{[(name, w.tensor.shape) for name, w in own]}"
            )
        for (name, weight), array in zip(own, arrays, strict=True):
            if array.shape != weight.tensor.shape:
                raise ValueError(
                    f"{self.title}: weight {name!r} has shape {weight.tensor.shape}, got an array "
                    f"of shape {array.shape}"
                )
            if array.dtype.kind not in "fiub":
                raise TypeError(
                    f"{self.title}: weight {name!r} got an array of dtype {array.dtype}, expected "
                    "real numbers"
                )
        for (_, weight), array in zip(own, arrays, strict=True):
            assign(weight.tensor, array)

    def count_params(self) -> int:
        """Count the numbers in all weights.

        Raises
        ------
        ValueError
            If the layer has not been built, and so has none yet.
        """
        if not self.built:
            raise ValueError(
                f"{self.title} has no weights before its input shape is known; call it on data, or "
                "build((None, ...))"
            )
        return sum(w.size for w in self.weights)

    def to(self, device: str) -> "WeightTree":
        """Move the weights to "cpu" or "cuda"; gives the layer itself."""
        for layer in [self, *self.sublayers()]:
            layer._device = device
            for weight in layer._weights:
                weight.tensor.data = weight.tensor.detach().to(device).data
        return self


def assign(weight: Tensor, values) -> None:
    """Write values, a tensor of the same device or an array, into a weight.

    In place, on the card too: a recorded CUDA graph reads and writes the weight where it was.
    """
    data = values.data if isinstance(values, Tensor) else np.asarray(values, weight.dtype)
    weight.data[...] = data
    written(weight.data)
