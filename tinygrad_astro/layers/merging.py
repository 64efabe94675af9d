"""Layers that make one tensor of several, as classes and, as in Keras, as functions."""

from functools import reduce

from tinygrad_astro import ops
from tinygrad_astro.layers import checks
from tinygrad_astro.layers.layer import Layer

__all__ = ["Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract"]
__all__ += ["add", "average", "concatenate", "maximum", "minimum", "multiply", "subtract"]


class _Merge(Layer):
    """Elementwise, with broadcasting."""

    exactly: int | None = None

    def merge(self, x, y):
        """Combine two tensors."""
        raise NotImplementedError

    def call(self, inputs):
        checks.several(self, inputs, self.exactly)
        return reduce(self.merge, inputs)

    def compute_output_shape(self, input_shape):
        checks.several(self, input_shape, self.exactly)
        return reduce(self._broadcast, [tuple(shape) for shape in input_shape])

    def _broadcast(self, first, second):
        if len(first) < len(second):
            first, second = second, first
        wide = [*first[: len(first) - len(second)]]
        for a, b in zip(first[len(wide) :], second, strict=True):
            if a is not None and b is not None and a != b and 1 not in (a, b):
                raise ValueError(
                    f"{self.title} got inputs of shapes {first} and {second}, expected the same "
                    "shape, or 1 where they differ; crop, pad or project one of them"
                )
            wide.append(b if a == 1 else a if b == 1 or b is None else b)
        return tuple(wide)

    def sees(self, axis, low, high):
        return low, high


class Add(_Merge):
    """x + y + ..."""

    def merge(self, x, y):
        return ops.add(x, y)


class Subtract(_Merge):
    """x - y, of exactly two."""

    exactly = 2

    def merge(self, x, y):
        return ops.subtract(x, y)


class Multiply(_Merge):
    """x y ..."""

    def merge(self, x, y):
        return ops.multiply(x, y)


class Average(_Merge):
    """(x + y + ...) / n."""

    def merge(self, x, y):
        return ops.add(x, y)

    def call(self, inputs):
        return ops.multiply(super().call(inputs), 1.0 / len(inputs))


class Maximum(_Merge):
    """The largest at each place; of equal ones the first gets the gradient; NaN wins."""

    def merge(self, x, y):
        return ops.maximum(x, y)


class Minimum(_Merge):
    """The smallest at each place; of equal ones the first gets the gradient; NaN wins."""

    def merge(self, x, y):
        return ops.minimum(x, y)


class Concatenate(Layer):
    """Tensors side by side along an axis.

    Parameters
    ----------
    axis : int
        By default the channels: the skip connection of a U-Net.
    **kwargs
        `name`.

    Raises
    ------
    ValueError
        If another axis differs.
    """

    def __init__(self, axis=-1, **kwargs):
        super().__init__(**kwargs)
        self.axis = checks.whole_axis(self, axis)

    def call(self, inputs):
        checks.several(self, inputs)
        self.compute_output_shape([x.shape for x in inputs])
        return ops.concatenate(inputs, axis=self.axis)

    def compute_output_shape(self, input_shape):
        checks.several(self, input_shape)
        given = [tuple(shape) for shape in input_shape]
        rank = len(given[0])
        if not -rank <= self.axis < rank or self.axis % rank == 0:
            raise ValueError(
                f"{self.title}: axis={self.axis} for inputs of {rank} axes, batch first"
            )
        joined = []
        for axis in range(rank):
            sizes = [shape[axis] if len(shape) == rank else -1 for shape in given]
            known = {n for n in sizes if n is not None}
            if axis == self.axis % rank:
                joined.append(None if None in sizes else sum(sizes))
            elif len(known) > 1 or -1 in known:
                raise ValueError(
                    f"{self.title} got inputs of shapes {given}, which differ in another axis than "
                    f"{self.axis}; crop or pad them to the same size"
                )
            else:
                joined.append(known.pop() if known else None)
        return tuple(joined)

    def sees(self, axis, low, high):
        return low, high


def _function(cls):
    def merge(inputs, **kwargs):
        return cls(**kwargs)(inputs)

    merge.__name__ = cls.__name__.lower()
    merge.__doc__ = f"{cls.__name__}(**kwargs)(inputs): {cls.__doc__.splitlines()[0]}"
    return merge


add, subtract, multiply = _function(Add), _function(Subtract), _function(Multiply)
average, maximum, minimum = _function(Average), _function(Maximum), _function(Minimum)
concatenate = _function(Concatenate)
