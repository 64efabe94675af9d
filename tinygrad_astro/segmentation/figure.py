"""The picture of a training run: image, truth, prediction, loss curves, and which sources count."""

from dataclasses import dataclass

import numpy as np

from tinygrad_astro.extras import optional
from tinygrad_astro.files import check_folder
from tinygrad_astro.segmentation.evaluation import Agreement
from tinygrad_astro.segmentation.survey import Survey

# Colour-blind safe (Okabe and Ito 2008), on a dark sky.
SKY, BOTH, MISSED, EXTRA = "#11131a", "#d9d9d9", "#e69f00", "#56b4e9"
KINDS = ("#f0e442", "#56b4e9", "#cc79a7", "#009e73")
INK = "#333333"
PANEL_HEIGHT, CURVE_WIDTH = 6.6, 3.6


@dataclass
class Result:
    """What a run found in the columns for the report.

    Attributes
    ----------
    survey : Survey
    columns : slice
    probabilities : numpy.ndarray (H, w, classes)
    detected : numpy.ndarray of int (H, w)
        Label map.
    agreement : Agreement
    history : dict of str to list
        As `Model.fit` gives it.
    steps_per_round : int
    title : str
    """

    survey: Survey
    columns: slice
    probabilities: np.ndarray
    detected: np.ndarray
    agreement: Agreement
    history: dict
    steps_per_round: int
    title: str


