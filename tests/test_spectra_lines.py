"""Line lists against literal wavelengths, line profiles against their integral."""

import numpy as np
import pytest

from tinygrad_astro.spectra.lines import (
    BALMER,
    MARKED,
    QUASAR,
    gaussian_lines,
    pixel_widened,
)


def test_balmer_lines_follow_from_the_rydberg_constant():
    # Wavelengths in vacuum: 1 / lambda = R_H (1/4 - 1/n^2).
    expected = [1e8 / (109677.58 * (0.25 - 1 / n**2)) for n in range(3, 16)]
    np.testing.assert_allclose(BALMER, expected, rtol=1e-4)
    assert QUASAR["Ly alpha"][0] == pytest.approx(1e8 / (109677.58 * 0.75), rel=1e-4)


def test_marked_lines_are_where_the_templates_have_them():
    for name, at in MARKED["quasar"].items():
        match = [c for n, (c, *_) in QUASAR.items() if n.startswith(name)]
        assert min(abs(c / at - 1) for c in match) < 1e-3


def test_a_line_has_the_area_it_was_given():
    x = np.linspace(4000, 6000, 20_001)
    made = gaussian_lines(x, [4500.0, 5000.0], [10.0, 30.0], [2.0, -1.0])
    expected = 2 * np.exp(-0.5 * ((x - 4500) / 10) ** 2) - np.exp(-0.5 * ((x - 5000) / 30) ** 2)
    np.testing.assert_allclose(made, expected, atol=1e-7)
    assert made.sum() * 0.1 == pytest.approx(np.sqrt(2 * np.pi) * (20 - 30), rel=1e-3)


def test_lines_off_the_grid_add_nothing():
    assert (gaussian_lines(np.linspace(4000, 5000, 50), [9000.0], [10.0], [5.0]) == 0).all()


def test_widths_add_in_squares():
    step = 5e-4 * np.log(10)
    found = pixel_widened([0.0, 20.0], [5000.0, 5000.0], step)
    instrument, pixel = 5000 / 2000 / 2.355, 5000 * step / 12**0.5
    np.testing.assert_allclose(found[0], np.hypot(instrument, pixel))
    np.testing.assert_allclose(found[1], np.sqrt(found[0] ** 2 + 400))
