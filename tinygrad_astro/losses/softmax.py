"""Softmax and cross-entropy fused: one kernel gives the loss and the probabilities it came from."""

import numpy as np

from tinygrad_astro import ops
from tinygrad_astro.kernels import of, xp
from tinygrad_astro.tape import Tensor, lift, primitive

NO_LABEL = -1  # labels have been checked: the kernel has no row to skip


def _grad_rule(u, out, g, logits, probabilities, labels, wanted):
    p = ops.softmax(logits)
    surplus = p - ops.one_hot(labels, p.shape[-1])
    u_g = u * ops.expand_dims(g, -1)
    wrt_logits = p * (u_g - ops.sum(u_g * p, axis=-1, keepdims=True)) if wanted[1] else None
    return [ops.sum(u * surplus, axis=-1), wrt_logits, None, None]


@primitive(joint=_grad_rule)
def _cross_entropy_grad(g, logits, probabilities, labels):
    """g (p - one_hot(labels)): the gradient of the loss with respect to the logits."""
    out = of(logits).memory.empty(logits.shape, logits.dtype)
    rows = (-1, logits.shape[-1])
    of(logits).losses.softmax_cross_entropy_grad(
        out.reshape(rows), of(g).rows.contiguous(g).reshape(-1), probabilities.reshape(rows),
        labels.reshape(-1),
    )  # fmt: skip
    return out


def _cross_entropy_rule(g, out, logits, probabilities, labels, values):
    return _cross_entropy_grad(g, logits, probabilities, labels)


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
