"""The picture of a run on real cut-outs: rings found and missed, votes, and where it looked."""

from dataclasses import dataclass

import numpy as np

from tinygrad_astro.explain.pictures import picture
from tinygrad_astro.morphology.curves import roc
from tinygrad_astro.morphology.panels import (
    COLOURS,
    GREY,
    HOT,
    INK,
    draw_filters,
    draw_pairs,
    draw_reliability,
    draw_roc,
    strength,
    tidy,
)
from tinygrad_astro.morphology.rings import Rings, network_inputs
from tinygrad_astro.morphology.transfer import RingNet
from tinygrad_astro.spectra.figure import confusion_matrix


@dataclass
class RingResult:
    """What a cross-validation found.

    Attributes
    ----------
    sample : Rings
    probability : numpy.ndarray (N,)
    fractions : numpy.ndarray (N, F)
    metrics : dict
    net : RingNet
        To look into.
    title : str
    """

    sample: Rings
    probability: np.ndarray
    fractions: np.ndarray
    metrics: dict
    net: RingNet
    title: str


def draw(result: RingResult, path=None):
    """Draw a run; write it to `path` if one is given.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    figure = picture(15, 9.2)
    figure.suptitle(result.title, fontsize=13, color=INK)
    questions = len(result.sample.questions)
    grid = figure.add_gridspec(12, 60)
    found = result.metrics["ring"]
    confusion_matrix(
        figure.add_subplot(grid[0:4, 0:14]),
        found["confusion"],
        ["no ring", "ring"],
        f"{found['accuracy']:.1%} right ({found['fold_accuracy_std']:.1%} between folds)",
    )
    curve = roc(result.sample.ring == 1, result.probability)
    draw_roc(figure.add_subplot(grid[4:8, 0:14]), {"ring": curve})
    draw_reliability(figure.add_subplot(grid[8:12, 0:14]), {"ring": found["reliability"]})
    draw_pairs(figure, grid[0:8, 15:60], _examples(result))
    width = 28 // max(questions, 1)
    for k in range(questions):
        ax = figure.add_subplot(grid[8:12, 15 + k * width : 14 + (k + 1) * width])
        _fraction(ax, result, k)
    layer = next(layer for layer in result.net.model.layers if layer.name == "conv1")
    draw_filters(figure.add_subplot(grid[8:12, 44:60]), layer, "red, green, blue")
    tidy(figure)
    if path is not None:
        figure.savefig(path, dpi=110)
    return figure


def _examples(result: RingResult, columns: int = 10) -> list:
    sure = np.abs(result.probability - 0.5)
    right = (result.probability > 0.5) == (result.sample.ring == 1)
    rows = []
    for kind in (right, ~right):
        each = [
            [
                i
                for i in np.argsort(-sure, kind="stable")
                if kind[i] and result.sample.ring[i] == tag
            ]
            for tag in (1, 0)
        ]
        rows.append(each[0][: columns // 2] + each[1][: columns // 2])
    shown = np.array([i for row in rows for i in row])
    inputs = network_inputs(result.sample.pictures[shown])
    sizes = strength(lambda x: result.net.model(x)[0], inputs, 0)
    by_row = dict(zip(shown, sizes, strict=True))

    def cell(i, colour):
        tag = "ring" if result.sample.ring[i] else "no ring"
        title = f"tag: {tag}\nsaid {result.probability[i]:.2f}"
        return result.sample.pictures[i] / 255, by_row[i], title, colour

    made = [[cell(i, c) for i in row] for row, c in zip(rows, (INK, HOT), strict=True)]
    return [row for row in made if row]


def _fraction(ax, result, k):
    true, said = result.sample.fractions[:, k], result.fractions[:, k]
    name = result.sample.questions[k].removesuffix("_fraction")
    low, high = min(true.min(), said.min()), max(true.max(), said.max())
    ax.plot([low, high], [low, high], color=GREY, lw=0.8, ls=":")
    ax.plot(true, said, ".", ms=4, color=COLOURS[1], alpha=0.6)
    ax.set_title(name.replace("_", "\n"), fontsize=8, color=INK)
    ax.set_xlabel("share of the votes", fontsize=8, color=INK)
    if not k:
        ax.set_ylabel("said", fontsize=8, color=INK)
