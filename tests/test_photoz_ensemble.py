"""The ensemble: it learns, it never sees what it is judged on, and it fits into one file."""

import json

import numpy as np
import pytest

from tinygrad_astro.models import Sequential
from tinygrad_astro.photoz import ensemble
from tinygrad_astro.photoz.catalogue import Catalogue
from tinygrad_astro.photoz.ensemble import folds, load, train
from tinygrad_astro.photoz.metrics import point_metrics
from tinygrad_astro.photoz.recipe import Recipe

TINY = Recipe(components=2, bins=30, width=16, depth=1, dropout=0.0, epochs=30, batch=32, folds=2,
              repeats=1, learning_rate=0.02)  # fmt: skip


def rainbow(n, seed=0, images=False):
    """Galaxies whose redshift is one colour, and whose other colour is noise."""
    rng = np.random.default_rng(seed)
    redshift = rng.uniform(0.1, 0.6, n)
    r = rng.uniform(17, 20, n)
    magnitudes = np.stack([r + 4 * redshift + rng.normal(0, 0.05, n), r, r + rng.normal(0, 0.3, n)])
    pictures = None
    if images:
        pictures = rng.normal(0, 0.1, (n, 8, 8, 1)).astype(np.float32)
        pictures += redshift[:, None, None, None]
    names = np.array([f"{seed}-{i}" for i in range(n)])
    errors = np.full((n, 3), 0.05)
    return Catalogue(magnitudes.T, errors, tuple("gri"), redshift, names, pictures)


@pytest.fixture(scope="module", params=["mixture", "bins"])
def trained(request):
    recipe = Recipe(**{**TINY.to_dict(), "head": request.param})
    return train(rainbow(400), recipe)


def test_it_learns_what_there_is_to_learn(trained):
    test = rainbow(200, seed=1)
    pdf = trained[0].predict(test)
    found = point_metrics(pdf.median, test.redshift)
    # The colour is 4 z with a noise of 0.05: nothing below 0.0125 / (1 + z) is possible.
    assert found["sigma_nmad"] < 0.022 and found["outliers_0.15"] == 0
    assert np.corrcoef(pdf.median, test.redshift)[0, 1] > 0.98


def test_a_model_file_gives_the_same_densities(trained, tmp_path):
    made, test = trained[0], rainbow(20, seed=2)
    made.save(tmp_path / "model.safetensors")
    again = load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(again.predict(test).cdf, made.predict(test).cdf)
    assert again.model.metadata["recipe"]["folds"] == 2
    assert json.dumps(again.features.to_dict()) == json.dumps(made.features.to_dict())


def test_a_missing_band_widens_and_no_band_is_unknown(trained):
    test = rainbow(60, seed=3)
    test.magnitudes[:30, 0] = 99.0
    test.magnitudes[59] = np.nan
    pdf = trained[0].predict(test)
    assert np.isfinite(pdf.cdf[:59]).all() and np.isnan(pdf.cdf[59]).all()
    without = np.abs(pdf.median - test.redshift)
    assert np.median(without[:30]) > 3 * np.median(without[30:59])


def test_every_object_is_said_by_networks_that_never_saw_it(monkeypatch):
    seen = []
    usual = ensemble.train_member

    def watching(catalogue, *arguments):
        seen.append(set(catalogue.identifier))
        return usual(catalogue, *arguments)

    monkeypatch.setattr(ensemble, "train_member", watching)
    sample = rainbow(120)
    recipe = Recipe(**{**TINY.to_dict(), "epochs": 1, "folds": 3, "repeats": 2})
    _, found = train(sample, recipe)
    assert len(seen) == 6 and len(found["unseen"]) == 120
    left_out = [set(sample.identifier) - names for names in seen]
    assert left_out[0] == left_out[1] and all(len(names) == 40 for names in left_out)
    assert left_out[0] | left_out[2] | left_out[4] == set(sample.identifier)


def test_the_seed_decides_all(trained):
    sample, recipe = rainbow(120), Recipe(**{**TINY.to_dict(), "epochs": 2})
    first, second = (train(sample, recipe)[0].predict(sample).cdf for _ in range(2))
    np.testing.assert_array_equal(first, second)
    other = train(sample, Recipe(**{**recipe.to_dict(), "seed": 9}))[0]
    assert (other.predict(sample).cdf != first).any()


def test_images_beside_magnitudes():
    sample = rainbow(120, images=True)
    recipe = Recipe(**{**TINY.to_dict(), "epochs": 2})
    made, _ = train(sample, recipe)
    assert made.predict(sample).cdf.shape[0] == 120
    with pytest.raises(ValueError, match="sees images, too, and the catalogue has none"):
        made.predict(rainbow(10))


def test_folds_are_even_and_complete():
    made = folds(103, 5, seed=1)
    assert sorted(np.bincount(made).tolist()) == [20, 20, 21, 21, 21]
    assert (folds(103, 5, seed=2) != made).any()


def test_what_cannot_be_learned_from_is_refused(tmp_path):
    sample = rainbow(100)
    sample.redshift[[3, 8]] = np.nan
    with pytest.raises(ValueError, match="2 of 100 training objects have no redshift, .* '0-3'"):
        train(sample, TINY)
    with pytest.raises(ValueError, match="39 training objects in 2 folds; expected at least 40"):
        train(rainbow(39), TINY)
    for wrong in ({"head": "x"}, {"epochs": 0}, {"folds": 1}, {"hide": 1.0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Recipe(**wrong)
    other = Sequential([ensemble.networks.layers.Input((3,)), ensemble.networks.layers.Dense(1)])
    other.save(tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="a model for None, expected 'photoz'"):
        load(tmp_path / "other.safetensors")
