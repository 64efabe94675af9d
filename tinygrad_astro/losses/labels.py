"""Labels, masks and weights as data: their shapes and ranges, and what to say of wrong ones."""

from numbers import Integral
from typing import Any, NamedTuple

import numpy as np

from tinygrad_astro import bounds
from tinygrad_astro.kernels import live, moved
from tinygrad_astro.tape import Tensor
from tinygrad_astro.tensor import tensor


class Cells(NamedTuple):
    """What a batch brings to a loss besides predictions: found on the host, before any arithmetic.

    A Tensor stands in the place of an array once it is on the device of the predictions.

    Attributes
    ----------
    labels : ndarray
        Checked and encoded; the hidden ones replaced.
    used : ndarray of bool, optional
        Of the predictions' shape, True where one is read; None where all are.
    weight : ndarray, optional
        What each value is multiplied by.
    total : int or float, optional
        What the sum is divided by; None: the number of values.
    share : ndarray, optional
        Valid cells of each row, where the rows are averaged.
    pixels : ndarray, optional
        Weights inside the sums that a value is made of.
    """

    labels: Any
    used: Any = None
    weight: Any = None
    total: Any = None
    share: Any = None
    pixels: Any = None

    def arrays(self, dtype) -> dict[str, Any]:
        """Give what is an array by name, with weights in the dtype of the predictions."""
        found = {"labels": self.labels}
        if self.used is not None:
            found["used"] = self.used
        for name in ("weight", "share", "pixels"):
            value = getattr(self, name)
            if value is not None:
                found[name] = value if isinstance(value, Tensor) else np.asarray(value, dtype)
        return found

    def on(self, dtype, device) -> "Cells":
        """Give the arrays as Tensors on the device of the predictions, weights in their dtype."""
        found = self.arrays(dtype)
        for name, value in found.items():
            if not isinstance(value, Tensor):
                found[name] = Tensor(moved(np.asarray(value), device))
        return Cells(total=self.total, **found)


def as_labels(y_true):
    """Give `y_true` as a NumPy array of numbers; a tracked Tensor stays what it is.

    So does one whose labels cannot be looked at, as a step is being recorded.
    """
    if isinstance(y_true, Tensor):
        recorded = live.is_recording() and not isinstance(y_true.data, np.ndarray)
        return y_true if y_true.requires_grad or recorded else y_true.numpy()
    return tensor(y_true).data


def as_data(y_true, purpose):
    """Give labels as an array; refuse labels that the tape tracks."""
    if isinstance(y_true, Tensor):
        raise TypeError(f"{purpose} needs labels that are data, not a tracked Tensor: detach() it")
    return y_true


def like_shape(y_true, shape, name):
    """Reshape labels to `shape` if they differ by a last axis of length 1."""
    if y_true.shape == shape:
        return y_true
    if y_true.shape in (shape[:-1], (*shape, 1)) and y_true.size == np.prod(shape):
        return y_true.reshape(shape)
    raise ValueError(
        f"{name} got y_true of shape {y_true.shape} and y_pred of shape {shape}; expected y_true "
        f"of y_pred's shape {shape}"
    )


def spread_over(values, cells, name):
    """Broadcast `values`, aligned at the first axis, over `cells`; (N,) weighs whole samples."""
    shape = values.shape
    if values.ndim == len(cells) + 1 and shape[-1] == 1:
        shape = shape[:-1]
    shape = shape + (1,) * (len(cells) - len(shape))
    if len(shape) != len(cells) or any(a not in (1, b) for a, b in zip(shape, cells, strict=True)):
        raise ValueError(
            f"{name} has shape {values.shape}, which does not fit {cells}; expected "
            f"{cells[:1]}, one per sample, or {cells}, or its first axes"
        )
    return np.broadcast_to(values.reshape(shape), cells)


