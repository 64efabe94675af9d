"""Synthetic galaxies: breaks and lines at the wavelengths that the redshift sets."""

import numpy as np
import pytest

from tinygrad_astro.spectra.galaxies import draw_redshift, galaxy
from tinygrad_astro.spectra.simulate import grid

WAVELENGTH = grid()


class Forced:
    """A generator whose share of young stars is chosen; everything else is drawn."""

    def __init__(self, young, seed=0):
        self.rng, self.young = np.random.default_rng(seed), young

    def beta(self, a, b):
        return self.young if a == b else self.rng.beta(a, b)

    def __getattr__(self, name):
        return getattr(self.rng, name)


@pytest.mark.parametrize("z", [0.1, 0.4])
def test_old_galaxies_break_at_4000_angstrom(z):
    flux = galaxy(Forced(0.0), WAVELENGTH, z)
    rest = WAVELENGTH / (1 + z)
    blue = flux[(rest > 3750) & (rest < 3900)].mean()
    red = flux[(rest > 4050) & (rest < 4250)].mean()
    assert red / blue > 1.5


@pytest.mark.parametrize("z", [0.05, 0.3, 0.7])
def test_starbursts_shine_in_oxygen_at_its_redshifted_wavelength(z):
    mean = np.mean([galaxy(Forced(1.0, s), WAVELENGTH, z) for s in range(8)], axis=0)
    near = np.abs(WAVELENGTH / (1 + z) / 5008.2 - 1) < 0.03
    assert WAVELENGTH[near][mean[near].argmax()] == pytest.approx(5008.2 * (1 + z), rel=1e-3)
    assert mean[near].max() > 1.3 * np.median(mean[near])


def test_every_galaxy_is_a_flux():
    rng = np.random.default_rng(2)
    for _ in range(100):
        z = draw_redshift(rng)
        flux = galaxy(rng, WAVELENGTH, z)
        assert 0 < z < 1.6 and np.isfinite(flux).all() and (flux > 0).all()
