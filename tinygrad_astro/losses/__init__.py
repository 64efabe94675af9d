"""Losses with Keras's names and numbers, masks and weights included; `get` finds one by name."""

from tinygrad_astro.losses.crossentropy import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
    binary_crossentropy,
    categorical_crossentropy,
    sparse_categorical_crossentropy,
)
from tinygrad_astro.losses.focal import (
    BinaryFocalCrossentropy,
    CategoricalFocalCrossentropy,
    binary_focal_crossentropy,
    categorical_focal_crossentropy,
)
from tinygrad_astro.losses.loss import Loss, LossFunction
from tinygrad_astro.losses.regression import (
    GaussianNegativeLogLikelihood,
    Huber,
    LogCosh,
    MeanAbsoluteError,
    MeanSquaredError,
    Poisson,
    gaussian_nll,
    huber,
    log_cosh,
    mean_absolute_error,
    mean_squared_error,
    poisson,
)
from tinygrad_astro.losses.segmentation import Dice, Jaccard, Tversky, dice, jaccard, tversky

__all__ = [
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "Dice",
    "GaussianNegativeLogLikelihood",
    "Huber",
    "Jaccard",
    "LogCosh",
    "Loss",
    "LossFunction",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Poisson",
    "SparseCategoricalCrossentropy",
    "Tversky",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "dice",
    "gaussian_nll",
    "get",
    "huber",
    "jaccard",
    "log_cosh",
    "mean_absolute_error",
    "mean_squared_error",
    "poisson",
    "sparse_categorical_crossentropy",
    "tversky",
]

CLASSES: dict[str, type[Loss]] = {
    "mse": MeanSquaredError,
    "mean_squared_error": MeanSquaredError,
    "mae": MeanAbsoluteError,
    "mean_absolute_error": MeanAbsoluteError,
    "huber": Huber,
    "log_cosh": LogCosh,
    "logcosh": LogCosh,
    "poisson": Poisson,
    "gaussian_nll": GaussianNegativeLogLikelihood,
    "bce": BinaryCrossentropy,
    "binary_crossentropy": BinaryCrossentropy,
    "categorical_crossentropy": CategoricalCrossentropy,
    "sparse_categorical_crossentropy": SparseCategoricalCrossentropy,
    "binary_focal_crossentropy": BinaryFocalCrossentropy,
    "categorical_focal_crossentropy": CategoricalFocalCrossentropy,
    "dice": Dice,
    "jaccard": Jaccard,
    "tversky": Tversky,
}


def get(identifier) -> Loss:
    """Give a loss from a loss, a name, a function, or `{"class_name": ..., "config": {...}}`.

    Raises
    ------
    ValueError
        If the name is unknown.
    TypeError
        If `identifier` is none of these.

    Examples
    --------
    >>> get("mse").name
    'mean_squared_error'
    """
    if isinstance(identifier, Loss):
        return identifier
    if isinstance(identifier, type) and issubclass(identifier, Loss):
        return identifier()
    named = {**CLASSES, **{cls.__name__: cls for cls in CLASSES.values()}}
    name, config = identifier, {}
    if isinstance(identifier, dict):
        name, config = identifier.get("class_name"), identifier.get("config", {})
    if isinstance(name, str):
        cls = named.get(name) or named.get(name.lower())
        if cls is None:
            raise ValueError(f"unknown loss {name!r}, expected one of {', '.join(sorted(named))}")
        return cls.from_config(config)
    for alias, cls in CLASSES.items():
        if identifier is globals().get(alias):
            return cls()
    if callable(identifier):
        return LossFunction(identifier)
    raise TypeError(
        f"a loss is a name, a Loss or a function of (y_true, y_pred); got {identifier!r}"
    )
