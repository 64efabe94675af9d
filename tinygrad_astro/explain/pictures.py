"""Figures that notebooks show and files take, made without pyplot: no window, no global state."""

import functools
import io

import numpy as np

from tinygrad_astro.extras import optional


@functools.cache
def _figure_class():
    base = optional("matplotlib.figure").Figure

    class Picture(base):
        """A Figure that a notebook shows even where pyplot was never imported."""

        def _repr_png_(self):
            out = io.BytesIO()
            self.savefig(out, format="png", dpi=110)
            return out.getvalue()

    return Picture


def picture(width: float, height: float):
    """Make an empty Figure of this size, in inches.

    Raises
    ------
    ImportError
        Without matplotlib, naming the extra.
    """
    return _figure_class()(figsize=(width, height), layout="constrained")


def mosaic(tiles, columns: int, gap: int = 1) -> np.ndarray:
    """Put (n, h, w) tiles into one image, row by row; NaN between them and where none is left.

    Examples
    --------
    >>> import numpy as np
    >>> mosaic(np.ones((3, 2, 2)), columns=2).shape
    (5, 5)
    """
    count, h, w = tiles.shape
    rows = -(-count // columns)
    image = np.full((rows * (h + gap) - gap, columns * (w + gap) - gap), np.nan)
    for i, tile in enumerate(tiles):
        top, left = i // columns * (h + gap), i % columns * (w + gap)
        image[top : top + h, left : left + w] = tile
    return image


def frame(axes, title: str) -> None:
    """Leave only the image and its title."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_title(title, fontsize=9, loc="left")


def label(axes, title: str, x: str, y: str) -> None:
    """Name a plot and its axes, in dark grey."""
    ink = "#333333"
    axes.set_title(title, fontsize=10, color=ink)
    axes.set_xlabel(x, fontsize=9, color=ink)
    axes.set_ylabel(y, fontsize=9, color=ink)


def show_tiles(figure, tiles, columns, title, signed, label) -> None:
    """Draw tiles on one colour scale, symmetric about white if they are `signed`."""
    tiles = np.asarray(tiles, np.float64)
    axes = figure.add_subplot()
    finite = np.abs(tiles[np.isfinite(tiles)])
    most = float(finite.max()) if finite.size and finite.max() > 0 else 1.0
    colours = {"cmap": "RdBu_r", "vmin": -most, "vmax": most} if signed else {"cmap": "magma"}
    gap = max(1, round(max(tiles.shape[1:]) / 20))
    shown = axes.imshow(mosaic(tiles, columns, gap), interpolation="nearest", **colours)
    frame(axes, title)
    bar = figure.colorbar(shown, ax=axes, shrink=0.8, aspect=25, pad=0.02)
    bar.set_label(label, fontsize=8)
    bar.ax.tick_params(labelsize=7)


def near_square(count: int) -> int:
    """Give the number of columns of a grid somewhat wider than high."""
    return max(1, min(count, int(np.ceil(np.sqrt(count * 1.6)))))
