"""Simulated galaxies for sizes: their truth is what their pixels say, and no id comes twice."""

import numpy as np
import pytest
from scipy import optimize, signal, special

from tinygrad_astro.sizes.sky import (
    SKY_VARIANCE,
    counts_for,
    draw,
    draw_psf,
    half_light_radius,
    simulate,
)


def enclosed(radius, n):
    """Give the light of a Sersic profile inside a radius, by the incomplete gamma function."""
    b = special.gammaincinv(2 * n, 0.5)
    return special.gammainc(2 * n, b * radius ** (1 / n))


@pytest.mark.parametrize("share, bulge, disc", [(0.3, 1.0, 5.0), (0.9, 3.0, 4.0), (0.0, 1.0, 2.0)])
def test_half_light_radius_solves_its_equation(share, bulge, disc):
    expected = optimize.brentq(
        lambda r: share * enclosed(r / bulge, 4) + (1 - share) * enclosed(r / disc, 1) - 0.5, 0.1, 9
    )
    assert half_light_radius(share, bulge, disc) == pytest.approx(expected, rel=2e-3)


def test_half_light_radius_of_the_unknown_is_unknown():
    assert np.isnan(half_light_radius([0.5, np.nan], 1.0, [np.nan, 1.0])).all()


def test_half_of_the_light_lies_within_the_true_ellipse():
    row = simulate(1, seed=3).truth[0].copy()
    row["half_light_radius"] = half_light_radius(0.4, 3.0, 12.0)
    row["bulge_fraction"], row["bulge_radius"], row["disc_radius"] = 0.4, 3.0, 12.0
    row["axis_ratio"], row["angle"], row["x"], row["y"] = 0.6, 30.0, 120.2, 119.7
    sharp = draw(row, np.pad([[1.0]], 15), 241)
    y, x = np.mgrid[:241, :241]
    c, s = np.cos(np.radians(30)), np.sin(np.radians(30))
    dx, dy = x - row["x"], y - row["y"]
    inside = np.hypot(dx * c + dy * s, (dy * c - dx * s) / 0.6) < row["half_light_radius"]
    assert sharp[inside].sum() == pytest.approx(0.5, abs=0.01)
    psf = draw_psf(3.0, 3.0, 0.9, 40.0)
    blurred = signal.fftconvolve(sharp, psf, mode="same")
    np.testing.assert_allclose(draw(row, psf, 241)[40:-40, 40:-40], blurred[40:-40, 40:-40],
                               atol=1e-9)  # fmt: skip


def test_the_same_galaxy_however_many_are_drawn_and_no_id_twice():
    whole, rest = simulate(4, 24, seed=5), simulate(2, 24, seed=5, start=2)
    for name in ("models", "psfs", "truth"):
        np.testing.assert_array_equal(getattr(whole, name)[2:], getattr(rest, name))
    np.testing.assert_array_equal(whole.images()[2:], rest.images())
    np.testing.assert_array_equal(whole[1:3].images(), whole.images()[1:3])
    others = simulate(4, 24, seed=6).truth["id"]
    assert not set(whole.truth["id"]) & set(others) and len(set(whole.truth["id"])) == 4


def test_ranges_and_signal_to_noise_are_as_asked():
    made = simulate(40, 32, radius=(2, 3), fwhm=(2, 4), snr=(30, 60))
    for name, low, high in (("half_light_radius", 2, 3), ("fwhm", 2, 4), ("snr", 30, 60)):
        assert (low <= made.truth[name]).all() and (made.truth[name] <= high).all()
    model = made.scaled.astype(float)
    snr = np.sqrt((model**2 / (model + SKY_VARIANCE)).sum(axis=(1, 2)))
    np.testing.assert_allclose(snr, made.truth["snr"], rtol=1e-3)
    noise = (made.images() - model) / np.sqrt(model + SKY_VARIANCE)
    assert abs(noise.mean()) < 0.02 and abs(noise.std() - 1) < 0.02
    np.testing.assert_allclose(made.psfs.sum(axis=(1, 2)), 1, rtol=1e-5)


def test_counts_for_extreme_ratios():
    models = simulate(2, 24).models
    flux = counts_for(models, np.array([0.5, 3000.0]))
    seen = models.astype(float) * flux[:, None, None]
    snr = np.sqrt((seen**2 / (seen + SKY_VARIANCE)).sum(axis=(1, 2)))
    np.testing.assert_allclose(snr, [0.5, 3000.0], rtol=1e-3)


@pytest.mark.parametrize(
    "options, text",
    [({"n": 0}, "n must be >= 1"), ({"n": 1, "size": 8}, "size >= 16"),
     ({"n": 1, "snr": (0, 1)}, "snr must be")],
)  # fmt: skip
def test_what_cannot_be_drawn(options, text):
    with pytest.raises(ValueError, match=text):
        simulate(**options)
