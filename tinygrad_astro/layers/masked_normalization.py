"""Batch normalisation by the statistics of valid pixels; see `masked` for what a mask is."""

from tinygrad_astro import ops
from tinygrad_astro.layers.masked import Masked
from tinygrad_astro.layers.normalization import BatchNormalization
from tinygrad_astro.layers.weights import assign
from tinygrad_astro.modes import no_grad

__all__ = ["MaskedBatchNormalization"]


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
