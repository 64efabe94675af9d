"""A real blend: bands, noise, and where its sources are."""

from dataclasses import dataclass
from os import PathLike

import numpy as np

from tinygrad_astro.data.npz import read_npz

# Bits of the HSC pipeline: bad, saturated, no data. The others say that a source is here, or that
# a value was repaired, which is better than none.
_BAD = 1 << 0 | 1 << 1 | 1 << 8


@dataclass
class Blend:
    """An image of several sources on top of each other.

    Attributes
    ----------
    image : numpy.ndarray (H, W, C) float32
        Sky subtracted; NaN where masked.
    sigma : numpy.ndarray (C,)
        Noise of the sky, same unit.
    places : numpy.ndarray (K, 2)
        (x, y) of the sources, in pixels counted from 0.
    bands : tuple of str
    """

    image: np.ndarray
    sigma: np.ndarray
    places: np.ndarray
    bands: tuple[str, ...]


def read_blend(path: str | PathLike, bands: tuple[str, ...]) -> Blend:
    """Read a blend in the layout of the scarlet project's examples.

    Parameters
    ----------
    path : path
        .npz with `images`, `variance` (C, H, W), `filters` (C,) and `catalog` with x and y; `mask`
        (C, H, W), where it is there, holds the bits of the HSC pipeline.
    bands : tuple of str
        Those to keep, in this order.

    Raises
    ------
    ValueError
        If an array or a band is missing.
    """
    held = read_npz(path)
    missing = {"images", "variance", "filters", "catalog"} - set(held)
    if missing:
        raise ValueError(
            f"{path} lacks {', '.join(sorted(missing))}; it holds {', '.join(sorted(held))}"
        )
    names = [str(name) for name in held["filters"]]
    absent = [band for band in bands if band not in names]
    if absent:
        raise ValueError(
            f"{path} has bands {', '.join(names)}, the network wants {', '.join(bands)}"
        )
    chosen = [names.index(band) for band in bands]
    image = np.moveaxis(held["images"][chosen], 0, -1).astype(np.float32)
    if "mask" in held:
        bad = np.moveaxis(held["mask"][chosen] & _BAD, 0, -1) != 0
        image = np.where(bad, np.float32(np.nan), image)
    variance = held["variance"][chosen].reshape(len(chosen), -1)
    places = np.stack([held["catalog"]["x"], held["catalog"]["y"]], axis=1)
    # The faintest pixels hold the noise of the sky alone.
    sigma = np.sqrt(np.quantile(variance, 0.1, axis=1))
    return Blend(image, sigma, places.astype(np.float64), tuple(bands))
