"""The synthetic survey: magnitudes that its own images confirm, and objects that stay the same."""

import numpy as np
import pytest

from tinygrad_astro.data.simulate import galaxies
from tinygrad_astro.data.sky.camera import Camera
from tinygrad_astro.photoz.sky import BANDS, SKY, TYPES, photometry, survey


@pytest.fixture(scope="module")
def made():
    return survey(40, size=20, seed=4)


def test_photometry_against_a_loop(rng):
    camera = Camera("gr", sky=[100.0, 400.0], read_noise=5.0)
    images = rng.normal(3, 10, (2, 9, 9, 2)).astype(np.float32)
    counts, noise = photometry(images, camera)
    for c in range(2):
        for n in range(2):
            total, pixels = 0.0, 0
            for y in range(9):
                for x in range(9):
                    if (y - 4) ** 2 + (x - 4) ** 2 <= 2.25**2:
                        total, pixels = total + float(images[n, y, x, c]), pixels + 1
            assert counts[n, c] == pytest.approx(total, rel=1e-6)
            variance = pixels * (camera.sky[c] + 25) + max(total, 0)
            assert noise[n, c] == pytest.approx(variance**0.5, rel=1e-6)


def test_errors_say_how_far_magnitudes_stray(made):
    # The same pixels, added up anew from the images: sinh undoes the stretch.
    sigma = np.sqrt(np.array(SKY) + 25)
    counts = np.sinh(made.images.astype(np.float64)) * sigma
    axis = np.arange(20) - 9.5
    inside = np.hypot(axis[:, None], axis) <= 5
    total = counts[:, inside].sum(axis=1)
    bright = made.errors < 0.1
    expected = 31.5 - 2.5 * np.log10(np.where(bright, total, 1.0))
    np.testing.assert_allclose(made.magnitudes[bright], expected[bright], atol=1e-3)
    assert made.measured.all() and np.isfinite(made.magnitudes).all()


def test_galaxies_are_the_same_however_many_are_made(made):
    tail = survey(3, size=20, seed=4, start=37)
    np.testing.assert_array_equal(tail.images, made.images[37:])
    assert tail.identifier.tolist() == made.identifier[37:].tolist()
    assert not set(survey(3, size=20, seed=5).identifier) & set(made.identifier)


def test_magnitudes_are_those_of_the_simulated_light(made):
    truth = galaxies(40, 20, BANDS, 4, TYPES, None, (1.2, 20 / 6), sky=SKY, zero_point=31.5).truth
    np.testing.assert_array_equal(made.redshift, truth["redshift"])
    assert made.bands == tuple("ugriz")
    for band, name in enumerate(BANDS):
        total = 31.5 - 2.5 * np.log10(truth[f"flux_{name}"])
        bright = made.errors[:, band] < 0.05
        lost = (made.magnitudes[:, band] - total)[bright]
        # The aperture holds most of a galaxy of this size and seeing, never much more than all.
        assert bright.any() and lost.min() > -0.15 and np.median(lost) < 0.5
