"""Asteroid groups: learned in seconds from simulated spectra, judged unseen, written down."""

import json

import numpy as np
import pytest

from tinygrad_astro.models import load_model
from tinygrad_astro.spectra import asteroid_training as module
from tinygrad_astro.spectra.asteroid_training import (
    AsteroidRecipe,
    cross_validate,
    run_asteroids,
    train_network,
    varied,
)
from tinygrad_astro.spectra.asteroids import NAMES, network_inputs, read_asteroids
from tinygrad_astro.spectra.asteroids import simulate_asteroids as simulate

pytest.importorskip("matplotlib", reason="the figure needs the extra plot")


def test_it_learns_groups_that_it_never_saw():
    model = train_network(simulate(200), AsteroidRecipe(steps=120))
    unseen = simulate(200, start=200)
    said = model.predict(network_inputs(unseen), verbose=0).argmax(axis=1)
    assert (said == unseen.group).mean() > 0.75


def test_every_asteroid_is_judged_by_networks_that_never_saw_it(monkeypatch):
    sample, seen = simulate(60), []
    usual = module.train_network

    def watching(training, recipe, number):
        seen.append(set(training.identifier))
        return usual(training, recipe, number)

    monkeypatch.setattr(module, "train_network", watching)
    probability, _ = cross_validate(sample, AsteroidRecipe(steps=1, folds=3, repeats=2))
    np.testing.assert_allclose(probability.sum(axis=1), 1, rtol=1e-6)
    left_out = [set(sample.identifier) - names for names in seen[::2]]
    assert set.union(*left_out) == set(sample.identifier) and sum(map(len, left_out)) == 60


def test_variation_tilts_and_keeps_550_nm(rng):
    sample = simulate(20)
    recipe = AsteroidRecipe(tilt=0.1, noise=0.0)
    made = varied(sample, np.arange(20), recipe, rng)
    ratio = made.reflectance / sample.reflectance
    at = np.abs(sample.wavelength - 550).argmin()
    np.testing.assert_allclose(ratio[:, at], 1, atol=1e-6)
    slopes = (ratio[:, -1] - 1) / ((sample.wavelength[-1] - 550) / 1000)
    assert np.abs(slopes).max() <= 0.1001 and slopes.std() > 0.03


def test_what_is_written(tmp_path):
    sample = simulate(60)
    recipe = AsteroidRecipe(steps=3, folds=2, repeats=1)
    metrics = run_asteroids(sample, recipe, tmp_path / "a", "asteroids")
    folder = tmp_path / "a"
    assert {p.name for p in folder.iterdir()} == {"model.safetensors", "metrics.json", "figure.png"}
    assert json.loads((folder / "metrics.json").read_text()) == metrics
    assert metrics["objects"] == 60 and len(metrics["confusion"]) == len(NAMES)
    assert metrics["always_the_largest_group"] == np.bincount(sample.group).max() / 60
    assert load_model(folder / "model.safetensors").metadata["groups"] == list(NAMES)


@pytest.mark.realdata
@pytest.mark.slow
def test_real_asteroids_are_told_apart(survey_data):
    sample = read_asteroids(survey_data / "spectra" / "asteroid_reflectance.npz")
    assert len(sample) == 325 and np.bincount(sample.group).tolist() == [
        46,
        163,
        32,
        13,
        29,
        22,
        20,
    ]
    probability, _ = cross_validate(sample, AsteroidRecipe(repeats=1))
    # Half are S: always saying so would be right for 0.50.
    assert (probability.argmax(axis=1) == sample.group).mean() > 0.82
