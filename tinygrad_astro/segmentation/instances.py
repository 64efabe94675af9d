"""Instances: sources that touch are parted along the valleys between their peaks.

A watershed by steepest ascent: every pixel points to its brightest neighbour, and all that lead to
one peak are one source; peaks that hardly rise above the valley to a higher one are noise.
"""

import numpy as np

_STEPS = tuple((i, j) for i in (-1, 0, 1) for j in (-1, 0, 1))


def split(labels: np.ndarray, light: np.ndarray, contrast: float = 0.15) -> np.ndarray:
    """Part each label along the valleys of the light.

    Parameters
    ----------
    labels : numpy.ndarray of int (H, W)
        0 is sky; pixels of different labels are never joined.
    light : numpy.ndarray (H, W)
        Smoothed; NaN counts as the faintest.
    contrast : float
        Least height of a peak over the highest valley that leads to a higher one, in the unit of
        `light`.

    Returns
    -------
    numpy.ndarray of int32 (H, W)
        Numbered from 1 in the order of their first pixels.

    Raises
    ------
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> import numpy as np
    >>> split(np.ones((1, 7), int), np.array([[1.0, 5.0, 2.0, 1.0, 2.0, 4.0, 1.0]]))
    array([[1, 1, 1, 1, 2, 2, 2]], dtype=int32)
    """
    labels, light = np.asarray(labels), np.asarray(light, np.float64)
    if labels.shape != light.shape or labels.ndim != 2:
        raise ValueError(
            f"labels and light must be (H, W) and alike, received {labels.shape} and {light.shape}"
        )
    light = np.where(np.isnan(light), -np.inf, light)
    peak = _peaks(labels, light)
    pixels = np.flatnonzero(labels)
    tops, basin = np.unique(peak[pixels], return_inverse=True)
    # Basins are numbered from the highest peak down: a merger keeps the smaller number.
    order = np.argsort(-light.ravel()[tops], kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    basin, height = rank[basin], light.ravel()[tops][order]
    whole = np.full(labels.size, -1)
    whole[pixels] = basin
    root = _merged(height, *_saddles(labels, light, whole.reshape(labels.shape)), contrast)
    found = np.zeros(labels.size, np.int64)
    found[pixels] = root[basin] + 1
    _, first, number = np.unique(found[pixels], return_index=True, return_inverse=True)
    place = np.empty(len(first), np.int64)
    place[np.argsort(first)] = np.arange(1, len(first) + 1)
    made = np.zeros(labels.size, np.int32)
    made[pixels] = place[number]
    return made.reshape(labels.shape)


def smooth(light: np.ndarray, times: int = 2) -> np.ndarray:
    """Average over 3 x 3 pixels, several times; beyond the border the image repeats its edge."""
    rows, columns = light.shape
    for _ in range(times):
        wide = np.pad(light, 1, mode="edge")
        light = np.mean(
            [wide[i : i + rows, j : j + columns] for i in range(3) for j in range(3)], 0
        )
    return light


def _peaks(labels: np.ndarray, light: np.ndarray) -> np.ndarray:
    """Follow the steepest ascent from every pixel: the flat index of the peak it leads to."""
    best, height = np.arange(light.size), light.ravel().copy()
    flat = np.arange(light.size).reshape(light.shape)
    for step in _STEPS:
        here, there = _shifted(step)
        same = (labels[here] == labels[there]) & (labels[here] > 0)
        to, at = flat[there][same], flat[here][same]
        value = light.ravel()[to]
        # Of equal heights the first pixel wins, so that plateaus lead somewhere, too.
        higher = (value > height[at]) | ((value == height[at]) & (to < best[at]))
        best[at[higher]], height[at[higher]] = to[higher], value[higher]
    while True:
        onward = best[best]
        if np.array_equal(onward, best):
            return best
        best = onward


def _shifted(step) -> tuple[tuple, tuple]:
    """Give the slices of all pixels that have a neighbour at `step`, and of those neighbours."""
    here = tuple(slice(max(-s, 0), -s if s > 0 else None) for s in step)
    there = tuple(slice(max(s, 0), s if s < 0 else None) for s in step)
    return here, there


def _saddles(labels, light, basin) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """List where basins of one label touch: both numbers, and the height of the pass."""
    a, b, passes = [], [], []
    for step in _STEPS[5:]:
        here, there = _shifted(step)
        touch = (labels[here] == labels[there]) & (labels[here] > 0) & (basin[here] != basin[there])
        a.append(basin[here][touch])
        b.append(basin[there][touch])
        passes.append(np.minimum(light[here][touch], light[there][touch]))
    return np.concatenate(a), np.concatenate(b), np.concatenate(passes)


def _merged(height, a, b, passes, contrast) -> np.ndarray:
    """Join basins over the highest passes first, where the lower peak is no peak of its own."""
    root = np.arange(len(height))
    for k in np.argsort(-passes, kind="stable"):
        one, other = root[a[k]], root[b[k]]
        if one != other and height[max(one, other)] - passes[k] < contrast:
            root[root == max(one, other)] = min(one, other)
    return root
