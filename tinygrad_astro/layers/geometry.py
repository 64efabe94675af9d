"""What convolution layers share: where the window goes, the bias, the activation fused to it."""

import math

from tinygrad_astro import activations, initializers, shapes
from tinygrad_astro.layers import checks
from tinygrad_astro.layers.layer import Layer
from tinygrad_astro.layers.windows import places


class BaseConv(Layer):
    """Base of all convolutions; it knows no rank but `rank`, which the public names fix."""

    rank: int

    def set_geometry(self, kernel_size, strides, padding, data_format, dilation_rate) -> None:
        """Check and keep the arguments that say where the window goes."""
        try:
            self.kernel_size = shapes.per_axis(_listed(kernel_size), self.rank, "kernel_size")
            self.strides = shapes.per_axis(_listed(strides), self.rank, "strides")
            self.dilation_rate = shapes.per_axis(_listed(dilation_rate), self.rank, "dilation_rate")
            self.padding = padding.lower() if isinstance(padding, str) else padding
            ones = (1,) * self.rank
            shapes.pads(self.padding, ones, self.kernel_size, self.strides, self.dilation_rate)
        except ValueError as error:
            raise ValueError(f"{self.title}: {error}") from None
        self.data_format = checks.channels_last(self, data_format)
        self.input_rank = self.rank + 2

    def set_output(self, activation, use_bias, bias_initializer) -> None:
        """Keep the arguments that act on the sum."""
        self.activation = activations.get(activation)
        self.use_bias = bool(use_bias)
        self.bias_initializer = initializers.get(bias_initializer)
        self.bias = None

    def add_bias(self, channels) -> None:
        """Make the bias, after the kernels, as Keras orders them."""
        if self.use_bias:
            self.bias = self.add_weight((channels,), self.bias_initializer, name="bias")

    def compute_output_shape(self, input_shape):
        self.ensure_built(input_shape)
        return self.output_shape_of(tuple(input_shape))

    def sees(self, axis, low, high):
        return places(
            axis, low, high, self.kernel_size, self.strides, self.padding, self.dilation_rate
        )


def named(layer, check):
    """Let the errors of a shape check say which layer they are about."""

    def checked(*args):
        try:
            return check(*args)
        except ValueError as error:
            raise ValueError(f"{layer.title}: {error}") from None

    return checked


def product(sizes, factor) -> int | None:
    """Multiply, None where a size is not known."""
    return None if None in sizes else math.prod(sizes) * factor


def _listed(value):
    """A JSON list is as good as a tuple."""
    return tuple(value) if isinstance(value, list) else value
