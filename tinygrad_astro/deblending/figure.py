"""The pictures of a run: pairs taken apart, flux errors, and a real blend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tinygrad_astro.explain.pictures import label, picture

if TYPE_CHECKING:
    from tinygrad_astro.data.simulate import Blends
    from tinygrad_astro.deblending.blend import Blend
    from tinygrad_astro.deblending.run import Measured

# Colour-blind safe (Okabe and Ito 2008).
BLUE, ORANGE, GREY, INK = "#0072b2", "#d55e00", "#999999", "#333333"
_SHOWN = 4


@dataclass
class Result:
    """What a run found for pairs that the network never saw.

    Attributes
    ----------
    sample : Blends
    found : Measured
    history : dict of str to list
    title : str
    """

    sample: Blends
    found: Measured
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
    figure = picture(15, 8)
    figure.suptitle(result.title, fontsize=13, color=INK)
    grid = figure.add_gridspec(_SHOWN, 8)
    blended = result.sample.truth["blendedness"].max(axis=1)
    order = np.argsort(blended)
    chosen = order[(np.linspace(0.4, 0.97, _SHOWN) * (len(order) - 1)).astype(int)]
    for row, index in enumerate(chosen):
        _pair([figure.add_subplot(grid[row, k]) for k in range(5)], result, index, row == 0)
    _errors(figure.add_subplot(grid[: _SHOWN // 2, 5:]), result)
    _against_blending(figure.add_subplot(grid[_SHOWN // 2 :, 5:]), result)
    if path is not None:
        figure.savefig(path, dpi=110)
    return figure


def _show(ax, image, most, title):
    ax.imshow(np.arcsinh(image / most * 20), cmap="magma", vmin=-0.3, vmax=np.arcsinh(20))
    ax.set(xticks=[], yticks=[])
    ax.set_title(title, fontsize=9, color=INK)


def _pair(axes, result, index, first):
    band = result.sample.camera.reference
    image, parts = result.sample.images[index, ..., band], result.sample.parts[index, ..., band]
    shared = result.found.shares[index, ..., band] * image
    names = ("blend", "first, true", "first, network", "second, true", "second, network")
    shown = (image, parts[0], shared[0], parts[1], shared[1])
    for ax, one, name in zip(axes, shown, names, strict=True):
        _show(ax, one, image.max(), name if first else "")
    for ax, k in ((axes[2], 0), (axes[4], 1)):
        off = result.found.network[index, k, band] / result.found.true[index, k, band] - 1
        ax.set_xlabel(f"flux {off:+.1%}", fontsize=8, color=INK)


def _methods(result):
    band = result.sample.camera.reference
    true = result.found.true[..., band]
    return (
        ("sep, Kron apertures", result.found.aperture / true - 1, ORANGE),
        ("network", result.found.network[..., band] / true - 1, BLUE),
    )


def _style(ax, title, x, y):
    label(ax, title, x, y)
    ax.tick_params(labelsize=8, colors=INK)
    ax.spines[["top", "right"]].set_visible(False)


def _errors(ax, result):
    edges = np.linspace(-0.6, 0.6, 61)
    for name, off, colour in _methods(result):
        label = f"{name}: mean |error| {np.abs(off).mean():.1%}"
        ax.hist(np.clip(off.ravel(), -0.6, 0.6), edges, color=colour, alpha=0.6, label=label)
    ax.legend(fontsize=8, frameon=False)
    _style(ax, f"{off.size} sources in pairs", "flux / true flux - 1", "sources")


def _against_blending(ax, result):
    blended = result.sample.truth["blendedness"].ravel()
    edges = np.quantile(blended, np.linspace(0, 1, 9))
    place = np.clip(np.searchsorted(edges, blended, side="right") - 1, 0, 7)
    for name, off, colour in _methods(result):
        level = [np.abs(off.ravel()[place == k]).mean() for k in range(8) if (place == k).any()]
        at = [blended[place == k].mean() for k in range(8) if (place == k).any()]
        ax.plot(at, level, "o-", color=colour, label=name)
    ax.set_xscale("symlog", linthresh=1e-3)
    ax.set_yscale("log")
    ax.legend(fontsize=8, frameon=False)
    _style(ax, "the stronger the blend", "blendedness", "mean |error|")


def draw_blend(blend: Blend, shares: np.ndarray, path=None):
    """Draw a real blend, what each source got of it, and what nobody got.

    Parameters
    ----------
    blend : Blend
    shares : numpy.ndarray (K, H, W, C)
        From `Sharer.shares`.
    path : path, optional

    Returns
    -------
    matplotlib.figure.Figure
    """
    image = np.nan_to_num(blend.image)
    count = len(blend.places) + 2
    columns = -(-count // 2)
    figure = picture(2.4 * columns, 6)
    figure.suptitle(
        "a real blend: its light as the network shares it out (truth unknown)", color=INK
    )
    axes = figure.subplots(2, columns).ravel()
    rest = image * (1 - shares.sum(axis=0))
    names = ["the blend", *(f"source {k + 1}" for k in range(count - 2)), "nobody's"]
    for ax, one, name in zip(axes, [image, *(shares * image), rest], names, strict=False):
        ax.imshow(_colour(one, image), origin="lower")
        ax.set(xticks=[], yticks=[])
        ax.set_title(name, fontsize=9, color=INK)
    for k, (x, y) in enumerate(blend.places):
        axes[0].plot(x, y, "+", color="white", ms=7)
        axes[0].text(x + 1, y + 1, str(k + 1), color="white", fontsize=8)
    for ax in axes[count:]:
        ax.set_axis_off()
    if path is not None:
        figure.savefig(path, dpi=110)
    return figure


def _colour(image, reference):
    """Give red, green and blue of the last three bands, red the reddest."""
    rgb = np.maximum(image[..., ::-1][..., :3], 0)
    peak = np.quantile(reference[..., ::-1][..., :3], 0.995, axis=(0, 1))
    return np.clip(np.arcsinh(12 * rgb / peak) / np.arcsinh(12), 0, 1)
