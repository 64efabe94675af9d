"""A whole run in a folder: train, recalibrate, judge on other objects, write what is found."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_astro._version import __version__
from tinygrad_astro.files import write_atomically
from tinygrad_astro.kernels.cpu.target import get_num_threads
from tinygrad_astro.photoz.calibration import sigma_scale
from tinygrad_astro.photoz.catalogue import Catalogue, check_apart
from tinygrad_astro.photoz.ensemble import TASK, train
from tinygrad_astro.photoz.figure import Result, draw
from tinygrad_astro.photoz.metrics import pdf_metrics, point_metrics
from tinygrad_astro.photoz.pdf import Pdf
from tinygrad_astro.photoz.recipe import Recipe

MODEL, METRICS, FIGURE, HISTORY = "model.safetensors", "metrics.json", "figure.png", "history.csv"
PREDICTIONS = "predictions.csv"


def run(
    training: Catalogue,
    test: Catalogue,
    recipe: Recipe,
    folder: str,
    title: str,
    progress: Callable[[str, int, int], Any] | None = None,
) -> dict:
    """Train on one sample, judge on another, into `folder`.

    Written are `model.safetensors`, `metrics.json`, `predictions.csv`, `history.csv` and
    `figure.png`.

    Parameters
    ----------
    training, test : Catalogue
        With redshifts, and with no object in both.
    recipe : Recipe
    folder : path
        Made if it does not exist.
    title : str
        Of the figure.
    progress : callable, optional
        Called as `progress("training", done, total)`.

    Returns
    -------
    dict
        What `metrics.json` holds.

    Raises
    ------
    ValueError
        If an object is in both samples, or a redshift is missing.
    """
    check_apart(training, test)
    usable = test.measured.any(axis=1) & np.isfinite(test.redshift)
    if not usable.any():
        raise ValueError("no test object has a redshift and a measured band")
    judged = test[usable]
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    clock = time.perf_counter()
    made, found = train(training, recipe, progress)
    clock = time.perf_counter() - clock
    raw, calibrated = made.predict(judged, calibrated=False), made.predict(judged)
    unseen = found["unseen"]
    metrics = {
        "task": TASK,
        **point_metrics(calibrated.median, judged.redshift),
        "pdf": pdf_metrics(calibrated, judged.redshift),
        "pdf_before_calibration": pdf_metrics(raw, judged.redshift),
        "mean": point_metrics(calibrated.mean, judged.redshift),
        "mode": point_metrics(calibrated.mode, judged.redshift),
        "training": {
            **point_metrics(unseen.median, training.redshift),
            "pdf": pdf_metrics(unseen, training.redshift),
            "sigma_scale": sigma_scale(unseen.mean, training.redshift, unseen.sigma),
        },
        "not_judged": int((~usable).sum()),
        "bands": list(training.bands),
        "seconds": round(clock, 1),
        "parameters": made.model.count_params(),
        "threads": get_num_threads(),
        "version": __version__,
        "recipe": recipe.to_dict(),
    }
    if training.images is not None:
        metrics["magnitudes_alone"] = without_images(training, judged, recipe)
    made.save(place / MODEL)
    write_predictions(place / PREDICTIONS, judged, calibrated)
    write_history(place / HISTORY, found["history"])
    write_atomically(place / METRICS, (json.dumps(metrics, indent=2) + "\n").encode())
    draw(Result(judged.redshift, raw, calibrated, found["history"], title), place / FIGURE)
    return metrics


def without_images(training: Catalogue, test: Catalogue, recipe: Recipe) -> dict:
    """Say what the same recipe reaches from magnitudes alone."""
    made, _ = train(replace(training, images=None), recipe)
    return point_metrics(made.predict(replace(test, images=None)).median, test.redshift)


def write_predictions(path: Path, catalogue: Catalogue, pdf: Pdf) -> None:
    """Write identifier, truth, median, mean, mode, sigma and the central 68 % as CSV."""
    columns = {
        "z_spec": catalogue.redshift,
        "z_median": pdf.median,
        "z_mean": pdf.mean,
        "z_mode": pdf.mode,
        "sigma": pdf.sigma,
        "z_16": pdf.quantile(0.1587),
        "z_84": pdf.quantile(0.8413),
    }
    lines = ["identifier," + ",".join(columns)]
    for name, *values in zip(catalogue.identifier, *columns.values(), strict=True):
        lines.append(",".join([str(name), *(f"{v:.6f}" for v in values)]))
    write_atomically(path, ("\n".join(lines) + "\n").encode())


def write_history(path: Path, histories: list[dict]) -> None:
    """Write the losses as CSV: an epoch per line, a network per column."""
    names = ["epoch", *(f"loss_{k}" for k in range(len(histories)))]
    lines = [",".join(names)]
    for epoch, row in enumerate(zip(*(h["loss"] for h in histories), strict=True), 1):
        lines.append(",".join([str(epoch), *(f"{v:.6g}" for v in row)]))
    write_atomically(path, ("\n".join(lines) + "\n").encode())
