"""NaN and inf in training data: found before they spoil the weights, and named with the way out."""

from math import isnan

import numpy as np

from tinygrad_astro.layers.structure import leaves, map_leaves
from tinygrad_astro.modes import no_grad
from tinygrad_astro.training.feed import ArrayFeed, cut

FIX = (
    "one of them makes all weights NaN. Write x = np.nan_to_num(x), and tell the network where by "
    "a mask as one more channel; labels that should not count go into fit(..., mask=...)"
)

# Values looked at in one go: what a check takes for itself is this many bytes.
AT_ONCE = 1 << 20


def check_labels(y, sample_weight, mask, objective) -> None:
    """Raise if labels that count hold NaN or inf, before anything is computed.

    What a mask, a weight of 0 or `ignore_index` may hide is left to the loss, batch by batch.
    """
    ignoring = any(
        getattr(loss, "ignore_index", None) is not None for loss in leaves(objective.spec)
    )
    if y is None or sample_weight is not None or mask is not None or ignoring:
        return
    for labels in leaves(y):
        if isinstance(labels, np.ndarray) and labels.dtype.kind == "f":
            bad = ~np.isfinite(labels)
            if bad.any():
                index = tuple(int(i) for i in np.argwhere(bad)[0])
                raise ValueError(
                    f"y holds {bad.sum()} values that are not finite, the first {labels[index]} at "
                    f"{index}; pass mask=np.isfinite(y), or sample_weight with 0 there"
                )


def check_inputs(model, feed, name="x") -> None:
    """Raise if inputs in memory hold NaN or inf which the built model lets through to its outputs.

    A model that replaces NaN itself is left in peace: it is tried on the first sample that holds
    one. Streams and files mapped from disk are not read for this; `check_step` sees their batches.
    """
    if not isinstance(feed, ArrayFeed):
        return
    for leaf in leaves(feed.data.x):
        if _in_memory(leaf) and not _finite(leaf):
            spoilt = np.array([not np.isfinite(sample).all() for sample in leaf])
            order = np.arange(len(leaf)) if feed.seed is None else feed.order(0)
            place = int(np.argmax(spoilt[order]))
            if not _answers(model, cut(feed.data.x, slice(order[place], order[place] + 1))):
                first = f"batch {place // feed.batch_size} of the first epoch is the first with one"
                raise ValueError(f"{_told(leaf, name)}; {first}; {FIX}")


def check_step(loss: float, x, where="") -> None:
    """Raise if the loss of a step is NaN and so is something in its inputs `x`."""
    if isnan(loss):
        for leaf in leaves(x):
            if isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f" and not _finite(leaf):
                raise ValueError(
                    f"the loss{where} is NaN, and {_told(leaf, 'x')}; {FIX}. This step has spoilt "
                    "the weights: make the model again, or load them"
                )


def _in_memory(leaf) -> bool:
    mapped = isinstance(leaf, np.memmap) or isinstance(getattr(leaf, "base", None), np.memmap)
    return isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f" and not mapped


def _finite(values) -> bool:
    rows = max(1, AT_ONCE * len(values) // max(1, values.size))
    return all(np.isfinite(values[i : i + rows]).all() for i in range(0, len(values), rows))


def _answers(model, x) -> bool:
    """Tell whether the model gives finite outputs for `x`, with NaN for inf: bounds hide that."""
    x = map_leaves(_nan_for_inf, x)
    with no_grad():
        return all(np.isfinite(y.numpy()).all() for y in leaves(model(x, training=False)))


def _nan_for_inf(leaf):
    return np.where(np.isinf(leaf), np.nan, leaf) if _in_memory(leaf) else leaf


def _told(values, name) -> str:
    bad = np.argwhere(~np.isfinite(values))
    index = tuple(int(i) for i in bad[0])
    return (
        f"{name} holds {len(bad)} values that are not finite, the first {values[index]} at {index}"
    )
