"""The picture of a run: who was taken for whom, redshifts, and the lines that count."""

from dataclasses import dataclass

import numpy as np

from tinygrad_astro.explain.pictures import picture
from tinygrad_astro.files import check_folder
from tinygrad_astro.spectra.classifier import Verdict
from tinygrad_astro.spectra.lines import MARKED
from tinygrad_astro.spectra.saliency import Stack
from tinygrad_astro.spectra.survey import CLASSES, Spectra

# Colour-blind safe (Okabe and Ito 2008).
COLOURS = ("#e69f00", "#009e73", "#0072b2")
GREY, INK, HOT = "#999999", "#333333", "#d55e00"


@dataclass
class Result:
    """What a run found for spectra that the networks never saw.

    Attributes
    ----------
    spectra : Spectra
    verdict : Verdict
    stacks : list of Stack
        Saliency by class.
    history : dict of str to list
        Losses on synthetic spectra.
    title : str
    """

    spectra: Spectra
    verdict: Verdict
    stacks: list[Stack]
    history: dict[str, list]
    title: str


def draw(result: Result, path=None):
    """Draw a run; write it to `path` if one is given.

    Parameters
    ----------
    result : Result
    path : path, optional
        .png, .pdf or .svg.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    if path is not None:
        check_folder(path)
    rows = max(len(result.stacks), 1)
    figure = picture(14, 2.7 * max(rows, 2) + 0.8)
    figure.suptitle(result.title, fontsize=13, color=INK)
    grid = figure.add_gridspec(6, 4)
    _confusion(figure.add_subplot(grid[0:2, 0]), result)
    _redshifts(figure.add_subplot(grid[2:4, 0]), result)
    _losses(figure.add_subplot(grid[4:6, 0]), result)
    height = 6 // rows
    for row, one in enumerate(result.stacks):
        _stack(figure.add_subplot(grid[row * height : (row + 1) * height, 1:]), one)
    for ax in figure.axes:
        ax.tick_params(labelsize=8, colors=INK)
        ax.spines[["top", "right"]].set_visible(False)
    if path is not None:
        figure.savefig(path, dpi=110)
    return figure


def confusion_matrix(ax, counts, classes, title) -> None:
    """Draw counts of true (rows) against said (columns) classes."""
    counts = np.asarray(counts)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    ax.imshow(share, cmap="Blues", vmin=0, vmax=1.2)
    for i, j in np.ndindex(counts.shape):
        shade = "white" if share[i, j] > 0.6 else INK
        ax.text(j, i, str(counts[i, j]), ha="center", va="center", fontsize=9, color=shade)
    ax.set_xticks(range(len(classes)), classes, fontsize=8)
    ax.set_yticks(range(len(classes)), classes, fontsize=8)
    ax.set_xlabel("said", fontsize=8, color=INK)
    ax.set_ylabel("true", fontsize=8, color=INK)
    ax.set_title(title, fontsize=10, color=INK)


def _confusion(ax, result):
    known = result.spectra.label >= 0
    counts = np.zeros((len(CLASSES), len(CLASSES)), int)
    np.add.at(counts, (result.spectra.label[known], result.verdict.label[known]), 1)
    share = np.trace(counts) / max(counts.sum(), 1)
    confusion_matrix(ax, counts, CLASSES, f"{share:.1%} of {counts.sum()} right")


def _redshifts(ax, result):
    truth, found = result.spectra.redshift, result.verdict.redshift
    most = max(np.nanmax(truth, initial=0.5), found.max(initial=0.5)) * 1.05
    ax.plot([0, most], [0, most], color=GREY, lw=0.8)
    for k, name in enumerate(CLASSES):
        own = result.spectra.label == k
        if k and own.any():
            ax.plot(truth[own], found[own], ".", ms=4, alpha=0.7, color=COLOURS[k], label=name)
    ax.legend(fontsize=8, frameon=False)
    ax.set_xlabel("true redshift", fontsize=8, color=INK)
    ax.set_ylabel("found (0: called a star)", fontsize=8, color=INK)


def _losses(ax, result):
    for name, colour in (("class", COLOURS[2]), ("redshift", COLOURS[1])):
        for prefix, style in (("", "-"), ("val_", ":")):
            values = result.history.get(f"{prefix}{name}_loss")
            if values:
                label = name if not prefix else None
                ax.plot(range(1, len(values) + 1), values, style, color=colour, label=label)
    ax.set_yscale("log")
    ax.legend(fontsize=8, frameon=False)
    ax.set_xlabel("epoch on synthetic spectra (dotted: not seen)", fontsize=8, color=INK)
    ax.set_ylabel("loss", fontsize=8, color=INK)


def _stack(ax, one):
    seen = np.isfinite(one.strength)
    x, strength, flux = one.wavelength[seen], one.strength[seen], one.flux[seen]
    for sign, colour in ((1, HOT), (-1, COLOURS[2])):
        part = np.maximum(sign * strength, 0)
        ax.fill_between(x, sign * part, step="mid", color=colour, alpha=0.6, lw=0)
    reach = 1.1 * np.quantile(np.abs(strength), 0.999)
    ax.set_ylabel("d score / d pixel", fontsize=8, color=HOT)
    ax.set_ylim(-reach, 1.6 * reach)
    ax.set_xlim(x.min(), x.max())
    ax.set_xscale("log")
    ticks = [w for w in (800, 1000, 1200, 1500, 2000, 2500, 3000, 4000, 5000, 6000, 8000, 10000)
             if x.min() <= w <= x.max()]  # fmt: skip
    ax.set_xticks(ticks, [str(w) for w in ticks], minor=False)
    ax.minorticks_off()
    above = ax.twinx()
    above.plot(x, flux, color=INK, lw=0.7)
    above.set_yticks([])
    above.set_ylim(flux.min() - 1.4 * np.ptp(flux), flux.max() + 0.1 * np.ptp(flux))
    _mark(ax, {n: at for n, at in MARKED[one.kind].items() if x.min() <= at <= x.max()})
    ax.set_xlabel(
        f"wavelength at rest in Angstrom: mean of {one.objects} spectra, {one.kind}",
        fontsize=8,
        color=INK,
    )


def _mark(ax, lines):
    """Mark lines; the names of those that lie too close for two share one place."""
    labels: list[list] = []
    for name, at in sorted(lines.items(), key=lambda item: item[1]):
        ax.axvline(at, color=GREY, lw=0.7, ls=":", zorder=0)
        if labels and at / labels[-1][0] < 1.045:
            labels[-1][1] += f", {name}"
        else:
            labels.append([at, name])
    for at, name in labels:
        ax.text(at, 1.01, name, transform=ax.get_xaxis_transform(), rotation=30, fontsize=7,
                va="bottom", ha="left", color=INK)  # fmt: skip
