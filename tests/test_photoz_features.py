"""Network inputs of magnitudes: undetected bands, missing ones, and what each input says."""

import numpy as np
import pytest

from tinygrad_astro.photoz.catalogue import Catalogue
from tinygrad_astro.photoz.features import Features, asinh_magnitudes, fluxes, hide_bands


@pytest.fixture
def catalogue(rng):
    flux = 10 ** rng.uniform(-0.5, 2.0, (300, 5))
    noise = np.tile([0.8, 0.3, 0.3, 0.5, 1.5], (300, 1))
    magnitudes = 22.5 - 2.5 * np.log10(flux)
    errors = 2.5 / np.log(10) * noise / flux
    names = np.array([str(i) for i in range(300)])
    return Catalogue(magnitudes, errors, tuple("ugriz"), rng.uniform(0, 1, 300), names)


def test_fluxes_and_their_noise_come_back(rng):
    flux, noise = rng.uniform(1e-4, 1e3, 50), rng.uniform(0.01, 2, 50)
    magnitude = -2.5 * np.log10(flux * 1e-9)
    found = fluxes(magnitude, 1.0857362047581296 * noise / flux)
    np.testing.assert_allclose(found, (flux, noise), rtol=1e-12)


def test_asinh_magnitudes_are_those_of_sdss():
    # SDSS writes m = -2.5/ln 10 (asinh(f / f0 / 2b') + ln b'), b' = 1.2e-10 in r, so that no flux
    # at all has 24.80 (its algorithm page, "asinh magnitudes").
    softening = 1.2e-10 * 1e9
    magnitude, error = asinh_magnitudes(np.array([0.0, 1e4]), np.array([0.1, 0.1]), softening)
    assert magnitude[0] == pytest.approx(24.80, abs=0.005)
    assert magnitude[1] == pytest.approx(22.5 - 2.5 * 4, abs=1e-6)


def test_the_error_is_the_slope_times_the_noise():
    flux, step = np.linspace(-3, 50, 40), 1e-5
    high, low = (asinh_magnitudes(flux + s, np.ones(40), 0.4)[0] for s in (step, -step))
    error = asinh_magnitudes(flux, np.full(40, 0.7), 0.4)[1]
    np.testing.assert_allclose(error, 0.7 * np.abs(high - low) / (2 * step), rtol=1e-6)


def test_undetected_bands_give_finite_inputs_near_no_flux(catalogue):
    features = Features.fit(catalogue)
    catalogue.magnitudes[7, 0], catalogue.errors[7, 0] = 33.0, 14750.0
    catalogue.magnitudes[8, 0], catalogue.errors[8, 0] = 27.0, 59.0
    x = features.transform(catalogue)
    assert np.isfinite(x).all() and np.abs(x).max() <= 5.0
    # Both are the same thing, no light in u within the noise, and must look alike.
    assert abs(x[7, 0] - x[8, 0]) < 0.15
    assert (x[:, -5:] == 0).all()


def test_inputs_of_a_typical_object_are_centred_and_scaled(catalogue):
    x = Features.fit(catalogue).transform(catalogue)
    assert x.shape == (300, 19) and x.dtype == np.float32
    np.testing.assert_allclose(np.median(x[:, :14], axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(1.4826 * np.median(np.abs(x[:, :14]), axis=0), 1, rtol=1e-4)


@pytest.mark.parametrize("junk", [np.nan, 99.0, -9999.0, np.inf, -np.inf])
def test_a_missing_band_is_zero_with_a_flag_whatever_it_held(catalogue, junk):
    features = Features.fit(catalogue)
    clean = features.transform(catalogue)
    catalogue.magnitudes[3, 2] = junk
    catalogue.errors[3, 2] = junk
    x = features.transform(catalogue)
    # r itself, g - r and r - i, and the error of r.
    gone = [2, 5 + 1, 5 + 2, 9 + 2]
    assert (x[3, gone] == 0).all() and x[3, 14 + 2] == 1
    rest = np.setdiff1d(np.arange(19), [*gone, 16])
    np.testing.assert_array_equal(x[3, rest], clean[3, rest])
    np.testing.assert_array_equal(np.delete(x, 3, axis=0), np.delete(clean, 3, axis=0))


def test_missing_values_do_not_enter_the_fit(catalogue):
    clean = Features.fit(catalogue[np.arange(200)])
    catalogue.magnitudes[200:] = np.nan
    for a, b in zip(vars(clean).values(), vars(Features.fit(catalogue)).values(), strict=True):
        assert a == b


def test_features_travel_as_json(catalogue):
    import json

    features = Features.fit(catalogue)
    again = Features.from_dict(json.loads(json.dumps(features.to_dict())))
    np.testing.assert_array_equal(again.transform(catalogue), features.transform(catalogue))


def test_other_bands_and_empty_ones_are_refused(catalogue):
    features = Features.fit(catalogue)
    catalogue.bands = tuple("grizY")
    with pytest.raises(ValueError, match="bands g, r, i, z, Y, expected u, g, r, i, z"):
        features.transform(catalogue)
    catalogue.magnitudes[:, 4] = 99.0
    with pytest.raises(ValueError, match="no object has a measurement in band Y; leave"):
        Features.fit(catalogue)


def test_hidden_bands_look_like_missing_ones(catalogue, rng):
    features = Features.fit(catalogue)
    x = features.transform(catalogue)
    hidden = hide_bands(x, 5, 0.3, rng)
    flags = hidden[:, -5:] > 0
    assert 0.2 < flags.mean() < 0.3 and not flags.all(axis=1).any()
    catalogue.magnitudes[flags] = np.nan
    np.testing.assert_array_equal(hidden, features.transform(catalogue))
    np.testing.assert_array_equal(hide_bands(x, 5, 0.0, rng), x)
