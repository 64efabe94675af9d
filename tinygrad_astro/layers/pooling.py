"""Pooling layers: max, average, sum and root of the sum of squares; max-unpooling; global pooling.

A class is put together from what is computed (Max, Average, Sum, L2) and a rank.
"""

import math

from tinygrad_astro import ops, shapes
from tinygrad_astro.layers import checks
from tinygrad_astro.layers.geometry import named
from tinygrad_astro.layers.layer import Layer
from tinygrad_astro.layers.windows import places, steps

__all__ = ["AveragePooling1D", "AveragePooling2D", "GlobalAveragePooling1D"]
__all__ += ["GlobalAveragePooling2D", "GlobalMaxPooling1D", "GlobalMaxPooling2D", "L2Pooling1D"]
__all__ += ["L2Pooling2D", "MaxPooling1D", "MaxPooling2D", "MaxUnpooling2D", "SumPooling1D"]
__all__ += ["SumPooling2D"]

_ARGUMENTS = """

    Parameters
    ----------
    pool_size : int or one per axis
        Window, in pixels.
    strides : int or one per axis, optional
        Step of the window. Default: pool_size, windows side by side.
    padding : "valid", "same", int or pairs
        "valid" leaves out a remainder at the end.
    **kwargs
        `name`, `input_shape`.

    Raises
    ------
    ValueError
        If an argument is out of range, or the window does not fit the input.
    """


class Pooling(Layer):
    """The geometry of pooling."""

    rank: int

    def __init__(self, pool_size=2, strides=None, padding="valid", data_format=None, **kwargs):
        super().__init__(**kwargs)
        try:
            self.pool_size = shapes.per_axis(_tuple(pool_size), self.rank, "pool_size")
            self.strides = self.pool_size
            if strides is not None:
                self.strides = shapes.per_axis(_tuple(strides), self.rank, "strides")
            self.padding = padding.lower() if isinstance(padding, str) else padding
            ones = (1,) * self.rank
            shapes.pads(self.padding, ones, self.pool_size, self.strides, ones)
        except ValueError as error:
            raise ValueError(f"{self.title}: {error}") from None
        self.data_format = checks.channels_last(self, data_format)
        self.input_rank = self.rank + 2

    def compute_output_shape(self, input_shape):
        checks.input_shape(self, input_shape)
        shape = tuple(input_shape)
        return named(self, shapes.pool)(shape, self.pool_size, self.strides, self.padding)[0]

    def sees(self, axis, low, high):
        ones = (1,) * self.rank
        return places(axis, low, high, self.pool_size, self.strides, self.padding, ones)


class _MaxPooling(Pooling):
    def __init__(
        self,
        pool_size=2,
        strides=None,
        padding="valid",
        data_format=None,
        return_indices=False,
        **kwargs,
    ):
        super().__init__(pool_size, strides, padding, data_format, **kwargs)
        self.return_indices = bool(return_indices)

    def call(self, inputs):
        geometry = (self.pool_size, self.strides, self.padding)
        return ops.max_pool(inputs, *geometry, return_indices=self.return_indices)

    def compute_output_shape(self, input_shape):
        shape = super().compute_output_shape(input_shape)
        return [shape, shape] if self.return_indices else shape


class _AveragePooling(Pooling):
    def call(self, inputs):
        return ops.average_pool(inputs, self.pool_size, self.strides, self.padding)


class _SumPooling(Pooling):
    def call(self, inputs):
        return ops.sum_pool(inputs, self.pool_size, self.strides, self.padding)


class _L2Pooling(Pooling):
    def call(self, inputs):
        return ops.l2_pool(inputs, self.pool_size, self.strides, self.padding)


class MaxPooling1D(_MaxPooling):
    __doc__ = (
        "The largest value of each window of a spectrum; of equal ones the first." + _ARGUMENTS
    )
    rank = 1


class MaxPooling2D(_MaxPooling):
    __doc__ = (
        "The largest value of each window of an image; of equal ones the first.\n\n"
        "    With `return_indices=True`, also its position, for MaxUnpooling2D." + _ARGUMENTS
    )
    rank = 2


class AveragePooling1D(_AveragePooling):
    __doc__ = "The mean of each window of a spectrum; padding is not counted." + _ARGUMENTS
    rank = 1


class AveragePooling2D(_AveragePooling):
    __doc__ = "The mean of each window of an image; padding is not counted." + _ARGUMENTS
    rank = 2


class SumPooling1D(_SumPooling):
    __doc__ = "The sum of each window of a spectrum." + _ARGUMENTS
    rank = 1


class SumPooling2D(_SumPooling):
    __doc__ = "The sum of each window of an image: flux stays flux." + _ARGUMENTS
    rank = 2


class L2Pooling1D(_L2Pooling):
    __doc__ = "The root of the sum of squares of each window of a spectrum." + _ARGUMENTS
    rank = 1


class L2Pooling2D(_L2Pooling):
    __doc__ = "The root of the sum of squares of each window of an image." + _ARGUMENTS
    rank = 2


