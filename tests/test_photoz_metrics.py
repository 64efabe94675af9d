"""Photometric redshift metrics against loops, literal numbers and numerical integrals."""

import numpy as np
import pytest

from tinygrad_astro.photoz.metrics import (
    cde_loss,
    crps,
    pasquet,
    pdf_metrics,
    pit,
    point_metrics,
    rail,
    residual,
    sigma_iqr,
    sigma_nmad,
)
from tinygrad_astro.photoz.pdf import Pdf, from_mixture

special = pytest.importorskip("scipy.special")
stats = pytest.importorskip("scipy.stats")


@pytest.fixture
def truth_and_pdf(rng):
    mean = rng.uniform(0.3, 0.8, 40)[:, None] + [0.0, 0.1]
    sigma = rng.uniform(0.01, 0.05, (40, 2))
    weight = np.tile([0.7, 0.3], (40, 1))
    grid = np.linspace(0.0, 1.2, 1201)
    return rng.uniform(0.1, 1.1, 40), from_mixture(weight, mean, sigma, grid), (weight, mean, sigma)


def test_the_two_conventions_by_hand():
    z_spec = np.zeros(8)
    z_phot = np.array([-0.02, -0.01, 0.0, 0.0, 0.01, 0.055, 0.2, -0.07])
    ordered = sorted(z_phot)
    median = (ordered[3] + ordered[4]) / 2
    spread = sorted(abs(z - median) for z in z_phot)
    mad = 1.4826 * (spread[3] + spread[4]) / 2
    quarter = 0.25 * ordered[1] + 0.75 * ordered[2], 0.75 * ordered[5] + 0.25 * ordered[6]
    # NumPy's quartiles of 8 values lie at places 1.75 and 5.25.
    iqr = (quarter[1] - quarter[0]) / 1.349
    found = pasquet(z_phot, z_spec), rail(z_phot, z_spec)
    assert found[0]["bias"] == pytest.approx(sum(z_phot) / 8)
    assert found[0]["outliers"] == 3 / 8
    assert found[1]["bias"] == pytest.approx(median)
    assert found[1]["sigma_iqr"] == pytest.approx(iqr)
    assert found[1]["outliers"] == sum(abs(z) > max(0.06, 3 * iqr) for z in z_phot) / 8
    assert found[0]["sigma_mad"] == found[1]["sigma_mad"] == pytest.approx(mad)
    assert point_metrics(z_phot, z_spec)["outliers_0.15"] == 1 / 8


def test_scatters_of_a_gaussian_are_its_sigma(rng):
    dz = rng.normal(0, 0.02, 200_000)
    assert sigma_nmad(dz) == pytest.approx(0.02, rel=0.01)
    assert sigma_iqr(dz) == pytest.approx(0.02, rel=0.01)
    assert sigma_nmad(dz) == pytest.approx(stats.median_abs_deviation(dz, scale="normal"), rel=1e-4)


def test_residual_divides_by_one_plus_z():
    np.testing.assert_allclose(residual([0.5, 1.0], [0.0, 3.0]), [0.5, -0.5])


@pytest.mark.parametrize(
    "z_phot, z_spec, text",
    [
        ([0.1, 0.2], [0.1], r"shapes \(2,\) and \(1,\)"),
        ([], [], r"expected \(N,\) twice"),
        ([0.1, np.nan, np.inf], [0.1, 0.1, 0.1], "2 of 3 redshifts are not finite, .* row 1"),
    ],
)
def test_residual_refuses_in_words(z_phot, z_spec, text):
    with pytest.raises(ValueError, match=text):
        residual(z_phot, z_spec)


def test_pit_is_the_distribution_function_at_the_truth(truth_and_pdf):
    z, pdf, (weight, mean, sigma) = truth_and_pdf
    expected = (weight * special.ndtr((z[:, None] - mean) / sigma)).sum(axis=1)
    np.testing.assert_allclose(pit(pdf, z), expected, atol=2e-4)


def test_crps_against_the_closed_form_of_a_gaussian(rng):
    # Gneiting et al. 2005 (Mon. Weather Rev. 133, 1098), equation 5.
    mean, sigma, z = (
        rng.uniform(0.4, 0.6, 30),
        rng.uniform(0.02, 0.05, 30),
        rng.uniform(0.3, 0.7, 30),
    )
    s = (z - mean) / sigma
    expected = sigma * (s * (2 * special.ndtr(s) - 1) + 2 * stats.norm.pdf(s) - np.pi**-0.5)
    pdf = from_mixture(np.ones((30, 1)), mean[:, None], sigma[:, None], np.linspace(0, 1, 2001))
    np.testing.assert_allclose(crps(pdf, z), expected, rtol=1e-3, atol=1e-6)


def test_crps_against_a_fine_sum_with_the_truth_anywhere(rng):
    grid = np.array([0.0, 0.1, 0.4, 0.5, 1.0])
    cdf = np.array([[0.0, 0.2, 0.5, 0.5, 1.0]])
    fine = (np.arange(2_000_000) + 0.5) / 2_000_000 * 2 - 0.5
    height = np.interp(fine, grid, cdf[0])
    for z in (0.0, 0.07, 0.1, 0.45, 0.8, 1.0, -0.3, 1.4):
        expected = ((height - (fine >= z)) ** 2).mean() * 2
        assert crps(Pdf(grid, cdf), [z])[0] == pytest.approx(expected, abs=2e-6)


def test_crps_of_a_spike_is_the_distance():
    spike = Pdf(np.array([0.0, 0.5, 0.500001, 1.0]), np.array([[0.0, 0.0, 1.0, 1.0]]))
    assert crps(spike, [0.8])[0] == pytest.approx(0.3, abs=1e-5)


def test_cde_loss_against_integrals(truth_and_pdf):
    z, pdf, (weight, mean, sigma) = truth_and_pdf
    fine = np.linspace(-0.2, 1.6, 40_001)
    terms = []
    for i in range(len(z)):

        def density(x, i=i):
            return sum(weight[i, k] * stats.norm.pdf(x, mean[i, k], sigma[i, k]) for k in (0, 1))

        terms.append((density(fine) ** 2).sum() * (fine[1] - fine[0]) - 2 * density(z[i]))
    assert cde_loss(pdf, z) == pytest.approx(np.mean(terms), rel=5e-3)


def test_cde_loss_counts_no_density_beyond_the_grid():
    flat = Pdf(np.array([0.0, 1.0]), np.array([[0.0, 1.0]]))
    assert cde_loss(flat, [1.5]) == 1.0
    assert cde_loss(flat, [1.0]) == -1.0


def test_coverage_of_honest_and_of_narrow_densities(rng):
    mean = rng.uniform(0.3, 0.7, 4000)
    z = mean + rng.normal(0, 0.03, 4000)
    grid = np.linspace(0, 1, 401)
    honest, narrow = (
        pdf_metrics(from_mixture(np.ones((4000, 1)), mean[:, None], np.full((4000, 1), s), grid), z)
        for s in (0.03, 0.015)
    )
    assert honest["coverage_68"] == pytest.approx(0.6827, abs=0.02)
    assert honest["coverage_95"] == pytest.approx(0.9545, abs=0.01)
    assert honest["pit"]["flat_2_sigma"]
    assert narrow["coverage_68"] == pytest.approx(special.erf(0.5 / 2**0.5), abs=0.02)
    assert not narrow["pit"]["flat_2_sigma"] and narrow["crps"] > honest["crps"]
