"""Metrics for numbers: errors and the coefficient of determination."""

import numpy as np

from tinygrad_astro.metrics.metric import MeanOfCells, Metric, paired, weights


class MeanSquaredError(MeanOfCells):
    """result = mean((y_true - y_pred)**2); unit of y, squared.

    Examples
    --------
    >>> MeanSquaredError()([0.0, 1.0], [2.0, 1.0])
    2.0
    """

    better = "down"

    def values(self, y_true, y_pred):
        """Give squared errors."""
        y_true, y_pred = paired(y_true, y_pred, self.name)
        return np.square(y_true.astype(np.float64) - y_pred)


class RootMeanSquaredError(MeanSquaredError):
    """result = sqrt(mean((y_true - y_pred)**2)); same unit as y.

    Examples
    --------
    >>> RootMeanSquaredError()([0.0, 0.0], [2.0, 2.0])
    2.0
    """

    def result(self) -> float:
        """Give the root of the mean."""
        return float(np.sqrt(super().result()))


class MeanAbsoluteError(MeanOfCells):
    """result = mean(|y_true - y_pred|); same unit as y.

    Examples
    --------
    >>> MeanAbsoluteError()([0.0, 1.0], [2.0, 1.0])
    1.0
    """

    better = "down"

    def values(self, y_true, y_pred):
        """Give absolute errors."""
        y_true, y_pred = paired(y_true, y_pred, self.name)
        return np.abs(y_true.astype(np.float64) - y_pred)


class R2Score(Metric):
    """result = 1 - sum((y_true - y_pred)**2) / sum((y_true - mean(y_true))**2).

    With several outputs (last axis), the mean of their scores. Means and squared deviations of
    batches are merged as in Chan, Golub & LeVeque 1983, equation 2.1, which stays accurate where
    the labels have a large common offset.

    Examples
    --------
    >>> R2Score()([[1.0], [2.0], [3.0]], [[1.0], [2.0], [4.0]])
    0.5
    """

    better = "up"
    sums = ("weight", "mean", "spread", "residual")

    def reset_state(self):
        """Forget all batches."""
        self.weight = self.mean = self.spread = self.residual = 0.0

    def update(self, y_true, y_pred, sample_weight, mask):
        """Merge a batch."""
        y_true, y_pred = paired(y_true, y_pred, self.name)
        if y_pred.ndim == 1:
            y_true, y_pred = y_true[:, None], y_pred[:, None]
        weight = weights(y_pred.shape, sample_weight, mask)
        weight = np.ones(y_pred.shape) if weight is None else weight
        y_true = np.where(weight != 0, y_true, 0.0)
        error = np.where(weight != 0, y_true - y_pred, 0.0)
        axes = tuple(range(y_pred.ndim - 1))
        added = weight.sum(axis=axes)
        mean = (weight * y_true).sum(axis=axes) / np.maximum(added, np.finfo(np.float64).tiny)
        total = np.maximum(self.weight + added, np.finfo(np.float64).tiny)
        step = mean - self.mean
        self.spread = self.spread + (weight * np.square(y_true - mean)).sum(axis=axes)
        self.spread = self.spread + np.square(step) * self.weight * added / total
        self.mean = self.mean + step * added / total
        self.weight = self.weight + added
        self.residual = self.residual + (weight * np.square(error)).sum(axis=axes)

    def result(self) -> float:
        """Give the score; NaN where labels do not vary, 0 before the first batch."""
        if not np.any(self.weight):
            return 0.0
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(np.mean(1.0 - np.asarray(self.residual) / self.spread))
