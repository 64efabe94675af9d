"""What all losses share: one signature, where masked values go, and how values become one number.

A *cell* is what can be masked or weighted on its own: a pixel, or one of several outputs of it. A
cell that is masked, ignored or of weight 0 is replaced in `y_true` and `y_pred` before any
arithmetic, so that whatever it held (NaN, inf, 1e30) reaches neither a sum nor a gradient.
"""

import math
import re
import warnings
from numbers import Real

import numpy as np

from tinygrad_astro import ops
from tinygrad_astro.losses.labels import (
    Cells,
    as_data,
    as_labels,
    check_finite,
    check_weights,
    like_shape,
    look_up,
    spread_over,
)
from tinygrad_astro.ops.reduce import sum_over
from tinygrad_astro.tape import Tensor
from tinygrad_astro.tensor import tensor

EPSILON = 1e-7  # Keras's: the distance that probabilities keep from 0 and 1

MEANS = ("sum_over_batch_size", "mean", "mean_with_sample_weight")
REDUCTIONS = (*MEANS, "sum", "none", None)


class Loss:
    """loss = sum(weight * value over valid cells) / number of valid cells.

    Subclasses define `call(y_true, y_pred)`, the value of every cell, and, where it is not
    elementwise, `arrange`, which brings `y_true` into the shape that `call` expects.

    Parameters
    ----------
    name : str, optional
        What logs call it; by default the class's name in snake case.
    reduction : str or None
        "sum_over_batch_size" (or "mean"): the formula above. "mean_with_sample_weight": divide by
        the sum of weights instead. "sum": sum over rows. "none" or None: one value per row, a row
        being the mean over the last axis where `call` is elementwise.
    ignore_index : number, optional
        Cells whose label equals this are masked (every entry of it, where labels are one-hot).
    class_weight : dict or sequence, optional
        Weight of each class, by label; classes that a dict leaves out weigh 1.

    Raises
    ------
    ValueError
        If `reduction` is unknown.
    """

    elementwise = True

    def __init__(
        self,
        name=None,
        reduction="sum_over_batch_size",
        ignore_index=None,
        class_weight=None,
    ):
        if reduction not in REDUCTIONS:
            raise ValueError(f"unknown reduction {reduction!r}, expected one of {REDUCTIONS}")
        self.name = name or snake_case(type(self).__name__)
        if ignore_index is not None and (
            not isinstance(ignore_index, Real) or math.isnan(ignore_index)
        ):
            raise ValueError(
                f"{self.name} got ignore_index={ignore_index!r}, expected a label; NaN is equal to "
                "nothing: pass mask=np.isfinite(y_true)"
            )
        self.reduction = reduction
        self.ignore_index = ignore_index
        self.class_weight = class_weight

    def call(self, y_true, y_pred):
        """Give the value of every cell, from arranged labels; nothing masked is left in either."""
        raise NotImplementedError(f"{type(self).__name__} does not define call(y_true, y_pred)")

    def __call__(self, y_true, y_pred, sample_weight=None, mask=None):
        """Give the loss as a Tensor, one number unless `reduction` is None.

        Parameters
        ----------
        y_true : array_like (N, ...)
            Labels; may hold anything where masked.
        y_pred : Tensor (N, ...)
            Predictions.
        sample_weight : array_like (N,), (N, H, W) or of y_pred's shape, optional
            Weights, dimensionless or in units of 1 / value; 0 hides what the cell holds.
        mask : array_like of bool, of the same shapes, optional
            True where a cell counts. Cells masked out do not count in the mean's denominator.

        Raises
        ------
        ValueError
            If shapes do not fit, a label that counts is not finite or out of its range, or a weight
            is negative or not finite.
        """
        y_pred = as_prediction(y_pred)
        cells = self.prepare(y_true, y_pred, sample_weight, mask)
        return self.of_cells(cells.on(y_pred.dtype, y_pred.device), y_pred)

    def prepare(self, y_true, y_pred, sample_weight=None, mask=None) -> Cells:
        """Check labels and weights, on the host; of `y_pred` only shape and dtype are looked at."""
        y_true = self.arrange(as_labels(y_true), y_pred)
        valid = self.valid(y_true, y_pred, mask)
        weight = self.spread(sample_weight, y_pred, "sample_weight")
        used, seen = valid, None
        if weight is not None:
            check_weights(weight, valid)
            used = weight != 0 if valid is None else valid & (weight != 0)
        if used is not None:
            y_true = hide(y_true, self.over(used, y_true), 0)
            seen = np.broadcast_to(self.over(used, y_pred), y_pred.shape)
        if not isinstance(y_true, Tensor):
            self.check_labels(y_true, y_pred)
            y_true = self.encode(y_true, y_pred)
        if self.class_weight is not None:
            factor = look_up(self.class_weight, self.class_numbers(y_true))
            factor = np.broadcast_to(factor, self.cells(y_pred))
            weight = factor if weight is None else weight * factor
        if used is not None:
            weight = np.where(used, 1 if weight is None else weight, 0)
        if not isinstance(y_true, Tensor):
            y_true = np.asarray(y_true, self.label_dtype(y_pred))
        if weight is None:
            return Cells(y_true)
        return self.counted(Cells(y_true, seen, weight), valid, y_pred)

    def counted(self, cells, valid, y_pred) -> Cells:
        """Add what the sum of the values is divided by; `valid` is None where all cells count."""
        cells = divided(cells, valid, self.reduction, self.name)
        rows = self.elementwise and valid is not None and valid.ndim > 1
        return cells._replace(share=np.maximum(valid.sum(axis=-1), 1)) if rows else cells

    def of_cells(self, cells, y_pred):
        """Give the loss, from cells on the predictions' device: nothing is checked or read here."""
        y_pred = y_pred if cells.used is None else ops.where(cells.used, y_pred, 1)
        values = self.call(cells.labels, y_pred)
        return reduced(values, cells, self.reduction, self.elementwise)

    def arrange(self, y_true, y_pred):
        """Give `y_true` the shape of `y_pred`, adding or dropping a last axis of length 1."""
        return like_shape(y_true, y_pred.shape, self.name)

    def cells(self, y_pred):
        """Give the shape of the values: what masks and weights are spread over."""
        return y_pred.shape if self.elementwise else y_pred.shape[:-1]

    def check_labels(self, y_true, y_pred):
        """Raise where labels that count are not what this loss expects."""
        check_finite(y_true, self.name)

    def encode(self, y_true, y_pred):
        """Turn checked labels into what `call` expects."""
        return y_true

    def label_dtype(self, y_pred):
        """Name the dtype in which `call` expects labels."""
        return y_pred.dtype

    def class_numbers(self, y_true):
        """Give the class of every cell, for `class_weight`."""
        raise TypeError(f"class_weight needs a loss on classes; {self.name} is on numbers")

    def valid(self, y_true, y_pred, mask=None):
        """Combine `mask` with the cells that `ignore_index` leaves; None where all cells count."""
        valid = self.spread(mask, y_pred, "mask")
        if valid is not None:
            valid = valid != 0
        if self.ignore_index is None:
            return valid
        kept = self.kept(as_data(y_true, "ignore_index") != self.ignore_index, self.cells(y_pred))
        return kept if valid is None else valid & kept

    def spread(self, values, y_pred, name):
        """Broadcast weights or a mask over the cells; None stays None."""
        if values is None:
            return None
        if isinstance(values, Tensor):
            if values.requires_grad:
                raise TypeError(f"{name} is tracked by the tape; it is data here: detach() it")
            values = values.numpy()
        return spread_over(np.asarray(values), self.cells(y_pred), name)

    def kept(self, different, cells):
        """Tell which cells to keep from which entries of the labels differ from `ignore_index`."""
        return different if different.ndim == len(cells) else different.any(axis=-1)

    def over(self, used, values):
        """Shape what tells the used cells so that it broadcasts over `values`."""
        if used.ndim > values.ndim:
            return used.any(axis=-1)
        return used if used.ndim == values.ndim else used[..., None]

    def get_config(self) -> dict:
        """Give the arguments that make this loss again."""
        return dict(vars(self))

    @classmethod
    def from_config(cls, config: dict) -> "Loss":
        """Make a loss from what `get_config` gave."""
        return cls(**config)

    def __repr__(self):
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in vars(self).items())})"


