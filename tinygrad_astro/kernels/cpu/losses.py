"""Softmax and cross-entropy in one pass over the logits."""

import math

import numpy as np
from numba import prange

from .chunks import launch, rows_per_chunk
from .exponential import exp, log
from .target import inline, parallel, serial

# The most classes with which rows go through the work side by side, and how many at a time.
FEW = 16
_BLOCK = 256


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
    if logits.shape[1] <= FEW:
        _few_classes(loss, probabilities, logits, labels, ignore_index, start, stop)
    else:
        _many_classes(loss, probabilities, logits, labels, ignore_index, start, stop)


@inline
def _few_classes(loss, probabilities, logits, labels, ignore_index, start, stop):
    """The same sweeps over a block of rows, turned so that loops run along it and become SIMD."""
    kind, classes = logits.dtype, logits.shape[1]
    turned, highest = np.empty((classes, _BLOCK), kind), np.empty(_BLOCK, kind)
    total, chosen = np.empty(_BLOCK), np.empty(_BLOCK)
    for first in range(start, stop, _BLOCK):
        count = min(_BLOCK, stop - first)
        for c in range(classes):
            z = turned[c]
            for i in range(count):
                z[i] = logits[first + i, c]
            for i in range(count):
                highest[i] = highest[i] if c > 0 and z[i] <= highest[i] else z[i]
        for i in range(count):
            known = labels[first + i] != ignore_index
            chosen[i] = turned[labels[first + i], i] - highest[i] if known else 0
        total[:] = 0
        for c in range(classes):
            z = turned[c]
            for i in range(count):
                z[i] = exp(z[i] - highest[i])
            for i in range(count):
                total[i] += z[i]
        for i in range(count):
            chosen[i] = log(total[i]) - chosen[i]
        for i in range(count):
            known = labels[first + i] != ignore_index
            loss[first + i] = chosen[i] if known else 0
            if not known and not total[i] < np.inf:
                turned[:, i] = 1
                total[i] = classes
        for i in range(count):
            total[i] = 1.0 / total[i]
        for c in range(classes):
            z = turned[c]
            for i in range(count):
                probabilities[first + i, c] = z[i] * total[i]


@inline
def _many_classes(loss, probabilities, logits, labels, ignore_index, start, stop):
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
