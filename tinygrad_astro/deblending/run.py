"""A whole run in a folder: learn to share, be judged on other blends beside apertures."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_astro._version import __version__
from tinygrad_astro.data.simulate import Blends, blends
from tinygrad_astro.deblending.apertures import aperture_fluxes
from tinygrad_astro.deblending.blend import Blend
from tinygrad_astro.deblending.figure import Result, draw, draw_blend
from tinygrad_astro.deblending.inputs import network_input
from tinygrad_astro.deblending.pairs import BANDS, RADIUS, SNR, TYPES
from tinygrad_astro.deblending.sharing import TASK, Sharer
from tinygrad_astro.deblending.training import Recipe, train
from tinygrad_astro.extras import optional
from tinygrad_astro.files import write_atomically
from tinygrad_astro.kernels.cpu.target import get_num_threads

MODEL, METRICS, FIGURE, BLEND_FIGURE = (
    "model.safetensors", "metrics.json", "figure.png", "blend.png",
)  # fmt: skip
FWHM = 3.0
STRONG = 0.2  # blendedness from which a source counts as strongly blended


@dataclass
class Measured:
    """Fluxes of both sources of each pair, (N, 2) or (N, 2, C), in counts.

    Attributes
    ----------
    true, network : numpy.ndarray (N, 2, C)
    aperture : numpy.ndarray (N, 2)
        In the reference band.
    found : numpy.ndarray of bool (N, 2)
        Detected by sep.
    shares : numpy.ndarray (N, 2, S, S, C)
    """

    true: np.ndarray
    network: np.ndarray
    aperture: np.ndarray
    found: np.ndarray
    shares: np.ndarray


def run(
    recipe: Recipe,
    folder: str,
    title: str,
    pairs: int = 1000,
    blend: Blend | None = None,
    progress: Callable[[str, int, int], Any] | None = None,
) -> dict:
    """Train on simulated blends, judge on other pairs beside aperture photometry, into `folder`.

    Parameters
    ----------
    recipe : Recipe
    folder : path
        Made if it does not exist.
    title : str
        Of the figure.
    pairs : int
        Simulated pairs to judge on.
    blend : Blend, optional
        A real one to take apart, for `blend.png`.
    progress : callable, optional
        Called as `progress(stage, done, total)`.

    Returns
    -------
    dict
        What `metrics.json` holds.
    """
    optional("sep")
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    clock = time.perf_counter()
    made, history = train(recipe, progress)
    clock = time.perf_counter() - clock
    sample = judged_pairs(pairs, recipe)
    found = measure(made, sample)
    metrics = {
        "task": TASK,
        **judge(found, sample),
        "seconds": {"training": round(clock, 1)},
        "loss": {"first": history["loss"][0], "last": history["loss"][-1]},
        "parameters": made.model.count_params(),
        "threads": get_num_threads(),
        "version": __version__,
        "recipe": recipe.to_dict(),
    }
    made.save(place / MODEL)
    write_atomically(place / METRICS, (json.dumps(metrics, indent=2) + "\n").encode())
    draw(Result(sample, found, history, title), place / FIGURE)
    if blend is not None:
        shares = made.shares(blend.image, blend.sigma, blend.places)
        draw_blend(blend, shares, place / BLEND_FIGURE)
    return metrics


def judged_pairs(n: int, recipe: Recipe) -> Blends:
    """Simulate pairs to judge on.

    `blends` draws other objects than `galaxies`, of which the training's blends are made, whatever
    the seed.
    """
    return blends(
        n, recipe.size, BANDS, recipe.seed, TYPES, SNR, RADIUS, psf=FWHM, start=recipe.galaxies
    )


def measure(made: Sharer, sample: Blends) -> Measured:
    """Give the fluxes of both sources of all pairs, by the network and in apertures."""
    places = np.stack([sample.truth["x"], sample.truth["y"]], axis=-1)
    sigma = np.sqrt(sample.camera.variance(np.zeros(len(sample.camera.bands))))
    reference = sample.camera.reference
    inputs = np.stack(
        [
            network_input(image, sigma, where[k], [where[1 - k]])
            for image, where in zip(sample.images, places, strict=True)
            for k in (0, 1)
        ]
    )
    own = made.own_shares(inputs).reshape(len(places), 2, *sample.images.shape[1:])
    shares = own / np.maximum(own.sum(axis=1, keepdims=True), 1.0)
    sums = [
        aperture_fluxes(image[..., reference], sigma[reference], where, sample.camera.fwhm)
        for image, where in zip(sample.images, places, strict=True)
    ]
    return Measured(
        sample.parts.sum(axis=(2, 3), dtype=np.float64),
        (shares * sample.images[:, None]).sum(axis=(2, 3), dtype=np.float64),
        np.array([fluxes for fluxes, _ in sums]),
        np.array([seen for _, seen in sums]),
        shares,
    )


def judge(found: Measured, sample: Blends) -> dict:
    """Compare fluxes with the truth: relative errors by method, for all and for harder pairs.

    Returns
    -------
    dict
        `network` and `aperture`, each with `mean_absolute_error`, `median_error` and
        `median_absolute_error` of F / F_true - 1 in the reference band, for `all` sources, for
        those of pairs of which sep detects `both`, and for `strong` blends; `improvement`, the
        ratio of the mean absolute errors; `bands`, the network's in all bands.
    """
    reference = sample.camera.reference
    true = found.true[..., reference]
    chosen: dict[str, np.ndarray] = {
        "all": np.ones(true.shape, bool),
        "both": np.repeat(np.all(found.found, axis=1, keepdims=True), 2, axis=1),
        "strong": np.asarray(sample.truth["blendedness"] >= STRONG),
    }
    methods = {"network": found.network[..., reference], "aperture": found.aperture}
    made: dict[str, Any] = {"pairs": len(true), "both_detected": float(found.found.all(1).mean())}
    for method, fluxes in methods.items():
        off = fluxes / true - 1
        made[method] = {name: _errors(off[which]) for name, which in chosen.items()}
    made["improvement"] = {
        name: made["aperture"][name]["mean_absolute_error"]
        / made["network"][name]["mean_absolute_error"]
        for name in chosen
        if made["network"][name]["sources"]
    }
    off = np.abs(found.network / found.true - 1).mean(axis=(0, 1))
    made["bands"] = dict(zip(sample.camera.bands, off.tolist(), strict=True))
    return made


def _errors(off: np.ndarray) -> dict:
    if not off.size:
        return {"sources": 0}
    return {
        "sources": int(off.size),
        "mean_absolute_error": float(np.abs(off).mean()),
        "median_error": float(np.median(off)),
        "median_absolute_error": float(np.median(np.abs(off))),
    }
