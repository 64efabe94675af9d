"""What all metrics share: float64 sums over batches, so that a stream gives the exact value."""

import numpy as np

from tinygrad_astro.losses.labels import check_weights, like_shape, spread_over
from tinygrad_astro.losses.loss import Loss, snake_case
from tinygrad_astro.modes import no_grad
from tinygrad_astro.tape import Tensor
from tinygrad_astro.tensor import tensor


class Metric:
    """A number that grows over batches: `update_state` adds one, `result` reads, `reset_state`.

    Subclasses set their sums in `reset_state`, name them in `sums`, and add to them in `update`.

    Parameters
    ----------
    name : str, optional
        What logs call it; by default the class's name in snake case.
    """

    better: str | None = None  # "up" or "down", where callbacks can tell what is an improvement
    sums: tuple[str, ...] = ()

    def __init__(self, name=None):
        self.name = name or snake_case(type(self).__name__)
        self.reset_state()

    def update_state(self, y_true, y_pred, sample_weight=None, mask=None):
        """Add a batch.

        Parameters
        ----------
        y_true, y_pred : array_like or Tensor (N, ...)
            Labels and predictions.
        sample_weight : array_like (N,), (N, H, W) or of the cells' shape, optional
            Weights; 0 hides what the cell holds.
        mask : array_like of bool, of the same shapes, optional
            True where a cell counts.

        Raises
        ------
        ValueError
            If shapes do not fit or labels are out of their range.
        """
        self.update(as_array(y_true), as_array(y_pred), sample_weight, mask)

    def update(self, y_true, y_pred, sample_weight, mask):
        """Add a batch of NumPy arrays to the sums."""
        raise NotImplementedError(f"{type(self).__name__} does not define update")

    def result(self):
        """Give the value over all batches since the last reset."""
        raise NotImplementedError(f"{type(self).__name__} does not define result")

    def reset_state(self):
        """Forget all batches."""

    def __call__(self, y_true, y_pred, sample_weight=None, mask=None):
        """Add a batch and give the value so far."""
        self.update_state(y_true, y_pred, sample_weight, mask)
        return self.result()

    def get_state(self) -> dict:
        """Give the sums, for a checkpoint."""
        return {name: np.array(getattr(self, name), np.float64) for name in self.sums}

    def set_state(self, state: dict) -> None:
        """Continue from sums that `get_state` gave."""
        for name in self.sums:
            setattr(self, name, np.array(state[name], np.float64))

    def __repr__(self):
        return f"<{type(self).__name__} {self.name}={self.result()}>"


class Mean(Metric):
    """result = sum(weight * value) / sum(weight); 0 before the first value.

    Examples
    --------
    >>> mean = Mean()
    >>> mean.update_state([1.0, 3.0]); mean.update_state(5.0, sample_weight=2.0)
    >>> mean.result()
    3.5
    """

    sums = ("total", "weight")

    def reset_state(self):
        """Forget all values."""
        self.total, self.weight = 0.0, 0.0

    def update_state(self, values, sample_weight=None):
        """Add values."""
        self.add(np.asarray(as_array(values), np.float64), sample_weight)

    def add(self, values, weight=None):
        """Add an array of values with weights that broadcast to it."""
        if weight is None:
            self.total += values.sum()
            self.weight += values.size
        else:
            weight = np.broadcast_to(np.asarray(weight, np.float64), values.shape)
            self.total += (values * weight).sum()
            self.weight += weight.sum()

    def result(self) -> float:
        """Give the weighted mean."""
        return float(self.total / self.weight) if self.weight else 0.0


class MeanOfCells(Mean):
    """A mean of values that `values(y_true, y_pred)` computes, one per cell."""

    def values(self, y_true, y_pred):
        """Give the value of every cell, from labels and predictions as arrays."""
        raise NotImplementedError(f"{type(self).__name__} does not define values")

    def update_state(self, y_true, y_pred, sample_weight=None, mask=None):
        """Add a batch; see `Metric.update_state`."""
        y_true, y_pred = as_array(y_true), as_array(y_pred)
        with np.errstate(invalid="ignore", over="ignore"):
            values = np.asarray(self.values(y_true, y_pred), np.float64)
        weight = weights(values.shape, sample_weight, mask)
        if weight is not None:
            values = np.where(weight != 0, values, 0.0)
        self.add(values, weight)


class FunctionMetric(MeanOfCells):
    """The mean of a function `f(y_true, y_pred)`, as losses are.

    Parameters
    ----------
    function : callable
        Gives a value per row or cell, as Tensor or array.
    name : str, optional
        By default the function's.
    """

    def __init__(self, function, name=None):
        super().__init__(name or getattr(function, "__name__", "metric"))
        self.function = function
        self.better = "down" if isinstance(function, Loss) else None

    def update_state(self, y_true, y_pred, sample_weight=None, mask=None):
        """Add a batch, hiding what does not count from the function; see `Metric.update_state`."""
        y_true, y_pred = as_array(y_true), as_array(y_pred)
        for used in (sample_weight, mask):
            if used is not None:
                used = as_array(used) != 0
                y_true = np.where(spread_over(used, y_true.shape, "mask"), y_true, 0)
                y_pred = np.where(
                    spread_over(used, y_pred.shape, "mask"), y_pred, y_pred.dtype.type(1)
                )
        super().update_state(y_true, y_pred, sample_weight, mask)

    def values(self, y_true, y_pred):
        """Call the function on Tensors, off the tape."""
        with no_grad():
            return as_array(self.function(tensor(y_true), tensor(y_pred)))


def as_array(values) -> np.ndarray:
    """Give Tensors, lists and arrays as NumPy arrays of numbers."""
    return values.numpy() if isinstance(values, Tensor) else tensor(values).data


def weights(cells, sample_weight, mask):
    """Combine weights and mask, spread over cells, as one float64 array; None where all weigh 1."""
    weight = None
    valid = None if mask is None else spread_over(as_array(mask) != 0, cells, "mask")
    if sample_weight is not None:
        weight = spread_over(as_array(sample_weight), cells, "sample_weight").astype(np.float64)
        check_weights(weight, valid)
    if valid is None:
        return weight
    return np.where(valid, 1.0 if weight is None else weight, 0.0)


def paired(y_true, y_pred, name):
    """Give labels the shape of the predictions, and both at least one axis."""
    y_pred = np.atleast_1d(y_pred)
    return like_shape(np.atleast_1d(y_true), y_pred.shape, name), y_pred
