"""Maxout: a dense layer that keeps the largest of several linear answers per unit."""

from tinygrad_astro import initializers, ops
from tinygrad_astro.layers import checks
from tinygrad_astro.layers.geometry import product
from tinygrad_astro.layers.layer import Layer

__all__ = ["Maxout"]


class Maxout(Layer):
    """out[u] = max over p of (inputs @ kernel + bias)[u * pieces + p], over the last axis.

    Beyond Keras: an activation that is learned, piecewise linear and convex.

    Parameters
    ----------
    units : int
        Outputs.
    pieces : int
        Linear answers per unit, of which the largest is kept.
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
    Inputs (..., C) give (..., units). Weights: kernel (C, units * pieces), bias (units * pieces,).
    Of equal pieces the first gets the gradient; a NaN among them makes the unit NaN.

    References
    ----------
    Goodfellow et al. 2013 (arXiv:1302.4389), section 2.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> layer = ta.layers.Maxout(2048)
    >>> layer.compute_output_shape((None, 8192)), layer.count_params()
    ((None, 2048), 33558528)
    """

    def __init__(
        self,
        units,
        pieces=2,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.units = checks.positive(self, "units", units)
        self.pieces = checks.positive(self, "pieces", pieces)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)

    def build(self, input_shape):
        channels = checks.known_channels(self, input_shape)
        total = self.units * self.pieces
        self.kernel = self.add_weight((channels, total), self.kernel_initializer, name="kernel")
        self.bias = self.add_weight((total,), self.bias_initializer, name="bias")
        self.input_channels = channels

    def call(self, inputs):
        rows = inputs if inputs.ndim == 2 else ops.reshape(inputs, (-1, inputs.shape[-1]))
        answers = ops.dense(rows, self.kernel) + self.bias
        kept = ops.max(ops.reshape(answers, (-1, self.units, self.pieces)), axis=-1)
        return ops.reshape(kept, (*inputs.shape[:-1], self.units))

    def compute_output_shape(self, input_shape):
        self.ensure_built(input_shape)
        return (*input_shape[:-1], self.units)

    def multiply_adds(self, input_shape, output_shape):
        return product(input_shape[1:-1], self.kernel.size)
