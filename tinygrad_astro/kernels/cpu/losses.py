"""Softmax and cross-entropy in one pass over the logits."""

import math

import numpy as np
from numba import prange

from .chunks import launch, rows_per_chunk
from .exponential import exp
from .target import parallel, serial


def softmax_cross_entropy(loss, probabilities, logits, labels, ignore_index):
    """loss[m] = -log p[m, labels[m]], p = softmax over the last axis; each thread owns some rows.

    A row whose label is `ignore_index` has loss 0, and where its logits give no distribution (NaN,
    inf) p = 1 / C. In any other row NaN or +inf logits give NaN; a logit of -inf gives p = 0.
    """
    arguments = loss, probabilities, logits, labels, ignore_index
    step = rows_per_chunk(logits.shape[-1])
    # An exponential is worth several additions.
    work = 4 * logits.size
    launch(_cross_entropy, _cross_entropy_parallel, arguments, len(logits), step, work)


def softmax_cross_entropy_grad(out, g, probabilities, labels):
    """out[m, c] = g[m] (p[m, c] - [c = labels[m]]); each thread owns some rows."""
    arguments, step = (out, g, probabilities, labels), rows_per_chunk(out.shape[-1])
    launch(_grad, _grad_parallel, arguments, len(out), step, out.size)


@parallel
def _cross_entropy_parallel(loss, probabilities, logits, labels, ignore_index, count, step):
    for k in prange((count + step - 1) // step):
        stop = min(count, (k + 1) * step)
        _cross_entropy(loss, probabilities, logits, labels, ignore_index, k * step, stop)


@serial
def _cross_entropy(loss, probabilities, logits, labels, ignore_index, start, stop):
    """Three sweeps: subtract the row's maximum; exponentiate, flat; divide by the row's sum."""
    y = probabilities
    for m in range(start, stop):
        highest = logits[m, 0]
        for c in range(1, logits.shape[1]):
            highest = highest if logits[m, c] <= highest else logits[m, c]
        for c in range(logits.shape[1]):
            y[m, c] = logits[m, c] - highest
        loss[m] = y[m, labels[m]] if labels[m] != ignore_index else 0
    flat = probabilities[start:stop].reshape(-1)
    for i in range(flat.size):
        flat[i] = exp(flat[i])
    for m in range(start, stop):
        total = 0.0
        for c in range(logits.shape[1]):
            total += y[m, c]
        if labels[m] != ignore_index:
            loss[m] = math.log(total) - loss[m]
        elif not math.isfinite(total):
            for c in range(logits.shape[1]):
                y[m, c] = 1
            total = np.float64(logits.shape[1])
        for c in range(logits.shape[1]):
            y[m, c] *= 1.0 / total


@parallel
def _grad_parallel(out, g, probabilities, labels, count, step):
    for k in prange((count + step - 1) // step):
        _grad(out, g, probabilities, labels, k * step, min(count, (k + 1) * step))


@serial
def _grad(out, g, probabilities, labels, start, stop):
    kind = out.dtype.type
    for m in range(start, stop):
        for c in range(out.shape[1]):
            out[m, c] = g[m] * (probabilities[m, c] - kind(c == labels[m]))
