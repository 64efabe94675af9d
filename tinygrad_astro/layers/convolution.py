"""Convolution layers for spectra (N, L, C) and images (N, H, W, C).

"Convolution" is cross-correlation, as in Keras: the kernel is not flipped.
"""

from tinygrad_astro import activations, initializers, ops, shapes
from tinygrad_astro.layers import checks
from tinygrad_astro.layers.geometry import BaseConv, named, product

__all__ = ["Conv1D", "Conv2D"]


class Conv(BaseConv):
    """activation(conv(inputs, kernel) + bias), the base of Conv1D and Conv2D."""

    def __init__(
        self,
        filters,
        kernel_size,
        strides=1,
        padding="valid",
        data_format=None,
        dilation_rate=1,
        groups=1,
        activation=None,
        use_bias=True,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.set_geometry(kernel_size, strides, padding, data_format, dilation_rate)
        self.filters = checks.positive(self, "filters", filters)
        self.groups = checks.positive(self, "groups", groups)
        if self.filters % self.groups:
            raise ValueError(
                f"{self.title}: groups={groups} does not divide filters={filters}; each group "
                "makes filters / groups of the outputs"
            )
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.set_output(activation, use_bias, bias_initializer)

    def build(self, input_shape):
        channels = checks.known_channels(self, input_shape)
        if channels % self.groups:
            raise ValueError(
                f"{self.title}: groups={self.groups} does not divide the {channels} channels of "
                f"its input {tuple(input_shape)}"
            )
        shape = (*self.kernel_size, channels // self.groups, self.filters)
        self.kernel = self.add_weight(shape, self.kernel_initializer, name="kernel")
        self.add_bias(self.filters)
        self.input_channels = channels

    def call(self, inputs):
        name = activations.fused_name(self.activation)
        outputs = ops.conv(
            inputs,
            self.kernel,
            self.strides,
            self.padding,
            self.dilation_rate,
            self.groups,
            bias=self.bias,
            activation=name or "linear",
        )
        return outputs if name else self.activation(outputs)

    def output_shape_of(self, input_shape):
        return named(self, shapes.conv)(
            input_shape,
            self.kernel.shape,
            self.strides,
            self.padding,
            self.dilation_rate,
            self.groups,
        )[0]

    def multiply_adds(self, input_shape, output_shape):
        return product(output_shape[1:-1], self.kernel.size)


class Conv1D(Conv):
    """out[i,d] = activation(bias[d] + sum_ac inputs[i s + a r, c] kernel[a,c,d]), along spectra.

    Parameters
    ----------
    filters : int
        Output channels.
    kernel_size, strides, dilation_rate : int
        Taps, step of the window, step of the taps, in pixels.
    padding : "valid", "same", "causal", int or pair
        "causal" pads before only, so that an output sees no later input.
    groups : int
        Outputs of a group see inputs of that group only.
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
    Weights: kernel (k, C // groups, filters), bias (filters,). Parameters: (k C / groups + 1)
    filters. A NaN spreads to every output whose window holds it.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> ta.layers.Conv1D(8, 5, padding="same").compute_output_shape((None, 4096, 2))
    (None, 4096, 8)
    """

    rank = 1


class Conv2D(Conv):
    """out[i,j,d] = activation(bias[d] + sum_abc inputs[i s + a r, j s + b r, c] kernel[a,b,c,d]).

    Parameters
    ----------
    filters : int
        Output channels.
    kernel_size, strides, dilation_rate : int or (height, width)
        Taps, step of the window, step of the taps, in pixels.
    padding : "valid", "same", int or pairs
        "same" gives ceil(n / stride) pixels, an odd pad at the end.
    groups : int
        Outputs of a group see inputs of that group only.
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
    Weights: kernel (kh, kw, C // groups, filters), bias (filters,). Parameters:
    (kh kw C / groups + 1) filters. A NaN spreads to every output whose window holds it.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> layer = ta.layers.Conv2D(32, 5)
    >>> layer.compute_output_shape((None, 69, 69, 3)), layer.count_params()
    ((None, 65, 65, 32), 2432)
    """

    rank = 2
