"""The layout against brute force on small graphs, and its promises on random ones."""

import itertools

import numpy as np
import pytest

from tinygrad_astro.explain.layered_layout import arrange, monotone


def random_graph(rng, count=18):
    sizes = [(float(rng.uniform(20, 60)), float(rng.uniform(20, 200))) for _ in range(count)]
    edges = [(int(rng.integers(0, b)), b) for b in range(2, count) for _ in range(rng.integers(3))]
    return sizes, edges


@pytest.mark.parametrize("seed", range(5))
def test_boxes_follow_the_arrows_and_keep_their_distance(seed):
    sizes, edges = random_graph(np.random.default_rng(seed))
    layout = arrange(sizes, edges, 30, 12)
    for (a, b), points in zip(edges, layout.waypoints, strict=True):
        gap = (layout.along[b] - sizes[b][0] / 2) - (layout.along[a] + sizes[a][0] / 2)
        assert gap >= 30 - 1e-9
        stations = [layout.along[a], *[p[0] for p in points], layout.along[b]]
        assert stations == sorted(stations)
    for i, j in itertools.combinations(range(len(sizes)), 2):
        if layout.along[i] == layout.along[j]:
            distance = abs(layout.across[i] - layout.across[j])
            assert distance >= (sizes[i][1] + sizes[j][1]) / 2 + 12 - 1e-6
    for i, (_, width) in enumerate(sizes):
        assert -1e-9 <= layout.across[i] - width / 2
        assert layout.across[i] + width / 2 <= layout.size[1] + 1e-9


def test_crossings_that_can_be_avoided_are():
    edges = [(0, 5), (1, 4), (2, 3), (3, 6), (4, 7), (5, 8)]
    layout = arrange([(10, 10)] * 9, edges, 10, 10)
    for (a, b), (c, d) in itertools.combinations(edges, 2):
        before = layout.across[a] - layout.across[c]
        after = layout.across[b] - layout.across[d]
        assert layout.along[a] != layout.along[c] or before * after >= 0


def test_an_edge_over_several_layers_goes_around_the_boxes_between():
    edges = [(0, 1), (1, 2), (2, 3), (0, 3)]
    layout = arrange([(10, 40)] * 4, edges, 10, 8)
    for (_, across), box in zip(layout.waypoints[3], (1, 2), strict=True):
        assert abs(across - layout.across[box]) > 20
    assert [len(points) for points in layout.waypoints] == [0, 0, 0, 2]


def test_a_source_stands_next_to_its_reader():
    layout = arrange([(10, 10)] * 5, [(0, 1), (1, 2), (2, 4), (3, 4)], 10, 10)
    assert layout.along[3] == layout.along[2]


def test_one_box_alone():
    layout = arrange([(10, 20)], [], 5, 5)
    assert (layout.along, layout.across, layout.size) == ([5], [10], (10, 20))


def test_monotone_is_the_nearest_of_all(rng):
    grid = np.linspace(0, 3, 7)
    for _ in range(10):
        wish, weight = rng.uniform(0, 3, 4), rng.uniform(0.5, 2, 4)
        found = monotone(wish, weight)
        assert (np.diff(found) >= -1e-12).all()
        cost = (weight * (found - wish) ** 2).sum()
        others = itertools.combinations_with_replacement(grid, 4)
        assert cost <= min((weight * (np.array(o) - wish) ** 2).sum() for o in others) + 1e-12
