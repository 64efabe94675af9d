"""A whole run on the synthetic sky in a folder: simulate, train, judge on others, write it down."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_astro._version import __version__
from tinygrad_astro.data.simulate import TYPES
from tinygrad_astro.files import write_atomically
from tinygrad_astro.kernels.cpu.target import get_num_threads
from tinygrad_astro.morphology.classifier import TASK
from tinygrad_astro.morphology.curves import reliability, roc
from tinygrad_astro.morphology.figure import Result, draw
from tinygrad_astro.morphology.stamps import EVEN, Stamps, simulate_stamps
from tinygrad_astro.morphology.training import Recipe, train
from tinygrad_astro.spectra.metrics import class_metrics

MODEL, METRICS, FIGURE = "model.safetensors", "metrics.json", "figure.png"
PREDICTIONS = "predictions.csv"
BRIGHT = 20.0
_EDGES = (1.0, 5.0, 10.0, 20.0, 50.0, 200.0)
_PIECE = 500
_CHECKED = 300


def run(
    recipe: Recipe,
    folder: str,
    title: str,
    progress: Callable[[str, int, int], Any] | None = None,
) -> dict:
    """Train on simulated stamps and judge on others, into `folder`.

    Types are as rare among the training stamps as in `stamps.MIX`, and alike among the others.

    Parameters
    ----------
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
    tell = progress or (lambda stage, done, total: None)
    seen = simulated(recipe, recipe.simulated, None, 0, lambda *a: tell("simulating", *a))
    others = simulated(recipe, recipe.judged, EVEN, recipe.simulated, lambda *a: None)
    clock.append(time.perf_counter())
    made, history = train(seen, others[:_CHECKED], recipe, progress)
    clock.append(time.perf_counter())
    said = made.classify(others.images)
    clock.append(time.perf_counter())
    metrics = {
        "task": TASK,
        **judge(others, said),
        "without_orbit": judge(others, made.classify(others.images, orbit=False))["bright"],
        "seconds": {
            name: round(b - a, 1)
            for name, a, b in zip(
                ("simulating", "training", "judging"), clock[:-1], clock[1:], strict=True
            )
        },
        "parameters": made.model.count_params(),
        "threads": get_num_threads(),
        "version": __version__,
        "recipe": recipe.to_dict(),
    }
    made.save(place / MODEL)
    write_predictions(place / PREDICTIONS, others, said)
    write_atomically(place / METRICS, (json.dumps(metrics, indent=2) + "\n").encode())
    draw(Result(others, said, metrics, made, history, title), place / FIGURE)
    return metrics


def simulated(recipe: Recipe, n: int, mix, start: int, tell) -> Stamps:
    """Simulate stamps piece by piece, and tell how far it is."""
    starts = range(start, start + n, _PIECE)
    parts = []
    for number, first in enumerate(starts, 1):
        count = min(_PIECE, start + n - first)
        parts.append(simulate_stamps(count, recipe.size, recipe.snr, mix, recipe.seed, first))
        tell(number, len(starts))
    names = ("images", "votes", "label", "snr", "identifier")
    return Stamps(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def judge(stamps: Stamps, said: np.ndarray) -> dict:
    """Compare what was said with the truth, and with the volunteers.

    Parameters
    ----------
    stamps : Stamps
    said : numpy.ndarray (N, 5)
        Shares of the types.

    Returns
    -------
    dict
        `all` and `bright` (at S/N of 20 or more): accuracy, recall, confusion, log loss. `auc` by
        type. `by_snr`: accuracy of the network and of most volunteers. `reliability_votes` and
        `reliability_types`: against the shares of the volunteers, and against the true types.
        `vote_error`: root mean square of said - voted.
    """
    bright = stamps.snr >= BRIGHT
    one_hot = np.eye(len(TYPES))[stamps.label]
    found: dict[str, Any] = {"all": class_metrics(stamps.label, said, TYPES)}
    if bright.any():
        found["bright"] = {
            "snr": BRIGHT,
            **class_metrics(stamps.label[bright], said[bright], TYPES),
        }
    else:
        found["bright"] = {"snr": 0.0, **found["all"]}
    found["auc"] = {name: roc(stamps.label == k, said[:, k])[2] for k, name in enumerate(TYPES)}
    found["by_snr"] = accuracy_by_snr(stamps, said)
    found["reliability_votes"] = reliability(said, stamps.votes)
    found["reliability_types"] = reliability(said, one_hot)
    found["vote_error"] = float(np.sqrt(np.mean((said - stamps.votes) ** 2)))
    return found


def accuracy_by_snr(stamps: Stamps, said: np.ndarray) -> dict:
    """Give the accuracy of the network and of most volunteers in ranges of S/N."""
    right = said.argmax(axis=1) == stamps.label
    voted = stamps.votes.argmax(axis=1) == stamps.label
    found: dict[str, list] = {"edges": [], "objects": [], "accuracy": [], "volunteers": []}
    for low, high in zip(_EDGES[:-1], _EDGES[1:], strict=True):
        here = (stamps.snr >= low) & (stamps.snr < high)
        if here.any():
            found["edges"].append([low, high])
            found["objects"].append(int(here.sum()))
            found["accuracy"].append(float(right[here].mean()))
            found["volunteers"].append(float(voted[here].mean()))
    return found


def write_predictions(path: Path, stamps: Stamps, said: np.ndarray) -> None:
    """Write truth, votes and what was said as CSV, an object per line."""
    names = [name.replace(" ", "_") for name in TYPES]
    heads = ["identifier", "snr", "type", *(f"said_{n}" for n in names)]
    lines = [",".join([*heads, *(f"voted_{n}" for n in names)])]
    for i, name in enumerate(stamps.identifier):
        shares = [f"{v:.4f}" for v in (*said[i], *stamps.votes[i])]
        lines.append(",".join([str(name), f"{stamps.snr[i]:.2f}", TYPES[stamps.label[i]], *shares]))
    write_atomically(path, ("\n".join(lines) + "\n").encode())
