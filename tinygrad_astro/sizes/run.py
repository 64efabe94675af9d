"""A whole run in a folder: learn, be judged beside profile fits, write what is found."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_astro._version import __version__
from tinygrad_astro.extras import optional
from tinygrad_astro.files import write_atomically
from tinygrad_astro.kernels.cpu.target import get_num_threads
from tinygrad_astro.sizes.figure import NETWORK, Result, draw
from tinygrad_astro.sizes.fitting import MODELS, Fit, fit
from tinygrad_astro.sizes.measurer import TASK, Densities, Measurer
from tinygrad_astro.sizes.metrics import judge, of_densities, of_fits
from tinygrad_astro.sizes.quantities import QUANTITIES
from tinygrad_astro.sizes.sky import SKY_VARIANCE, Sample
from tinygrad_astro.sizes.survey import Cutouts, as_faint, compare, observed_radius, seen_by
from tinygrad_astro.sizes.training import Recipe, simulate_told, train

MODEL, METRICS, FIGURE = "model.safetensors", "metrics.json", "figure.png"
PREDICTIONS = "predictions.csv"


def run(
    recipe: Recipe,
    folder: str,
    title: str,
    galaxies: int = 1000,
    cutouts: Cutouts | None = None,
    passes: int = 0,
    progress: Callable[[str, int, int], Any] | None = None,
) -> dict:
    """Train on simulated galaxies, judge on others beside profile fits, into `folder`.

    Parameters
    ----------
    recipe : Recipe
    folder : path
        Made if it does not exist.
    title : str
        Of the figure.
    galaxies : int
        To judge on: each is measured by the network and fitted twice.
    cutouts : Cutouts, optional
        Real galaxies to measure as well.
    passes : int
        Of Monte Carlo dropout; then the densities are judged with it, too.
    progress : callable, optional
        Called as `progress(stage, done, total)`.

    Returns
    -------
    dict
        What `metrics.json` holds.
    """
    optional("scipy.optimize")
    tell = progress or (lambda stage, done, total: None)
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    clock = time.perf_counter()
    made, history = train(recipe, progress)
    clock = time.perf_counter() - clock
    sample = simulate_told(galaxies, recipe, recipe.galaxies + recipe.held_out, tell)
    images, truth, sigma = sample.images(), sample.truth, np.sqrt(SKY_VARIANCE)
    said, took = timed_measure(made, images, sample.psfs, sigma)
    residuals: dict[str, dict] = {}
    pits: dict[str, dict] = {}
    residuals[NETWORK], pits[NETWORK] = of_densities(said, truth)
    seconds = {NETWORK: took * 1000 / galaxies}
    for model in MODELS:
        fits, took = timed_fits(images, sample, model, tell)
        residuals[model], pits[model] = of_fits(fits, truth)
        seconds[model] = took * 1000 / galaxies
    table = {name: judge(residuals[name], pits[name], truth) for name in residuals}
    metrics = {
        "task": TASK,
        "methods": table,
        "seconds_per_1000": {name: round(value, 3) for name, value in seconds.items()},
        "fit_over_network": {m: round(seconds[m] / seconds[NETWORK], 1) for m in MODELS},
        "seconds": {"training": round(clock, 1)},
        "loss": {"first": history["loss"][0], "last": history["loss"][-1]},
        "parameters": made.model.count_params(),
        "threads": get_num_threads(),
        "version": __version__,
        "recipe": recipe.to_dict(),
    }
    raw = made.measure(images, sample.psfs, sigma, calibrated=False)
    metrics["before_calibration"] = judge(*of_densities(raw, truth), truth)
    if passes:
        again = made.measure(images, sample.psfs, sigma, passes)
        metrics["monte_carlo_dropout"] = {
            "passes": passes, **judge(*of_densities(again, truth), truth)
        }  # fmt: skip
    real = None
    if cutouts is not None:
        real = measure_real(made, cutouts)
        metrics["real"] = {
            name: compare(found, cutouts) for name, found in real.items() if name != "catalogue"
        }
    made.save(place / MODEL)
    write_predictions(place / PREDICTIONS, truth, said)
    write_atomically(place / METRICS, (json.dumps(metrics, indent=2) + "\n").encode())
    draw(Result(truth, said, residuals, pits, table, seconds, real, title), place / FIGURE)
    return metrics


def timed_measure(made: Measurer, images, psfs, sigma) -> tuple[Densities, float]:
    """Measure once to warm up and once by the clock, from pixels to medians and intervals."""
    made.measure(images[:64], psfs[:64], sigma)
    start = time.perf_counter()
    said = made.measure(images, psfs, sigma)
    for quantity in QUANTITIES:
        said.value(quantity.name)
        said.interval(quantity.name)
    return said, time.perf_counter() - start


def timed_fits(images, sample: Sample, model: str, tell) -> tuple[list[Fit], float]:
    """Fit one model to every galaxy, by the clock."""
    fit(images[0], sample.psfs[0], SKY_VARIANCE, model)
    fits, start = [], time.perf_counter()
    for number, (image, psf) in enumerate(zip(images, sample.psfs, strict=True), 1):
        fits.append(fit(image, psf, SKY_VARIANCE, model))
        tell(f"fitting {model}", number, len(images))
    return fits, time.perf_counter() - start


def measure_real(made: Measurer, cutouts: Cutouts) -> dict[str, np.ndarray]:
    """Give radii of real galaxies as a circular aperture sees them, by method, (N,) each.

    The network measures the brightest with noise added; the fits, all as they are.
    """
    given = as_faint(cutouts)
    said = made.measure(given.images, given.psfs, given.sigma)
    found = {"catalogue": cutouts.radius, NETWORK: seen_by(said, cutouts)}
    stamps = list(zip(cutouts.images, cutouts.psfs, cutouts.sigma**2, strict=True))
    for model in MODELS:
        fits = [fit(image, psf, variance, model) for image, psf, variance in stamps]
        radius, ratio = (
            np.array([one.values[name] for one in fits])
            for name in ("half_light_radius", "axis_ratio")
        )
        found[model] = observed_radius(radius, ratio, cutouts.factor)
    return found


def write_predictions(path: Path, truth: np.ndarray, said: Densities) -> None:
    """Write truth, median and the ends of the central 68 % of each quantity as CSV."""
    columns = {"snr": truth["snr"], "fwhm": truth["fwhm"]}
    for q in QUANTITIES:
        low, high = said.interval(q.name)
        columns |= {q.name: truth[q.name], f"{q.name}_found": said.value(q.name)}
        columns |= {f"{q.name}_low": low, f"{q.name}_high": high}
    lines = ["id," + ",".join(columns)]
    for number, *values in zip(truth["id"], *columns.values(), strict=True):
        lines.append(",".join([str(number), *(f"{v:.5g}" for v in values)]))
    write_atomically(path, ("\n".join(lines) + "\n").encode())