def draw(result: Result, path) -> None:
    """Write the picture to a file, its kind told by the suffix.

    Parameters
    ----------
    result : Result
    path : path
        .png, .pdf or .svg.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    check_folder(path)
    height, width = result.detected.shape
    wide = PANEL_HEIGHT * min(max(width / height, 0.3), 1.3)
    size = (3 * wide + CURVE_WIDTH + 0.6, PANEL_HEIGHT + 1.1)
    figure = optional("matplotlib.figure").Figure(figsize=size, layout="constrained")
    figure.suptitle(result.title, fontsize=14, color=INK)
    grid = figure.add_gridspec(3, 4, width_ratios=[wide, wide, wide, CURVE_WIDTH])
    axes = [figure.add_subplot(grid[:, i]) for i in range(3)]
    _show_image(axes[0], result)
    _show_truth(axes[1], result)
    _show_prediction(axes[2], result)
    for ax in axes:
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
    _show_curve(figure.add_subplot(grid[0, 3]), result, "loss", "cross-entropy", log=True)
    kinds = " and ".join(result.survey.names[1:])
    _show_curve(figure.add_subplot(grid[1, 3]), result, "iou", f"IoU of {kinds} pixels")
    _show_sizes(figure.add_subplot(grid[2, 3]), result)
    figure.savefig(path, dpi=110)


def colour(image: np.ndarray, softening: float = 8.0, white: float = 100.0) -> np.ndarray:
    """Make a colour picture of stretched bands, the reddest (last) of three in red.

    The mean signal-to-noise ratio is compressed by an asinh, and the ratios between bands are kept
    (Lupton et al. 2004, PASP 116, 133, equation 2), so that cores stay coloured. Bands are balanced
    so that the typical source is grey.

    Parameters
    ----------
    image : numpy.ndarray (H, W, C)
        As `AsinhStretch` gives it.
    softening, white : float
        Signal-to-noise ratios at which the scale turns logarithmic, and where it ends.

    Returns
    -------
    numpy.ndarray (H, W, 3)
        From 0 to 1.
    """
    count = image.shape[-1]
    chosen = (2, 1, 0) if count >= 3 else (count - 1, 0, 0)
    signal = np.sinh(np.clip(image[..., chosen], -3, 10).astype(np.float64))
    mean = signal.mean(axis=-1, keepdims=True)
    bright = mean[..., 0] > 5
    if bright.any():
        signal /= np.maximum(np.median(signal[bright] / mean[bright], axis=0), 0.05)
        mean = signal.mean(axis=-1, keepdims=True)
    shown = np.arcsinh(np.maximum(mean + 1, 0) / softening) / np.arcsinh(white / softening)
    # What is hardly above the noise stays grey: its colour would be noise, too.
    trust = np.clip((mean - 1.5) / 4, 0, 1)
    ratio = np.maximum(signal, 0) / np.maximum(mean, 1e-6)
    return np.clip(shown * (1 + trust * (ratio - 1)), 0, 1)


def _show_image(ax, result):
    bands = result.survey.bands
    named = f"{bands[2]}, {bands[1]}, {bands[0]}" if len(bands) >= 3 else ", ".join(bands[::-1])
    ax.imshow(colour(result.survey.image[:, result.columns]), origin="lower")
    ax.set_title(f"image ({named} as red, green, blue)", fontsize=10, color=INK)


def _show_truth(ax, result):
    classes = result.survey.classes[:, result.columns]
    if len(result.survey.names) > 2:
        _show_classes(ax, classes, result.survey.names)
        ax.set_title("truth", fontsize=10, color=INK)
        return
    labels = result.survey.labels[:, result.columns]
    ax.imshow(_patchwork(labels), origin="lower", interpolation="nearest")
    ax.set_title(
        f"reference: {result.agreement.reference_sources} sources of "
        f"{result.agreement.min_pixels} pixels or more",
        fontsize=10,
        color=INK,
    )


def _show_prediction(ax, result):
    if len(result.survey.names) > 2:
        found = np.where(result.detected > 0, 1 + result.probabilities[..., 1:].argmax(-1), 0)
        _show_classes(ax, found, result.survey.names)
        ax.set_title("prediction", fontsize=10, color=INK)
        return
    truth = result.survey.labels[:, result.columns] > 0
    kind = truth.astype(int) + 2 * (result.detected > 0)
    names = ["sky", "only reference", "only prediction", "both"]
    _categories(ax, kind, [SKY, MISSED, EXTRA, BOTH], names, legend=(3, 1, 2))
    ax.set_title(f"prediction: IoU {result.agreement.iou:.3f}", fontsize=10, color=INK)


def _show_classes(ax, classes, names):
    shades = [SKY, *(KINDS[i % len(KINDS)] for i in range(len(names) - 1))]
    _categories(ax, classes, shades, names, legend=range(1, len(names)))


def _categories(ax, numbers, colours, names, legend):
    colormap = optional("matplotlib.colors").ListedColormap(colours)
    ax.imshow(
        numbers,
        origin="lower",
        cmap=colormap,
        vmin=-0.5,
        vmax=len(colours) - 0.5,
        interpolation="nearest",
    )
    patch = optional("matplotlib.patches").Patch
    handles = [patch(color=colours[i], label=names[i]) for i in legend]
    ax.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        fontsize=9,
        ncols=len(handles),
        frameon=False,
        labelcolor=INK,
        handlelength=1.2,
    )


def _patchwork(labels: np.ndarray) -> np.ndarray:
    """Colour labels so that neighbours differ: their number times the golden ratio is the hue."""
    hue = (labels * 0.618034) % 1.0
    hsv = np.stack([hue, np.full(hue.shape, 0.45), np.ones(hue.shape)], axis=-1)
    rgb = optional("matplotlib.colors").hsv_to_rgb(hsv)
    sky = np.array(optional("matplotlib.colors").to_rgb(SKY))
    return np.where(labels[..., None] > 0, rgb, sky)


def _show_curve(ax, result, name, label, log=False):
    steps = result.steps_per_round * np.arange(1, len(result.history[name]) + 1)
    ax.plot(steps, result.history[name], color="#0072b2", label="training")
    ax.plot(steps, result.history[f"val_{name}"], color="#d55e00", label="validation")
    if log:
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(optional("matplotlib.ticker").LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_locator(optional("matplotlib.ticker").NullLocator())
    else:
        ax.set_ylim(0, 1)
    ax.set_title(label, fontsize=10, color=INK)
    ax.set_xlabel("step", fontsize=8, color=INK)
    ax.tick_params(labelsize=8, colors=INK)
    ax.legend(fontsize=8, frameon=False)
    ax.spines[["top", "right"]].set_visible(False)


def _show_sizes(ax, result):
    """Count reference sources by size: found, and missed."""
    agreement = result.agreement
    labels = result.survey.labels[:, result.columns]
    numbers, area = np.unique(labels[labels > 0], return_counts=True)
    missed = np.isin(numbers, agreement.missed)
    bins = np.geomspace(max(area.min(), 1), area.max() + 1, 13)
    ax.hist(
        [area[~missed], area[missed]],
        bins,
        stacked=True,
        color=[BOTH, MISSED],
        edgecolor=INK,
        linewidth=0.6,
        label=["found", "missed"],
    )
    ax.axvline(agreement.min_pixels, color=INK, linestyle=":", linewidth=1)
    ax.set_xscale("log")
    ax.set_title(
        f"sources by pixels: completeness {agreement.completeness:.3f}, "
        f"purity {agreement.purity:.3f}",
        fontsize=9,
        color=INK,
    )
    ax.tick_params(labelsize=8, colors=INK)
    ax.legend(fontsize=8, frameon=False)
    ax.spines[["top", "right"]].set_visible(False)
