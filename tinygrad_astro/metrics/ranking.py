"""Areas under curves of true against false positives: Keras's on thresholds, and the exact one."""

import numpy as np

from tinygrad_astro.metrics.metric import Metric, paired, weights

EPSILON = 1e-7


class AUC(Metric):
    """Area under the ROC or precision-recall curve, sampled at `num_thresholds` thresholds.

    Memory does not grow with the data. The precision-recall curve is interpolated as in Davis &
    Goadrich 2006, section 4.

    Parameters
    ----------
    num_thresholds : int
        Spread evenly over 0..1, one each just outside.
    curve : str
        "ROC" or "PR".
    summation_method : str
        "interpolation" (trapezoids), "minoring" or "majoring" (sums below or above the curve).
    name : str, optional
    thresholds : sequence of float, optional
        Take these between 0 and 1 instead.
    from_logits : bool
        Whether predictions come without a sigmoid.

    Raises
    ------
    ValueError
        If a prediction lies outside 0..1, or an argument is unknown.

    Examples
    --------
    >>> round(AUC(num_thresholds=3)([0, 0, 1, 1], [0.0, 0.5, 0.3, 0.9]), 6)
    0.75
    """

    better = "up"
    sums = ("positives", "negatives")

    def __init__(
        self,
        num_thresholds=200,
        curve="ROC",
        summation_method="interpolation",
        name=None,
        thresholds=None,
        from_logits=False,
    ):
        if curve not in ("ROC", "PR"):
            raise ValueError(f'AUC got curve={curve!r}, expected "ROC" or "PR"')
        if summation_method not in ("interpolation", "minoring", "majoring"):
            raise ValueError(
                f"AUC got summation_method={summation_method!r}, expected "
                '"interpolation", "minoring" or "majoring"'
            )
        if thresholds is None and num_thresholds < 2:
            raise ValueError(f"AUC got num_thresholds={num_thresholds}, expected at least 2")
        if thresholds is None:
            inner = np.arange(1, num_thresholds - 1) / (num_thresholds - 1)
        else:
            inner = np.sort(np.asarray(thresholds, np.float64))
        self.thresholds = np.concatenate([[-EPSILON], inner, [1 + EPSILON]])
        self.curve, self.summation_method, self.from_logits = curve, summation_method, from_logits
        super().__init__(name)

    def reset_state(self):
        """Forget all batches."""
        self.positives = np.zeros(len(self.thresholds) + 1)
        self.negatives = np.zeros(len(self.thresholds) + 1)

    def update(self, y_true, y_pred, sample_weight, mask):
        """Count how many thresholds each prediction exceeds."""
        y_true, y_pred, weight = flat(y_true, y_pred, sample_weight, mask, self.name)
        if self.from_logits:
            y_pred = 0.5 * (1.0 + np.tanh(0.5 * y_pred.astype(np.float64)))
        outside = ~((y_pred >= 0) & (y_pred <= 1))
        if outside.any():
            raise ValueError(
                f"{self.name} got the prediction {y_pred[outside][0]}, expected probabilities from "
                "0 to 1; for logits use AUC(from_logits=True)"
            )
        exceeded = np.searchsorted(self.thresholds, y_pred, side="left")
        for true, name in ((True, "positives"), (False, "negatives")):
            chosen = (y_true != 0) == true
            added = np.bincount(exceeded[chosen], weight[chosen], minlength=len(self.positives))
            setattr(self, name, getattr(self, name) + added)

    def result(self) -> float:
        """Give the area; 0 where one of the classes never occurred."""
        true = np.cumsum(self.positives[::-1])[::-1][1:]  # weight above each threshold
        false = np.cumsum(self.negatives[::-1])[::-1][1:]
        if self.curve == "PR" and self.summation_method == "interpolation":
            return _interpolated_precision(true, false, self.positives.sum())
        recall = ratio(true, self.positives.sum())
        if self.curve == "ROC":
            x, y = ratio(false, self.negatives.sum()), recall
        else:
            x, y = recall, ratio(true, true + false)
        if self.summation_method == "interpolation":
            heights = (y[:-1] + y[1:]) / 2
        else:
            choose = np.minimum if self.summation_method == "minoring" else np.maximum
            heights = choose(y[:-1], y[1:])
        return float(np.sum((x[:-1] - x[1:]) * heights))


def _interpolated_precision(true, false, positives):
    """Sum areas between thresholds, along the curve on which true and false grow together."""
    gained = true[:-1] - true[1:]
    predicted = true + false
    slope = ratio(gained, np.maximum(predicted[:-1] - predicted[1:], 0))
    intercept = true[1:] - slope * predicted[1:]
    grows = (predicted[:-1] > 0) & (predicted[1:] > 0)
    growth = np.where(grows, ratio(predicted[:-1], np.maximum(predicted[1:], 0)), 1.0)
    area = slope * (gained + intercept * np.log(growth))
    return float(np.sum(ratio(area, positives)))


class ROCAUC(Metric):
    """result = P(score of a positive > score of a negative) + P(equal) / 2, exactly.

    Hanley & McNeil 1982, section II. Keeps all scores, so memory grows with the data.

    Examples
    --------
    >>> ROCAUC()([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """

    better = "up"

    def reset_state(self):
        """Forget all batches."""
        self._batches = []

    def update(self, y_true, y_pred, sample_weight, mask):
        """Keep a batch."""
        self._batches.append(flat(y_true, y_pred, sample_weight, mask, self.name))

    def result(self) -> float:
        """Give the area; NaN where one of the classes never occurred."""
        if not self._batches:
            return float("nan")
        true, score, weight = (np.concatenate(part) for part in zip(*self._batches, strict=True))
        if np.isnan(score).any():
            return float("nan")
        place = np.unique(score, return_inverse=True)[1].reshape(-1)
        positive = np.bincount(place, weight * (true != 0))
        negative = np.bincount(place, weight * (true == 0))
        below = np.cumsum(negative) - negative
        pairs = positive.sum() * negative.sum()
        return float(np.sum(positive * (below + negative / 2)) / pairs) if pairs else float("nan")

    def get_state(self) -> dict:
        """Give all labels, scores and weights."""
        parts = zip(*self._batches, strict=True) if self._batches else ([], [], [])
        names = ("true", "score", "weight")
        return {
            name: np.concatenate([np.zeros(0), *part])
            for name, part in zip(names, parts, strict=True)
        }

    def set_state(self, state: dict) -> None:
        """Continue from what `get_state` gave."""
        self._batches = [(state["true"], state["score"], state["weight"])]


def flat(y_true, y_pred, sample_weight, mask, name):
    """Give labels, predictions and weights of the cells that count, as flat arrays."""
    y_true, y_pred = paired(y_true, y_pred, name)
    weight = weights(y_pred.shape, sample_weight, mask)
    weight = np.ones(y_pred.shape) if weight is None else weight
    counts = weight != 0
    return y_true[counts], y_pred[counts], weight[counts]


def ratio(a, b):
    """Give a / b, and 0 where b is 0."""
    a, b = np.broadcast_arrays(np.asarray(a, np.float64), np.asarray(b, np.float64))
    return np.divide(a, b, out=np.zeros(a.shape), where=b != 0)
