"""Synthetic stars: Planck's law, and lines that come and go with temperature."""

import numpy as np
import pytest

from tinygrad_astro.spectra.simulate import grid
from tinygrad_astro.spectra.stars import KINDS, black_body, metal_lines, ordinary, star

WAVELENGTH = grid()


def depth(flux, centre, reach=0.004, beside=0.012):
    """How far the flux at a line lies below that on both sides."""
    ratio = np.abs(WAVELENGTH / centre - 1)
    inside, outside = ratio < reach, (ratio > beside) & (ratio < 2 * beside)
    return 1 - flux[inside].min() / flux[outside].mean()


def test_black_bodies_peak_where_wien_says():
    fine = np.linspace(2000, 10000, 80_001)
    for temperature in (4000.0, 6000.0, 10000.0):
        peak = fine[black_body(fine, temperature).argmax()]
        assert peak == pytest.approx(2.8978e7 / temperature, rel=1e-3)


def test_hydrogen_is_strongest_near_9500_kelvin():
    made = {
        t: np.mean([ordinary(np.random.default_rng(s), WAVELENGTH, t) for s in range(5)], axis=0)
        for t in (5000.0, 9500.0, 15000.0)
    }
    hydrogen = {t: depth(flux, 4862.7) for t, flux in made.items()}
    assert hydrogen[9500.0] > 0.3 > 0.2 > hydrogen[5000.0] and hydrogen[15000.0] < 0.35
    calcium = {t: depth(flux, 3934.8) for t, flux in made.items()}
    assert calcium[5000.0] > 0.2 and calcium[15000.0] < 0.1


def test_metal_lines_scale_with_their_strength():
    assert (metal_lines(WAVELENGTH, 0.0) == 1).all()
    weak, strong = (1 - metal_lines(WAVELENGTH, s) for s in (0.1, 0.2))
    np.testing.assert_allclose(strong, 2 * weak, rtol=1e-6)


def test_every_kind_is_positive_and_drawn():
    assert sum(KINDS.values()) == pytest.approx(1)
    rng = np.random.default_rng(5)
    for _ in range(200):
        flux = star(rng, WAVELENGTH)
        assert flux.shape == WAVELENGTH.shape and np.isfinite(flux).all() and (flux > 0).all()
