"""The panels that the figures of this package share."""

import numpy as np

from tinygrad_astro.explain.filters import kernel_tiles
from tinygrad_astro.explain.pictures import frame, mosaic
from tinygrad_astro.explain.saliency import saliency
from tinygrad_astro.extras import optional

# Colour-blind safe (Okabe and Ito 2008).
COLOURS = ("#e69f00", "#0072b2", "#009e73", "#cc79a7", "#999999")
GREY, INK, HOT = "#999999", "#333333", "#d55e00"


def draw_roc(ax, curves: dict[str, tuple]) -> None:
    """Draw ROC curves, from `curves.roc`, by name."""
    ax.plot([0, 1], [0, 1], color=GREY, lw=0.8, ls=":")
    for (name, (false_rate, true_rate, area)), colour in zip(curves.items(), COLOURS, strict=False):
        ax.plot(false_rate, true_rate, color=colour, lw=1.4, label=f"{name} {area:.3f}")
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(-0.02, 1.02)
    ax.set_xlabel("false positives", fontsize=8, color=INK)
    ax.set_ylabel("true positives", fontsize=8, color=INK)
    ax.legend(fontsize=7, frameon=False, loc="lower right", title="area under the curve",
              title_fontsize=7)  # fmt: skip
    ax.set_title("ROC", fontsize=10, color=INK)


def draw_reliability(ax, curves: dict[str, dict]) -> None:
    """Draw reliability curves, from `curves.reliability`, by name; dots are as large as bins."""
    ax.plot([0, 1], [0, 1], color=GREY, lw=0.8, ls=":")
    for (name, found), colour in zip(curves.items(), COLOURS[1:], strict=False):
        share = np.array(found["cases"]) / sum(found["cases"])
        label = f"{name}: ECE {found['ece']:.3f}"
        ax.plot(found["said"], found["true"], color=colour, lw=1.2, label=label)
        ax.scatter(found["said"], found["true"], 8 + 160 * share, color=colour, alpha=0.7, lw=0)
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(-0.02, 1.02)
    ax.set_xlabel("share said", fontsize=8, color=INK)
    ax.set_ylabel("share that came", fontsize=8, color=INK)
    ax.legend(fontsize=7, frameon=False, loc="upper left")
    ax.set_title("reliability", fontsize=10, color=INK)


def draw_filters(ax, layer, channels: str) -> None:
    """Draw the kernels of a convolution: blue negative, red positive."""
    tiles, columns, _ = kernel_tiles(layer)
    most = float(np.abs(tiles).max()) or 1.0
    ax.imshow(mosaic(tiles, columns), cmap="RdBu_r", vmin=-most, vmax=most, interpolation="nearest")
    frame(ax, f"the first layer's {columns} filters in {channels}")


def strength(model, inputs: np.ndarray, target) -> np.ndarray:
    """Give the size of the gradient of a score in each pixel, (N, S, S), 1 at most.

    Parameters
    ----------
    model : Model or callable
    inputs : numpy.ndarray (N, S, S, C)
    target : as `explain.saliency` takes it
        Averaged over twelve noisy copies.
    """
    size = np.abs(saliency(model, inputs, target, smooth=12, noise=0.05)).sum(axis=-1)
    return size / np.maximum(np.quantile(size, 0.998, axis=(1, 2), keepdims=True), 1e-12)


def draw_pairs(figure, spot, rows) -> None:
    """Draw pictures above their saliency, row by row.

    Parameters
    ----------
    figure : matplotlib Figure
    spot : SubplotSpec
    rows : list of list of (picture (S, S, 3), strength (S, S), title, colour)
    """
    shades = optional("matplotlib").colormaps["magma"]
    grid = spot.subgridspec(len(rows), max(len(row) for row in rows))
    for i, row in enumerate(rows):
        for j, (shown, size, title, colour) in enumerate(row):
            gap = np.ones((max(1, len(shown) // 24), *shown.shape[1:]))
            below = shades(np.clip(size, 0, 1))[..., :3]
            ax = figure.add_subplot(grid[i, j])
            ax.imshow(np.concatenate([shown, gap, below]), interpolation="nearest")
            frame(ax, "")
            ax.set_title(title, fontsize=7.5, color=colour, loc="left")


def asinh_picture(image: np.ndarray) -> np.ndarray:
    """Make a picture of counts in g, r, i: red is i, faint light raised."""
    rgb = np.maximum(image[..., ::-1], 0)
    peak = max(float(np.quantile(rgb, 0.995)), 1e-12)
    return np.clip(np.arcsinh(12 * rgb / peak) / np.arcsinh(12), 0, 1)


def tidy(figure) -> None:
    """Give all axes with ticks the same quiet look."""
    for ax in figure.axes:
        ax.tick_params(labelsize=8, colors=INK)
        ax.spines[["top", "right"]].set_visible(False)
