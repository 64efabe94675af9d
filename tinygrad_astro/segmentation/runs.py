"""A whole training run in a folder: train, predict, compare, write all that is worth keeping."""

import csv
import io
import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_astro import get_num_threads, mosaic
from tinygrad_astro._version import __version__
from tinygrad_astro.files import write_atomically
from tinygrad_astro.segmentation.components import label
from tinygrad_astro.segmentation.evaluation import Agreement, compare, compare_classes
from tinygrad_astro.segmentation.figure import Result, draw
from tinygrad_astro.segmentation.instances import smooth, split
from tinygrad_astro.segmentation.prediction import Detection, source_probability
from tinygrad_astro.segmentation.recipe import Recipe, train
from tinygrad_astro.segmentation.survey import Survey

MODEL, STATE, SETTINGS = "model.safetensors", "training-state.safetensors", "settings.json"
METRICS, HISTORY, FIGURE = "metrics.json", "history.csv", "figure.png"

# Sources smaller than this are neither asked for nor held against a model.
COUNTED_PIXELS = 25
THRESHOLDS = [round(0.05 * i, 2) for i in range(4, 17)]


def run(
    survey: Survey,
    recipe: Recipe,
    folder: str,
    title: str,
    threshold: float | None = None,
    resume: bool = False,
    verbose="auto",
    progress: Callable[[str, int, int], Any] | None = None,
) -> dict:
    """Train on a survey and report, into `folder`.

    Written are the model, `metrics.json`, `history.csv`, `figure.png`, the settings, and the
    training state, from which a killed run goes on.

    Parameters
    ----------
    survey : Survey
    recipe : Recipe
    folder : path
        Made if it does not exist.
    title : str
        Of the figure.
    threshold : float, optional
        Probability above which a pixel is a source; by default the one that gives the best IoU on
        the validation columns.
    resume : bool
        Go on from the training state in the folder, if there is one; else start afresh.
    verbose : "auto", 0, 1 or 2
        As in `Model.fit`.
    progress : callable, optional
        Called as `progress("predicting", done, total)` after training.

    Returns
    -------
    dict
        What `metrics.json` holds.

    Raises
    ------
    ValueError
        If the run to be resumed was started with other settings.
    """
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    wanted = settings(survey, recipe, threshold)
    begin(place, wanted, resume)
    start = time.perf_counter()
    model, history = train(survey, recipe, place / STATE, verbose)
    trained = time.perf_counter()
    write_history(place / HISTORY, history, recipe.steps_per_round)
    tell = progress or (lambda stage, done, total: None)
    probabilities = mosaic.predict(
        model, survey.image, progress=lambda done, total: tell("predicting", done, total)
    )
    detection = Detection(threshold or best_threshold(survey, probabilities))
    model.metadata["detection"] = asdict(detection)
    model.save(place / MODEL)
    reports = conclude(survey, probabilities, detection, history, recipe, title, place / FIGURE)
    seconds = {"training": trained - start, "report": time.perf_counter() - trained}
    metrics = {
        "task": "segmentation",
        **reports.pop("report"),
        **reports,
        "seconds": {name: round(took, 1) for name, took in seconds.items()},
        "parameters": model.count_params(),
        "threads": get_num_threads(),
        "version": __version__,
        **wanted,
        "detection": asdict(detection),
    }
    write_json(place / METRICS, metrics)
    return metrics


def conclude(survey, probabilities, detection, history, recipe, title, figure) -> dict[str, dict]:
    """Draw the columns for the report, and give the numbers of each part."""
    numbers = {}
    for name, columns in survey.parts.items():
        detected, agreement, numbers[name] = report(survey, probabilities, columns, detection)
    # The last part is the one that neither training nor validation has seen.
    values = probabilities[:, columns]
    per_round = recipe.steps_per_round
    draw(Result(survey, columns, values, detected, agreement, history, per_round, title), figure)
    return numbers


def best_threshold(survey: Survey, probabilities: np.ndarray) -> float:
    """Find the threshold that gives the best IoU of source pixels on the validation columns."""
    columns = survey.parts["validation"]
    probability = source_probability(probabilities[:, columns])
    truth = survey.labels[:, columns] > 0

    def iou(threshold):
        found = detect(probability, Detection(threshold)) > 0
        return (found & truth).sum() / (found | truth).sum()

    # Of thresholds that are equally good, the one nearest to even odds.
    return max(THRESHOLDS, key=lambda threshold: (iou(threshold), -abs(threshold - 0.5)))


def unfinished(folder: str) -> bool:
    """Tell whether a folder holds a run that was stopped before its report."""
    return (Path(folder) / STATE).exists() and not (Path(folder) / METRICS).exists()


def begin(place: Path, wanted: dict, resume: bool) -> None:
    """Make the folder ready for a new run, or check that it holds the run to go on with."""
    kept = place / SETTINGS
    if resume and kept.exists():
        started = json.loads(kept.read_text())
        other = [k for k in wanted if started.get(k) != wanted[k]]
        if other:
            told = "; ".join(f"{k}: {started.get(k)} then, {wanted[k]} now" for k in other)
            raise ValueError(f"{place} holds a run with other settings ({told})")
        return
    for name in (STATE, METRICS, MODEL, HISTORY, FIGURE):
        (place / name).unlink(missing_ok=True)
    write_json(kept, wanted)


def settings(survey: Survey, recipe: Recipe, threshold: float | None) -> dict:
    """Give what decides the weights and the report, as JSON can hold it."""
    return {
        "recipe": recipe.to_dict(),
        "threshold": threshold,
        "bands": survey.bands,
        "classes": survey.names,
        "shape": list(survey.image.shape),
        "median": survey.stretch.median.tolist(),
        "scale": survey.stretch.scale.tolist(),
    }


def report(survey, probabilities, columns, detection) -> tuple[np.ndarray, Agreement, dict]:
    """Detect sources in some columns and compare them with the labels there."""
    values, truth = probabilities[:, columns], survey.labels[:, columns]
    detected = detect(source_probability(values), detection)
    agreement = compare(detected, truth, COUNTED_PIXELS)
    numbers = agreement.to_dict()
    light = smooth(survey.image[:, columns].mean(axis=-1))
    parted = compare(split(detected, light), truth, COUNTED_PIXELS).to_dict()
    told_apart = ("one_to_one", "completeness", "purity", "detections", "blended")
    numbers["instances"] = {name: parted[name] for name in told_apart}
    if len(survey.names) > 2:
        told = np.where(detected > 0, 1 + values[..., 1:].argmax(axis=-1), 0)
        meant = survey.classes[:, columns]
        numbers["class_accuracy"] = compare_classes(told, meant, truth, COUNTED_PIXELS)
    return detected, agreement, numbers


def detect(probability: np.ndarray, detection: Detection) -> np.ndarray:
    """Label the groups of pixels that count as sources, int32 (H, W)."""
    labels, count = label(probability > detection.threshold)
    area = np.bincount(labels.ravel(), minlength=count + 1)
    kept = area >= detection.min_pixels
    kept[0] = False
    return np.where(kept, np.cumsum(kept), 0).astype(np.int32)[labels]


def write_history(path: Path, history: dict, steps_per_round: int) -> None:
    """Write loss and metrics as CSV, one line per round."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["step", *history])
    for i, row in enumerate(zip(*history.values(), strict=True), 1):
        writer.writerow([i * steps_per_round, *row])
    write_atomically(path, text.getvalue().encode())


def write_json(path: Path, content: dict) -> None:
    """Write readable JSON, all or nothing."""
    write_atomically(path, (json.dumps(content, indent=2) + "\n").encode())
