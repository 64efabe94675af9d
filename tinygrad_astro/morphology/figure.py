"""The picture of a run on simulated stamps: who was taken for whom, how sure, and why."""

from dataclasses import dataclass

import numpy as np

from tinygrad_astro.data.simulate import TYPES
from tinygrad_astro.explain.pictures import picture
from tinygrad_astro.morphology.classifier import Classifier
from tinygrad_astro.morphology.curves import roc
from tinygrad_astro.morphology.panels import (
    COLOURS,
    GREY,
    HOT,
    INK,
    asinh_picture,
    draw_filters,
    draw_pairs,
    draw_reliability,
    draw_roc,
    strength,
    tidy,
)
from tinygrad_astro.morphology.stamps import Stamps
from tinygrad_astro.spectra.figure import confusion_matrix


@dataclass
class Result:
    """What a run found for stamps that the network never saw.

    Attributes
    ----------
    stamps : Stamps
    said : numpy.ndarray (N, 5)
        Shares of the types.
    metrics : dict
        From `run.judge`.
    classifier : Classifier
    history : dict of str to list
    title : str
    """

    stamps: Stamps
    said: np.ndarray
    metrics: dict
    classifier: Classifier
    history: dict[str, list]
    title: str


def draw(result: Result, path=None):
    """Draw a run; write it to `path` if one is given.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    figure = picture(15, 9.6)
    figure.suptitle(result.title, fontsize=13, color=INK)
    grid = figure.add_gridspec(7, 5, width_ratios=(1.25, 1, 1, 1, 1))
    bright = result.metrics["bright"]
    title = (
        f"{bright['accuracy']:.1%} of {bright['objects']} right at S/N of {bright['snr']:g} or more"
    )
    names = ["spheroid", "disc", "irregular", "point", "unclass."]
    ax = figure.add_subplot(grid[0:3, 0])
    confusion_matrix(ax, bright["confusion"], names, title)
    ax.tick_params("x", rotation=30)
    curves = {
        name: roc(result.stamps.label == k, result.said[:, k]) for k, name in enumerate(TYPES)
    }
    draw_roc(figure.add_subplot(grid[3:5, 0]), curves)
    _by_snr(figure.add_subplot(grid[5:7, 0]), result.metrics["by_snr"])
    draw_reliability(
        figure.add_subplot(grid[5:7, 1]),
        {
            "votes": result.metrics["reliability_votes"],
            "true types": result.metrics["reliability_types"],
        },
    )
    _losses(figure.add_subplot(grid[5:7, 2]), result.history)
    first = next(layer for layer in result.classifier.model.layers if layer.name == "conv1")
    draw_filters(figure.add_subplot(grid[5:7, 3:5]), first, "g, r, i")
    draw_pairs(figure, grid[0:5, 1:5], _examples(result))
    tidy(figure)
    if path is not None:
        figure.savefig(path, dpi=110)
    return figure


def _examples(result: Result, columns: int = 10) -> list:
    """Choose the two clearest of each type that were found, and ten mistakes, the surest first."""
    guess = result.said.argmax(axis=1)
    right = guess == result.stamps.label
    clearest = np.argsort(-result.stamps.snr, kind="stable")
    chosen = [
        [i for i in clearest if right[i] and result.stamps.label[i] == k][:2]
        for k in range(len(TYPES))
    ]
    wrong = np.flatnonzero(~right)
    wrong = wrong[np.argsort(-result.said[wrong, guess[wrong]], kind="stable")][:columns]
    rows = [[i for pair in chosen for i in pair], [*wrong]]
    shown = np.array([i for row in rows for i in row], int)
    if not len(shown):
        return [[]]
    inputs = result.classifier.inputs(result.stamps.images[shown])
    sizes = dict(zip(shown, strength(result.classifier.model, inputs, guess[shown]), strict=True))
    short = dict(zip(TYPES, ("spheroid", "disc", "irregular", "point", "unclass."), strict=True))

    def cell(i, colour):
        said = f"{short[TYPES[guess[i]]]} {result.said[i, guess[i]]:.2f}"
        if not right[i]:
            said += f"\nis {short[TYPES[result.stamps.label[i]]]}"
        return asinh_picture(result.stamps.images[i]), sizes[i], said, colour

    made = [[cell(i, c) for i in row] for row, c in zip(rows, (INK, HOT), strict=True)]
    return [row for row in made if row]


def _by_snr(ax, found):
    middle = [np.sqrt(low * high) for low, high in found["edges"]]
    for name, label, colour in (
        ("accuracy", "right", COLOURS[1]),
        ("volunteers", "right by most volunteers", GREY),
    ):
        ax.plot(middle, found[name], "o-", ms=4, color=colour, lw=1.3, label=label)
    ax.set_xscale("log")
    ticks = sorted({edge for pair in found["edges"] for edge in pair})
    ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
    ax.minorticks_off()
    ax.set_ylim(min(0.5, min(found["accuracy"]) - 0.05), 1.01)
    ax.set_xlabel("S/N", fontsize=8, color=INK)
    ax.set_ylabel("share right", fontsize=8, color=INK)
    ax.legend(fontsize=7, frameon=False, loc="lower right")


def _losses(ax, history):
    for name, style in (("loss", "-"), ("val_loss", ":")):
        if history.get(name):
            label = "learned from" if name == "loss" else "never seen"
            values = history[name]
            ax.plot(range(1, len(values) + 1), values, style, color=COLOURS[1], label=label)
    ax.set_xlabel("epoch", fontsize=8, color=INK)
    ax.set_ylabel("cross-entropy with the votes", fontsize=8, color=INK)
    ax.legend(fontsize=7, frameon=False)