class LossFunction(Loss):
    """A loss made of a plain function `f(y_true, y_pred)` that gives a value per row or cell.

    Parameters
    ----------
    function : callable
        Written with `ta.ops`; a single number is taken as it is.
    name : str, optional
        By default the function's.
    reduction, ignore_index
        As in `Loss`.
    """

    elementwise = False

    def __init__(self, function, name=None, reduction="sum_over_batch_size", **kwargs):
        super().__init__(name or getattr(function, "__name__", "loss"), reduction, **kwargs)
        self.function = function

    def arrange(self, y_true, y_pred):
        """Leave labels as they are."""
        return y_true

    def class_numbers(self, y_true):
        """Take whole numbers as classes, and rows of numbers as one-hot."""
        if as_data(y_true, "class_weight").dtype.kind in "iu":
            return y_true.reshape(y_true.shape[:-1]) if y_true.shape[-1:] == (1,) else y_true
        return y_true.argmax(axis=-1)

    def label_dtype(self, y_pred):
        """Leave labels the dtype they have."""
        return None

    def call(self, y_true, y_pred):
        """Call the function."""
        return self.function(y_true, y_pred)


def snake_case(name: str) -> str:
    """Turn MeanSquaredError into mean_squared_error and AUC into auc."""
    parted = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", parted).lower()


def as_prediction(y_pred) -> Tensor:
    """Give `y_pred` as a floating-point Tensor."""
    y_pred = y_pred if isinstance(y_pred, Tensor) else tensor(y_pred)
    return y_pred if y_pred.data.dtype.kind == "f" else y_pred.astype(np.float32)


def hide(values, used, fill):
    """Replace what is not used by `fill`."""
    if isinstance(values, Tensor):
        used = tensor(np.broadcast_to(used, values.shape), device=values.device)
        return ops.where(used, values, fill)
    return np.where(used, values, values.dtype.type(fill))


def divided(cells, valid, reduction, name) -> Cells:
    """Add what a sum of values is divided by: the valid ones, or all weights; 1 if there are none.

    `valid` is None where all cells count.
    """
    total: float | None = None
    if valid is not None:
        total = int(valid.sum())
        if total == 0 and valid.size:
            warnings.warn(f"{name}: every cell is masked, the loss is 0", stacklevel=5)
    if reduction == "mean_with_sample_weight" and cells.weight is not None:
        total = float(cells.weight.sum())
    return cells if total is None else cells._replace(total=total or 1)


def reduced(values, cells, reduction, elementwise=False):
    """Sum weighted values and divide by what `reduction` says."""
    if cells.weight is not None:
        values = values * cells.weight
    if reduction in MEANS:
        return sum_over(values, max(values.size, 1) if cells.total is None else cells.total)
    if elementwise and values.ndim > 1:
        if cells.share is None:
            values = ops.mean(values, axis=-1)
        else:
            values = ops.sum(values, axis=-1) / cells.share
    return ops.sum(values) if reduction == "sum" else values
