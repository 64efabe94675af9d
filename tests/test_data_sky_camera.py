"""The camera: fluxes through the PSF, noise of the stated variance, stamps at their place."""

import numpy as np
import pytest

from tinygrad_astro.data import Camera, Gaussian
from tinygrad_astro.data.sky.components import Component
from tinygrad_astro.data.sky.profiles import Sersic
from tinygrad_astro.data.sky.source import Source


def disc(radius=3.0, flux=(1e4, 2e4)):
    flux = np.array(flux)
    return Source("disc", flux, [Component(Sersic(radius, 1.0), flux, 0.5, 30.0)])


@pytest.mark.parametrize("source", [disc(), Source("point source", np.array([1e4, 2e4]))])
def test_stamps_hold_the_flux_and_agree_with_the_whole_image(source):
    camera = Camera("gr", [2.5, Gaussian(3.0)])
    stamp = camera.stamp(source, (150, 160), 80.3, 71.8)
    np.testing.assert_allclose(stamp.data.sum(axis=(0, 1)), source.flux, rtol=0.01)
    whole = camera.draw(source, (150, 160), 80.3, 71.8)
    np.testing.assert_allclose(stamp.data, whole[stamp.window], rtol=1e-3, atol=0.1)


def test_stamps_are_clipped_by_the_field():
    camera = Camera("gr")
    stamp = camera.stamp(disc(), (50, 60), 58.0, 1.0)
    rows, columns = stamp.window
    assert rows.start == 0 and columns.stop == 60
    whole = camera.draw(disc(), (90, 90), 58.0, 31.0)
    np.testing.assert_allclose(stamp.data, whole[30:][rows, columns], rtol=1e-3, atol=0.1)
    outside = camera.stamp(disc(), (50, 60), 300.0, 1.0)
    assert outside.data.shape == (0, 0, 2)


def test_the_psf_widens_a_gaussian_by_its_own_width():
    """Second moments add: galaxy + PSF + pixel (1/12)."""
    camera = Camera("r", Gaussian(4.0))
    source = Source("disc", np.ones(1), [Component(Sersic(3.0, 0.5), np.ones(1))])
    image = camera.draw(source, (61, 61), 30.0, 30.0)[..., 0]
    offset = np.arange(61) - 30.0
    variance = (image * offset**2).sum() / image.sum()
    sigma = 3.0 / np.sqrt(2 * np.log(2))
    assert variance == pytest.approx(sigma**2 + camera.psfs[0].sigma ** 2 + 1 / 12, rel=2e-3)


def test_noise_has_the_variance_that_it_says(rng):
    camera = Camera("gr", sky=[50.0, 900.0], read_noise=[10.0, 3.0])
    model = np.full((400, 400, 2), 30.0)
    image = camera.expose(rng, model)
    assert image.dtype == np.float32
    np.testing.assert_allclose(image.mean(axis=(0, 1)), 30.0, atol=0.3)
    np.testing.assert_allclose(image.var(axis=(0, 1)), camera.variance(model)[0, 0], rtol=0.02)
    np.testing.assert_allclose(camera.variance(model)[0, 0], [180.0, 939.0])


def test_signal_to_noise_of_one_pixel_and_magnitudes():
    camera = Camera("g", sky=75.0, read_noise=0.0, zero_point=25.0)
    model = np.zeros((3, 3, 1))
    model[1, 1] = 25.0
    assert camera.signal_to_noise(model) == pytest.approx(2.5)
    assert camera.counts(22.5) == pytest.approx(10.0)
    assert Camera("gri").reference == 1 and Camera("uzH").reference == 1


@pytest.mark.parametrize(
    "arguments, words",
    [
        (dict(bands="gq"), "unknown bands"),
        (dict(psf=[2.0, 3.0]), "one PSF per band"),
        (dict(psf=-1.0), "FWHM must be positive"),
        (dict(sky=-1.0), "sky must be finite"),
        (dict(read_noise=np.nan), "read_noise must be finite"),
    ],
)
def test_refusals(arguments, words):
    with pytest.raises(ValueError, match=words):
        Camera(**arguments)
