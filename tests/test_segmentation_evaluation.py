"""Agreement of label maps, by hand and against loops over pairs of sources."""

import json

import numpy as np
import pytest

from tinygrad_astro.segmentation.evaluation import compare, compare_classes


def boxes(shape, *corners):
    labels = np.zeros(shape, int)
    for number, (y0, y1, x0, x1) in enumerate(corners, 1):
        labels[y0:y1, x0:x1] = number
    return labels


def test_by_hand():
    reference = boxes((20, 30), (0, 5, 0, 5), (0, 5, 10, 15), (10, 15, 0, 5), (10, 12, 10, 12))
    detected = boxes((20, 30), (0, 5, 0, 3), (0, 5, 13, 18), (15, 20, 20, 25))
    found = compare(detected, reference, min_pixels=5)
    assert (found.reference_sources, found.found, found.detections, found.real) == (3, 1, 3, 1)
    assert found.completeness == pytest.approx(1 / 3) and found.purity == pytest.approx(1 / 3)
    both, either = 15 + 10, 79 + 65 - 25
    assert found.iou == pytest.approx(both / either)
    assert found.pixel_precision == pytest.approx(25 / 65)
    assert found.pixel_recall == pytest.approx(25 / 79)
    assert found.one_to_one == pytest.approx(1 / 3)
    assert found.missed == [2, 3, 4] and found.spurious == [2, 3]


def test_two_sources_in_one_detection_are_found_but_blended():
    reference = boxes((10, 20), (0, 6, 0, 6), (0, 6, 6, 12))
    found = compare(boxes((10, 20), (0, 6, 0, 12)), reference, min_pixels=25)
    assert (found.found, found.blended, found.completeness, found.purity) == (2, 2, 1.0, 1.0)
    assert found.one_to_one == 0.0


def test_small_sources_match_but_do_not_count():
    reference = boxes((10, 20), (0, 2, 0, 2), (5, 10, 5, 10))
    found = compare(reference, reference, min_pixels=25)
    assert (found.reference_sources, found.detections) == (1, 1)
    assert found.missed == found.spurious == []


def test_against_loops(rng):
    for _ in range(20):
        detected, reference = rng.integers(0, 6, (2, 12, 12))
        least = int(rng.integers(1, 30))
        found = compare(detected, reference, least)
        matched = {
            (i, j)
            for i in range(1, 6)
            for j in range(1, 6)
            if 2 * ((detected == i) & (reference == j)).sum()
            >= max(1, min((detected == i).sum(), (reference == j).sum()))
            and ((detected == i) & (reference == j)).any()
        }
        large = [j for j in range(1, 6) if (reference == j).sum() >= least]
        hits = [j for j in large if any((i, j) in matched for i in range(1, 6))]
        assert (found.reference_sources, found.found) == (len(large), len(hits))
        large = [i for i in range(1, 6) if (detected == i).sum() >= least]
        hits = [i for i in large if any((i, j) in matched for j in range(1, 6))]
        assert (found.detections, found.real) == (len(large), len(hits))


def test_nothing_to_count_is_none_in_json():
    empty = np.zeros((5, 5), int)
    found = compare(empty, empty).to_dict()
    assert found["iou"] is found["completeness"] is found["purity"] is None
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize(
    ("detected", "message"),
    [(np.zeros((4, 5), int), r"\(4, 5\) and \(4, 4\)"), (np.full((4, 4), -1), "negative")],
)
def test_maps_that_cannot_be_compared(detected, message):
    with pytest.raises(ValueError, match=message):
        compare(detected, np.zeros((4, 4), int))


def test_class_of_a_source_is_that_of_most_of_its_pixels():
    labels = boxes((10, 30), (0, 5, 0, 5), (0, 5, 10, 15), (0, 5, 20, 25))
    true = np.where(labels == 2, 2, np.where(labels > 0, 1, 0))
    predicted = true.copy()
    predicted[0:2, 0:5] = 2  # a minority of the first source
    predicted[0:3, 10:15] = 1  # a majority of the second
    predicted[labels == 3] = 0  # the third is not detected
    assert compare_classes(predicted, true, labels, 25) == 0.5
    assert np.isnan(compare_classes(predicted * 0, true, labels, 25))
