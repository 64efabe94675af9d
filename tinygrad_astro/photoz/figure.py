"""The picture of a run: redshift against redshift, densities, and whether they are honest."""

from dataclasses import dataclass

import numpy as np

from tinygrad_astro.explain.pictures import label, picture
from tinygrad_astro.files import check_folder
from tinygrad_astro.photoz.flatness import BINS, counts
from tinygrad_astro.photoz.metrics import PASQUET_CUT, pit, point_metrics, residual
from tinygrad_astro.photoz.pdf import Pdf

# Colour-blind safe (Okabe and Ito 2008).
BLUE, ORANGE, GREY, INK = "#0072b2", "#d55e00", "#999999", "#333333"


@dataclass
class Result:
    """What a run found for objects that it never saw.

    Attributes
    ----------
    redshift : numpy.ndarray (N,)
        The truth.
    raw, calibrated : Pdf
        Before and after recalibration.
    histories : list of dict
        Losses, one per network.
    title : str
    """

    redshift: np.ndarray
    raw: Pdf
    calibrated: Pdf
    histories: list[dict]
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
    figure = picture(13, 7.6)
    figure.suptitle(result.title, fontsize=13, color=INK)
    axes = figure.subplots(2, 3)
    _redshifts(axes[0, 0], result)
    _residuals(axes[1, 0], result)
    _pit(axes[0, 1], result)
    _coverage(axes[1, 1], result)
    _densities(axes[0, 2], result)
    _losses(axes[1, 2], result)
    for ax in axes.flat:
        ax.tick_params(labelsize=8, colors=INK)
        ax.spines[["top", "right"]].set_visible(False)
    if path is not None:
        figure.savefig(path, dpi=110)
    return figure


def _redshifts(ax, result):
    z, found = result.redshift, result.calibrated.median
    scores = point_metrics(found, z)
    low, high = np.quantile(np.concatenate([z, found]), [0.0, 1.0])
    line = np.array([low, high])
    for sign in (-1, 1):
        ax.plot(line, line + sign * PASQUET_CUT * (1 + line), color=GREY, lw=0.7, ls=":")
    ax.plot(line, line, color=GREY, lw=0.8)
    ax.plot(z, found, ".", ms=3, alpha=0.5, color=BLUE)
    label(
        ax,
        f"sigma_NMAD {scores['sigma_nmad']:.4f}, |dz| > 0.15: {scores['outliers_0.15']:.1%}, "
        f"N = {len(z)}",
        "spectroscopic redshift",
        "median of the density",
    )


def _residuals(ax, result):
    z, dz = result.redshift, residual(result.calibrated.median, result.redshift)
    reach = max(4 * PASQUET_CUT, 1.05 * np.quantile(np.abs(dz), 0.99))
    ax.plot(z, np.clip(dz, -reach, reach), ".", ms=3, alpha=0.4, color=BLUE)
    edges = np.quantile(z, np.linspace(0, 1, 9))
    place = np.clip(np.searchsorted(edges, z, side="right") - 1, 0, 7)
    centre = [np.median(z[place == k]) for k in range(8) if (place == k).any()]
    for share, style in ((0.16, ":"), (0.5, "-"), (0.84, ":")):
        level = [np.quantile(dz[place == k], share) for k in range(8) if (place == k).any()]
        ax.plot(centre, level, color=ORANGE, lw=1.3, ls=style)
    ax.axhline(0, color=GREY, lw=0.8)
    label(ax, "dz with its median and central 68 %", "spectroscopic redshift", "dz")


def _pit(ax, result):
    edges, mean = np.linspace(0, 1, BINS + 1), len(result.redshift) / BINS
    spread = 2 * np.sqrt(mean * (1 - 1 / BINS))
    ax.axhspan(mean - spread, mean + spread, color=GREY, alpha=0.25, lw=0, label="level, 2 sigma")
    for pdf, colour, name in (
        (result.raw, ORANGE, "as the networks say"),
        (result.calibrated, BLUE, "recalibrated"),
    ):
        ax.stairs(counts(pit(pdf, result.redshift)), edges, color=colour, lw=1.3, label=name)
    ax.set_ylim(0, None)
    ax.legend(fontsize=8, frameon=False, loc="lower center")
    label(ax, "PIT: where the truth lies in its density", "PIT", "objects")


def _coverage(ax, result):
    asked = np.linspace(0, 1, 101)
    ax.plot([0, 1], [0, 1], color=GREY, lw=0.8)
    for pdf, colour in ((result.raw, ORANGE), (result.calibrated, BLUE)):
        distance = 2 * np.abs(pit(pdf, result.redshift) - 0.5)
        ax.plot(asked, [(distance <= a).mean() for a in asked], color=colour, lw=1.3)
    label(ax, "how often the truth lies in the central ...", "probability said", "share found")


def _densities(ax, result):
    order = np.argsort(result.calibrated.median)
    chosen = order[np.linspace(0, len(order) - 1, 7).astype(int)[1:-1]]
    pdf = result.calibrated
    for number, row in enumerate(chosen):
        density = pdf.density[row] / pdf.density[row].max()
        ax.fill_between(pdf.centres, number, number + 0.9 * density, color=BLUE, alpha=0.5, lw=0)
        ax.plot([result.redshift[row]] * 2, [number, number + 0.9], color=ORANGE, lw=1.5)
    ax.set_yticks([])
    label(ax, "five densities, and the truth", "redshift", "density")


def _losses(ax, result):
    for history in result.histories:
        ax.plot(np.arange(1, len(history["loss"]) + 1), history["loss"], color=BLUE, lw=0.7)
    label(ax, f"training loss of {len(result.histories)} networks", "epoch", "loss")
