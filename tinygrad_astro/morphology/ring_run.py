"""A whole run on real cut-outs in a folder: draw, learn, tune, cross-validate, write it down."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_astro._version import __version__
from tinygrad_astro.files import write_atomically
from tinygrad_astro.kernels.cpu.target import get_num_threads
from tinygrad_astro.metrics import ROCAUC
from tinygrad_astro.models import Model
from tinygrad_astro.morphology.ceiling import tag_ceiling
from tinygrad_astro.morphology.curves import reliability
from tinygrad_astro.morphology.drawn import FEATURES
from tinygrad_astro.morphology.orbit import orbit_mean
from tinygrad_astro.morphology.ring_figure import RingResult, draw
from tinygrad_astro.morphology.rings import Rings, network_inputs
from tinygrad_astro.morphology.run import FIGURE, METRICS, MODEL, PREDICTIONS
from tinygrad_astro.morphology.transfer import RingRecipe, cross_validate, pretrain, train_rings
from tinygrad_astro.spectra.metrics import class_metrics

TASK = "rings"
NAMES = ("no ring", "ring")


def run_rings(
    sample: Rings,
    recipe: RingRecipe,
    folder: str,
    title: str,
    progress: Callable[[str, int, int], Any] | None = None,
) -> dict:
    """Cross-validate into `folder`, and keep a network that was trained on all galaxies.

    Parameters
    ----------
    sample : Rings
    recipe : RingRecipe
        With `drawn` above 0: learn from drawn galaxies first.
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
    clock = time.perf_counter()
    start, learned = None, None
    if recipe.drawn:
        start, learned = pretrain(recipe, sample.pictures.shape[1], progress)
    probability, fractions, constant, fold = cross_validate(sample, recipe, start, progress)
    net = train_rings(sample, recipe, start, recipe.folds * recipe.repeats)
    metrics: dict[str, Any] = {
        "task": TASK,
        "ring": judge_rings(sample.ring, probability, fold),
        "fractions": {
            name: judge_fraction(sample.fractions[:, k], fractions[:, k], constant[:, k])
            for k, name in enumerate(sample.questions)
        },
        "seconds": round(time.perf_counter() - clock, 1),
        "parameters": net.model.count_params(),
        "threads": get_num_threads(),
        "version": __version__,
        "recipe": recipe.to_dict(),
    }
    if start is not None:
        metrics["auc_on_drawn_galaxies"] = learned
        metrics["auc_of_drawn_features_for_tags"] = judge_start(start, sample)
    net.model.metadata |= {
        "task": TASK,
        "questions": list(sample.questions),
        "mean": net.mean.tolist(),
        "spread": net.spread.tolist(),
    }
    net.model.save(place / MODEL)
    write_predictions(place / PREDICTIONS, sample, probability, fractions, fold)
    write_atomically(place / METRICS, (json.dumps(metrics, indent=2) + "\n").encode())
    draw(RingResult(sample, probability, fractions, metrics, net, title), place / FIGURE)
    return metrics


def judge_rings(ring: np.ndarray, probability: np.ndarray, fold: np.ndarray) -> dict:
    """Give accuracy, its mean and spread over folds, the area under the ROC curve, calibration."""
    right = (probability > 0.5) == (ring == 1)
    by_fold = [float(right[fold == k].mean()) for k in np.unique(fold)]
    both = np.stack([1 - probability, probability], axis=1)
    return {
        **class_metrics(ring, both, NAMES),
        "fold_accuracy": by_fold,
        "fold_accuracy_mean": float(np.mean(by_fold)),
        "fold_accuracy_std": float(np.std(by_fold)),
        "auc": float(ROCAUC()(ring.astype(float), probability)),
        "reliability": reliability(probability, ring),
        "tags": tag_ceiling(ring, probability),
    }


def judge_start(start: Model, sample: Rings) -> dict[str, float]:
    """Give how each feature that was learned on drawn galaxies alone ranks the real tags, as AUC.

    Below 0.5: what is tagged has less of it.
    """
    said = orbit_mean(
        lambda x: start.predict(x, batch_size=256, verbose=0), network_inputs(sample.pictures)
    )
    tag = sample.ring.astype(float)
    return {name: float(ROCAUC()(tag, said[:, k])) for k, name in enumerate(FEATURES)}


def judge_fraction(true: np.ndarray, said: np.ndarray, constant: np.ndarray) -> dict:
    """Give the root mean square error beside that of the training galaxies' mean."""
    error, without = (float(np.sqrt(np.mean((v - true) ** 2))) for v in (said, constant))
    return {"rmse": error, "rmse_of_the_mean": without, "explained": 1 - (error / without) ** 2}


def write_predictions(path: Path, sample: Rings, probability, fractions, fold) -> None:
    """Write tags, votes and what was said as CSV, a galaxy per line."""
    heads = ["identifier", "fold", "ring", "said_ring"]
    heads += [f"{what}_{name}" for what in ("voted", "said") for name in sample.questions]
    lines = [",".join(heads)]
    for i, name in enumerate(sample.identifier):
        shares = [f"{v:.4f}" for v in (*sample.fractions[i], *fractions[i])]
        lines.append(
            ",".join(
                [str(name), str(fold[i]), str(sample.ring[i]), f"{probability[i]:.4f}", *shares]
            )
        )
    write_atomically(path, ("\n".join(lines) + "\n").encode())
