"""Transposed convolutions normalised by the valid pixels that reach each output.

See `masked` for what a mask is, and `masked_convolution` for the convolutions.
"""

import numpy as np

from tinygrad_astro import ops, shapes
from tinygrad_astro.kernels import constant
from tinygrad_astro.layers.masked_convolution import Partial
from tinygrad_astro.layers.transposed import ConvTranspose
from tinygrad_astro.tape import Tensor

__all__ = ["PartialConv1DTranspose", "PartialConv2DTranspose"]


class _PartialConvTranspose(Partial, ConvTranspose):
    """The mask-normalised transposed convolution, of any rank."""

    def call(self, inputs, valid):
        return self.scaled_sums(inputs, valid)

    def _geometry(self):
        return self.strides, self.padding, self.output_padding, self.dilation_rate

    def _sum(self, x, kernel):
        return ops.conv_transpose(x, kernel, *self._geometry())

    def sums(self, x):
        return self._sum(x, self.kernel)

    def counts(self, good):
        """Count the valid pixels that reach each output, and those that could."""
        channels = good.shape[-1]
        shape = (*self.kernel_size, 1, channels)
        count = self.counted(self._sum, good, shape)
        (_, *sizes, _), _, pads, _ = shapes.conv_transpose(good.shape, shape, *self._geometry())
        whole = np.ones((1, 1))
        for axis, (size, (before, _)) in enumerate(zip(sizes, pads, strict=True)):
            whole = whole[..., None, :] * self._taps(axis, size, before)[:, None]
        return count, Tensor(constant(np.asarray(whole * channels, good.dtype), good.device))

    def _taps(self, axis: int, size: int, before: int) -> np.ndarray:
        """Count the taps that reach each place of an axis if input goes on beyond its ends.

        Input i reaches place i s + k d - before by tap k: a place takes the taps of its own phase.
        """
        taps = np.arange(self.kernel_size[axis]) * self.dilation_rate[axis]
        places = np.arange(size)[:, None] + before
        return ((places - taps) % self.strides[axis] == 0).sum(axis=1)

    def compute_output_shape(self, input_shape, valid_shape):
        self.ensure_built(input_shape, valid_shape)
        shape = self.output_shape_of(tuple(input_shape))
        return [shape, (*shape[:-1], 1)]


_PARTIAL = """

    Each result is a sum over the pixels that reach it, at other taps of the kernel from phase to
    phase of the stride: sum(1) counts those that reach it far from all borders, sum(M) the valid
    ones. It is valid where any valid pixel reaches it, and 0 elsewhere, so also in the gaps of a
    kernel shorter than the stride. What lies beyond the image is not valid, as in `PartialConv`.
    Where all pixels that could reach a result are valid, it is the plain transposed convolution:
    everywhere, if kernel and stride are equal.

    Parameters
    ----------
    filters : int
        Output channels.
    kernel_size, strides, dilation_rate : int or one per axis
        Taps; step between the copies of the kernel; step between taps, in pixels.
    padding : "valid", "same", int or pairs
        As in the plain transposed convolution.
    output_padding : int or one per axis, optional
        Pixels added at the end, less than the stride.
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
        Values and mask, of the size that the plain transposed convolution gives.

    Raises
    ------
    ValueError
        If an argument is out of range, or values and mask do not fit each other.

    Notes
    -----
    Weights as the plain transposed convolution, so they can be exchanged. A NaN in a valid pixel
    spreads.

    References
    ----------
    Liu et al. 2018 (arXiv:1804.07723), equations 1 and 2, with the window of the adjoint.
    """


class PartialConv1DTranspose(_PartialConvTranspose):
    __doc__ = (
        "out = activation(bias + conv_transpose(inputs M, kernel) sum(1) / sum(M)) of spectra."
        + _PARTIAL.format(layout="N, L")
        + """
    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> wide = ta.layers.PartialConv1DTranspose(1, 4, strides=2, kernel_initializer="ones")
    >>> y, valid = wide([[[1.0], [3.0], [float("nan")]]], [[[1], [1], [0]]])
    >>> y.numpy().ravel(), valid.numpy().ravel()
    (array([2., 2., 4., 4., 6., 6., 0., 0.], dtype=float32),
     array([1., 1., 1., 1., 1., 1., 0., 0.], dtype=float32))
    """
    )
    rank = 1


class PartialConv2DTranspose(_PartialConvTranspose):
    __doc__ = (
        "out = activation(bias + conv_transpose(inputs M, kernel) sum(1) / sum(M)) of images."
        + _PARTIAL.format(layout="N, H, W")
        + """
    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> layer = ta.layers.PartialConv2DTranspose(8, 2, strides=2)
    >>> layer.compute_output_shape((None, 28, 28, 16), (None, 28, 28, 16))
    [(None, 56, 56, 8), (None, 56, 56, 1)]
    """
    )
    rank = 2
