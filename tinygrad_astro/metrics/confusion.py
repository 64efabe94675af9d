"""Metrics on counts of right and wrong classes: confusion matrix, IoU, precision, recall."""

import numpy as np

from tinygrad_astro import bounds
from tinygrad_astro.losses.labels import check_classes, like_shape, soft_or_sparse
from tinygrad_astro.metrics.metric import Metric, paired, weights


class ConfusionMatrix(Metric):
    """result[i, j] = summed weight of cells of class i that were predicted to be class j.

    Parameters
    ----------
    num_classes : int
    name : str, optional
    ignore_class : int, optional
        Cells with this label do not count.
    threshold : float
        With one output per cell and two classes: above it is class 1; use 0 for logits.
    sparse_y_true, sparse_y_pred : bool, optional
        Whether classes come as numbers (True) or as one value per class along the last axis
        (False); by default read off the shapes.

    Raises
    ------
    ValueError
        If a label is not a class.

    Examples
    --------
    >>> ConfusionMatrix(2)([0, 1, 1], [0, 0, 1])
    array([[1., 0.],
           [1., 1.]])
    """

    sums = ("matrix",)

    def __init__(
        self,
        num_classes,
        name=None,
        ignore_class=None,
        threshold=0.5,
        sparse_y_true=None,
        sparse_y_pred=None,
    ):
        self.num_classes = bounds.whole(self, "num_classes", num_classes, 1)
        self.ignore_class = ignore_class
        self.threshold = threshold
        self.sparse_y_true, self.sparse_y_pred = sparse_y_true, sparse_y_pred
        super().__init__(name)

    def reset_state(self):
        """Forget all batches."""
        self.matrix = np.zeros((self.num_classes, self.num_classes))

    def update(self, y_true, y_pred, sample_weight, mask):
        """Count a batch."""
        y_pred = self._predicted(y_pred)
        y_true = self._labels(y_true, y_pred.shape)
        weight = weights(y_true.shape, sample_weight, mask)
        counts = np.ones(y_true.shape, bool) if weight is None else weight != 0
        if self.ignore_class is not None:
            counts = counts & (y_true != self.ignore_class)
        labels, predicted = y_true[counts], y_pred[counts]
        check_classes(labels, self.num_classes, self.name)
        check_classes(predicted, self.num_classes, f"{self.name} (y_pred)")
        cells = labels.astype(np.int64) * self.num_classes + predicted.astype(np.int64)
        weight = None if weight is None else weight[counts]
        added = np.bincount(cells, weight, minlength=self.num_classes**2)
        self.matrix = self.matrix + added.reshape(self.matrix.shape)

    def _predicted(self, y_pred):
        y_pred = np.atleast_1d(y_pred)
        if self.sparse_y_pred or (self.sparse_y_pred is None and y_pred.dtype.kind in "iub"):
            return y_pred.astype(np.int64)
        if self.num_classes == 2 and (y_pred.ndim == 1 or y_pred.shape[-1] == 1):
            return (y_pred > self.threshold).astype(np.int64)
        if y_pred.shape[-1] != self.num_classes:
            raise ValueError(
                f"{self.name} got y_pred of shape {y_pred.shape}, expected class numbers (integers)"
                f" or a last axis of {self.num_classes} classes"
            )
        return y_pred.argmax(axis=-1)

    def _labels(self, y_true, shape):
        whole = (shape, (*shape, 1), shape[:-1] if shape[-1:] == (1,) else shape)
        sparse = y_true.shape in whole if self.sparse_y_true is None else self.sparse_y_true
        one = shape[:-1] if len(shape) > 1 and shape[-1] == 1 else shape
        if not sparse and y_true.shape[:-1] not in (shape, one):
            raise ValueError(
                f"{self.name} got y_true of shape {y_true.shape} for predictions {shape}, expected "
                f"class numbers of that shape, or one value per class along one more axis"
            )
        return like_shape(y_true if sparse else y_true.argmax(axis=-1), shape, self.name)

    def result(self):
        """Give the matrix: rows are true classes, columns predicted ones."""
        return self.matrix.copy()


