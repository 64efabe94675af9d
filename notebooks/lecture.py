"""How the figures of the lecture are drawn; nothing here is needed to understand it."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

plt.style.use(Path(__file__).with_name("lecture.mplstyle"))

INK, SOFT = "#1a2733", "#5d6b78"
BLUE, ORANGE, GREEN, VIOLET, RED = "#1f6fb4", "#e07b39", "#3a9a6b", "#8a5fbf", "#c44e52"


def colour(image, peak=None):
    """Make an RGB picture of counts in g, r, i: asinh-stretched, so that faint arms show.

    Parameters
    ----------
    image : (H, W, 3) ndarray
    peak : float, optional
        Counts that become white; by default those of the brightest half per cent.
    """
    rgb = np.maximum(image[..., ::-1], 0)
    peak = np.quantile(rgb, 0.995) if peak is None else peak
    return np.clip(np.arcsinh(12 * rgb / peak) / np.arcsinh(12), 0, 1)


def picture(ax, image, title="", **options):
    """Show an image without ticks."""
    shown = ax.imshow(image, **options)
    ax.set(xticks=[], yticks=[])
    ax.set_title(title)
    for spine in ax.spines.values():
        spine.set_visible(False)
    return shown


def numbers(ax, array, title="", marked=None, colour=ORANGE, cmap="Blues", most=None):
    """Draw a small array as cells with their numbers, some of them marked by a frame.

    Parameters
    ----------
    array : (H, W) ndarray
    marked : (H, W) ndarray of bool, optional
    most : float, optional
        The number that gets the darkest cell.
    """
    array = np.asarray(array)
    most = np.abs(array).max() * 1.6 if most is None else most
    picture(ax, np.abs(array), title, cmap=cmap, vmin=0, vmax=most)
    for (i, j), value in np.ndenumerate(array):
        ax.text(j, i, f"{value:g}", ha="center", va="center", color=INK, fontsize=9)
        ax.add_patch(plt.Rectangle((j - 0.5, i - 0.5), 1, 1, fill=False, ec="white", lw=1))
    for i, j in np.argwhere(np.zeros_like(array, bool) if marked is None else marked):
        frame = plt.Rectangle((j - 0.46, i - 0.46), 0.92, 0.92, fill=False, ec=colour, lw=2)
        ax.add_patch(frame)
