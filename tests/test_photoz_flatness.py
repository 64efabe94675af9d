"""Tests of levelness against scipy, and against samples that are not level."""

import numpy as np
import pytest

from tinygrad_astro.photoz.flatness import (
    anderson_darling,
    chi_square_sigmas,
    counts,
    cramer_von_mises,
    flatness,
    kolmogorov_smirnov,
)

stats = pytest.importorskip("scipy.stats")


@pytest.mark.parametrize("power", [1.0, 1.1, 1.5])
@pytest.mark.parametrize("n", [60, 500, 5000])
def test_kolmogorov_smirnov_against_scipy(rng, n, power):
    values = rng.random(n) ** power
    expected = stats.kstest(values, "uniform")
    distance, chance = kolmogorov_smirnov(values)
    assert distance == pytest.approx(expected.statistic, abs=1e-12)
    assert chance == pytest.approx(expected.pvalue, abs=0.02)


def test_cramer_von_mises_against_scipy(rng):
    values = rng.random(300) ** 1.2
    expected = stats.cramervonmises(values, "uniform").statistic
    assert cramer_von_mises(values) == pytest.approx(expected, rel=1e-12)


def test_anderson_darling_against_its_definition(rng):
    values = rng.random(200)
    n, ordered = len(values), np.sort(values)
    total = 0.0
    for i in range(1, n + 1):
        x = ordered[i - 1]
        total += (2 * i - 1) * np.log(x) + (2 * n + 1 - 2 * i) * np.log(1 - x)
    assert anderson_darling(values) == pytest.approx(-n - total / n, rel=1e-10)
    assert np.isfinite(anderson_darling([0.0, 0.5, 1.0]))


@pytest.mark.parametrize("excess", [0, 5, 15, 30])
def test_chi_square_sigmas_against_scipy(rng, excess):
    observed = rng.poisson(100, 20)
    observed[3] += excess
    expected = observed.mean()
    chi = ((observed - expected) ** 2 / expected).sum()
    assert chi_square_sigmas(observed) == pytest.approx(
        stats.norm.isf(stats.chi2.sf(chi, 19)), abs=0.05
    )


def test_level_samples_pass_about_as_often_as_promised(rng):
    passed = [flatness(rng.random(400))["flat_2_sigma"] for _ in range(300)]
    # 4.55 % fail by the distance and 2.3 % by the bins, a few by both.
    assert 0.89 < np.mean(passed) < 0.98


@pytest.mark.parametrize(
    "crooked",
    [
        lambda u: 0.5 + 0.8 * (u - 0.5),
        lambda u: u**1.3,
        lambda u: np.where(u < 0.1, 0.0, u),
    ],
    ids=["too wide", "biased", "excluded truths"],
)
def test_crooked_samples_fail(rng, crooked):
    assert not flatness(crooked(rng.random(1000)))["flat_2_sigma"]


def test_counts_hold_every_value():
    values = np.array([0.0, 0.049999, 0.05, 1.0, 1.0 + 1e-12, -1e-12])
    found = counts(values)
    assert found.sum() == 6 and found[0] == 3 and found[1] == 1 and found[-1] == 2
