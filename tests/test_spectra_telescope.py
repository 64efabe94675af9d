"""The spectrograph: noise that its inverse variance tells, at the signal-to-noise asked for."""

import numpy as np
import pytest

from tinygrad_astro.spectra.simulate import grid
from tinygrad_astro.spectra.telescope import SKY_LINES, noise_shape, observe

WAVELENGTH = grid()


def test_the_noise_is_what_ivar_says():
    flux, pulls = np.full(len(WAVELENGTH), 3.0), []
    for s in range(60):
        seen, ivar = observe(np.random.default_rng(s), WAVELENGTH, flux, 1.0)
        good = ivar > 0
        # Calibration is a factor, and noise at S/N 1 dwarfs it.
        pulls.append(((seen - flux) * np.sqrt(ivar))[good])
    pulls = np.concatenate(pulls)
    middle = 1.4826 * np.median(np.abs(pulls - np.median(pulls)))
    assert middle == pytest.approx(1, abs=0.05)
    assert 0.001 < (np.abs(pulls) > 5).mean() < 0.01  # badly subtracted sky


@pytest.mark.parametrize("snr", [0.5, 3.0, 20.0])
def test_signal_to_noise_is_as_asked(snr):
    flux = (WAVELENGTH / 5000) ** -1.0
    _, ivar = observe(np.random.default_rng(1), WAVELENGTH, flux, snr)
    good = ivar > 0
    # Five native pixels in one: sqrt(5) more.
    median = np.median((flux * np.sqrt(ivar))[good]) / np.sqrt(5)
    assert median == pytest.approx(snr, rel=0.1)


def test_dead_pixels_are_zero_at_both_ends():
    seen, ivar = observe(np.random.default_rng(4), WAVELENGTH, np.ones(len(WAVELENGTH)), 5.0)
    dead = ivar == 0
    assert dead[WAVELENGTH < 3560].all() and dead[WAVELENGTH > 10420].all()
    assert (seen[dead] == 0).all() and 0.01 < dead.mean() < 0.1
    assert seen.dtype == ivar.dtype == np.float32


def test_sky_lines_are_noisier_than_what_lies_beside_them():
    shape = noise_shape(WAVELENGTH)
    at = np.abs(WAVELENGTH - SKY_LINES[0]).argmin()
    assert shape[at] > 1.5 * shape[at - 15]
    assert shape[5] > 3 * shape[300]
