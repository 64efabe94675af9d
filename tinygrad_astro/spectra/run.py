"""A whole run in a folder: learn from synthetic spectra, be judged on real ones, write it down."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_astro._version import __version__
from tinygrad_astro.files import write_atomically
from tinygrad_astro.kernels.cpu.target import get_num_threads
from tinygrad_astro.spectra.classifier import TASK, Classifier, Verdict
from tinygrad_astro.spectra.figure import Result, draw
from tinygrad_astro.spectra.metrics import class_metrics, redshift_metrics
from tinygrad_astro.spectra.saliency import stack
from tinygrad_astro.spectra.simulate import simulate
from tinygrad_astro.spectra.survey import CLASSES, Spectra, check_apart, folds
from tinygrad_astro.spectra.training import Recipe, fine_tune, mean_verdict, pretrain

MODEL, METRICS, FIGURE = "model.safetensors", "metrics.json", "figure.png"
PREDICTIONS = "predictions.csv"
JUDGED_SYNTHETIC = 600


def run(
    real: Spectra | None,
    recipe: Recipe,
    folder: str,
    title: str,
    progress: Callable[[str, int, int], Any] | None = None,
) -> dict:
    """Train on synthetic spectra and judge, into `folder`.

    With real spectra the network is judged on them twice: as it is (`real.synthetic_only`), and
    after fine-tuning in a cross-validation (`real.cross_validated`), where every spectrum is judged
    by networks that never saw it. The model that is kept was tuned on all of them.

    Parameters
    ----------
    real : Spectra or None
        With labels; None: judge on synthetic spectra only.
    recipe : Recipe
    folder : path
        Made if it does not exist.
    title : str
        Of the figure.
    progress : callable, optional
        Called as `progress(stage, done, total)`.

    Returns
    -------
    dict
        What `metrics.json` holds.
    """
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    clock = [time.perf_counter()]
    made, seen, history = pretrain(recipe, progress=progress)
    clock.append(time.perf_counter())
    first = recipe.simulated + max(recipe.simulated // 10, 1)
    unseen = simulate(JUDGED_SYNTHETIC, recipe.seed, first, made.wavelength)
    verdict = made.classify(unseen)
    metrics: dict[str, Any] = {"task": TASK, "synthetic": judge(unseen, verdict)}
    judged = unseen
    if real is not None:
        judged = real
        metrics["real"] = {"synthetic_only": judge(real, made.classify(real))}
        verdict = cross_validate(made, real, seen, recipe, progress)
        metrics["real"]["cross_validated"] = judge(real, verdict)
        made = fine_tune(made, real, seen, recipe)
    stacks = [
        stack(made, unseen if (judged.label == k).sum() < 3 else judged, name)
        for k, name in enumerate(CLASSES)
        if (unseen.label == k).any()
    ]
    clock.append(time.perf_counter())
    metrics |= {
        "saliency_at_lines": {one.kind: one.at_lines() for one in stacks},
        "seconds": {
            "synthetic": round(clock[1] - clock[0], 1),
            "judging": round(clock[2] - clock[1], 1),
        },
        "parameters": made.model.count_params(),
        "threads": get_num_threads(),
        "version": __version__,
        "recipe": recipe.to_dict(),
    }
    made.save(place / MODEL)
    write_predictions(place / PREDICTIONS, judged, verdict)
    write_atomically(place / METRICS, (json.dumps(metrics, indent=2) + "\n").encode())
    draw(Result(judged, verdict, stacks, history, title), place / FIGURE)
    return metrics


def judge(spectra: Spectra, verdict: Verdict) -> dict:
    """Compare a verdict with the truth: classes, and redshifts of quasars and of galaxies."""
    found = class_metrics(spectra.label, verdict.probability, CLASSES)
    for k, name in enumerate(CLASSES):
        own = (spectra.label == k) & np.isfinite(spectra.redshift)
        if k and own.any():
            found[f"redshift_{name}"] = redshift_metrics(
                verdict.redshift[own], spectra.redshift[own]
            )
    return found


def cross_validate(
    start: Classifier,
    real: Spectra,
    synthetic: Spectra,
    recipe: Recipe,
    progress: Callable[[str, int, int], Any] | None = None,
) -> Verdict:
    """Judge every real spectrum by networks tuned on the other folds.

    Returns
    -------
    Verdict
        In the order of `real`.
    """
    tell = progress or (lambda stage, done, total: None)
    fold = folds(real.label, recipe.folds, recipe.seed)
    probability = np.zeros((len(real), len(CLASSES)))
    redshift, spread = np.zeros((2, len(real)))
    for number in range(recipe.folds):
        here = fold == number
        check_apart(real[~here], real[here])
        said = [
            fine_tune(start, real[~here], synthetic, recipe, number * recipe.repeats + k).classify(
                real[here]
            )
            for k in range(recipe.repeats)
        ]
        found = mean_verdict(said)
        probability[here], redshift[here] = found.probability, found.redshift
        spread[here] = found.spread
        tell("cross-validating", number + 1, recipe.folds)
    return Verdict(probability, redshift, spread)


def write_predictions(path: Path, spectra: Spectra, verdict: Verdict) -> None:
    """Write truth and verdict as CSV, one spectrum per line."""
    lines = ["identifier,class,said," + ",".join(f"p_{name}" for name in CLASSES) + ",z,z_found"]
    for i, name in enumerate(spectra.identifier):
        true = CLASSES[spectra.label[i]] if spectra.label[i] >= 0 else ""
        shares = ",".join(f"{p:.4f}" for p in verdict.probability[i])
        lines.append(
            f"{name},{true},{CLASSES[verdict.label[i]]},{shares},{spectra.redshift[i]:.5f},"
            f"{verdict.redshift[i]:.5f}"
        )
    write_atomically(path, ("\n".join(lines) + "\n").encode())
