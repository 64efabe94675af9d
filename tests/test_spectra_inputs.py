"""What the network sees: exact zeros where there are no data, whatever stands there."""

from dataclasses import replace

import numpy as np
import pytest

from tinygrad_astro.spectra.inputs import CHANNELS, network_inputs, running_mean
from tinygrad_astro.spectra.simulate import simulate

FLUX, CONTRAST, WEIGHT = (CHANNELS.index(n) for n in ("flux", "contrast", "weight"))


@pytest.fixture
def spectra():
    return simulate(6, seed=2)


@pytest.mark.parametrize("junk", [np.nan, np.inf, -np.inf, 1e30, -1e30])
@pytest.mark.parametrize("ivar", [0.0, np.nan])
def test_junk_in_dead_pixels_changes_no_bit(spectra, junk, ivar):
    clean = network_inputs(spectra)
    flux, noise = spectra.flux.copy(), spectra.ivar.copy()
    dead = noise == 0
    assert dead.any()
    flux[dead], noise[dead] = junk, ivar
    spoiled = network_inputs(replace(spectra, flux=flux, ivar=noise))
    np.testing.assert_array_equal(spoiled, clean)
    assert (clean[dead] == 0).all() and np.isfinite(clean).all()


@pytest.mark.parametrize("junk", [np.nan, np.inf, -np.inf])
def test_a_flux_that_is_no_number_is_a_dead_pixel(spectra, junk):
    flux, ivar = spectra.flux.copy(), spectra.ivar.copy()
    flux[:, 300] = junk
    dead = spectra.ivar.copy()
    dead[:, 300] = 0
    np.testing.assert_array_equal(
        network_inputs(replace(spectra, flux=flux, ivar=ivar)),
        network_inputs(replace(spectra, ivar=dead)),
    )


@pytest.mark.parametrize("unit", [1e-17, 1e12])
def test_the_unit_does_not_matter(spectra, unit):
    scaled = replace(
        spectra,
        flux=spectra.flux.astype(np.float64) * unit,
        ivar=spectra.ivar.astype(np.float64) / unit**2,
    )
    np.testing.assert_allclose(network_inputs(scaled), network_inputs(spectra), atol=1e-5)


def test_a_spectrum_without_data_is_all_zero(spectra):
    empty = replace(spectra, ivar=np.zeros_like(spectra.ivar))
    assert (network_inputs(empty) == 0).all()
    dark = replace(spectra, flux=np.zeros_like(spectra.flux))
    assert np.isfinite(network_inputs(dark)).all()


def test_contrast_of_pure_noise_is_noise(rng):
    spectra = simulate(40, seed=1)
    flux = 5 + rng.standard_normal(spectra.flux.shape)
    flat = replace(spectra, flux=flux, ivar=np.ones_like(spectra.ivar))
    found = 2 * np.sinh(network_inputs(flat)[..., CONTRAST].astype(np.float64))
    assert found.std() == pytest.approx(1, abs=0.03) and abs(found.mean()) < 0.02


def test_channels_by_hand(spectra):
    x = network_inputs(spectra)[0].astype(np.float64)
    good = spectra.ivar[0] > 0
    f, w = spectra.flux[0][good].astype(float), spectra.ivar[0][good].astype(float)
    square = (w * f**2).sum() / w.sum()
    weight = square / (square + 1 / w)
    np.testing.assert_allclose(x[good, WEIGHT], weight, rtol=1e-5)
    expected = np.clip(f / square**0.5, -8, 8) * weight
    np.testing.assert_allclose(x[good, FLUX], expected, rtol=1e-4, atol=1e-6)


def test_running_mean_against_a_loop(rng):
    flux, weight = rng.normal(size=(2, 15)), rng.uniform(0, 1, (2, 15))
    weight[:, 4:7] = 0
    found = running_mean(flux, weight, 1)
    for n in range(2):
        for i in range(15):
            near = range(max(i - 1, 0), min(i + 2, 15))
            total = sum(weight[n, j] for j in near)
            mean = sum(flux[n, j] * weight[n, j] for j in near) / total if total else 0.0
            assert found[n, i] == pytest.approx(mean, abs=1e-9)
