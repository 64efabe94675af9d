"""Losses for classes: binary, categorical and sparse categorical cross-entropy.

With `from_logits=True` the loss itself applies softmax or sigmoid, in a form that neither overflows
nor saturates; without it, probabilities are kept 1e-7 away from 0 and 1, as Keras does.
"""

import numpy as np

from tinygrad_astro import bounds, ops
from tinygrad_astro.losses.labels import as_data, check_classes, check_range, like_shape
from tinygrad_astro.losses.loss import EPSILON, Loss
from tinygrad_astro.losses.softmax import softmax_cross_entropy

_SOFT = "labels are probabilities: 0, 1 or between"


class BinaryCrossentropy(Loss):
    """value = -(y log p + (1 - y) log(1 - p)), with p = y_pred, or its sigmoid from logits.

    Parameters
    ----------
    from_logits : bool
        Whether `y_pred` comes without a sigmoid.
    label_smoothing : float
        Pull labels towards 1/2: y (1 - s) + s / 2.
    reduction, name, ignore_index, class_weight
        As in `Loss`; the class of a soft label is 1 from 0.5 on.

    Raises
    ------
    ValueError
        If a label lies outside 0..1.

    Examples
    --------
    >>> round(float(BinaryCrossentropy(from_logits=True)([1.0], [0.0])), 6)
    0.693147
    """

    def __init__(
        self,
        from_logits=False,
        label_smoothing=0.0,
        reduction="sum_over_batch_size",
        name=None,
        **kwargs,
    ):
        super().__init__(name, reduction, **kwargs)
        self.from_logits = from_logits
        self.label_smoothing = bounds.number(self, "label_smoothing", label_smoothing, 0, 1)

    def check_labels(self, y_true, y_pred):
        """Raise where a label is no probability."""
        check_range(y_true, 0, 1, self.name, _SOFT)

    def class_numbers(self, y_true):
        """Give 1 for labels from 0.5 on, else 0."""
        return (as_data(y_true, "class_weight") >= 0.5).astype(np.int64)

    def smoothed(self, y_true):
        """Pull labels towards 1/2."""
        return y_true * (1.0 - self.label_smoothing) + 0.5 * self.label_smoothing

    def call(self, y_true, y_pred):
        """Give the binary cross-entropy of every cell."""
        y_true = self.smoothed(y_true) if self.label_smoothing else y_true
        if self.from_logits:
            return ops.softplus(y_pred) - y_true * y_pred
        p = ops.clip(y_pred, EPSILON, 1 - EPSILON)
        return -(y_true * ops.log(p) + (1 - y_true) * ops.log(1 - p))


class CategoricalCrossentropy(Loss):
    """value = -sum_c y_c log p_c, with p = y_pred / sum(y_pred), or its softmax from logits.

    Labels are one-hot, or soft (probabilities of each class), along the last axis.

    Parameters
    ----------
    from_logits : bool
        Whether `y_pred` comes without a softmax.
    label_smoothing : float
        Pull labels towards equal shares: y (1 - s) + s / classes.
    reduction, name, ignore_index, class_weight
        As in `Loss`; the class of a soft label is its largest entry.

    Raises
    ------
    ValueError
        If labels are not of y_pred's shape, or an entry lies outside 0..1.

    Examples
    --------
    >>> round(float(CategoricalCrossentropy()([[0.0, 1.0]], [[0.5, 0.5]])), 6)
    0.693147
    """

    elementwise = False

    def __init__(
        self,
        from_logits=False,
        label_smoothing=0.0,
        reduction="sum_over_batch_size",
        name=None,
        **kwargs,
    ):
        super().__init__(name, reduction, **kwargs)
        self.from_logits = from_logits
        self.label_smoothing = bounds.number(self, "label_smoothing", label_smoothing, 0, 1)

    def arrange(self, y_true, y_pred):
        """Expect labels of y_pred's shape."""
        if y_true.shape == y_pred.shape:
            return y_true
        sparse = y_true.shape in (y_pred.shape[:-1], (*y_pred.shape[:-1], 1))
        hint = "; these look like class numbers: use one_hot or sparse_categorical_crossentropy"
        raise ValueError(
            f"{self.name} got y_true of shape {y_true.shape} and y_pred of shape {y_pred.shape}, "
            f"expected one-hot labels of y_pred's shape{hint if sparse else ''}"
        )

    def check_labels(self, y_true, y_pred):
        """Raise where a label is no probability."""
        check_range(y_true, 0, 1, self.name, _SOFT)

    def class_numbers(self, y_true):
        """Give the largest entry of each row."""
        return as_data(y_true, "class_weight").argmax(axis=-1)

    def smoothed(self, y_true):
        """Pull labels towards equal shares."""
        return y_true * (1.0 - self.label_smoothing) + self.label_smoothing / y_true.shape[-1]

    def log_probabilities(self, y_pred):
        """Give log p along the last axis."""
        if self.from_logits:
            return ops.log_softmax(y_pred, axis=-1)
        p = y_pred / ops.sum(y_pred, axis=-1, keepdims=True)
        return ops.log(ops.clip(p, EPSILON, 1 - EPSILON))

    def call(self, y_true, y_pred):
        """Give the cross-entropy of every cell."""
        y_true = self.smoothed(y_true) if self.label_smoothing else y_true
        return -ops.sum(y_true * self.log_probabilities(y_pred), axis=-1)


