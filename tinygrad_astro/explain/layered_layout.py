"""Where to put the boxes of a directed graph so that it can be read (Sugiyama et al. 1981).

Boxes go into layers by their longest way from a source; an edge that skips layers gets a waypoint
in each; boxes of a layer are ordered by the barycentre of their neighbours, then pulled towards
them as far as the gaps allow. "Along" is the direction of the arrows, "across" the other.
"""

from dataclasses import dataclass

import numpy as np

_SWEEPS = 12
_PULLS = 60


@dataclass
class Layout:
    """Centres of the boxes, waypoints of the edges, and the size of the whole.

    Attributes
    ----------
    along, across : list of float
        Centre of each box.
    waypoints : list of list of (float, float)
        Of each edge, the (along, across) of the layers that it passes through.
    size : (float, float)
        Extent along and across, from 0.
    """

    along: list[float]
    across: list[float]
    waypoints: list[list[tuple[float, float]]]
    size: tuple[float, float]


def arrange(sizes, edges, gap_along: float, gap_across: float) -> Layout:
    """Lay a graph out in layers.

    Parameters
    ----------
    sizes : list of (float, float)
        Length of each box along and across.
    edges : list of (int, int)
        From a box to one with a larger index.
    gap_along, gap_across : float
        Free space between layers, and between boxes of a layer.
    """
    count = len(sizes)
    layer = _layers(count, edges)
    widths = [across for _, across in sizes]
    links: list[tuple[int, int]] = []
    chains: dict[int, list[int]] = {}  # box -> its waypoints, shared by all edges that leave it
    for a, b in edges:
        chain = chains.setdefault(a, [])
        for step in range(layer[a] + 1 + len(chain), layer[b]):
            layer.append(step)
            widths.append(0.0)
            links.append((chain[-1] if chain else a, len(layer) - 1))
            chain.append(len(layer) - 1)
        passed = chain[: layer[b] - layer[a] - 1]
        links.append((passed[-1] if passed else a, b))
    rows = _ordered(layer, links)
    across = _placed(rows, links, widths, gap_across, count)
    centre, lengths = 0.0, []
    along_of = []
    for row in rows:
        longest = max((sizes[i][0] for i in row if i < count), default=0.0)
        lengths.append(longest)
        along_of.append(centre + longest / 2)
        centre += longest + gap_along
    lowest = min(across[i] - widths[i] / 2 for i in range(len(layer)))
    across = [x - lowest for x in across]
    extent = max(across[i] + widths[i] / 2 for i in range(len(layer)))
    waypoints = [
        [(along_of[layer[i]], across[i]) for i in chains[a][: layer[b] - layer[a] - 1]]
        for a, b in edges
    ]
    along = [along_of[layer[i]] for i in range(count)]
    return Layout(along, across[:count], waypoints, (centre - gap_along, extent))


def _layers(count, edges) -> list[int]:
    """Longest way from a source; a source goes right before its first reader."""
    layer = [0] * count
    readers: dict[int, list[int]] = {}
    sources = set(range(count)) - {b for _, b in edges}
    for a, b in sorted(edges, key=lambda edge: edge[1]):
        layer[b] = max(layer[b], layer[a] + 1)
        readers.setdefault(a, []).append(b)
    for a in sources & readers.keys():
        layer[a] = min(layer[b] for b in readers[a]) - 1
    return layer


def _ordered(layer, links) -> list[list[int]]:
    """Order the boxes of each layer so that few links cross."""
    rows: list[list[int]] = [[] for _ in range(max(layer) + 1)]
    for i, at in enumerate(layer):
        rows[at].append(i)
    before: dict[int, list[int]] = {}
    after: dict[int, list[int]] = {}
    for a, b in links:
        after.setdefault(a, []).append(b)
        before.setdefault(b, []).append(a)
    best, fewest = rows, _crossings(rows, links)
    for sweep in range(_SWEEPS):
        neighbours = before if sweep % 2 == 0 else after
        walk = range(1, len(rows)) if sweep % 2 == 0 else range(len(rows) - 2, -1, -1)
        place = {i: k for row in rows for k, i in enumerate(row)}
        rows = [list(row) for row in rows]
        for at in walk:
            wish = {
                i: np.mean([place[j] for j in neighbours.get(i, [])] or [place[i]])
                for i in rows[at]
            }
            rows[at].sort(key=lambda i: wish[i])
            place.update({i: k for k, i in enumerate(rows[at])})
        crossings = _crossings(rows, links)
        if crossings < fewest:
            best, fewest = rows, crossings
    return best


def _crossings(rows, links) -> int:
    place = {i: k for row in rows for k, i in enumerate(row)}
    level = {i: at for at, row in enumerate(rows) for i in row}
    total = 0
    for at in range(len(rows) - 1):
        here = np.array([(place[a], place[b]) for a, b in links if level[a] == at])
        if len(here) > 1:
            left = np.sign(here[:, None, 0] - here[None, :, 0])
            right = np.sign(here[:, None, 1] - here[None, :, 1])
            total += int((left * right < 0).sum()) // 2
    return total


def _placed(rows, links, widths, gap, count) -> list[float]:
    """Pull every box towards the mean of its neighbours; waypoints pull harder, to be straight."""
    across = [0.0] * len(widths)
    for row in rows:
        for k in range(1, len(row)):
            across[row[k]] = across[row[k - 1]] + _distance(row, k, widths, gap, count)
    pulls: dict[int, list[tuple[int, float]]] = {}
    for a, b in links:
        weight = 1.0 + 3.0 * (a >= count) + 3.0 * (b >= count)
        pulls.setdefault(a, []).append((b, weight))
        pulls.setdefault(b, []).append((a, weight))
    for sweep in range(_PULLS):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            wish, weight = [], []
            for i in row:
                near = pulls.get(i, [(i, 1.0)])
                weight.append(sum(w for _, w in near))
                wish.append(sum(across[j] * w for j, w in near) / weight[-1])
            offset = np.cumsum(
                [0.0] + [_distance(row, k, widths, gap, count) for k in range(1, len(row))]
            )
            for i, x in zip(row, monotone(np.array(wish) - offset, weight) + offset):
                across[i] = float(x)
    return across


def _distance(row, k, widths, gap, count) -> float:
    space = gap / 2 if row[k] >= count or row[k - 1] >= count else gap
    return (widths[row[k]] + widths[row[k - 1]]) / 2 + space


def monotone(wish, weight) -> np.ndarray:
    """Give the non-decreasing sequence nearest to `wish` in weighted squares (pool adjacent).

    Examples
    --------
    >>> monotone([1.0, 3.0, 2.0], [1.0, 1.0, 1.0])
    array([1. , 2.5, 2.5])
    """
    blocks: list[list[float]] = []  # mean, weight, length
    for x, w in zip(wish, weight):
        blocks.append([float(x), float(w), 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            x2, w2, n2 = blocks.pop()
            x1, w1, n1 = blocks.pop()
            blocks.append([(x1 * w1 + x2 * w2) / (w1 + w2), w1 + w2, n1 + n2])
    return np.concatenate([np.full(int(n), x) for x, _, n in blocks])
