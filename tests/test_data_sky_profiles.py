"""Light profiles: fluxes against analytic totals, brute-force pixel integrals and astropy."""

import numpy as np
import pytest

from tinygrad_astro.data.sky.profiles import Ring, Sersic, draw_profile, ellipse, sersic_b

CASES = [  # n, radius, axis ratio, angle
    (4.0, 3.0, 1.0, 0.0),
    (4.0, 0.7, 0.5, 30.0),
    (4.0, 12.0, 0.7, -80.0),
    (1.0, 2.0, 0.2, 33.0),
    (1.0, 9.0, 0.4, 120.0),
    (0.5, 1.0, 1.0, 0.0),
    (2.5, 4.0, 0.3, 75.0),
]


@pytest.mark.parametrize("n", [0.5, 0.8, 1.0, 2.5, 4.0, 6.0])
def test_b_and_enclosed_light_against_the_incomplete_gamma_function(n):
    special = pytest.importorskip("scipy.special")
    assert abs(sersic_b(n) - special.gammaincinv(2 * n, 0.5)) < 4e-4
    profile = Sersic(3.0, n)
    fractions = np.array([0.01, 0.2, 0.5, 0.9, 0.99])
    enclosed = special.gammainc(2 * n, profile.b * (profile.quantile(fractions) / 3.0) ** (1 / n))
    np.testing.assert_allclose(enclosed, fractions, atol=2e-4)


@pytest.mark.parametrize("n, radius, axis_ratio, angle", CASES)
def test_pixels_hold_the_integral_over_their_square(n, radius, axis_ratio, angle):
    x, y = 30.3, 29.6
    image = draw_profile((61, 61), Sersic(radius, n), x, y, axis_ratio, angle)
    fine = (np.arange(101) - 50) / 101
    light = image[30, 30]
    for i, j in [(30, 30), (30, 31), (31, 30), (29, 30), (33, 30), (30, 34), (27, 28), (30, 45)]:
        u, v = ellipse(j - x + fine[None, :], i - y + fine[:, None], axis_ratio, angle)
        expected = Sersic(radius, n).brightness(u * u + v * v).mean() / axis_ratio
        assert abs(image[i, j] - expected) < 3e-3 * expected + 5e-5 * light, (i, j)


@pytest.mark.parametrize("n, radius, axis_ratio, angle", CASES)
def test_light_within_a_circle_is_the_analytic_amount(n, radius, axis_ratio, angle):
    """The total over a large square lies between the light of its inner and outer circle."""
    special = pytest.importorskip("scipy.special")
    profile, half = Sersic(radius, n), 300
    total = draw_profile((601, 601), profile, half - 0.2, half + 0.4, axis_ratio, angle).sum()
    ends = np.array([half, half * np.sqrt(2) / axis_ratio])
    low, high = special.gammainc(2 * n, profile.b * (ends / radius) ** (1 / n))
    assert low - 2e-3 < total < high + 2e-3


def test_half_the_light_lies_within_the_effective_ellipse():
    """Curve of growth on finely drawn pixels: the radius that holds half is the one given."""
    for n in (1.0, 4.0):
        image = draw_profile((501, 501), Sersic(25.0, n), 250.0, 250.0, 0.6, 40.0)
        y, x = np.mgrid[:501, :501] - 250.0
        radius = np.hypot(*ellipse(x, y, 0.6, 40.0))
        order = np.argsort(radius, axis=None)
        growth = np.cumsum(image.ravel()[order])
        measured = np.interp(0.5, growth, radius.ravel()[order])
        assert abs(measured / 25.0 - 1) < 0.01


@pytest.mark.parametrize("n, radius, axis_ratio, angle", [c for c in CASES if c[1] >= 2])
def test_against_astropy(n, radius, axis_ratio, angle):
    models = pytest.importorskip("astropy.modeling.models")
    theta = np.deg2rad(angle)
    model = models.Sersic2D(1.0, radius, n, 40.2, 39.7, 1 - axis_ratio, theta)
    fine = (np.arange(25) - 12) / 25
    image = draw_profile((80, 80), Sersic(radius, n), 40.2, 39.7, axis_ratio, angle)
    y, x = np.mgrid[36:44, 37:46].astype(float)
    theirs = model(x[..., None, None] + fine, y[..., None, None] + fine[:, None]).mean(axis=(2, 3))
    ours = image[36:44, 37:46]
    np.testing.assert_allclose(ours / ours.sum(), theirs / theirs.sum(), rtol=0.01, atol=1e-6)


def test_angle_turns_counter_clockwise_from_x():
    y, x = np.mgrid[:41, :41] - 20.0
    image = draw_profile((41, 41), Sersic(5.0, 1.0), 20, 20, 0.3, 30.0)
    xx, yy, xy = ((image * w).sum() for w in (x * x, y * y, x * y))
    assert abs(np.degrees(0.5 * np.arctan2(2 * xy, xx - yy)) - 30.0) < 0.5


def test_centre_outside_of_the_image_and_tiny_images():
    profile = Sersic(4.0, 4.0)
    whole = draw_profile((60, 60), profile, 30.0, 30.0)
    part = draw_profile((20, 20), profile, -5.0, 30.0)
    np.testing.assert_allclose(part, whole[:20, 35:55], rtol=1e-9)
    assert draw_profile((1, 1), profile, 0, 0).shape == (1, 1)


def test_ring_has_its_light_at_its_radius():
    image = draw_profile((121, 121), Ring(20.0, 2.0), 60.0, 60.0, 0.5, 90.0)
    assert abs(image.sum() - 1) < 1e-3
    assert abs(image[60, 60 + 10] / image[60 + 20, 60] - 1) < 0.1 and image[60, 60] < 1e-6
    assert abs(Ring(20.0, 2.0).quantile(0.5) - 20.1) < 0.2


@pytest.mark.parametrize("radius, n", [(0.0, 1.0), (-1.0, 4.0), (1.0, 0.3), (np.nan, 1.0)])
def test_refusals(radius, n):
    with pytest.raises(ValueError, match="radius > 0 and n >= 0.5"):
        Sersic(radius, n)
