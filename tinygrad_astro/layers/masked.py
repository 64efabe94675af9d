"""Layers that see valid pixels only: called as `layer(x, valid)`, they give values and a mask.

`valid` has the shape of x, or one channel for all of them; it is true (not 0) where a pixel counts,
as in the losses. What x holds elsewhere (NaN, inf, 1e30) is replaced by 0 before any arithmetic: it
reaches no value, no statistic and no gradient, and changes not one bit of them. What is not valid
in a result is 0. Layers that work on each pixel alone, ReLU or Dropout, may stand in between.

    x, valid = PartialConv2D(16, 3, padding="same", activation="relu")(x, valid)
    x, valid = MaskedMaxPooling2D(2)(x, valid)
    y = Unmask(value=float("nan"))(x, valid)
"""

import math

from tinygrad_astro import activations, ops
from tinygrad_astro.layers import checks
from tinygrad_astro.layers.convolution import Conv
from tinygrad_astro.layers.layer import Layer
from tinygrad_astro.layers.merging import Concatenate
from tinygrad_astro.layers.normalization import BatchNormalization
from tinygrad_astro.layers.weights import assign
from tinygrad_astro.modes import no_grad
from tinygrad_astro.tensor import tensor

__all__ = ["MaskedBatchNormalization", "MaskedConcatenate", "PartialConv1D", "PartialConv2D"]
__all__ += ["Unmask"]


class Masked(Layer):
    """A layer that is called on values and their mask."""

    def ensure_built(self, *shapes):
        checks.values_and_mask(self, shapes)
        super().ensure_built(*shapes)

    @staticmethod
    def hidden(inputs, valid, fill=0.0):
        """Give the inputs with `fill` where they are not valid, and what is valid as 0 and 1."""
        good = ops.not_equal(valid.detach(), 0.0)
        return ops.where(good, inputs, fill), good.astype(inputs.dtype)