def check_weights(weight, valid):
    """Raise if a weight that counts is negative or not finite."""
    good = (weight >= 0) & (weight < np.inf)
    bad = ~good if valid is None else valid & ~good
    if bad.any():
        index = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ValueError(
            f"sample_weight holds {bad.sum()} values that are negative or not finite, the first "
            f"{weight[index]} at {index}; expected 0 or more: 0 ignores a cell"
        )


def check_finite(y_true, name):
    """Raise if a label is NaN or infinite."""
    if y_true.dtype.kind != "f" or np.isfinite(y_true).all():
        return
    bad = np.argwhere(~np.isfinite(y_true))
    index = tuple(int(i) for i in bad[0])
    raise ValueError(
        f"{name} got y_true with {len(bad)} values that are not finite, the first "
        f"{y_true[index]} at {index}; pass mask=np.isfinite(y_true) or weights of 0 to ignore them"
    )


def check_range(y_true, low, high, name, hint):
    """Raise if a label lies outside low..high."""
    check_finite(y_true, name)
    if y_true.size == 0 or (y_true.min() >= low and y_true.max() <= high):
        return
    index = tuple(int(i) for i in np.argwhere((y_true < low) | (y_true > high))[0])
    raise ValueError(
        f"{name} got the label {y_true[index]} at {index}, expected labels from {low} to {high}; "
        f"{hint}"
    )


def look_up(class_weight, labels):
    """Give the weight of each label from a dict or a sequence of weights."""
    top = int(labels.max(initial=0))
    check_class_weight(class_weight)
    if isinstance(class_weight, dict):
        table = np.ones(max([*class_weight, top]) + 1)
        table[list(class_weight)] = list(class_weight.values())
    else:
        table = np.asarray(class_weight, np.float64)
    if top >= len(table):
        raise ValueError(
            f"class_weight has {len(table)} entries, but y_true holds the label {top}; give one "
            "weight per class"
        )
    return table[labels]


def check_class_weight(class_weight):
    """Raise unless these are weights by class."""
    given = class_weight.items() if isinstance(class_weight, dict) else None
    if given is None and np.ndim(class_weight) == 1:
        given = enumerate(class_weight)
    if given is None:
        raise TypeError(
            f"class_weight={class_weight!r}: expected a dict {{class: weight}}, or a weight for "
            "every class"
        )
    for label, weight in given:
        if not isinstance(label, Integral) or label < 0:
            raise ValueError(f"class_weight has the key {label!r}, expected class numbers from 0")
        bounds.number("class_weight", f"[{label}]", weight, 0)


def check_classes(y_true, classes, name):
    """Raise if a label is no whole number from 0 to classes - 1."""
    check_range(y_true, 0, classes - 1, name, "check the network's number of outputs, or mask them")
    if y_true.dtype.kind == "f" and (y_true != np.floor(y_true)).any():
        index = tuple(int(i) for i in np.argwhere(y_true != np.floor(y_true))[0])
        raise ValueError(
            f"{name} got the label {y_true[index]} at {index}, expected whole class numbers"
        )


def soft_or_sparse(y_true, shape, name):
    """Give labels the shape of the predictions, or, if they are class numbers, one axis less."""
    if y_true.shape == shape or shape[-1] == 1:
        return like_shape(y_true, shape, name)
    if y_true.shape in (shape[:-1], (*shape[:-1], 1)):
        return y_true.reshape(shape[:-1])
    raise ValueError(
        f"{name} got y_true of shape {y_true.shape} and y_pred of shape {shape}; expected class "
        f"numbers of shape {shape[:-1]}, or one value per class of shape {shape}"
    )


def check_soft_or_sparse(y_true, shape, name):
    """Raise if labels of either kind are out of their range."""
    if y_true.shape == shape:
        check_range(
            y_true, 0, 1, name, "labels are probabilities; class numbers have one axis less"
        )
    else:
        check_classes(y_true, shape[-1], name)


def one_hot(y_true, shape):
    """Turn class numbers into one row per label; leave what has `shape` already."""
    return y_true if y_true.shape == shape else np.eye(shape[-1])[y_true.astype(np.int64)]
