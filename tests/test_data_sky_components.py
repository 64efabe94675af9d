"""Components: arms that only move light in azimuth, and half-light radii by curve of growth."""

import numpy as np
import pytest

from tinygrad_astro.data.sky.components import (
    Component,
    draw_galaxy,
    half_light_radius,
    spiral_arms,
)
from tinygrad_astro.data.sky.profiles import Ring, Sersic, ellipse

ONE = np.array([1.0])


def curve_of_growth(image, x, y, axis_ratio, angle, total):
    """Measure the ellipse that holds half of `total`, on pixels."""
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    radius = np.hypot(*ellipse(columns - x, rows - y, axis_ratio, angle)).ravel()
    order = np.argsort(radius)
    return np.interp(0.5 * total, np.cumsum(image.ravel()[order]), radius[order])


def galaxy(rng):
    arms = spiral_arms(rng, 18.0, 2, 18.0, 1.4, axis_ratio=0.6)
    return [
        Component(Sersic(5.0, 4.0), 0.25 * ONE, 0.8, 40.0),
        Component(Sersic(18.0, 1.0), 0.5 * ONE, 0.6, 40.0, arms=arms),
        Component(Ring(20.0, 3.0), 0.15 * ONE, 0.6, 40.0),
        Component(Sersic(3.0, 0.5), 0.1 * ONE, dx=12.0, dy=-5.0),
    ]


@pytest.mark.parametrize("axis_ratio, angle", [(1.0, 0.0), (0.6, 40.0), (0.4, -20.0)])
def test_half_light_radius_equals_the_curve_of_growth(rng, axis_ratio, angle):
    parts = galaxy(rng)
    image = draw_galaxy(parts, (401, 401), 200.0, 200.0)[..., 0]
    measured = curve_of_growth(image, 200.0, 200.0, axis_ratio, angle, 1.0)
    assert abs(half_light_radius(parts, 0, axis_ratio, angle) / measured - 1) < 0.01


def test_arms_keep_the_flux_and_the_radial_profile(rng):
    arms = spiral_arms(rng, 15.0, 3, -20.0, 1.5, axis_ratio=0.7)
    plain = Component(Sersic(15.0, 1.0), ONE, 0.7, 25.0)
    armed = Component(Sersic(15.0, 1.0), ONE, 0.7, 25.0, arms=arms)
    images = [draw_galaxy([c], (181, 181), 90.0, 90.0)[..., 0] for c in (plain, armed)]
    rows, columns = np.mgrid[:181, :181] - 90.0
    radius = np.hypot(*ellipse(columns, rows, 0.7, 25.0))
    for low, high in [(0, 5), (5, 10), (10, 15), (15, 25), (25, 40), (0, 80)]:
        ring = (radius >= low) & (radius < high)
        assert abs(images[1][ring].sum() / images[0][ring].sum() - 1) < 0.01
    assert np.abs(images[1] / images[0] - 1)[(radius > 12) & (radius < 25)].std() > 0.3


def test_arms_wind_with_their_pitch(rng):
    """At the crest d(ln r) / d(theta) = tan(pitch)."""
    arms = spiral_arms(rng, 20.0, 2, 25.0, 1.5, clumps=0.0)
    radii = np.geomspace(20, 60, 40)
    theta = np.linspace(0, 2 * np.pi, 721)
    mean = np.mean([arms(r * np.cos(theta), r * np.sin(theta)) for r in radii], axis=1)
    np.testing.assert_allclose(mean, 1, atol=0.02)
    phases = [np.angle((arms(r * np.cos(theta), r * np.sin(theta)) * np.exp(-2j * theta)).sum())
              for r in radii]  # fmt: skip
    slope = np.polyfit(np.log(radii), -np.unwrap(phases) / 2, 1)[0]
    assert abs(abs(slope) - 1 / np.tan(np.radians(25.0))) < 1.0


def test_points_carry_the_light(rng):
    for part in galaxy(rng):
        x, y, weight = part.points()
        assert abs(weight.sum() - 1) < 1e-12 and len(x) == len(y)
        assert abs((weight * x).sum() - part.dx) < 0.3 and abs((weight * y).sum() - part.dy) < 0.3
    assert galaxy(rng)[3].reach(0.5) == pytest.approx(13.0 + 3.0, rel=1e-2)
