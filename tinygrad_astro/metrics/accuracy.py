"""Accuracies: the fraction of cells whose class is right, for every way of writing a class."""

import numpy as np

from tinygrad_astro import bounds
from tinygrad_astro.losses.labels import like_shape
from tinygrad_astro.metrics.metric import MeanOfCells, paired


class Accuracy(MeanOfCells):
    """result = mean(y_true == y_pred), for predictions that are classes already.

    Examples
    --------
    >>> Accuracy()([1, 2, 3, 4], [0, 2, 3, 4])
    0.75
    """

    better = "up"

    def values(self, y_true, y_pred):
        """Compare."""
        y_true, y_pred = paired(y_true, y_pred, self.name)
        return y_true == y_pred


class BinaryAccuracy(MeanOfCells):
    """result = mean((y_pred > threshold) == y_true).

    Parameters
    ----------
    name : str, optional
    threshold : float
        A prediction above it is class 1; use 0 for logits.

    Examples
    --------
    >>> BinaryAccuracy()([1, 0, 1], [0.9, 0.2, 0.5])
    0.6666666666666666
    """

    better = "up"

    def __init__(self, name=None, threshold=0.5):
        super().__init__(name)
        self.threshold = threshold

    def values(self, y_true, y_pred):
        """Compare after the threshold."""
        y_true, y_pred = paired(y_true, y_pred, self.name)
        return y_true == (y_pred > self.threshold)


class CategoricalAccuracy(MeanOfCells):
    """result = mean(argmax(y_true) == argmax(y_pred)), for one-hot labels.

    Examples
    --------
    >>> CategoricalAccuracy()([[0, 1], [1, 0]], [[0.3, 0.7], [0.4, 0.6]])
    0.5
    """

    better = "up"

    def values(self, y_true, y_pred):
        """Compare the largest entries."""
        y_true = like_shape(y_true, y_pred.shape, self.name)
        return y_true.argmax(axis=-1) == y_pred.argmax(axis=-1)


class SparseCategoricalAccuracy(MeanOfCells):
    """result = mean(y_true == argmax(y_pred)), for class numbers.

    Examples
    --------
    >>> SparseCategoricalAccuracy()([1, 0], [[0.3, 0.7], [0.4, 0.6]])
    0.5
    """

    better = "up"

    def values(self, y_true, y_pred):
        """Compare class numbers."""
        return like_shape(y_true, y_pred.shape[:-1], self.name) == y_pred.argmax(axis=-1)


class SparseTopKCategoricalAccuracy(MeanOfCells):
    """result = mean(fewer than k classes score higher than the true one); ties count as right.

    Parameters
    ----------
    k : int
    name : str, optional

    Examples
    --------
    >>> SparseTopKCategoricalAccuracy(k=2)([2, 0], [[0.1, 0.6, 0.3], [0.1, 0.6, 0.3]])
    0.5
    """

    better = "up"

    def __init__(self, k=5, name=None):
        super().__init__(name)
        self.k = bounds.whole(self, "k", k, 1)

    def classes(self, y_true, y_pred):
        """Give class numbers."""
        return like_shape(y_true, y_pred.shape[:-1], self.name).astype(np.int64)

    def values(self, y_true, y_pred):
        """Count the classes that score higher."""
        labels = self.classes(y_true, y_pred)
        known = (labels >= 0) & (labels < y_pred.shape[-1])
        labels = np.where(known, labels, 0)
        score = np.take_along_axis(y_pred, labels[..., None], axis=-1)
        higher = (y_pred > score).sum(axis=-1)
        return known & np.isfinite(score[..., 0]) & (higher < self.k)


class TopKCategoricalAccuracy(SparseTopKCategoricalAccuracy):
    """As `SparseTopKCategoricalAccuracy`, for one-hot labels.

    Examples
    --------
    >>> TopKCategoricalAccuracy(k=2)([[0, 0, 1]], [[0.1, 0.6, 0.3]])
    1.0
    """

    def classes(self, y_true, y_pred):
        """Give the largest entries of the labels."""
        return like_shape(y_true, y_pred.shape, self.name).argmax(axis=-1)


class AutoAccuracy(BinaryAccuracy):
    """What the name "accuracy" means: binary, categorical or sparse, by the shapes, as in Keras.

    One output per cell: binary. Labels with one axis less, or a last axis of length 1: class
    numbers. Otherwise one-hot.

    Examples
    --------
    >>> AutoAccuracy()([1, 0], [[0.3, 0.7], [0.4, 0.6]]), AutoAccuracy()([1, 0], [0.7, 0.6])
    (0.5, 0.5)
    """

    def __init__(self, name="accuracy", threshold=0.5):
        super().__init__(name, threshold)

    def values(self, y_true, y_pred):
        """Choose by the shapes."""
        if y_pred.ndim < 2 or y_pred.shape[-1] == 1:
            return super().values(y_true, y_pred)
        if y_true.shape == y_pred.shape:
            return CategoricalAccuracy.values(self, y_true, y_pred)
        return SparseCategoricalAccuracy.values(self, y_true, y_pred)
