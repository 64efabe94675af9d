"""Stamps of two overlapping sources, with each of them alone."""

import math
from dataclasses import dataclass

import numpy as np

from tinygrad_astro.data.sky.camera import Camera
from tinygrad_astro.data.sky.catalogue import catalogue_type, fill_row
from tinygrad_astro.data.sky.drawing import (
    Range,
    Types,
    check_request,
    draw_model,
    draw_object,
    draw_snr,
    generator,
    pick_type,
    type_shares,
)
from tinygrad_astro.data.sky.source import TYPES


@dataclass
class Blends:
    """Stamps with two overlapping sources each.

    Attributes
    ----------
    images : numpy.ndarray (N, S, S, C) float32
        Counts, sky subtracted, with noise.
    parts : numpy.ndarray (N, 2, S, S, C) float32
        Each source alone, without noise.
    truth : numpy.ndarray (N, 2), structured
        The columns of `catalogue_type`.
    camera : Camera
    """

    images: np.ndarray
    parts: np.ndarray
    truth: np.ndarray
    camera: Camera

    @property
    def variance(self) -> np.ndarray:
        """Variance of the noise, float32 (N, S, S, C), in counts squared."""
        return self.camera.variance(self.parts.sum(axis=1)).astype(np.float32)


def blends(
    n: int,
    size: int = 64,
    bands="gri",
    seed: int = 0,
    types: Types = TYPES[:3],
    snr: Range | None = (20.0, 200.0),
    radius: Range = (2.5, 6.0),
    separation: Range = (0.5, 2.0),
    psf=3.0,
    sky=400.0,
    read_noise=5.0,
    zero_point: float = 30.0,
    pixel_scale: float = 0.2,
    start: int = 0,
) -> Blends:
    """Simulate pairs of overlapping sources, the first near the centre, with each one alone.

    Parameters
    ----------
    n, size, bands, seed, types, snr, radius, psf, sky, read_noise, zero_point, pixel_scale, start
        As in `galaxies`; "unclassifiable" is no type here.
    separation : (float, float)
        Range of the distance between the two centres, in units of the sum of their half-light
        radii (plus half a FWHM each).

    Returns
    -------
    Blends

    Raises
    ------
    ValueError
        If a parameter is out of range or a type is unknown.

    Examples
    --------
    >>> pairs = blends(2, size=32, seed=0)
    >>> pairs.parts.shape, pairs.truth.shape
    ((2, 2, 32, 32, 3), (2, 2))
    """
    camera = Camera(bands, psf, sky, read_noise, zero_point, pixel_scale)
    check_request(n, size, snr, radius)
    names, shares = type_shares(types)
    if "unclassifiable" in names:
        raise ValueError(f"a blend is made of {', '.join(TYPES[:4])}, received {types!r}")
    truth = np.zeros((n, 2), catalogue_type(camera.bands))
    parts = np.zeros((n, 2, size, size, len(camera.bands)), np.float32)
    images = np.zeros((n, size, size, len(camera.bands)), np.float32)
    for index in range(n):
        rng = generator(seed, 1, start + index)
        place, reach = tuple((size - 1) / 2 + rng.uniform(-2, 2, 2)), 0.0
        for which, row in enumerate(truth[index]):
            kind = pick_type(names, shares, rng.random())
            source = draw_object(rng, camera, kind, radius)
            fill_row(row, source, camera, *place)
            reach += row["half_light_radius"] + 0.5 * camera.fwhm
            if which:
                place = _apart(rng, place, reach * rng.uniform(*separation), size)
            x, y = place
            parts[index, which] = draw_model(camera, source, size, x, y, draw_snr(rng, snr))
            fill_row(row, source, camera, *place)
            row["id"] = 2 * (start + index) + which + 1
            row["snr"] = camera.signal_to_noise(parts[index, which])
        truth[index]["blendedness"] = blendedness(parts[index, ..., camera.reference])
        images[index] = camera.expose(rng, parts[index].sum(axis=0, dtype=np.float64))
    return Blends(images, parts, truth, camera)


def _apart(rng: np.random.Generator, place, distance: float, size: int) -> tuple[float, float]:
    around = rng.uniform(0, 2 * math.pi)
    x, y = place[0] + distance * math.cos(around), place[1] + distance * math.sin(around)
    return float(np.clip(x, 2, size - 3)), float(np.clip(y, 2, size - 3))


def blendedness(parts: np.ndarray) -> np.ndarray:
    """Give 1 - sum(s s) / sum(s total) of each source (Bosch et al. 2018, section 4.9.11).

    Parameters
    ----------
    parts : numpy.ndarray (K, H, W)
        Each source alone, without noise.

    Returns
    -------
    numpy.ndarray (K,)
        0 for a source alone, towards 1 in a much brighter neighbour.
    """
    flat = parts.reshape(len(parts), -1).astype(np.float64)
    own, shared = (flat * flat).sum(axis=1), flat @ flat.sum(axis=0)
    return 1 - own / np.where(shared > 0, shared, np.where(own > 0, own, 1.0))
