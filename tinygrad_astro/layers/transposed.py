"""Transposed convolution layers: the adjoints of convolutions, to go from coarse to fine."""

from tinygrad_astro import activations, initializers, ops, shapes
from tinygrad_astro.layers import checks
from tinygrad_astro.layers.geometry import BaseConv, named, product
from tinygrad_astro.layers.windows import steps

__all__ = ["Conv1DTranspose", "Conv2DTranspose"]


class ConvTranspose(BaseConv):
    """activation(conv_transpose(inputs, kernel) + bias), the base of Conv{1,2}DTranspose."""

    def __init__(
        self,
        filters,
        kernel_size,
        strides=1,
        padding="valid",
        output_padding=None,
        data_format=None,
        dilation_rate=1,
        activation=None,
        use_bias=True,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.set_geometry(kernel_size, strides, padding, data_format, dilation_rate)
        self.filters = checks.positive(self, "filters", filters)
        self.output_padding = output_padding
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.set_output(activation, use_bias, bias_initializer)

    def build(self, input_shape):
        channels = checks.known_channels(self, input_shape)
        shape = (*self.kernel_size, self.filters, channels)
        self.kernel = self.add_weight(shape, self.kernel_initializer, name="kernel")
        self.add_bias(self.filters)
        self.input_channels = channels

    def call(self, inputs):
        name = activations.fused_name(self.activation)
        outputs = ops.conv_transpose(
            inputs,
            self.kernel,
            self.strides,
            self.padding,
            self.output_padding,
            self.dilation_rate,
            bias=self.bias,
            activation=name or "linear",
        )
        return outputs if name else self.activation(outputs)

    def output_shape_of(self, input_shape):
        return named(self, shapes.conv_transpose)(
            input_shape,
            self.kernel.shape,
            self.strides,
            self.padding,
            self.output_padding,
            self.dilation_rate,
        )[0]

    def multiply_adds(self, input_shape, output_shape):
        return product(input_shape[1:-1], self.kernel.size)

    def sees(self, axis, low, high):
        return steps(
            axis, low, high, self.kernel_size, self.strides, self.padding, self.dilation_rate
        )


class Conv1DTranspose(ConvTranspose):
    """The adjoint of a Conv1D, plus bias and activation: each pixel spreads the kernel.

    Parameters
    ----------
    filters : int
        Output channels.
    kernel_size, strides, dilation_rate : int
        Taps; step between the copies of the kernel; step between taps, in pixels.
    padding : "valid", "same", int or pair
        "same" gives n s pixels, "valid" (n - 1) s + max(span, s).
    output_padding : int, optional
        Pixels added at the end, less than the stride.
    activation : str or callable, optional
        Fused with the bias where it is linear, relu, sigmoid, tanh or elu.
    use_bias : bool
        Add a bias per output channel.
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
    Weights: kernel (k, filters, C), output channels first, as in Keras; bias (filters,).

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> ta.layers.Conv1DTranspose(8, 4, strides=2).compute_output_shape((None, 50, 16))
    (None, 102, 8)
    """

    rank = 1


class Conv2DTranspose(ConvTranspose):
    """The adjoint of a Conv2D, plus bias and activation: each pixel spreads the kernel.

    Parameters
    ----------
    filters : int
        Output channels.
    kernel_size, strides, dilation_rate : int or (height, width)
        Taps; step between the copies of the kernel; step between taps, in pixels. A kernel size
        that the stride does not divide paints a checkerboard (Odena et al. 2016).
    padding : "valid", "same", int or pairs
        "same" gives n s pixels, "valid" (n - 1) s + max(span, s).
    output_padding : int or (height, width), optional
        Pixels added at the end, less than the stride.
    activation : str or callable, optional
        Fused with the bias where it is linear, relu, sigmoid, tanh or elu.
    use_bias : bool
        Add a bias per output channel.
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
    Weights: kernel (kh, kw, filters, C), output channels first, as in Keras; bias (filters,).

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> ta.layers.Conv2DTranspose(8, 2, strides=2).compute_output_shape((None, 28, 28, 16))
    (None, 56, 56, 8)
    """

    rank = 2