class IoU(ConfusionMatrix):
    """result = mean over classes of TP / (TP + FP + FN), classes that never occur left out.

    Parameters
    ----------
    num_classes : int
    target_class_ids : sequence of int, optional
        Which classes; all by default.
    name, ignore_class, threshold, sparse_y_true, sparse_y_pred
        As in `ConfusionMatrix`.

    Examples
    --------
    >>> IoU(2, target_class_ids=[1])([0, 1, 1, 1], [0, 0, 1, 1])
    0.6666666666666666
    """

    better = "up"

    def __init__(self, num_classes, target_class_ids=None, name=None, **options):
        self.target_class_ids = target_class_ids
        super().__init__(num_classes, name, **options)

    def result(self) -> float:
        """Give the mean intersection over union; 0 if none of the classes occurred."""
        hits = np.diag(self.matrix)
        union = self.matrix.sum(axis=0) + self.matrix.sum(axis=1) - hits
        if self.target_class_ids is not None:
            wanted = list(self.target_class_ids)
            hits, union = hits[wanted], union[wanted]
        seen = union > 0
        return float(np.mean(hits[seen] / union[seen])) if seen.any() else 0.0


class MeanIoU(IoU):
    """result = mean over all classes of TP / (TP + FP + FN), classes that never occur left out.

    Parameters
    ----------
    num_classes, name, ignore_class, threshold, sparse_y_true, sparse_y_pred
        As in `ConfusionMatrix`.

    Examples
    --------
    >>> MeanIoU(2)([0, 0, 1, 1], [0, 1, 0, 1])
    0.3333333333333333
    """

    def __init__(self, num_classes, name="mean_io_u", **options):
        super().__init__(num_classes, None, name, **options)


class Precision(Metric):
    """result = TP / (TP + FP), a prediction above the threshold being positive; 0 if there is none.

    Parameters
    ----------
    thresholds : float or sequence of float, optional
        0.5 by default; several give an array of results.
    class_id : int, optional
        Look at this class of the last axis alone; by default all entries count alike.
    name : str, optional

    Examples
    --------
    >>> Precision()([0, 1, 1, 1], [1.0, 0.0, 1.0, 1.0])
    0.6666666666666666
    """

    better = "up"
    sums = ("hits", "others")

    def __init__(self, thresholds=None, class_id=None, name=None):
        self.thresholds = 0.5 if thresholds is None else thresholds
        for one in np.ravel(np.asarray(self.thresholds, object)):
            bounds.number(self, "thresholds", one, 0, 1)
        self.class_id = class_id
        super().__init__(name)

    def reset_state(self):
        """Forget all batches."""
        self.hits = np.zeros(np.shape(self.thresholds))
        self.others = np.zeros(np.shape(self.thresholds))

    def update(self, y_true, y_pred, sample_weight, mask):
        """Count a batch."""
        y_pred = np.atleast_1d(y_pred)
        if y_pred.ndim > 1 and y_pred.shape[-1] > 1:
            y_true = soft_or_sparse(y_true, y_pred.shape, self.name)
            if y_true.ndim < y_pred.ndim:
                y_true = y_true[..., None] == np.arange(y_pred.shape[-1])
        y_true, y_pred = paired(y_true, y_pred, self.name)
        weight = weights(y_pred.shape, sample_weight, mask)
        weight = np.ones(y_pred.shape) if weight is None else weight
        if self.class_id is not None:
            chosen = (..., self.class_id)
            y_true, y_pred, weight = y_true[chosen], y_pred[chosen], weight[chosen]
        above = np.greater.outer(y_pred, self.thresholds)
        weight = weight.reshape(weight.shape + (1,) * np.ndim(self.thresholds))
        true = (y_true != 0).reshape(weight.shape)
        axes = tuple(range(y_pred.ndim))
        self.hits = self.hits + (weight * (true & above)).sum(axis=axes)
        self.others = self.others + (weight * self.counted(true, above)).sum(axis=axes)

    def counted(self, true, above):
        """Tell which cells join the hits in the denominator."""
        return ~true & above

    def result(self):
        """Give hits / (hits + others), 0 where both are 0."""
        total = self.hits + self.others
        ratio = np.divide(self.hits, total, out=np.zeros_like(total), where=total > 0)
        return ratio if ratio.ndim else float(ratio)


class Recall(Precision):
    """result = TP / (TP + FN), a prediction above the threshold being positive; 0 if none is true.

    Parameters
    ----------
    thresholds, class_id, name
        As in `Precision`.

    Examples
    --------
    >>> Recall()([0, 1, 1], [1.0, 0.0, 1.0])
    0.5
    """

    def counted(self, true, above):
        """Tell which cells join the hits in the denominator."""
        return true & ~above
