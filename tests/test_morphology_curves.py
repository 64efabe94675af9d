"""Reliability by hand, ROC by counting pairs."""

import numpy as np
import pytest

from tinygrad_astro.morphology.curves import reliability, roc


def test_reliability_by_loops(rng):
    said = rng.random((50, 4))
    true = (rng.random((50, 4)) < said).astype(float)
    found, gap = reliability(said, true, bins=5), 0.0
    for k in range(5):
        here = (said >= k / 5) & (said < (k + 1) / 5)
        gap += here.sum() * abs(said[here].mean() - true[here].mean())
        assert found["cases"][k] == here.sum()
        assert found["true"][k] == pytest.approx(true[here].mean())
    assert found["ece"] == pytest.approx(gap / 200)


def test_what_is_calibrated_is_found_so_and_what_is_not_is_not(rng):
    said = rng.random(100_000)
    true = rng.random(100_000) < said
    assert reliability(said, true)["ece"] < 0.01
    assert reliability(said**3, true)["ece"] > 0.15
    assert reliability(said, said)["ece"] < 1e-12


def test_the_ends_belong_to_the_outer_bins():
    found = reliability([0.0, 1.0], [0, 1])
    assert found["cases"] == [1, 1] and found["ece"] == 0


@pytest.mark.parametrize(
    "said, true, words",
    [
        ([0.5], [1, 0], "equal shapes"),
        ([], [], "at least one"),
        ([1.5], [1], "not logits"),
        ([np.nan], [1], "not logits"),
    ],
)
def test_refusals(said, true, words):
    with pytest.raises(ValueError, match=words):
        reliability(said, true)


def test_roc_counts_pairs_and_shares_points_of_equal_scores(rng):
    true, said = rng.random(60) < 0.4, rng.integers(0, 8, 60) / 8
    x, y, area = roc(true, said)
    pairs = said[true][:, None] - said[~true][None, :]
    assert area == pytest.approx(((pairs > 0) + 0.5 * (pairs == 0)).mean())
    assert np.trapezoid(y, x) == pytest.approx(area)
    assert len(x) == len(np.unique(said)) + 1 and (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
    assert np.isnan(roc([True, True], [0.1, 0.2])[2])