class _PartialConv(Masked, Conv):
    """The mask-normalised convolution, of any rank."""

    def call(self, inputs, valid):
        x, good = self.hidden(inputs, valid)
        geometry = (self.strides, self.padding, self.dilation_rate)
        with no_grad():
            count, window = self._count(good, geometry)
            seen = ops.greater(count, 0.0)
            factor = ops.where(seen, window / ops.maximum(count, 1.0), 0.0)
        summed = ops.conv(x, self.kernel, *geometry, self.groups) * factor
        outputs = activations.with_bias(summed, self.bias, self.activation)
        return [ops.where(seen, outputs, 0.0), seen.astype(outputs.dtype)]

    def _count(self, good, geometry):
        """Count the valid pixels of each window, and give the size of a window.

        Outputs of one group see the same pixels, and so do all where the mask has one channel.
        """
        channels = good.shape[-1]
        groups = self.groups if channels > 1 else 1
        shape = (*self.kernel_size, channels // groups, 1 if groups == 1 else self.filters)
        ones = ops.broadcast_to(tensor(1.0, good.dtype, good.device), shape)
        count = ops.conv(good, ones, *geometry, groups)
        # Whole numbers, whatever a fast transform rounds.
        return ops.floor(count + 0.5), float(math.prod(shape[:-1]))

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


class MaskedBatchNormalization(Masked, BatchNormalization):
    """gamma (x - mean) / sqrt(variance + epsilon) + beta, with the statistics of valid pixels only.

    Arguments and weights are those of `BatchNormalization`, so weights can be exchanged.

    Returns
    -------
    [Tensor (..., C), Tensor (..., 1 or C)]
        Values, 0 where they are not valid, and the mask.

    Raises
    ------
    ValueError
        If an argument is out of range, or values and mask do not fit each other.

    Notes
    -----
    In training, mean and (biased) variance are sums over the valid pixels of a channel divided by
    their number, and the gradient goes through them. A channel without a valid pixel leaves the
    moving statistics as they are. A NaN in a valid pixel makes its channel NaN.

    References
    ----------
    Ioffe & Szegedy 2015 (arXiv:1502.03167), algorithm 1, with m the number of valid pixels.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> layer = ta.layers.MaskedBatchNormalization(center=False, scale=False)
    >>> y, valid = layer([[1.0], [float("inf")], [3.0]], [[1], [0], [1]], training=True)
    >>> y.numpy().round(2).ravel()
    array([-1.,  0.,  1.], dtype=float32)
    """

    def call(self, inputs, valid, training=False):
        x, good = self.hidden(inputs, valid)
        if training and self.trainable:
            outputs = self.affine(self._normalized(x, good))
        else:
            gamma = ops.ones_like(self.moving_mean) if self.gamma is None else self.gamma
            beta = ops.zeros_like(self.moving_mean) if self.beta is None else self.beta
            statistics = (self.moving_mean.data, self.moving_variance.data)
            outputs = ops.batch_normalization(x, gamma, beta, *statistics, epsilon=self.epsilon)
        return [ops.where(good > 0, self.activation(outputs), 0.0), valid]

    def _normalized(self, x, good):
        axes = tuple(range(x.ndim - 1))
        count = ops.sum(ops.broadcast_to(good, x.shape), axis=axes)
        least = ops.maximum(count, 1.0)
        mean = ops.sum(x, axis=axes) / least
        centred = ops.where(good > 0, x - mean, 0.0)
        variance = ops.sum(ops.square(centred), axis=axes) / least
        with no_grad():
            followers = ((self.moving_mean, mean), (self.moving_variance, variance))
            for moving, batch in followers:
                moved = moving * self.momentum + batch * (1 - self.momentum)
                assign(moving, ops.where(count > 0, moved, moving))
        return centred / ops.sqrt(variance + self.epsilon)

    def compute_output_shape(self, input_shape, valid_shape):
        self.ensure_built(input_shape, valid_shape)
        return [tuple(input_shape), tuple(valid_shape)]


class MaskedConcatenate(Layer):
    """Channels side by side, with the mask of each: the skip connection of a U-Net.

    Called on a list of values and a list of their masks, `layer([x, skip], [valid, seen])`.

    Parameters
    ----------
    **kwargs
        `name`.

    Returns
    -------
    [Tensor (..., sum of C), Tensor (..., sum of C)]
        Values and mask, which now has a channel for each of theirs.

    Raises
    ------
    ValueError
        If the lists differ in length, or sizes differ in another axis than the last.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> one, two = ta.tensor([[1.0]]), ta.tensor([[2.0, 3.0]])
    >>> x, valid = ta.layers.MaskedConcatenate()([one, two], [one, 0 * one])
    >>> valid.numpy()
    array([[1., 0., 0.]], dtype=float32)
    """

    def call(self, inputs, valid):
        self._check([x.shape for x in inputs], [v.shape for v in valid])
        pairs = [Masked.hidden(x, good) for x, good in zip(inputs, valid, strict=True)]
        masks = [ops.broadcast_to(good, x.shape) for x, good in pairs]
        return [ops.concatenate([x for x, _ in pairs], axis=-1), ops.concatenate(masks, axis=-1)]

    def _check(self, shapes, masks) -> tuple:
        for given in (shapes, masks):
            checks.several(self, given, exactly=len(shapes))
        for pair in zip(shapes, masks, strict=True):
            checks.values_and_mask(self, pair)
        return Concatenate(name=self.name).compute_output_shape(shapes)

    def compute_output_shape(self, input_shape, valid_shape):
        shape = self._check(list(map(tuple, input_shape)), list(map(tuple, valid_shape)))
        return [shape, shape]

    def sees(self, axis, low, high):
        return low, high


class Unmask(Masked):
    """x where it is valid, `value` elsewhere: the way out to layers and files without a mask.

    Parameters
    ----------
    value : float
        In the unit of x; NaN marks in a FITS image what no valid pixel tells about.
    **kwargs
        `name`.

    Returns
    -------
    Tensor, of the shape of x

    Raises
    ------
    ValueError
        If values and mask do not fit each other.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> ta.layers.Unmask(-1.0)([[1.0, 2.0]], [[1, 0]]).numpy()
    array([[ 1., -1.]], dtype=float32)
    """

    def __init__(self, value=0.0, **kwargs):
        super().__init__(**kwargs)
        self.value = float(value)

    def call(self, inputs, valid):
        fill = tensor(self.value, inputs.dtype, inputs.device)
        return self.hidden(inputs, valid, fill)[0]

    def compute_output_shape(self, input_shape, valid_shape):
        self.ensure_built(input_shape, valid_shape)
        return tuple(input_shape)

    def sees(self, axis, low, high):
        return low, high
