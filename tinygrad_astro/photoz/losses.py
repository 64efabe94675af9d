"""The loss of a mixture density: minus the logarithm of the density at the true redshift."""

import math

import numpy as np

from tinygrad_astro import ops
from tinygrad_astro.losses.loss import Loss

# Narrower than this, in units of the training sample's spread, a Gaussian only learns one object.
NARROWEST = math.exp(-5.0)


class MixtureNegativeLogLikelihood(Loss):
    """value = -log sum_k w_k N(y_true; m_k, s_k^2).

    The last axis of `y_pred` holds K means, K natural logarithms of the standard deviations, and
    the K logits of the weights. A standard deviation is at least `NARROWEST`. Bishop 1994, Mixture
    density networks, equation 23.

    Parameters
    ----------
    reduction, name, ignore_index
        As in `losses.Loss`.

    Raises
    ------
    ValueError
        If the last axis of `y_pred` is not three times as long as that of a single Gaussian.

    Examples
    --------
    >>> loss = MixtureNegativeLogLikelihood()
    >>> round(float(loss([[1.0]], [[1.0, 1.0, 0.0, 0.0, 0.0, 0.0]])), 4)
    0.9189
    """

    elementwise = False

    def arrange(self, y_true, y_pred):
        """Give `y_true` the shape (N, 1)."""
        if y_pred.ndim != 2 or y_pred.shape[-1] % 3 or not y_pred.shape[-1]:
            raise ValueError(
                f"{self.name} got y_pred of shape {y_pred.shape}, expected (N, 3 K): means, "
                "logarithms of the standard deviations, logits of the weights"
            )
        if y_true.size != y_pred.shape[0]:
            raise ValueError(
                f"{self.name} got {y_true.shape} labels for {y_pred.shape[0]} rows, expected one "
                "number each"
            )
        return y_true.reshape(y_pred.shape[0], 1)

    def call(self, y_true, y_pred):
        """Give minus the log-densities, (N,)."""
        mean, log_sigma, logit = ops.split(y_pred, 3, axis=-1)
        log_sigma = ops.maximum(log_sigma, math.log(NARROWEST))
        distance = (y_true - mean) * ops.exp(-log_sigma)
        terms = ops.log_softmax(logit) - log_sigma - 0.5 * ops.square(distance)
        return 0.5 * math.log(2 * math.pi) - ops.logsumexp(terms, axis=-1)


def mixture_of(outputs: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read outputs (N, 3 K) as `MixtureNegativeLogLikelihood` does: weights, means, sigmas (N, K).

    Examples
    --------
    >>> import numpy as np
    >>> weight, mean, sigma = mixture_of(np.array([[0.5, 2.0, 0.0, -9.0, 1.0, 1.0]]))
    >>> weight, mean, sigma.round(4)
    (array([[0.5, 0.5]]), array([[0.5, 2. ]]), array([[1.    , 0.0067]]))
    """
    mean, log_sigma, logit = np.split(np.asarray(outputs, np.float64), 3, axis=-1)
    weight = np.exp(logit - logit.max(axis=-1, keepdims=True))
    sigma = np.exp(np.maximum(log_sigma, math.log(NARROWEST)))
    return weight / weight.sum(axis=-1, keepdims=True), mean, sigma
