"""Losses on the overlap of regions: Dice, Jaccard, Tversky.

All are functions of three sums over pixels: I = sum(w y p), T = sum(w y), P = sum(w p), with labels
y, probabilities p and weights w (0 where masked). The sums run over `axis`: None for all, classes
included, as Keras does; (0, 1, 2) for one value per class of an image; (1, 2) for one per sample
and class. Labels are class numbers, or of y_pred's shape.
"""

from numbers import Integral

import numpy as np

from tinygrad_astro import bounds, ops
from tinygrad_astro.losses.labels import (
    Cells,
    as_data,
    check_soft_or_sparse,
    one_hot,
    soft_or_sparse,
    spread_over,
)
from tinygrad_astro.losses.loss import EPSILON, Loss, divided, reduced
from tinygrad_astro.shapes import normal_axes


class RegionLoss(Loss):
    """What the three share: the sums, and from logits the softmax (one channel: the sigmoid).

    Weights of pixels enter the sums; weights of whole samples (shape (N,)) multiply the values
    where `axis` keeps the samples apart, and enter the sums where it does not.
    """

    def __init__(
        self,
        reduction="sum_over_batch_size",
        name=None,
        axis=None,
        from_logits=False,
        ignore_index=None,
        class_weight=None,
    ):
        super().__init__(name, reduction, ignore_index, class_weight)
        self.axis = tuple(axis) if isinstance(axis, (list, tuple)) else axis
        if not all(
            isinstance(a, Integral) for a in np.ravel(() if axis is None else axis).tolist()
        ):
            raise ValueError(f"{self.name} got axis={axis!r}, expected integers, or None")
        self.from_logits = from_logits

    def value(self, overlap, truth, predicted):
        """Give the loss of each region from the sums I, T and P."""
        raise NotImplementedError(f"{type(self).__name__} does not define value(I, T, P)")

    def arrange(self, y_true, y_pred):
        """Accept class numbers too."""
        return soft_or_sparse(y_true, y_pred.shape, self.name)

    def check_labels(self, y_true, y_pred):
        """Raise where a label is neither a probability nor a class number."""
        check_soft_or_sparse(y_true, y_pred.shape, self.name)

    def encode(self, y_true, y_pred):
        """Turn class numbers into one-hot labels."""
        return one_hot(y_true, y_pred.shape)

    def class_numbers(self, y_true):
        """Give the class of each pixel, for all its channels."""
        if as_data(y_true, "class_weight").shape[-1] == 1:
            return (y_true >= 0.5).astype(np.int64)
        return y_true.argmax(axis=-1)[..., None]

    def kept(self, different, cells):
        """Drop a pixel if its class number, or every channel of it, is the ignored value."""
        pixels = different.any(axis=-1) if different.ndim == len(cells) else different
        return np.broadcast_to(pixels[..., None], cells)

    def prepare(self, y_true, y_pred, sample_weight=None, mask=None) -> Cells:
        """Check labels and weights; weights of pixels go into the sums, of samples beside them."""
        outside = None
        if sample_weight is not None and np.ndim(sample_weight) == 1 and self._keeps_samples():
            outside = np.asarray(sample_weight)
            sample_weight = outside != 0  # a sample of weight 0 is hidden like a masked one
        cells = super().prepare(y_true, y_pred, sample_weight, mask)
        counted = weight = cells.weight
        if outside is not None:
            weight = spread_over(outside, self.regions(y_pred), "sample_weight")
            weight = weight if counted is None else weight * counted
        return divided(cells._replace(weight=weight), counted, self.reduction, self.name)

    def counted(self, cells, valid, y_pred) -> Cells:
        """Tell which regions have a valid pixel; the weights of pixels stay inside the sums."""
        counted = None if valid is None else valid.any(axis=self.axis)
        return cells._replace(pixels=cells.weight, weight=counted)

    def regions(self, y_pred):
        """Give the shape of the values: the axes that the sums leave."""
        gone = normal_axes(self.axis, len(y_pred.shape))
        return tuple(n for a, n in enumerate(y_pred.shape) if a not in gone)

    def of_cells(self, cells, y_pred):
        """Give the loss, from cells on the predictions' device."""
        y_pred = y_pred if cells.used is None else ops.where(cells.used, y_pred, 1)
        return reduced(self.call(cells.labels, y_pred, cells.pixels), cells, self.reduction)

    def call(self, y_true, y_pred, weight=None):
        """Give the loss of every region."""
        if self.from_logits:
            y_pred = ops.softmax(y_pred) if y_pred.shape[-1] > 1 else ops.sigmoid(y_pred)
        truth, predicted = y_true, y_pred
        if weight is not None:
            truth, predicted = y_true * weight, y_pred * weight
        overlap = ops.sum(truth * y_pred, axis=self.axis)
        return self.value(
            overlap, ops.sum(truth, axis=self.axis), ops.sum(predicted, axis=self.axis)
        )

    def _keeps_samples(self):
        axis = self.axis if isinstance(self.axis, tuple) else (self.axis,)
        return None not in axis and 0 not in axis