class SparseCategoricalCrossentropy(Loss):
    """value = -log p[y_true], with p = y_pred / sum(y_pred), or its softmax from logits.

    Labels are class numbers: shape (N, H, W) or (N, H, W, 1) for predictions (N, H, W, C).

    Parameters
    ----------
    from_logits : bool
        Whether `y_pred` comes without a softmax.
    ignore_class : int, optional
        Keras's name of `ignore_index`: cells with this label are masked.
    reduction, name, ignore_index, class_weight
        As in `Loss`.

    Raises
    ------
    ValueError
        If a label is no whole number from 0 to C - 1.

    Examples
    --------
    >>> loss = SparseCategoricalCrossentropy(from_logits=True, ignore_index=255)
    >>> round(float(loss([1, 255], [[0.0, 0.0], [7.0, 0.0]])), 6)
    0.693147
    """

    elementwise = False

    def __init__(
        self,
        from_logits=False,
        ignore_class=None,
        reduction="sum_over_batch_size",
        name=None,
        ignore_index=None,
        class_weight=None,
    ):
        ignore_index = ignore_class if ignore_index is None else ignore_index
        super().__init__(name, reduction, ignore_index, class_weight)
        self.from_logits = from_logits

    def arrange(self, y_true, y_pred):
        """Drop a last axis of length 1."""
        if y_true.shape == y_pred.shape and y_pred.shape[-1] != 1:
            raise ValueError(
                f"{self.name} got y_true of y_pred's shape {y_true.shape}, expected class numbers "
                f"of shape {y_pred.shape[:-1]}; one-hot labels go with categorical_crossentropy"
            )
        return like_shape(y_true, y_pred.shape[:-1], self.name)

    def check_labels(self, y_true, y_pred):
        """Raise where a label is no class number."""
        check_classes(y_true, y_pred.shape[-1], self.name)

    def label_dtype(self, y_pred):
        """Class numbers stay whole."""
        return np.int64

    def class_numbers(self, y_true):
        """Give the labels themselves."""
        return as_data(y_true, "class_weight").astype(np.int64)

    def call(self, y_true, y_pred):
        """Give the cross-entropy of every cell."""
        if self.from_logits:
            return softmax_cross_entropy(y_pred, y_true)
        labels = ops.expand_dims(y_true, -1)
        chosen = ops.squeeze(ops.take_along_axis(y_pred, labels, axis=-1), axis=-1)
        p = chosen / ops.sum(y_pred, axis=-1)
        return -ops.log(ops.clip(p, EPSILON, 1 - EPSILON))


def binary_crossentropy(
    y_true, y_pred, sample_weight=None, mask=None, from_logits=False, label_smoothing=0.0
):
    """Give the mean over the last axis; see `BinaryCrossentropy`."""
    loss = BinaryCrossentropy(from_logits, label_smoothing, reduction=None)
    return loss(y_true, y_pred, sample_weight, mask)


def categorical_crossentropy(
    y_true, y_pred, sample_weight=None, mask=None, from_logits=False, label_smoothing=0.0
):
    """Give one value per row; see `CategoricalCrossentropy`."""
    loss = CategoricalCrossentropy(from_logits, label_smoothing, reduction=None)
    return loss(y_true, y_pred, sample_weight, mask)


def sparse_categorical_crossentropy(
    y_true, y_pred, sample_weight=None, mask=None, from_logits=False, ignore_class=None
):
    """Give one value per row; see `SparseCategoricalCrossentropy`."""
    loss = SparseCategoricalCrossentropy(from_logits, ignore_class, reduction=None)
    return loss(y_true, y_pred, sample_weight, mask)
