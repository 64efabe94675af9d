"""A training run in a folder: what it writes, that it can be killed, that it learns."""

import csv
import json

import numpy as np
import pytest

from tinygrad_astro.data.stretch import AsinhStretch
from tinygrad_astro.models import load_model
from tinygrad_astro.segmentation.components import label
from tinygrad_astro.segmentation.prediction import Detection
from tinygrad_astro.segmentation.recipe import Recipe
from tinygrad_astro.segmentation.runs import (
    FIGURE,
    METRICS,
    MODEL,
    STATE,
    best_threshold,
    detect,
    run,
    unfinished,
)
from tinygrad_astro.segmentation.survey import Survey, prepare

pytest.importorskip("matplotlib", reason="the figure needs the extra plot")

TINY = Recipe(steps=6, batch=2, size=16, base=2, depth=1, rounds=3)
FILES = {METRICS, MODEL, STATE, FIGURE, "history.csv", "settings.json"}


def blobs(names=("sky", "source"), shape=(48, 160), seed=0) -> Survey:
    """Put Gaussian blobs, ten times the noise, on a grid; odd columns are of the last kind."""
    rng = np.random.default_rng(seed)
    row, column = np.mgrid[: shape[0], : shape[1]]
    image, labels, classes = rng.normal(size=(*shape, 2)), *np.zeros((2, *shape), int)
    for i, x in enumerate(range(8, shape[1], 16)):
        for y in range(8, shape[0], 16):
            shift = rng.uniform(-2, 2, 2)
            blob = np.exp(-((row - y - shift[0]) ** 2 + (column - x - shift[1]) ** 2) / 8)
            image += 10 * blob[..., None] * ([1, 0.2] if i % 2 else [0.2, 1])
            labels[blob > 0.2] = labels.max() + 1
            classes[blob > 0.2] = 1 + (i % 2 if len(names) > 2 else 0)
    return prepare(image, None, labels, ["g", "r"], classes, names)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "a" / "b"
    return folder, run(blobs(), TINY, folder, "blobs", 0.4, verbose=0)


def test_what_is_written(finished):
    folder, metrics = finished
    assert {path.name for path in folder.iterdir()} == FILES
    assert json.loads((folder / METRICS).read_text()) == metrics
    assert metrics["recipe"]["steps"] == 6 and metrics["detection"]["threshold"] == 0.4
    assert {"iou", "completeness", "purity", "validation", "training"} < set(metrics)
    with open(folder / "history.csv") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["step"] for row in rows] == ["2", "4", "6"]
    assert {"loss", "iou", "val_loss", "val_iou"} < set(rows[0])
    assert (folder / FIGURE).read_bytes().startswith(b"\x89PNG")
    assert not unfinished(folder)


def test_the_model_file_says_what_it_needs(finished):
    model, survey = load_model(finished[0] / MODEL), blobs()
    assert model.metadata["bands"] == ["g", "r"]
    assert model.metadata["classes"] == ["sky", "source"]
    assert model.metadata["detection"] == {"threshold": 0.4, "min_pixels": 9}
    stretch = AsinhStretch.from_dict(model.metadata["stretch"])
    np.testing.assert_array_equal(stretch.median, survey.stretch.median)
    total = model(survey.image[None]).numpy().sum(axis=-1)
    np.testing.assert_allclose(total, 1, rtol=1e-6)


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_killed_run_ends_with_the_same_bits(finished, tmp_path, monkeypatch, after):
    from tinygrad_astro import checkpoints

    save, saved = checkpoints.save_training, []

    def dying(*arguments, **options):
        if len(saved) == after:
            raise Killed
        saved.append(save(*arguments, **options))

    monkeypatch.setattr(checkpoints, "save_training", dying)
    with pytest.raises(Killed):
        run(blobs(), TINY, tmp_path, "blobs", 0.4, verbose=0)
    monkeypatch.undo()
    assert unfinished(tmp_path) == (after > 0)
    run(blobs(), TINY, tmp_path, "blobs", 0.4, resume=True, verbose=0)
    for name in ("history.csv", FIGURE):
        assert (tmp_path / name).read_bytes() == (finished[0] / name).read_bytes()
    ours, theirs = (load_model(path / MODEL).get_weights() for path in (tmp_path, finished[0]))
    assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_resuming_with_other_settings_names_them(finished):
    with pytest.raises(ValueError, match=r"other settings \(recipe: .*'steps': 6.*'steps': 9"):
        run(blobs(), Recipe(**{**TINY.to_dict(), "steps": 9}), finished[0], "blobs", resume=True)


def test_a_crop_larger_than_the_training_columns(tmp_path):
    with pytest.raises(ValueError, match="crop of 64 pixels does not fit into 48 x 96"):
        run(blobs(), Recipe(steps=2, size=64), tmp_path, "blobs", verbose=0)


def test_three_kinds_are_learned(tmp_path):
    recipe = Recipe(steps=60, batch=4, size=32, base=8, depth=2, rounds=3, learning_rate=0.02)
    metrics = run(blobs(("sky", "galaxy", "star")), recipe, tmp_path, "blobs", verbose=0)
    assert metrics["completeness"] == metrics["purity"] == metrics["class_accuracy"] == 1.0
    assert metrics["iou"] > 0.75


def test_the_threshold_is_the_best_for_the_validation_columns():
    survey, rng = blobs(), np.random.default_rng(0)
    truth = survey.labels > 0
    source = np.clip(0.3 * truth + rng.normal(0.2, 0.02, truth.shape), 0.01, 0.99)
    source[:, survey.parts["report"]] = 0.99
    source[:, survey.parts["training"]] = 0.99
    threshold = best_threshold(survey, np.stack([1 - source, source], axis=-1))
    assert 0.25 <= threshold <= 0.45


def test_detect_against_a_loop(rng):
    probability = rng.random((30, 30)) ** 2
    labels, count = label(probability > 0.5)
    expected, number = np.zeros_like(labels), 0
    for i in range(1, count + 1):
        if (labels == i).sum() >= 4:
            number += 1
            expected[labels == i] = number
    np.testing.assert_array_equal(detect(probability, Detection(0.5, 4)), expected)
