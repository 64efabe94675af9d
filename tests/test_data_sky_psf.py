"""Point-spread functions: flux, width, sub-pixel position, and the convolution."""

import numpy as np
import pytest

from tinygrad_astro.data import Gaussian, Moffat
from tinygrad_astro.data.sky.psf import as_psfs, convolve, draw_star, kernel


@pytest.mark.parametrize("psf", [Gaussian(3.0), Moffat(3.0), Moffat(2.5, 4.5)])
def test_profile_has_its_width_and_its_flux(psf):
    half = psf.brightness(np.array((psf.fwhm / 2) ** 2)) / psf.brightness(np.array(0.0))
    assert abs(half - 0.5) < 1e-12
    r = np.linspace(0, float(psf.quantile(0.9)), 20001)
    density = 2 * np.pi * r * psf.brightness(r * r)
    enclosed = 0.5 * ((density[1:] + density[:-1]) * np.diff(r)).sum()
    assert abs(enclosed - 0.9) < 1e-6


@pytest.mark.parametrize("psf", [Gaussian(2.0), Moffat(3.0)])
@pytest.mark.parametrize("x, y", [(40.0, 40.0), (40.37, 39.81)])
def test_star_has_its_flux_and_place(psf, x, y):
    image = draw_star((81, 81), psf, x, y)
    assert abs(image.sum() - 1) < 2e-3
    near = image[30:51, 30:51]
    rows, columns = np.mgrid[30:51, 30:51]
    assert abs((near * columns).sum() / near.sum() - x) < 0.02
    assert abs((near * rows).sum() / near.sum() - y) < 0.02


def test_star_pixels_against_the_error_function():
    special = pytest.importorskip("scipy.special")
    psf, edges = Gaussian(2.5), np.arange(22) - 0.5
    x, y = (np.diff(special.erf((edges - c) / psf.sigma / np.sqrt(2))) / 2 for c in (10.3, 9.6))
    np.testing.assert_allclose(draw_star((21, 21), psf, 10.3, 9.6), np.outer(y, x), atol=2e-5)


def test_convolution_against_plain_loops(rng):
    image, weights = rng.random((9, 13)), rng.random((5, 5))
    padded = np.pad(image, 2)
    expected = np.zeros_like(image)
    for i in range(9):
        for j in range(13):
            expected[i, j] = (padded[i : i + 5, j : j + 5] * weights[::-1, ::-1]).sum()
    np.testing.assert_allclose(convolve(image, weights), expected, rtol=1e-12)


def test_kernel_and_lists_of_psfs():
    k = kernel(Moffat(3.0), 12)
    assert k.shape == (25, 25) and abs(k.sum() - 1) < 1e-12 and k[0, 0] == 0
    np.testing.assert_array_equal(k, k.T)
    mixed = as_psfs([2.0, Gaussian(3.0)], 2)
    assert mixed[0].fwhm == 2.0 and isinstance(mixed[0], Moffat) and isinstance(mixed[1], Gaussian)
    with pytest.raises(ValueError, match=r"one PSF per band \(3\), received 2"):
        as_psfs([2.0, 3.0], 3)
    for make in (lambda: Gaussian(0), lambda: Moffat(-1.0)):
        with pytest.raises(ValueError, match="FWHM must be positive"):
            make()
    with pytest.raises(ValueError, match="beta > 1"):
        Moffat(3.0, 1.0)
