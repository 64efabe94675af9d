"""Synthetic quasars: lines at their places, equivalent widths of the composite, a forest."""

import numpy as np
import pytest

from tinygrad_astro.spectra.lines import QUASAR
from tinygrad_astro.spectra.quasars import draw_redshift, quasar
from tinygrad_astro.spectra.simulate import grid

WAVELENGTH = grid()


@pytest.fixture(scope="module")
def stack():
    """The mean of many quasars at one redshift."""
    return np.mean([quasar(np.random.default_rng(s), WAVELENGTH, 2.4) for s in range(150)], axis=0)


@pytest.mark.parametrize("name", ["Ly alpha", "C IV", "C III]", "Mg II"])
def test_lines_peak_where_the_redshift_puts_them(stack, name):
    at = QUASAR[name][0] * 3.4
    near = np.abs(WAVELENGTH / at - 1) < 0.02
    smooth = np.convolve(stack, np.ones(5) / 5, "same")
    assert WAVELENGTH[near][smooth[near].argmax()] == pytest.approx(at, rel=4e-3)


def test_carbon_has_the_equivalent_width_of_the_composite(stack):
    rest = WAVELENGTH / 3.4
    beside = ((rest > 1440) & (rest < 1470)) | ((rest > 1690) & (rest < 1720))
    level = np.exp(np.interp(np.log(rest), np.log(rest[beside]), np.log(stack[beside])))
    line = (rest > 1500) & (rest < 1600)
    width = ((stack / level - 1)[line] * np.gradient(rest)[line]).sum()
    assert width == pytest.approx(QUASAR["C IV"][1], rel=0.4)


def test_the_forest_dims_as_its_gas_says():
    made = np.array([quasar(np.random.default_rng(s), WAVELENGTH, 3.2) for s in range(150)])
    rest = WAVELENGTH / 4.2
    dimmed = np.median(made[:, (rest > 1100) & (rest < 1170)].mean(axis=1))
    free = np.median(made[:, (rest > 1270) & (rest < 1290)].mean(axis=1))
    # Mean transmission exp(-0.0036 (1 + z)^3.46) at z = 2.9 is 0.67, and it is bluer than the rest.
    assert 0.55 < dimmed / free < 0.95


def test_every_quasar_is_a_flux():
    rng = np.random.default_rng(3)
    drawn = [draw_redshift(rng) for _ in range(300)]
    assert 0.3 < min(drawn) and max(drawn) < 6.0 and 2.0 < np.median(drawn) < 2.8
    for z in drawn[:100]:
        flux = quasar(rng, WAVELENGTH, z)
        assert np.isfinite(flux).all() and (flux >= 0).all() and flux.max() > 0
