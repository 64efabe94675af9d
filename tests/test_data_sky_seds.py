"""Spectra: bands, breaks and redshift behave as the docstring states; distances as astropy's."""

import numpy as np
import pytest

from tinygrad_astro.data.sky import population
from tinygrad_astro.data.sky.seds import (
    BANDS,
    arcsec_per_kpc,
    band_flux,
    band_names,
    distance_modulus,
    galaxy_spectrum,
    star_spectrum,
)


def colour(spectrum, a, b, z=0.0):
    flux = band_flux(spectrum, [a, b], z)
    return -2.5 * np.log10(flux[..., 0] / flux[..., 1])


def test_a_flat_spectrum_has_no_colour():
    """f_nu constant is f_lambda ~ lambda^-2, in every band and at every redshift."""
    from tinygrad_astro.data.sky.seds import _GRID

    flux = band_flux(1e8 * _GRID**-2.0, list(BANDS), np.array([0.0, 0.1, 0.7]))
    np.testing.assert_allclose(flux, flux[0, 0], rtol=1e-4)


def test_old_is_red_young_is_blue_and_dust_reddens():
    old, young = galaxy_spectrum(0.0), galaxy_spectrum(1.0)
    assert 0.6 < colour(old, "g", "r") < 1.0 and abs(colour(young, "g", "r")) < 0.15
    assert colour(galaxy_spectrum(1.0, 1.0), "g", "r") > colour(young, "g", "r") + 0.2
    assert (
        colour(star_spectrum(3500.0), "g", "r")
        > 1.0
        > 0.3
        > colour(star_spectrum(9000.0), "g", "r")
    )


def test_the_break_moves_through_the_bands():
    """The 4000 A break leaves g for r near z = 0.4, and r for i near z = 0.75."""
    z = np.linspace(0, 1, 101)
    old = galaxy_spectrum(0.02)
    assert 0.3 < z[colour(old, "g", "r", z).argmax()] < 0.6
    assert 0.65 < z[colour(old, "r", "i", z).argmax()] <= 1.0
    steps = np.diff(colour(old, "g", "r", z[:35]))
    assert (steps > 0).all()


def test_band_names():
    assert band_names("gri") == ("g", "r", "i") and band_names(["Z", "Ks"]) == ("Z", "Ks")
    for bad in ("gX", "", ["Kss"]):
        with pytest.raises(ValueError, match="unknown bands"):
            band_names(bad)


def test_distances_against_astropy():
    cosmology = pytest.importorskip("astropy.cosmology").FlatLambdaCDM(70, 0.3)
    for z in (0.01, 0.3, 1.5):
        assert abs(distance_modulus(z) - cosmology.distmod(z).value) < 1e-5
        scale = cosmology.arcsec_per_kpc_proper(z).value
        assert abs(arcsec_per_kpc(z) / scale - 1) < 1e-5


def test_redshift_and_magnitude_invert_each_other(rng):
    for kind in ("spheroid", "disc", "irregular"):
        for z in (0.02, 0.2, 0.8):
            absolute = population.absolute_magnitude(rng, kind)
            apparent = population.apparent_magnitude(kind, absolute, z)
            assert abs(population.redshift_of(kind, apparent, absolute) - z) < 2e-2
            assert apparent - absolute > distance_modulus(z) - 0.5
        near, far = (population.effective_radius(rng, kind, -20.0, z, 0.2) for z in (0.02, 0.5))
        assert near > far > 0
