"""Metrics with Keras's names and numbers, exact over batches; `get` finds one by name."""

from tinygrad_astro import losses
from tinygrad_astro.metrics.accuracy import (
    Accuracy,
    AutoAccuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
)
from tinygrad_astro.metrics.confusion import ConfusionMatrix, IoU, MeanIoU, Precision, Recall
from tinygrad_astro.metrics.metric import FunctionMetric, Mean, Metric
from tinygrad_astro.metrics.ranking import AUC, ROCAUC
from tinygrad_astro.metrics.regression import (
    MeanAbsoluteError,
    MeanSquaredError,
    R2Score,
    RootMeanSquaredError,
)

__all__ = [
    "AUC",
    "Accuracy",
    "AutoAccuracy",
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "ConfusionMatrix",
    "FunctionMetric",
    "IoU",
    "Mean",
    "MeanAbsoluteError",
    "MeanIoU",
    "MeanSquaredError",
    "Metric",
    "Precision",
    "R2Score",
    "ROCAUC",
    "Recall",
    "RootMeanSquaredError",
    "SparseCategoricalAccuracy",
    "SparseTopKCategoricalAccuracy",
    "TopKCategoricalAccuracy",
    "get",
]

CLASSES: dict[str, type[Metric]] = {
    "accuracy": AutoAccuracy,
    "acc": AutoAccuracy,
    "binary_accuracy": BinaryAccuracy,
    "categorical_accuracy": CategoricalAccuracy,
    "sparse_categorical_accuracy": SparseCategoricalAccuracy,
    "top_k_categorical_accuracy": TopKCategoricalAccuracy,
    "sparse_top_k_categorical_accuracy": SparseTopKCategoricalAccuracy,
    "precision": Precision,
    "recall": Recall,
    "auc": AUC,
    "roc_auc": ROCAUC,
    "mse": MeanSquaredError,
    "mean_squared_error": MeanSquaredError,
    "rmse": RootMeanSquaredError,
    "root_mean_squared_error": RootMeanSquaredError,
    "mae": MeanAbsoluteError,
    "mean_absolute_error": MeanAbsoluteError,
    "r2_score": R2Score,
}


def get(identifier) -> Metric:
    """Give a metric from a metric, a name (of a metric or a loss), a class or a function.

    Raises
    ------
    ValueError
        If the name is unknown.
    TypeError
        If `identifier` is none of these, or a class that needs arguments.

    Examples
    --------
    >>> get("accuracy")([1, 0], [[0.1, 0.9], [0.2, 0.8]])
    0.5
    """
    if isinstance(identifier, Metric):
        return identifier
    if isinstance(identifier, type) and issubclass(identifier, Metric):
        return identifier()
    if isinstance(identifier, str):
        named = {**CLASSES, **{cls.__name__: cls for cls in CLASSES.values()}}
        cls = named.get(identifier) or named.get(identifier.lower())
        if cls is not None:
            return cls(name=identifier) if identifier in CLASSES else cls()
        if identifier in losses.CLASSES:
            loss = losses.CLASSES[identifier](reduction=None)
            return FunctionMetric(loss, identifier)
        raise ValueError(
            f"unknown metric {identifier!r}, expected one of {', '.join(sorted(named))}, or a loss"
        )
    if isinstance(identifier, losses.Loss) or callable(identifier):
        return FunctionMetric(identifier, getattr(identifier, "name", None))
    raise TypeError(
        f"a metric is a name, a Metric or a function of (y_true, y_pred); got {identifier!r}"
    )
