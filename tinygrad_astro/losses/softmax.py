"""Softmax and cross-entropy fused: one kernel gives the loss and the probabilities it came from."""

import numpy as np

from tinygrad_astro import ops
from tinygrad_astro.kernels import of, xp
from tinygrad_astro.tape import Tensor, lift, primitive

NO_LABEL = -1  # labels have been checked: the kernel has no row to skip


def _surplus_rule(u, out, logits, probabilities, labels):
    p = ops.softmax(logits)
    return p * (u - ops.sum(u * p, axis=-1, keepdims=True))


@primitive(_surplus_rule, None, None)
def _surplus(logits, probabilities, labels):
    """p - one_hot(labels): the gradient of the loss with respect to the logits."""
    classes = xp(probabilities).arange(probabilities.shape[-1])
    return probabilities - (classes == labels.reshape(*labels.shape, 1))


def _cross_entropy_rule(g, out, logits, probabilities, labels, values):
    return ops.expand_dims(g, -1) * _surplus(logits, probabilities, labels)


@primitive(_cross_entropy_rule, None, None)
def _cross_entropy(logits, probabilities, labels, values):
    return values


def softmax_cross_entropy(logits, labels):
    """Give -log softmax(logits)[labels] over the last axis, without overflow.

    Parameters
    ----------
    logits : Tensor (..., C)
        Dimensionless.
    labels : integers (...)
        From 0 to C - 1.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> softmax_cross_entropy(ta.tensor([[0.0, 0.0]]), [1]).numpy()
    array([0.6931472], dtype=float32)
    """
    logits, labels = lift([logits, labels])
    x = xp(logits.data).ascontiguousarray(logits.data)
    classes = xp(x).ascontiguousarray(labels.data.astype(np.int64))
    probabilities = of(x).memory.empty(x.shape, x.dtype)
    values = of(x).memory.empty(x.shape[:-1], x.dtype)
    rows = (-1, x.shape[-1])
    of(x).losses.softmax_cross_entropy(
        values.reshape(-1), probabilities.reshape(rows), x.reshape(rows), classes.reshape(-1),
        NO_LABEL,
    )  # fmt: skip
    return _cross_entropy(logits, Tensor(probabilities), Tensor(classes), values=values)
