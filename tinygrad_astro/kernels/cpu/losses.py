"""Softmax and cross-entropy in one pass over the logits."""

import math

import numpy as np
from numba import prange

from .chunks import SERIAL, rows_per_chunk
from .exponential import exp
from .target import inline, parallel


def softmax_cross_entropy(loss, probabilities, logits, labels, ignore_index):
    """loss[m] = -log p[m, labels[m]], p = softmax over the last axis; each thread owns some rows.

    A row whose label is `ignore_index` has loss 0, and where its logits give no distribution (NaN,
    inf) p = 1 / C. In any other row NaN or +inf logits give NaN; a logit of -inf gives p = 0.
    """
    rows = rows_per_chunk(logits.shape[-1])
    _softmax_cross_entropy(loss, probabilities, logits, labels, ignore_index, rows)


@parallel
def _softmax_cross_entropy(loss, probabilities, logits, labels, ignore_index, rows):
    n = logits.shape[0]
    if logits.size <= SERIAL // 4:
        _rows(loss, probabilities, logits, labels, ignore_index)
    else:
        for k in prange((n + rows - 1) // rows):
            a, b = k * rows, min(n, (k + 1) * rows)
            _rows(loss[a:b], probabilities[a:b], logits[a:b], labels[a:b], ignore_index)


@inline
def _rows(loss, probabilities, logits, labels, ignore_index):
    """Three sweeps: subtract the row's maximum; exponentiate, flat; divide by the row's sum."""
    n, classes = logits.shape
    for m in range(n):
        row, y = logits[m], probabilities[m]
        highest = row[0]
        for c in range(1, classes):
            highest = row[c] if not row[c] <= highest else highest
        for c in range(classes):
            y[c] = row[c] - highest
        label = labels[m]
        loss[m] = y[label] if label != ignore_index else 0
    flat = probabilities.reshape(-1)
    for i in range(flat.size):
        flat[i] = exp(flat[i])
    for m in range(n):
        y, used = probabilities[m], labels[m] != ignore_index
        total = 0.0
        for c in range(classes):
            total += y[c]
        if used:
            loss[m] = math.log(total) - loss[m]
        elif not math.isfinite(total):
            y[:] = 1
            total = np.float64(classes)
        for c in range(classes):
            y[c] = y[c] / total
