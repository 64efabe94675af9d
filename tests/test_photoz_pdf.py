"""Densities on a grid against scipy's distributions and against numbers made by hand."""

import numpy as np
import pytest

from tinygrad_astro.photoz.pdf import Pdf, average, from_bins, from_mixture, normal_cdf

special = pytest.importorskip("scipy.special")

GRID = np.linspace(-0.2, 1.5, 1701)


@pytest.fixture
def mixture(rng):
    weight = rng.dirichlet([2.0, 1.0, 1.0], 20)
    return weight, rng.uniform(0.3, 1.0, (20, 3)), rng.uniform(0.02, 0.06, (20, 3))


def test_normal_cdf_against_scipy():
    x = np.linspace(-9, 9, 12_345)
    np.testing.assert_allclose(normal_cdf(x), special.ndtr(x), atol=4e-8)


def test_normal_cdf_ends_and_passes_nan_on():
    found = normal_cdf(np.array([-np.inf, -8.1, np.nan, 8.1, np.inf]))
    np.testing.assert_allclose(found, [0, 0, np.nan, 1, 1], atol=1e-15)


def test_mixture_against_its_moments_and_distribution(mixture):
    weight, mean, sigma = mixture
    pdf = from_mixture(*mixture, GRID)
    expected_mean = (weight * mean).sum(axis=1)
    variance = (weight * (sigma**2 + mean**2)).sum(axis=1) - expected_mean**2
    np.testing.assert_allclose(pdf.mean, expected_mean, atol=1e-6)
    np.testing.assert_allclose(pdf.sigma, np.sqrt(variance), rtol=1e-3)
    for q in (0.05, 0.5, 0.9):
        at = pdf.quantile(q)
        below = (weight * special.ndtr((at[:, None] - mean) / sigma)).sum(axis=1)
        np.testing.assert_allclose(below, q, atol=1e-4)
    np.testing.assert_allclose(pdf.at(pdf.quantile(0.3)), 0.3, atol=1e-12)


def test_mode_is_where_the_density_is_highest(mixture):
    weight, mean, sigma = mixture
    density = (
        weight[..., None]
        / sigma[..., None]
        * np.exp(-0.5 * ((GRID - mean[..., None]) / sigma[..., None]) ** 2)
    ).sum(axis=1)
    found = from_mixture(*mixture, GRID).mode
    np.testing.assert_allclose(found, GRID[density.argmax(axis=1)], atol=0.002)


def test_what_lies_outside_is_dealt_out_within():
    one = np.ones((3, 1))
    mean = np.array([[0.0], [-5.0], [9.0]])
    pdf = from_mixture(one, mean, 0.1 * one, np.linspace(0, 1, 101))
    half_normal = 2 * (special.ndtr(0.1 / 0.1) - 0.5)
    assert pdf.at([0.1, 0.1, 0.1])[0] == pytest.approx(half_normal, abs=1e-6)
    np.testing.assert_allclose(pdf.median, [0.06745, 0.005, 0.995], atol=1e-3)


def test_bins_are_level_within():
    pdf = from_bins(np.array([[0.5, 0.0, 0.5]]), np.array([0.0, 1.0, 2.0, 4.0]))
    assert pdf.density.tolist() == [[0.5, 0.0, 0.25]]
    assert pdf.mean[0] == 0.5 * 0.5 + 0.5 * 3.0
    assert pdf.quantile(0.25)[0] == 0.5 and pdf.quantile(0.75)[0] == 3.0
    assert pdf.quantile(0.0)[0] == 0.0 and pdf.quantile(1.0)[0] == 4.0
    assert pdf.median[0] == 1.0  # flat from 1 to 2 at one half: the lowest
    assert pdf.at([5.0])[0] == 1.0 and pdf.at([-1.0])[0] == 0.0


def test_average_is_the_mean_of_densities():
    edges = np.array([0.0, 1.0, 2.0])
    parts = [from_bins(np.array([[p, 1 - p]]), edges) for p in (0.2, 0.6)]
    np.testing.assert_allclose(average(parts).masses, [[0.4, 0.6]])
    with pytest.raises(ValueError, match="different grids"):
        average([parts[0], from_bins(np.array([[1.0]]), edges[:2])])


def test_a_row_of_nan_stays_unknown():
    cdf = np.array([[0.0, 0.5, 1.0], [np.nan] * 3])
    pdf = Pdf(np.array([0.0, 1.0, 2.0]), cdf)
    for value in (pdf.mean, pdf.median, pdf.mode, pdf.sigma, pdf.at([0.5, 0.5])):
        assert np.isfinite(value[0]) and np.isnan(value[1])
    filled = from_mixture(*(np.array([[1.0], [np.nan]]),) * 3, np.linspace(0, 2, 9))
    assert np.isnan(filled.cdf[1]).all() and np.isfinite(filled.cdf[0]).all()


@pytest.mark.parametrize(
    "grid, cdf, text",
    [
        ([0.0, 0.0], [[0.0, 1.0]], "redshifts that rise"),
        ([0.0, 1.0], [[0.0, 0.5, 1.0]], r"shape \(1, 3\), expected \(objects, 2\)"),
        ([0.0, 1.0, 2.0], [[0.0, 0.9, 0.5]], "falls somewhere"),
        ([0.0, 1.0], [[0.0, 0.7]], "does not go from 0 to 1"),
    ],
)
def test_what_is_no_distribution_is_refused(grid, cdf, text):
    with pytest.raises(ValueError, match=text):
        Pdf(np.array(grid), np.array(cdf))


def test_questions_that_do_not_fit_are_refused():
    pdf = Pdf(np.array([0.0, 1.0]), np.array([[0.0, 1.0]]))
    with pytest.raises(ValueError, match=r"1 densities got redshifts of shape \(2,\)"):
        pdf.at([0.1, 0.2])
    with pytest.raises(ValueError, match="from 0 to 1"):
        pdf.quantile(1.5)
