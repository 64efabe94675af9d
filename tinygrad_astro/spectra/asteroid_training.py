"""Groups of asteroids from their spectra: a small network, a long tail, every one judged unseen."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_astro import losses, optimizers, random, schedules
from tinygrad_astro._version import __version__
from tinygrad_astro.explain.pictures import picture
from tinygrad_astro.explain.saliency import saliency
from tinygrad_astro.files import write_atomically
from tinygrad_astro.models import Model
from tinygrad_astro.spectra.asteroids import (
    BAND_I,
    BAND_II,
    NAMES,
    Reflectance,
    network_inputs,
)
from tinygrad_astro.spectra.classifier import softmax
from tinygrad_astro.spectra.figure import HOT, INK, confusion_matrix
from tinygrad_astro.spectra.metrics import class_metrics
from tinygrad_astro.spectra.networks import line_net
from tinygrad_astro.spectra.survey import check_apart, folds

TASK = "asteroids"
BLOCKS = ((16, 9, 4), (24, 7, 4), (32, 5, 2))
MODEL, METRICS, FIGURE = "model.safetensors", "metrics.json", "figure.png"


@dataclass(frozen=True)
class AsteroidRecipe:
    """The numbers of a training run.

    Attributes
    ----------
    steps, batch : int
        Updates per network, and spectra in each: drawn so that rare groups are not rare.
    learning_rate : float
        Top of the one-cycle schedule.
    balance : float
        0: groups are drawn as often as they are; 1: all alike.
    tilt, noise : float
        Spectra are tilted by up to this slope per micron, and get noise, anew in every batch.
    folds, repeats : int
        Of the cross-validation; networks per fold whose probabilities are averaged.
    seed : int
    """

    steps: int = 250
    batch: int = 32
    learning_rate: float = 0.004
    balance: float = 0.5
    tilt: float = 0.03
    noise: float = 0.003
    folds: int = 5
    repeats: int = 2
    seed: int = 0


def train_network(sample: Reflectance, recipe: AsteroidRecipe, number: int = 0) -> Model:
    """Train one network; its weights and batches follow from its number."""
    random.manual_seed(recipe.seed + 1000 * (number + 1))
    rng = np.random.default_rng([recipe.seed, number])
    count = np.bincount(sample.group, minlength=len(NAMES)).astype(np.float64)
    chance = (np.maximum(count, 1) ** -recipe.balance)[sample.group]
    chance /= chance.sum()
    model = line_net(
        len(sample.wavelength), 2, {"group": len(NAMES)}, width=32, dropout=0.2, blocks=BLOCKS
    )
    rate = schedules.OneCycle(recipe.learning_rate, max(recipe.steps, 2))
    model.compile(optimizers.Adam(rate), losses.SparseCategoricalCrossentropy(from_logits=True))
    for _ in range(recipe.steps):
        rows = rng.choice(len(sample), recipe.batch, p=chance)
        model.train_on_batch(network_inputs(varied(sample, rows, recipe, rng)), sample.group[rows])
    return model


def varied(sample: Reflectance, rows, recipe: AsteroidRecipe, rng) -> Reflectance:
    """Draw spectra with a small tilt and noise, as another night would give them."""
    x = (sample.wavelength - 550.0) / 1000.0
    tilt = rng.uniform(-recipe.tilt, recipe.tilt, (len(rows), 1))
    noise = rng.normal(0, recipe.noise, (len(rows), len(x)))
    changed = sample.reflectance[rows] * (1 + tilt * x) + noise
    names = np.array([str(i) for i in range(len(rows))])
    return Reflectance(sample.wavelength, changed.astype(np.float32), sample.group[rows], names)


def cross_validate(
    sample: Reflectance,
    recipe: AsteroidRecipe,
    progress: Callable[[str, int, int], Any] | None = None,
) -> tuple[np.ndarray, Model]:
    """Judge every asteroid by networks that never saw it.

    Returns
    -------
    probability : numpy.ndarray (N, groups)
    Model
        The last network, to look into.
    """
    tell = progress or (lambda stage, done, total: None)
    fold = folds(sample.group, recipe.folds, recipe.seed)
    probability = np.zeros((len(sample), len(NAMES)))
    for number in range(recipe.folds):
        here = fold == number
        check_apart(sample[~here], sample[here])
        x = network_inputs(sample[here])
        for k in range(recipe.repeats):
            model = train_network(sample[~here], recipe, number * recipe.repeats + k)
            said = softmax(model.predict(x, batch_size=256, verbose=0))
            probability[here] += said / recipe.repeats
        tell("cross-validating", number + 1, recipe.folds)
    return probability, model


def run_asteroids(
    sample: Reflectance,
    recipe: AsteroidRecipe,
    folder: str,
    title: str,
    progress: Callable[[str, int, int], Any] | None = None,
) -> dict:
    """Cross-validate into `folder`: `metrics.json`, `figure.png`, and a model trained on all.

    Returns
    -------
    dict
        What `metrics.json` holds.
    """
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    clock = time.perf_counter()
    probability, _ = cross_validate(sample, recipe, progress)
    model = train_network(sample, recipe, recipe.folds * recipe.repeats)
    found = class_metrics(sample.group, probability, NAMES)
    largest = np.bincount(sample.group).max() / len(sample)
    metrics = {
        "task": TASK,
        **found,
        "always_the_largest_group": float(largest),
        "seconds": round(time.perf_counter() - clock, 1),
        "parameters": model.count_params(),
        "version": __version__,
        "recipe": asdict(recipe),
    }
    model.metadata |= {
        "task": TASK,
        "groups": list(NAMES),
        "wavelength_nm": [float(sample.wavelength[0]), float(sample.wavelength[-1])],
    }
    model.save(place / MODEL)
    write_atomically(place / METRICS, (json.dumps(metrics, indent=2) + "\n").encode())
    draw(sample, found, model, title).savefig(place / FIGURE, dpi=110)
    return metrics


def draw(sample: Reflectance, found: dict, model: Model, title: str):
    """Draw the confusion matrix, and per group the mean spectrum with its saliency."""
    figure = picture(13, 6.4)
    figure.suptitle(title, fontsize=13, color=INK)
    grid = figure.add_gridspec(2, 6)
    confusion_matrix(
        figure.add_subplot(grid[:, :2]),
        found["confusion"],
        NAMES,
        f"{found['accuracy']:.1%} right, {found['balanced_accuracy']:.1%} balanced",
    )
    most = 1.1 * max(
        (sample.reflectance[sample.group == k].mean(axis=0).max() for k in set(sample.group)),
        default=1.0,
    )
    for k, name in enumerate(NAMES):
        ax = figure.add_subplot(grid[k // 4, 2 + k % 4])
        _group(ax, sample[sample.group == k], model, k, name, most)
    return figure


def _group(ax, own, model, number, name, most):
    if not len(own):
        ax.set_axis_off()
        return
    gradient = saliency(model, network_inputs(own), target=number)
    strength = np.abs(gradient).sum(axis=-1).mean(axis=0)
    ax.fill_between(own.wavelength, strength / strength.max(), color=HOT, alpha=0.5, lw=0)
    ax.set_ylim(0, 2.6)
    ax.set_yticks([])
    ax.set_xlabel("wavelength in nm", fontsize=8, color=INK)
    if number % 4 == 0:
        ax.set_ylabel("d score / d pixel", fontsize=8, color=HOT, loc="bottom")
    above = ax.twinx()
    above.plot(own.wavelength, own.reflectance.mean(axis=0), color=INK, lw=1)
    above.set_ylim(0.2, most)
    above.tick_params(labelsize=7)
    if number % 4 == 3 or number == len(NAMES) - 1:
        above.set_ylabel("mean reflectance, 1 at 550 nm", fontsize=8, color=INK)
    for centre, _ in (BAND_I, BAND_II):
        ax.axvline(centre, color=INK, lw=0.6, ls=":")
    ax.tick_params(labelsize=7)
    ax.set_title(f"{name}: {len(own)}", fontsize=9, color=INK)
