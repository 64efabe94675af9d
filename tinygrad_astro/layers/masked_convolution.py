"""Convolutions normalised by how many valid pixels they see; see `masked` for what a mask is."""

import math

from tinygrad_astro import activations, ops
from tinygrad_astro.layers.convolution import Conv
from tinygrad_astro.layers.masked import Masked
from tinygrad_astro.modes import no_grad
from tinygrad_astro.tensor import tensor

__all__ = ["PartialConv1D", "PartialConv2D"]


class Partial(Masked):
    """Sums over windows of valid pixels, each times all pixels of its window over the valid ones.

    A subclass stands before the layer of the plain sums and defines `sums(x)`, without bias, and
    `counts(good)`, the valid pixels behind each sum and all that could be there.
    """

    def scaled_sums(self, inputs, valid):
        """Give the values and their mask: what the layer's `call` gives."""
        x, good = self.hidden(inputs, valid)
        with no_grad():
            count, whole = self.counts(good)
            seen = ops.greater(count, 0.0)
            factor = ops.where(seen, whole / ops.maximum(count, 1.0), 0.0)
        outputs = activations.with_bias(self.sums(x) * factor, self.bias, self.activation)
        return [ops.where(seen, outputs, 0.0), seen.astype(outputs.dtype)]

    @staticmethod
    def counted(sum_windows, good, shape):
        """Count with a kernel of ones: whole numbers, whatever a fast transform rounds."""
        ones = ops.broadcast_to(tensor(1.0, good.dtype, good.device), shape)
        return ops.floor(sum_windows(good, ones) + 0.5)

    def multiply_adds(self, input_shape, output_shape):
        return super().multiply_adds(input_shape, output_shape[0])


class _PartialConv(Partial, Conv):
    """The mask-normalised convolution, of any rank."""

    def call(self, inputs, valid):
        return self.scaled_sums(inputs, valid)

    def _sum(self, x, kernel, groups):
        return ops.conv(x, kernel, self.strides, self.padding, self.dilation_rate, groups)

    def sums(self, x):
        return self._sum(x, self.kernel, self.groups)

    def counts(self, good):
        """Outputs of one group see the same pixels; so do all where the mask has one channel."""
        channels = good.shape[-1]
        groups = self.groups if channels > 1 else 1
        shape = (*self.kernel_size, channels // groups, 1 if groups == 1 else self.filters)
        count = self.counted(lambda x, ones: self._sum(x, ones, groups), good, shape)
        return count, float(math.prod(shape[:-1]))

    def compute_output_shape(self, input_shape, valid_shape):
        self.ensure_built(input_shape, valid_shape)
        shape = self.output_shape_of(tuple(input_shape))
        shared = self.groups == 1 or valid_shape[-1] == 1
        return [shape, (*shape[:-1], 1 if shared else shape[-1])]


_PARTIAL = """

    sum(1) counts a whole window, sum(M) its valid pixels. A result is valid where its window holds
    any valid pixel (equation 2), and 0 elsewhere. Padding is not valid, as in the authors' code: an
    image with a masked border gives what the image without that border gives. Where all pixels of a
    window are valid, it is the plain convolution.

    Parameters
    ----------
    filters : int
        Output channels.
    kernel_size, strides, dilation_rate : int or one per axis
        Taps, step of the window, step of the taps, in pixels.
    padding : "valid", "same", int or pairs
        As in the plain convolution.
    groups : int
        Outputs of a group see, and count, inputs of that group only.
    activation : str or callable, optional
        Applied before what is not valid is set to 0.
    use_bias : bool
        Add a bias per output channel.
    kernel_initializer, bias_initializer : str or Initializer
        First values.
    **kwargs
        `name`, `trainable`, `dtype`.

    Returns
    -------
    [Tensor ({layout}, filters), Tensor ({layout}, 1)]
        Values and mask, of the size that the plain convolution gives; with groups and a mask of
        several channels, the mask has a channel per filter.

    Raises
    ------
    ValueError
        If an argument is out of range, or values and mask do not fit each other.

    Notes
    -----
    Weights as the plain convolution, so they can be exchanged. A NaN in a valid pixel spreads.

    References
    ----------
    Liu et al. 2018 (arXiv:1804.07723), equations 1 and 2; for padding Liu et al. 2018
    (arXiv:1811.11718).
    """


class PartialConv1D(_PartialConv):
    __doc__ = (
        "out = activation(bias + conv(inputs M, kernel) sum(1) / sum(M)) of spectra, M the mask."
        + _PARTIAL.format(layout="N, L")
        + """
    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> mean = ta.layers.PartialConv1D(1, 2, kernel_initializer=ta.initializers.Constant(0.5))
    >>> y, valid = mean([[[1.0], [3.0], [float("nan")], [float("nan")]]], [[[1], [1], [0], [0]]])
    >>> y.numpy().ravel(), valid.numpy().ravel()
    (array([2., 3., 0.], dtype=float32), array([1., 1., 0.], dtype=float32))
    """
    )
    rank = 1


class PartialConv2D(_PartialConv):
    __doc__ = (
        "out = activation(bias + conv(inputs M, kernel) sum(1) / sum(M)) of images, M the mask."
        + _PARTIAL.format(layout="N, H, W")
        + """
    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> layer = ta.layers.PartialConv2D(32, 3, padding="same")
    >>> layer.compute_output_shape((None, 64, 64, 3), (None, 64, 64, 1))
    [(None, 64, 64, 32), (None, 64, 64, 1)]
    """
    )
    rank = 2
