"""Convolutions that treat each channel alone, and mix channels afterwards or not at all."""

from tinygrad_astro import activations, initializers, ops, shapes
from tinygrad_astro.layers import checks
from tinygrad_astro.layers.geometry import BaseConv, named, product

__all__ = ["DepthwiseConv2D", "SeparableConv2D"]


class _ByChannel(BaseConv):
    """A convolution that begins with `depth_multiplier` kernels for each input channel."""

    rank = 2

    def set_depthwise(self, depth_multiplier, depthwise_initializer) -> None:
        """Keep the arguments of the part that treats channels alone."""
        self.depth_multiplier = checks.positive(self, "depth_multiplier", depth_multiplier)
        self.depthwise_initializer = initializers.get(depthwise_initializer)

    def add_depthwise(self, input_shape) -> int:
        """Make the kernel (kh, kw, C, multiplier); gives C."""
        channels = checks.known_channels(self, input_shape)
        shape = (*self.kernel_size, channels, self.depth_multiplier)
        name = type(self).depthwise_name
        self.depthwise_kernel = self.add_weight(shape, self.depthwise_initializer, name=name)
        self.input_channels = channels
        return channels

    def convolve_channels(self, inputs):
        """Convolve: output channel c m + i is input channel c under its kernel i."""
        *window, channels, multiplier = self.depthwise_kernel.shape
        kernel = ops.reshape(self.depthwise_kernel, (*window, 1, channels * multiplier))
        return ops.conv(
            inputs, kernel, self.strides, self.padding, self.dilation_rate, groups=channels
        )

    def depthwise_shape_of(self, input_shape):
        """Give the shape of what `convolve_channels` gives."""
        *window, channels, multiplier = self.depthwise_kernel.shape
        kernel = (*window, 1, channels * multiplier)
        return named(self, shapes.conv)(
            input_shape, kernel, self.strides, self.padding, self.dilation_rate, channels
        )[0]

    depthwise_name = "kernel"


class DepthwiseConv2D(_ByChannel):
    """out[i,j,c m + e] = activation(bias + sum_ab inputs[i s + a r, j s + b r, c] kernel[a,b,c,e]).

    Parameters
    ----------
    kernel_size, strides, dilation_rate : int or (height, width)
        Taps, step of the window, step of the taps, in pixels.
    padding : "valid", "same", int or pairs
        As in Conv2D.
    depth_multiplier : int
        Kernels, and outputs, per input channel: m in the equation.
    activation : str or callable, optional
        Fused with the bias where it is linear, relu, sigmoid, tanh or elu.
    use_bias : bool
        Add a bias per output channel.
    depthwise_initializer, bias_initializer : str or Initializer
        First values.
    **kwargs
        `name`, `trainable`, `dtype`, `input_shape`.

    Raises
    ------
    ValueError
        If an argument is out of range, or does not fit the input, in words.

    Notes
    -----
    Weights: kernel (kh, kw, C, m), bias (C m,).

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> ta.layers.DepthwiseConv2D(3, depth_multiplier=2).compute_output_shape((None, 9, 9, 5))
    (None, 7, 7, 10)
    """

    def __init__(
        self,
        kernel_size,
        strides=1,
        padding="valid",
        depth_multiplier=1,
        data_format=None,
        dilation_rate=1,
        activation=None,
        use_bias=True,
        depthwise_initializer="glorot_uniform",
        bias_initializer="zeros",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.set_geometry(kernel_size, strides, padding, data_format, dilation_rate)
        self.set_depthwise(depth_multiplier, depthwise_initializer)
        self.set_output(activation, use_bias, bias_initializer)

    def build(self, input_shape):
        self.add_bias(self.add_depthwise(input_shape) * self.depth_multiplier)

    def call(self, inputs):
        return activations.with_bias(self.convolve_channels(inputs), self.bias, self.activation)

    def output_shape_of(self, input_shape):
        return self.depthwise_shape_of(input_shape)

    def multiply_adds(self, input_shape, output_shape):
        return product(output_shape[1:-1], self.depthwise_kernel.size)


class SeparableConv2D(_ByChannel):
    """A depthwise convolution, then a 1x1 convolution that mixes the channels, bias, activation.

    Parameters
    ----------
    filters : int
        Output channels.
    kernel_size, strides, dilation_rate : int or (height, width)
        Taps, step of the window, step of the taps, in pixels.
    padding : "valid", "same", int or pairs
        As in Conv2D.
    depth_multiplier : int
        Kernels per input channel.
    activation : str or callable, optional
        Fused with the bias where it is linear, relu, sigmoid, tanh or elu.
    use_bias : bool
        Add a bias per output channel.
    depthwise_initializer, pointwise_initializer, bias_initializer : str or Initializer
        First values.
    **kwargs
        `name`, `trainable`, `dtype`, `input_shape`.

    Raises
    ------
    ValueError
        If an argument is out of range, or does not fit the input, in words.

    Notes
    -----
    Weights: depthwise_kernel (kh, kw, C, m), pointwise_kernel (1, 1, C m, filters), bias.

    References
    ----------
    Chollet 2017 (arXiv:1610.02357), figure 1.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> layer = ta.layers.SeparableConv2D(16, 3, padding="same")
    >>> layer.compute_output_shape((None, 9, 9, 5)), layer.count_params()
    ((None, 9, 9, 16), 141)
    """

    depthwise_name = "depthwise_kernel"

    def __init__(
        self,
        filters,
        kernel_size,
        strides=1,
        padding="valid",
        data_format=None,
        dilation_rate=1,
        depth_multiplier=1,
        activation=None,
        use_bias=True,
        depthwise_initializer="glorot_uniform",
        pointwise_initializer="glorot_uniform",
        bias_initializer="zeros",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.set_geometry(kernel_size, strides, padding, data_format, dilation_rate)
        self.filters = checks.positive(self, "filters", filters)
        self.set_depthwise(depth_multiplier, depthwise_initializer)
        self.pointwise_initializer = initializers.get(pointwise_initializer)
        self.set_output(activation, use_bias, bias_initializer)

    def build(self, input_shape):
        wide = self.add_depthwise(input_shape) * self.depth_multiplier
        shape = (1, 1, wide, self.filters)
        self.pointwise_kernel = self.add_weight(
            shape, self.pointwise_initializer, name="pointwise_kernel"
        )
        self.add_bias(self.filters)

    def call(self, inputs):
        mixed = ops.conv(self.convolve_channels(inputs), self.pointwise_kernel)
        return activations.with_bias(mixed, self.bias, self.activation)

    def output_shape_of(self, input_shape):
        return (*self.depthwise_shape_of(input_shape)[:-1], self.filters)

    def multiply_adds(self, input_shape, output_shape):
        taps = self.depthwise_kernel.size + self.pointwise_kernel.size
        return product(output_shape[1:-1], taps)