class Dice(RegionLoss):
    """value = 1 - 2 I / (T + P + 1e-7). Milletari et al. 2016 (V-Net), with sums for squares.

    Parameters
    ----------
    reduction, name, ignore_index, class_weight
        As in `Loss`; a class weight is a weight of the pixels of that class.
    axis : int or tuple of int, optional
        What the sums run over; see the module's text.
    from_logits : bool
        Whether `y_pred` comes without softmax or sigmoid.

    Examples
    --------
    >>> round(float(Dice()([[1.0], [0.0]], [[0.5], [0.5]])), 6)
    0.5
    """

    def value(self, overlap, truth, predicted):
        """Give 1 - 2 I / (T + P)."""
        return 1.0 - 2.0 * overlap / (truth + predicted + EPSILON)


class Jaccard(RegionLoss):
    """value = 1 - I / (T + P - I + 1e-7): one minus a soft intersection over union.

    Parameters
    ----------
    reduction, name, axis, from_logits, ignore_index, class_weight
        As in `Dice`.

    Examples
    --------
    >>> round(float(Jaccard()([[1.0], [0.0]], [[0.5], [0.5]])), 6)
    0.666667
    """

    def value(self, overlap, truth, predicted):
        """Give 1 - I / (T + P - I)."""
        return 1.0 - overlap / (truth + predicted - overlap + EPSILON)


class Tversky(RegionLoss):
    """value = 1 - I / (I + alpha (T - I) + beta (P - I) + 1e-7).

    `alpha` weighs truth that was missed, `beta` what was predicted wrongly (Keras's order); both
    1/2 give Dice, both 1 Jaccard. Salehi et al. 2017, equation 3, where the two are swapped.

    Parameters
    ----------
    alpha, beta : float
        See above.
    reduction, name, axis, from_logits, ignore_index, class_weight
        As in `Dice`.

    Examples
    --------
    >>> round(float(Tversky(alpha=1.0, beta=1.0)([[1.0], [0.0]], [[0.5], [0.5]])), 6)
    0.666667
    """

    def __init__(
        self,
        alpha=0.5,
        beta=0.5,
        reduction="sum_over_batch_size",
        name=None,
        axis=None,
        from_logits=False,
        **kwargs,
    ):
        super().__init__(reduction, name, axis, from_logits, **kwargs)
        self.alpha = bounds.number(self, "alpha", alpha, 0)
        self.beta = bounds.number(self, "beta", beta, 0)

    def value(self, overlap, truth, predicted):
        """Give 1 - I / (I + alpha (T - I) + beta (P - I))."""
        missed, wrong = truth - overlap, predicted - overlap
        return 1.0 - overlap / (overlap + self.alpha * missed + self.beta * wrong + EPSILON)


def dice(y_true, y_pred, sample_weight=None, mask=None, axis=None, from_logits=False):
    """Give one value per region; see `Dice`."""
    return Dice(None, axis=axis, from_logits=from_logits)(y_true, y_pred, sample_weight, mask)


def jaccard(y_true, y_pred, sample_weight=None, mask=None, axis=None, from_logits=False):
    """Give one value per region; see `Jaccard`."""
    return Jaccard(None, axis=axis, from_logits=from_logits)(y_true, y_pred, sample_weight, mask)


def tversky(y_true, y_pred, sample_weight=None, mask=None, **options):
    """Give one value per region; see `Tversky` for the options."""
    return Tversky(reduction=None, **options)(y_true, y_pred, sample_weight, mask)
