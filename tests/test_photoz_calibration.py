"""Recalibration makes the PIT of other objects level, and leaves honest densities alone."""

import json

import numpy as np
import pytest

from tinygrad_astro.photoz.calibration import Calibration, sigma_scale
from tinygrad_astro.photoz.flatness import flatness
from tinygrad_astro.photoz.metrics import pit
from tinygrad_astro.photoz.pdf import from_mixture

GRID = np.linspace(-0.2, 1.2, 701)


def said_and_true(rng, n, sigma_said, shift=0.0):
    """Densities of one width for truths of another, all shifted."""
    mean = rng.uniform(0.3, 0.7, (n, 1))
    z = mean[:, 0] + shift + rng.normal(0, 0.05, n)
    return from_mixture(np.ones((n, 1)), mean, np.full((n, 1), sigma_said), GRID), z


@pytest.mark.parametrize(("sigma", "shift"), [(0.03, 0.0), (0.09, 0.0), (0.05, 0.02)])
def test_wrong_densities_become_honest_on_other_objects(rng, sigma, shift):
    seen, z = said_and_true(rng, 4000, sigma, shift)
    calibration = Calibration.fit(pit(seen, z))
    other, truth = said_and_true(rng, 1000, sigma, shift)
    assert not flatness(pit(other, truth))["flat_2_sigma"]
    assert flatness(pit(calibration.apply(other), truth))["flat_2_sigma"]


def test_honest_densities_stay_as_they_are(rng):
    pdf, z = said_and_true(rng, 20_000, 0.05)
    calibration = Calibration.fit(pit(pdf, z))
    p = np.linspace(0, 1, 201)
    np.testing.assert_allclose(calibration(p), p, atol=0.02)
    assert Calibration.none()(0.3) == 0.3


def test_the_sample_itself_becomes_level(rng):
    values = rng.beta(2, 5, 5000)
    level = np.histogram(Calibration.fit(values)(values), 10, (0, 1))[0]
    np.testing.assert_allclose(level, 500, atol=1)


def test_many_equal_values_still_give_a_distribution():
    made = Calibration.fit(np.concatenate([np.zeros(300), np.linspace(0, 1, 200), np.ones(300)]))
    assert (np.diff(made.at) > 0).all() and (np.diff(made.value) > 0).all()
    assert (made.at[0], made.at[-1]) == (0.0, 1.0)
    again = Calibration.from_dict(json.loads(json.dumps(made.to_dict())))
    assert again == made


@pytest.mark.parametrize(
    ("pits", "text"),
    [
        (np.linspace(0, 1, 99), r"shape \(99,\), expected at least 100 objects"),
        (np.linspace(0, 1.1, 200), "a probability from 0 to 1"),
        (np.full(200, np.nan), "a probability from 0 to 1"),
    ],
)
def test_what_cannot_calibrate_is_refused(pits, text):
    with pytest.raises(ValueError, match=text):
        Calibration.fit(pits)


def test_sigma_scale_finds_how_much_errors_are_too_small(rng):
    z, said = rng.normal(0.5, 0.2, 100_000), np.full(100_000, 0.1)
    assert sigma_scale(np.full(100_000, 0.5), z, said) == pytest.approx(2.0, rel=0.02)
