"""The picture of a run: network and fits against the truth, their errors, and their time."""

from dataclasses import dataclass

import numpy as np

from tinygrad_astro.explain.pictures import label, picture
from tinygrad_astro.photoz.flatness import BINS, counts
from tinygrad_astro.sizes.measurer import Densities
from tinygrad_astro.sizes.quantities import QUANTITIES, judged

# Colour-blind safe (Okabe and Ito 2008).
BLUE, ORANGE, GREEN, GREY, INK = "#0072b2", "#d55e00", "#009e73", "#999999", "#333333"
NETWORK = "network"
COLOURS = {NETWORK: BLUE, "sersic": GREEN, "bulge and disc": ORANGE}


@dataclass
class Result:
    """What a run found for galaxies that the network never saw.

    Attributes
    ----------
    truth : numpy.ndarray (N,), structured
    said : Densities
    residuals, pits : dict of str to dict of str to numpy.ndarray
        By method ("network", then the models fitted), then by quantity; a method that measured
        fewer galaxies has the first ones.
    accuracy : dict
        By method, from `metrics.judge`.
    seconds : dict of str to float
        For 1000 galaxies, by method.
    real : dict of str to numpy.ndarray, or None
        Radii of real galaxies: "catalogue", and those of each method.
    title : str
    """

    truth: np.ndarray
    said: Densities
    residuals: dict[str, dict]
    pits: dict[str, dict]
    accuracy: dict[str, dict]
    seconds: dict[str, float]
    real: dict[str, np.ndarray] | None
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
    figure = picture(14, 8)
    figure.suptitle(result.title, fontsize=13, color=INK)
    axes = figure.subplots(2, 3)
    _radii(axes[0, 0], result)
    _fractions(axes[0, 1], result)
    _scatter(axes[0, 2], result)
    _pit(axes[1, 0], result)
    _seconds(axes[1, 1], result)
    (_coverage if result.real is None else _real)(axes[1, 2], result)
    for ax in axes.flat:
        ax.tick_params(labelsize=8, colors=INK)
        ax.spines[["top", "right"]].set_visible(False)
    if path is not None:
        figure.savefig(path, dpi=110)
    return figure


def _radii(ax, result):
    true = result.truth["half_light_radius"]
    for name, residuals in reversed(result.residuals.items()):
        off = np.clip(residuals["half_light_radius"], -1.2, 1.2)
        ax.plot(true[: len(off)], off, ".", ms=3, alpha=0.5, color=COLOURS[name], label=name)
    ax.axhline(0, color=GREY, lw=0.8)
    ax.set_xscale("log")
    ax.legend(fontsize=8, frameon=False, markerscale=3)
    label(ax, "half-light radius", "true [pixel]", "ln(found / true)")
    ticks = [t for t in (1, 2, 3, 5, 10) if true.min() * 0.9 <= t <= true.max() * 1.1]
    ax.set_xticks(ticks, [str(t) for t in ticks])
    ax.minorticks_off()


def _fractions(ax, result):
    shown = slice(None, 150)
    true, found = result.truth["bulge_fraction"], result.said.value("bulge_fraction")
    low, high = result.said.interval("bulge_fraction")
    bars = np.stack([found - low, high - found])[:, shown]
    ax.errorbar(true[shown], found[shown], bars, fmt=".", ms=4, lw=0.6, color=BLUE)
    ax.plot([0, 1], [0, 1], color=GREY, lw=0.8)
    label(ax, "bulge fraction: median and central 68 %", "true", "network")


def _scatter(ax, result):
    place, width = np.arange(len(QUANTITIES)), 0.8 / len(result.accuracy)
    for number, (name, table) in enumerate(result.accuracy.items()):
        height = [table.get(q.name, {}).get("sigma_nmad", np.nan) for q in QUANTITIES]
        at = place + (number - (len(result.accuracy) - 1) / 2) * width
        ax.bar(at, height, width, color=COLOURS[name], label=name)
    ax.set_xticks(place, [q.name.replace("_", "\n") for q in QUANTITIES], fontsize=8)
    ax.legend(fontsize=8, frameon=False)
    label(ax, "scatter: of ln(radius), of shares", "", "sigma_NMAD")


def _pit(ax, result):
    edges = np.linspace(0, 1, BINS + 1)
    name = "half_light_radius"
    for method, pits in result.pits.items():
        values = pits[name][np.isfinite(pits[name])]
        share = counts(values) * BINS / max(len(values), 1)
        ax.stairs(share, edges, color=COLOURS[method], lw=1.4, label=method)
    spread = 2 * np.sqrt((BINS - 1) / len(result.truth))
    ax.axhspan(1 - spread, 1 + spread, color=GREY, alpha=0.25, lw=0)
    ax.set_ylim(0, None)
    ax.legend(fontsize=8, frameon=False)
    label(ax, "half-light radius: are errors honest? (grey: level, 2 sigma)", "PIT", "density")


def _seconds(ax, result):
    names = list(result.seconds)[::-1]
    values = [result.seconds[name] for name in names]
    ax.barh(names, values, color=[COLOURS[name] for name in names])
    for row, value in enumerate(values):
        ax.text(value * 1.1, row, f"{value:.3g} s", va="center", fontsize=9, color=INK)
    ax.set_xscale("log")
    ax.set_xlim(min(values) / 5, max(values) * 8)
    ax.minorticks_off()
    label(ax, "time for 1000 galaxies", "seconds", "")


def _coverage(ax, result):
    asked = np.linspace(0, 1, 101)
    ax.plot([0, 1], [0, 1], color=GREY, lw=0.8)
    for q, style in zip(QUANTITIES, ("-", "--", "-.", ":", (0, (1, 3))), strict=True):
        pits = result.pits[NETWORK][q.name][judged(q.name, result.truth)]
        found = [(2 * np.abs(pits - 0.5) <= a).mean() for a in asked]
        ax.plot(asked, found, ls=style, color=BLUE, lw=1.2, label=q.name.replace("_", " "))
    ax.legend(fontsize=8, frameon=False)
    label(ax, "how often the truth lies in the central ...", "probability said", "share found")


def _real(ax, result):
    catalogue = result.real["catalogue"]
    line = np.array([np.nanmin(catalogue), np.nanmax(catalogue)])
    ax.plot(line, line, color=GREY, lw=0.8)
    for name, colour in reversed(COLOURS.items()):
        if name in result.real:
            ax.plot(catalogue, result.real[name], ".", ms=5, alpha=0.7, color=colour, label=name)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ticks = [3, 5, 10, 20, 50]
    ax.set_xticks(ticks, [str(t) for t in ticks])
    ax.set_yticks(ticks, [str(t) for t in ticks])
    ax.minorticks_off()
    ax.set_xlim(line[0] / 1.3, line[1] * 1.3)
    ax.set_ylim(line[0] / 1.3, line[1] * 1.3)
    ax.legend(fontsize=8, frameon=False)
    label(ax, "real galaxies: radius in a circle, PSF included", "catalogue [pixel]", "found")