class MaxUnpooling2D(Layer):
    """Put pooled values back where MaxPooling2D(return_indices=True) took them; zeros elsewhere.

    Parameters
    ----------
    pool_size, strides : int or (height, width)
        Those of the pooling, without padding; they give the size of the output,
        (n - 1) stride + pool_size. It must be the size before pooling.
    **kwargs
        `name`.

    Raises
    ------
    ValueError
        If it is not called on two tensors of the same shape, values and indices.

    References
    ----------
    Zeiler & Fergus 2014 (arXiv:1311.2901), section 2.1: "switches".

    Examples
    --------
    >>> import numpy as np, tinygrad_astro as ta
    >>> x = np.arange(16.0).reshape(1, 4, 4, 1)
    >>> top, where = ta.layers.MaxPooling2D(2, return_indices=True)(x)
    >>> ta.layers.MaxUnpooling2D(2)([top, where]).numpy()[0, :, :, 0]
    array([[ 0.,  0.,  0.,  0.],
           [ 0.,  5.,  0.,  7.],
           [ 0.,  0.,  0.,  0.],
           [ 0., 13.,  0., 15.]], dtype=float32)
    """

    rank = 2

    def __init__(self, pool_size=2, strides=None, **kwargs):
        super().__init__(**kwargs)
        try:
            self.pool_size = shapes.per_axis(_tuple(pool_size), self.rank, "pool_size")
            self.strides = self.pool_size
            if strides is not None:
                self.strides = shapes.per_axis(_tuple(strides), self.rank, "strides")
        except ValueError as error:
            raise ValueError(f"{self.title}: {error}") from None

    def as_input(self, x):
        given = getattr(x, "dtype", None)
        if given is not None and given.kind in "iu" and hasattr(x, "record"):
            return x
        return super().as_input(x)

    def call(self, inputs):
        checks.several(self, inputs, exactly=2)
        x, indices = inputs
        return ops.max_unpool(x, indices, self._sizes(x.shape))

    def _sizes(self, shape):
        geometry = zip(shape[1:-1], self.pool_size, self.strides, strict=True)
        return tuple(None if n is None else (n - 1) * s + k for n, k, s in geometry)

    def compute_output_shape(self, input_shape):
        checks.several(self, input_shape, exactly=2)
        values, indices = (tuple(shape) for shape in input_shape)
        if values != indices or len(values) != 4:
            raise ValueError(
                f"{self.title} got values of shape {values} and indices of shape {indices}, "
                "expected the same (N, H, W, C): the two outputs of "
                "MaxPooling2D(return_indices=True)"
            )
        return (values[0], *self._sizes(values), values[-1])

    def sees(self, axis, low, high):
        return steps(axis, low, high, self.pool_size, self.strides, "valid", (1, 1))


class GlobalPooling(Layer):
    """One value per channel from all positions."""

    rank: int

    def __init__(self, data_format=None, keepdims=False, **kwargs):
        super().__init__(**kwargs)
        self.data_format = checks.channels_last(self, data_format)
        self.keepdims = bool(keepdims)
        self.input_rank = self.rank + 2

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes that are pooled over."""
        return tuple(range(1, self.rank + 1))

    def compute_output_shape(self, input_shape):
        checks.input_shape(self, input_shape)
        kept = (1,) * self.rank if self.keepdims else ()
        return (input_shape[0], *kept, input_shape[-1])


class _GlobalMax(GlobalPooling):
    def call(self, inputs):
        return ops.max(inputs, axis=self.axes, keepdims=self.keepdims)


class _GlobalAverage(GlobalPooling):
    def call(self, inputs):
        if not math.prod(inputs.shape[1:-1]):
            raise ValueError(f"{self.title} got no pixels: input shape {inputs.shape}")
        return ops.mean(inputs, axis=self.axes, keepdims=self.keepdims)


_GLOBAL_ARGUMENTS = """

    Parameters
    ----------
    keepdims : bool
        Keep the pooled axes, with size 1.
    **kwargs
        `name`, `input_shape`.
    """


class GlobalMaxPooling1D(_GlobalMax):
    __doc__ = (
        "The largest value of each channel of a spectrum: (N, L, C) to (N, C)." + _GLOBAL_ARGUMENTS
    )
    rank = 1


class GlobalMaxPooling2D(_GlobalMax):
    __doc__ = (
        "The largest value of each channel of an image: (N, H, W, C) to (N, C)." + _GLOBAL_ARGUMENTS
    )
    rank = 2


class GlobalAveragePooling1D(_GlobalAverage):
    __doc__ = "The mean of each channel of a spectrum: (N, L, C) to (N, C)." + _GLOBAL_ARGUMENTS
    rank = 1


class GlobalAveragePooling2D(_GlobalAverage):
    __doc__ = "The mean of each channel of an image: (N, H, W, C) to (N, C)." + _GLOBAL_ARGUMENTS
    rank = 2


def _tuple(value):
    return tuple(value) if isinstance(value, list) else value
