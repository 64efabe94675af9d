"""Whole runs: what they write, and on real spectra the accuracy that they must reach."""

import csv
import json

import numpy as np
import pytest

from tinygrad_astro.spectra import run as module
from tinygrad_astro.spectra import simulate as sky
from tinygrad_astro.spectra.classifier import load
from tinygrad_astro.spectra.run import cross_validate, run
from tinygrad_astro.spectra.simulate import grid, simulate
from tinygrad_astro.spectra.survey import CLASSES, read_boss
from tinygrad_astro.spectra.training import Recipe, pretrain

pytest.importorskip("matplotlib", reason="the figure needs the extra plot")

TINY = Recipe(simulated=150, epochs=2, batch=32, width=16, tuning_steps=2, folds=2)
COARSE = grid(188, 2.5e-3, 3.551)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setattr(sky, "PIXELS", 188)
    patch.setattr(module, "JUDGED_SYNTHETIC", 60)
    patch.setattr(module, "pretrain", lambda recipe, progress: pretrain(recipe, COARSE, progress))
    folder = tmp_path_factory.mktemp("run") / "a"
    real = simulate(40, seed=77, wavelength=COARSE)
    real.label[4] = -1
    stages = []
    metrics = run(real, TINY, folder, "a title", lambda *told: stages.append(told))
    patch.undo()
    return folder, metrics, real, stages


def test_what_is_written(finished):
    folder, metrics, real, stages = finished
    names = {"model.safetensors", "metrics.json", "figure.png", "predictions.csv"}
    assert {path.name for path in folder.iterdir()} == names
    assert json.loads((folder / "metrics.json").read_text()) == metrics
    assert metrics["synthetic"]["objects"] == 60
    assert metrics["real"]["cross_validated"]["objects"] == 39
    assert set(metrics["saliency_at_lines"]) == set(CLASSES)
    assert (folder / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert stages[-1] == ("cross-validating", 2, 2)
    assert load(folder / "model.safetensors").model.count_params() == metrics["parameters"]


def test_predictions_name_every_object(finished):
    folder, metrics, real, _ = finished
    with open(folder / "predictions.csv") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["identifier"] for row in rows] == real.identifier.tolist()
    known = [row for row in rows if row["class"]]
    right = np.mean([row["class"] == row["said"] for row in known])
    assert right == pytest.approx(metrics["real"]["cross_validated"]["accuracy"])


def test_no_network_is_judged_on_what_it_saw(monkeypatch):
    seen, real = [], simulate(30, seed=5, wavelength=COARSE)

    class Blind:
        def classify(self, spectra):
            assert not set(spectra.identifier) & seen[-1]
            count = len(spectra)
            return module.Verdict(np.full((count, 3), 1 / 3), np.zeros(count), np.zeros(count))

    def tuning(start, training, synthetic, recipe, seed):
        seen.append(set(training.identifier))
        return Blind()

    monkeypatch.setattr(module, "fine_tune", tuning)
    recipe = Recipe(folds=3, repeats=2)
    found = cross_validate(None, real, None, recipe)
    assert len(found.label) == 30 and len(seen) == 6
    left_out = [set(real.identifier) - names for names in seen[::2]]
    assert set.union(*left_out) == set(real.identifier) and sum(map(len, left_out)) == 30


@pytest.mark.realdata
@pytest.mark.slow
def test_boss_reaches_its_bar(survey_data, tmp_path):
    real = read_boss(survey_data / "spectra" / "boss_plate7102_open.npz")
    metrics = run(real, Recipe(simulated=6000, epochs=6), tmp_path, "BOSS")
    # A small network from scratch in PyTorch: 0.81; the survey's own pipeline: 0.93.
    assert metrics["real"]["cross_validated"]["accuracy"] >= 0.93
    assert metrics["real"]["synthetic_only"]["accuracy"] >= 0.90
    assert metrics["real"]["cross_validated"]["redshift_quasar"]["within_0.03"] >= 0.9
    lines = metrics["saliency_at_lines"]["quasar"]
    assert lines["Ly alpha"] > 2 and lines["C IV"] > 1.5
