"""Dense, and the layers that only rearrange: Flatten, Reshape, Permute, RepeatVector, Rescaling."""

import math

from tinygrad_astro import activations, bounds, initializers, ops
from tinygrad_astro.layers import checks
from tinygrad_astro.layers.geometry import product
from tinygrad_astro.layers.layer import Elementwise, Layer

__all__ = ["Dense", "Flatten", "Permute", "RepeatVector", "Rescaling", "Reshape"]


class Dense(Layer):
    """activation(inputs @ kernel + bias), over the last axis.

    Parameters
    ----------
    units : int
        Outputs.
    activation : str or callable, optional
        Fused with the bias where it is linear, relu, sigmoid, tanh or elu.
    use_bias : bool
        Add a bias per output.
    kernel_initializer, bias_initializer : str or Initializer
        First values.
    **kwargs
        `name`, `trainable`, `dtype`, `input_shape`.

    Raises
    ------
    ValueError
        If an argument is out of range, or does not fit the input, in words.

    Notes
    -----
    Inputs (..., C) give (..., units). Weights: kernel (C, units), bias (units,).

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> layer = ta.layers.Dense(64, "relu")
    >>> layer.compute_output_shape((None, 128)), layer.count_params()
    ((None, 64), 8256)
    """

    def __init__(
        self,
        units,
        activation=None,
        use_bias=True,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.units = checks.positive(self, "units", units)
        self.activation = activations.get(activation)
        self.use_bias = bool(use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.bias = None

    def build(self, input_shape):
        channels = checks.known_channels(self, input_shape)
        self.kernel = self.add_weight(
            (channels, self.units), self.kernel_initializer, name="kernel"
        )
        if self.use_bias:
            self.bias = self.add_weight((self.units,), self.bias_initializer, name="bias")
        self.input_channels = channels

    def call(self, inputs):
        rows = inputs if inputs.ndim == 2 else ops.reshape(inputs, (-1, inputs.shape[-1]))
        name = activations.fused_name(self.activation)
        if self.bias is not None and name is not None:
            outputs = ops.dense(rows, self.kernel, self.bias, name)
        else:
            summed = ops.dense(rows, self.kernel)
            outputs = activations.with_bias(summed, self.bias, self.activation)
        if inputs.ndim == 2:
            return outputs
        return ops.reshape(outputs, (*inputs.shape[:-1], self.units))

    def compute_output_shape(self, input_shape):
        self.ensure_built(input_shape)
        return (*input_shape[:-1], self.units)

    def multiply_adds(self, input_shape, output_shape):
        return product(input_shape[1:-1], self.kernel.size)

    def sees(self, axis, low, high):
        flat = self.build_shapes is not None and len(self.build_shapes[0]) == 2
        return None if flat else (low, high)


class Flatten(Layer):
    """(N, ...) to (N, C): all axes but the batch in one.

    Parameters
    ----------
    data_format : "channels_last", optional
        For Keras's sake; nothing else is taken.
    **kwargs
        `name`, `input_shape`.
    """

    def __init__(self, data_format=None, **kwargs):
        super().__init__(**kwargs)
        self.data_format = checks.channels_last(self, data_format)

    def call(self, inputs):
        return ops.reshape(inputs, (inputs.shape[0], math.prod(inputs.shape[1:])))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], product(input_shape[1:], 1))


class Reshape(Layer):
    """(N, ...) to (N, *target_shape).

    Parameters
    ----------
    target_shape : tuple of int
        Without the batch axis; one size may be -1.
    **kwargs
        `name`, `input_shape`.

    Raises
    ------
    ValueError
        If the number of values differs.
    """

    def __init__(self, target_shape, **kwargs):
        super().__init__(**kwargs)
        self.target_shape = tuple(target_shape)
        if not all(hasattr(n, "__index__") for n in self.target_shape):
            raise ValueError(f"{self.title}: target_shape={target_shape!r}, expected integers")
        if self.target_shape.count(-1) > 1 or any(n < 1 and n != -1 for n in self.target_shape):
            raise ValueError(
                f"{self.title}: target_shape={target_shape!r}, expected positive sizes, at most "
                "one of them -1"
            )

    def call(self, inputs):
        return ops.reshape(inputs, (inputs.shape[0], *self._sizes(inputs.shape[1:])))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *self._sizes(input_shape[1:]))

    def _sizes(self, sizes):
        have = product(sizes, 1)
        if have is None:
            return tuple(None if n == -1 else n for n in self.target_shape)
        known = math.prod(n for n in self.target_shape if n != -1)
        if have % known or (-1 not in self.target_shape and have != known):
            raise ValueError(
                f"{self.title}: {have} values per example, of shape {tuple(sizes)}, do not fit "
                f"target_shape={self.target_shape}; the products of the sizes must be equal"
            )
        return tuple(have // known if n == -1 else n for n in self.target_shape)


class Permute(Layer):
    """Reorder the axes after the batch.

    Parameters
    ----------
    dims : tuple of int
        Axis i of the output is axis dims[i] of the input; the batch is 0 and stays.
    **kwargs
        `name`, `input_shape`.

    Raises
    ------
    ValueError
        If `dims` is not a permutation of 1, 2, ...
    """

    def __init__(self, dims, **kwargs):
        super().__init__(**kwargs)
        self.dims = tuple(dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ValueError(
                f"{self.title}: dims={dims!r}, expected each of 1 to {len(self.dims)} once; the "
                "batch axis 0 is not named"
            )
        self.input_rank = len(self.dims) + 1

    def call(self, inputs):
        return ops.transpose(inputs, (0, *self.dims))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *[input_shape[d] for d in self.dims])


class RepeatVector(Layer):
    """(N, C) to (N, n, C): the vector n times.

    Parameters
    ----------
    n : int
        Times.
    **kwargs
        `name`, `input_shape`.
    """

    input_rank = 2

    def __init__(self, n, **kwargs):
        super().__init__(**kwargs)
        self.n = checks.positive(self, "n", n)

    def call(self, inputs):
        return ops.repeat(ops.expand_dims(inputs, 1), self.n, 1)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.n, input_shape[1])


class Rescaling(Elementwise):
    """inputs * scale + offset.

    Parameters
    ----------
    scale, offset : float
        E.g. 1 / 255 and 0 for 8-bit images.
    **kwargs
        `name`, `input_shape`.
    """

    def __init__(self, scale, offset=0.0, **kwargs):
        super().__init__(**kwargs)
        self.scale = bounds.number(self.title, "scale", scale)
        self.offset = bounds.number(self.title, "offset", offset)

    def call(self, inputs):
        scaled = inputs * self.scale
        return scaled + self.offset if self.offset else scaled
