"""Galaxies by type: shares add up, centres are centres, colours follow the stars."""

import numpy as np
import pytest

from tinygrad_astro.data.sky.components import draw_galaxy
from tinygrad_astro.data.sky.galaxies import make_galaxy, make_star
from tinygrad_astro.data.sky.source import TYPES, measured_radius

BANDS = ("g", "r", "i")


def make(rng, kind, radius=8.0, redshift=0.1, **options):
    return make_galaxy(rng, kind, BANDS, 1, 1000.0, redshift, radius, **options)


@pytest.mark.parametrize("kind", TYPES[:3])
def test_shares_and_fluxes_add_up(kind, rng):
    for _ in range(20):
        source = make(rng, kind)
        assert sum(part.share for part in source.components) == pytest.approx(1.0)
        assert source.flux[1] == pytest.approx(1000.0)
        np.testing.assert_allclose(sum(p.flux for p in source.components), source.flux)
        bulge = sum(p.flux[1] for p in source.components if getattr(p.profile, "n", 0) == 4.0)
        assert bulge / 1000 == pytest.approx(source.bulge_fraction, abs=1e-12)
        doubled = source.flux * 2
        assert np.array_equal(source.scaled(2.0).flux, doubled)


@pytest.mark.parametrize("kind", TYPES[:3])
def test_the_centre_of_light_is_the_position(kind, rng):
    for _ in range(5):
        source = make(rng, kind, 6.0)
        source.components = [c for c in source.components if c.arms is None] or source.components
        image = draw_galaxy(source.components, (201, 201), 100.3, 99.8)[..., 1]
        rows, columns = np.mgrid[:201, :201]
        if kind == "irregular":
            assert abs((image * columns).sum() / image.sum() - 100.3) < 0.1
            assert abs((image * rows).sum() / image.sum() - 99.8) < 0.1
        else:
            assert image.argmax() == 100 * 201 + 100


def test_bulges_are_redder_than_discs_and_irregulars(rng):
    def colours(kind):
        flux = np.array([make(rng, kind).flux for _ in range(30)])
        return np.median(-2.5 * np.log10(flux[:, 0] / flux[:, 2]))

    spheroid, disc, irregular = (colours(kind) for kind in TYPES[:3])
    assert spheroid > disc + 0.3 > irregular + 0.3


def test_bars_and_rings_on_demand(rng):
    with_both = [make(rng, "disc", bars=1.0, rings=1.0) for _ in range(30)]
    for source in with_both:
        assert (source.bar > 0) == (source.axis_ratio > 0.45)
        assert (source.ring > 0) == (source.axis_ratio > 0.3)
    assert not any(s.bar or s.ring for s in (make(rng, "disc", bars=0, rings=0) for _ in range(30)))


def test_discs_are_seen_at_random_inclinations(rng):
    ratios = np.array([make(rng, "disc").axis_ratio for _ in range(400)])
    assert ratios.min() >= 0.18 and ratios.max() <= 1 and abs(np.median(ratios) - 0.53) < 0.06


def test_radii_are_those_of_simple_galaxies(rng):
    sources = (make(rng, "spheroid", 5.0) for _ in range(50))
    pure = next(s for s in sources if s.bulge_fraction == 1)
    along, circle = measured_radius(pure, 1)
    assert along == pytest.approx(5.0, rel=5e-3)
    assert 5.0 * pure.axis_ratio < circle < 5.0
    assert np.isnan(pure.disc_radius) and pure.bulge_radius == 5.0


def test_stars(rng):
    stars = [make_star(rng, BANDS, 1, 50.0) for _ in range(200)]
    assert all(s.flux[1] == pytest.approx(50.0) and not s.components for s in stars)
    assert measured_radius(stars[0], 1) == (0.0, 0.0)
    colours = [-2.5 * np.log10(s.flux[0] / s.flux[1]) for s in stars]
    assert np.ptp(colours) > 0.8
