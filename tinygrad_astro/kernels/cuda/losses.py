"""Softmax and cross-entropy in one pass over the logits."""

from .target import D, T, U, cuda, kernel, math


@kernel("T* T* T* i* u u i")
def _softmax_cross_entropy(loss, probabilities, logits, labels, rows, classes, ignored):
    """One thread per row: the maximum, the sum of exponentials, their ratios."""
    m = U(cuda.grid(1))
    if m >= rows:
        return
    first = U(m * classes)
    highest, c = logits[first], U(1)
    while c < classes:
        v = logits[U(first + c)]
        highest = highest if v <= highest else v
        c = U(c + U(1))
    total, c = D(0), U(0)
    while c < classes:
        e = math.exp(logits[U(first + c)] - highest)
        probabilities[U(first + c)] = e
        total += e
        c = U(c + U(1))
    skipped, c = labels[m] == ignored, U(0)
    even = skipped and not total - total == D(0)
    while c < classes:
        e = D(1) if even else D(probabilities[U(first + c)])
        probabilities[U(first + c)] = e / (D(classes) if even else total)
        c = U(c + U(1))
    loss[m] = T(0)
    if not skipped:
        loss[m] = math.log(total) - D(logits[U(first + U(labels[m]))] - highest)


@kernel("T* T* T* i* u u")
def _softmax_cross_entropy_grad(out, g, probabilities, labels, count, classes):
    """One thread per number."""
    i = U(cuda.grid(1))
    if i >= count:
        return
    m = U(i // classes)
    true = U(U(i - U(m * classes)) == U(labels[m]))
    out[i] = g[m] * (probabilities[i] - T(true))


def softmax_cross_entropy(loss, probabilities, logits, labels, ignore_index):
    """loss[m] = -log p[m, labels[m]], p = softmax over the last axis; one thread per row.

    A row whose label is `ignore_index` has loss 0, and where its logits give no distribution (NaN,
    inf) p = 1 / C. In any other row NaN or +inf logits give NaN; a logit of -inf gives p = 0.
    """
    rows, classes = logits.shape
    arguments = loss, probabilities, logits, labels, rows, classes, ignore_index
    _softmax_cross_entropy(rows, *arguments, dtype=logits.dtype)


def softmax_cross_entropy_grad(out, g, probabilities, labels):
    """out[m, c] = g[m] (p[m, c] - [c = labels[m]]); one thread per number."""
    arguments = out, g, probabilities, labels, out.size, out.shape[-1]
    _softmax_cross_entropy_grad(out.size, *arguments, dtype=out.dtype)
