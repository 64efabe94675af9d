"""Drawn cut-outs: features that are true, colours in range, neighbours that leave the middle."""

import numpy as np

from tinygrad_astro.data.simulate import galaxies
from tinygrad_astro.morphology.drawn import (
    BANDS,
    FEATURES,
    colour_picture,
    company,
    draw_cutouts,
)


def test_features_are_those_of_the_truth():
    made = draw_cutouts(60, 32, seed=4)
    truth = galaxies(
        60, 32, BANDS, 4, {"disc": 0.85, "irregular": 0.15}, snr=(100, 1200),
        radius=(32 / 10, 32 / 4.5), bars=0.5, rings=0.5, arms=0.35, psf=1.8,
        sky=(150.0, 500.0, 2000.0),
    ).truth  # fmt: skip
    row = {f"4-{number}": i for i, number in enumerate(truth["id"])}
    kept = truth[[row[name] for name in made.identifier]]
    assert 20 < len(made) < 60
    for k, name in enumerate(FEATURES[:3]):
        np.testing.assert_array_equal(made.features[:, k], kept[name] > 0)
    np.testing.assert_array_equal(made.features[:, 3], kept["type"] == "irregular")
    assert made.pictures.dtype == np.float32
    assert made.pictures.min() >= 0 and made.pictures.max() <= 255


def test_neighbours_leave_the_middle_alone(rng):
    models = np.ones((20, 32, 32, 2))
    added = company(models, rng)
    assert added.shape == models.shape and (added >= 0).all() and added.any()
    assert not added[:, 15:17, 15:17].any()


def test_the_sky_is_dark_and_light_is_bright():
    counts = np.zeros((1, 4, 4, 3))
    counts[0, 0, 0] = 1e6
    shown = colour_picture(counts, np.full(3, 20.0))
    assert (shown[0, 2, 2] < 40).all() and (shown[0, 0, 0] > 200).all()
    # With all bands at the level of the sky it is grey.
    np.testing.assert_allclose(np.ptp(shown[0, 2, 2]), 0, atol=1e-4)
