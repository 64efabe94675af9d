"""Losses for numbers: squared, absolute and robust errors, counts, and a predicted variance.

Every function gives one value per row (the mean over the last axis), every class the loss.
"""

import math

import numpy as np

from tinygrad_astro import bounds, ops
from tinygrad_astro.losses.labels import like_shape
from tinygrad_astro.losses.loss import EPSILON, Loss
from tinygrad_astro.ops.elementwise import squared_difference


class MeanSquaredError(Loss):
    """value = (y_true - y_pred)**2.

    Examples
    --------
    >>> float(MeanSquaredError()([0.0, 1.0], [1.0, 1.0]))
    0.5
    """

    def call(self, y_true, y_pred):
        """Give the squared errors."""
        return squared_difference(y_pred, y_true)


class MeanAbsoluteError(Loss):
    """value = |y_true - y_pred|; the gradient at 0 is 0.

    Examples
    --------
    >>> float(MeanAbsoluteError()([0.0, 1.0], [2.0, 1.0]))
    1.0
    """

    def call(self, y_true, y_pred):
        """Give the absolute errors."""
        return ops.abs(y_pred - y_true)


class Huber(Loss):
    """value = e**2 / 2 where |e| <= delta, else delta |e| - delta**2 / 2, with e = y_pred - y_true.

    Huber 1964, equation 2.

    Parameters
    ----------
    delta : float
        Where the parabola becomes a line; same unit as y.
    reduction, name, ignore_index
        As in `Loss`.

    Examples
    --------
    >>> float(Huber()([0.0], [3.0]))
    2.5
    """

    def __init__(self, delta=1.0, reduction="sum_over_batch_size", name="huber_loss", **kwargs):
        super().__init__(name, reduction, **kwargs)
        self.delta = bounds.number(self, "delta", delta, above=0)

    def call(self, y_true, y_pred):
        """Give the Huber values."""
        size = ops.abs(y_pred - y_true)
        line = self.delta * size - 0.5 * self.delta**2
        return ops.where(size <= self.delta, 0.5 * ops.square(size), line)


class LogCosh(Loss):
    """value = log(cosh(e)) = e + softplus(-2 e) - log 2, with e = y_pred - y_true.

    Examples
    --------
    >>> round(float(LogCosh()([0.0], [1.0])), 5)
    0.43378
    """

    def call(self, y_true, y_pred):
        """Give log cosh of the errors, without overflow for large ones."""
        error = y_pred - y_true
        return error + ops.softplus(-2.0 * error) - math.log(2.0)


class Poisson(Loss):
    """value = y_pred - y_true * log(y_pred + 1e-7): minus the log-likelihood of counts, but for y!.

    `y_pred` is an expected count and must be positive: end the network with softplus or exp.

    Examples
    --------
    >>> round(float(Poisson()([1.0], [1.0])), 6)
    1.0
    """

    def call(self, y_true, y_pred):
        """Give the Poisson values."""
        return y_pred - y_true * ops.log(y_pred + EPSILON)


class GaussianNegativeLogLikelihood(Loss):
    """value = (log_var + (y_true - mean)**2 / exp(log_var)) / 2.

    The last axis of `y_pred` holds the k means, then the k natural logarithms of the variances
    (unit of y, squared). Nix & Weigend 1994, equation 6.

    Parameters
    ----------
    full : bool
        Add the constant log(2 pi) / 2, so that exp(-value) is a probability density.
    reduction, name, ignore_index
        As in `Loss`.

    Raises
    ------
    ValueError
        If the last axis of `y_pred` is not twice as long as that of `y_true`.

    Examples
    --------
    >>> float(GaussianNegativeLogLikelihood()([[1.0]], [[3.0, 0.0]]))
    2.0
    """

    def __init__(self, full=False, reduction="sum_over_batch_size", name=None, **kwargs):
        super().__init__(name, reduction, **kwargs)
        self.full = full

    def arrange(self, y_true, y_pred):
        """Give `y_true` the shape of the means."""
        if y_pred.ndim == 0 or y_pred.shape[-1] % 2:
            raise ValueError(
                f"{self.name} got y_pred of shape {y_pred.shape}, expected an even last axis: the "
                "means, then the logarithms of the variances"
            )
        return like_shape(y_true, self.cells(y_pred), self.name)

    def cells(self, y_pred):
        """Give the shape of the means."""
        return (*y_pred.shape[:-1], y_pred.shape[-1] // 2)

    def over(self, used, values):
        """Repeat what tells the used cells for means and variances."""
        return used if values.shape == used.shape else np.concatenate([used, used], axis=-1)

    def call(self, y_true, y_pred):
        """Give minus the log-densities."""
        mean, log_var = ops.split(y_pred, 2, axis=-1)
        value = 0.5 * (log_var + ops.square(y_true - mean) * ops.exp(-log_var))
        return value + 0.5 * math.log(2 * math.pi) if self.full else value


def mean_squared_error(y_true, y_pred, sample_weight=None, mask=None):
    """Give mean((y_true - y_pred)**2, axis=-1); see `MeanSquaredError`."""
    return MeanSquaredError(reduction=None)(y_true, y_pred, sample_weight, mask)


def mean_absolute_error(y_true, y_pred, sample_weight=None, mask=None):
    """Give mean(|y_true - y_pred|, axis=-1); see `MeanAbsoluteError`."""
    return MeanAbsoluteError(reduction=None)(y_true, y_pred, sample_weight, mask)


def huber(y_true, y_pred, sample_weight=None, mask=None, delta=1.0):
    """Give the mean Huber value over the last axis; see `Huber`."""
    return Huber(delta, reduction=None)(y_true, y_pred, sample_weight, mask)


def log_cosh(y_true, y_pred, sample_weight=None, mask=None):
    """Give mean(log(cosh(y_pred - y_true)), axis=-1); see `LogCosh`."""
    return LogCosh(reduction=None)(y_true, y_pred, sample_weight, mask)


def poisson(y_true, y_pred, sample_weight=None, mask=None):
    """Give mean(y_pred - y_true * log(y_pred + 1e-7), axis=-1); see `Poisson`."""
    return Poisson(reduction=None)(y_true, y_pred, sample_weight, mask)


def gaussian_nll(y_true, y_pred, sample_weight=None, mask=None, full=False):
    """Give the mean minus log-density over the last axis; see `GaussianNegativeLogLikelihood`."""
    loss = GaussianNegativeLogLikelihood(full, reduction=None)
    return loss(y_true, y_pred, sample_weight, mask)
