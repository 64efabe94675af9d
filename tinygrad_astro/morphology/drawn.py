"""Colour cut-outs of galaxies with rings, bars and arms, drawn to be learned from before real ones.

They look as the viewer of the DESI Legacy Surveys shows g, r and z: Lupton et al. 2004 (PASP 116,
133), equation 2, on scaled bands, with the noise and the company that galaxies have there.
"""

from dataclasses import dataclass

import numpy as np

from tinygrad_astro.data.simulate import galaxies

FEATURES = ("ring", "bar", "arms", "irregular")
BANDS = ("g", "r", "z")
_MIX = {"disc": 0.85, "irregular": 0.15}
# Counts of sky per pixel: the surveys are shallower in z.
_SKY = (150.0, 500.0, 2000.0)
# What the viewer multiplies the bands with, its softening, and the level of its sky.
_WEIGHT, _SOFT, _LEVEL = np.array([6.0, 3.4, 2.2]), 6.0, 0.03
_NOISE, _SATURATION = 0.008, 0.35
_EDGE_ON = 0.4


@dataclass
class Drawn:
    """Colour cut-outs of simulated galaxies.

    Attributes
    ----------
    pictures : numpy.ndarray (N, S, S, 3) float32
        Red, green, blue from 0 to 255.
    features : numpy.ndarray (N, 4) float32
        1 where a galaxy has a ring, a bar, arms, or is irregular; 0 where not (`FEATURES`).
    identifier : numpy.ndarray (N,) of str
    """

    pictures: np.ndarray
    features: np.ndarray
    identifier: np.ndarray

    def __len__(self) -> int:
        return len(self.identifier)


def draw_cutouts(n: int, size: int = 56, seed: int = 0, start: int = 0) -> Drawn:
    """Draw discs, half of them with a ring, half with a bar, a third with arms, and irregulars.

    Galaxy `start + i` depends on seed and number alone, but for the neighbours that it gets from
    the galaxies drawn with it.

    Parameters
    ----------
    n, size, seed, start : int
        As in `data.simulate.galaxies`.

    Examples
    --------
    >>> made = draw_cutouts(3, size=24, seed=1)
    >>> made.pictures.shape, made.features.shape, made.identifier.tolist()
    ((3, 24, 24, 3), (3, 4), ['1-1', '1-2', '1-3'])
    """
    made = galaxies(
        n, size, BANDS, seed, _MIX, snr=(100.0, 1200.0), radius=(size / 10, size / 4.5),
        bars=0.5, rings=0.5, arms=0.35, psf=1.8, sky=_SKY, start=start,
    )  # fmt: skip
    rng = np.random.default_rng([seed, start, n])
    sigma = np.sqrt(made.camera.variance(np.zeros(len(BANDS))))
    counts = made.images + company(made.models, rng)
    truth = made.truth
    features = np.stack(
        [truth["ring"] > 0, truth["bar"] > 0, truth["arms"] > 0, truth["type"] == "irregular"],
        axis=1,
    )
    names = np.array([f"{seed}-{number}" for number in truth["id"]])
    depth = rng.uniform(0.5, 1.6, (n, 1, 1, 1))
    open_ = (truth["axis_ratio"] > _EDGE_ON) | (truth["type"] == "irregular")
    pictures = colour_picture(counts, sigma, depth)
    return Drawn(pictures[open_], features[open_].astype(np.float32), names[open_])


def company(models: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Give each galaxy up to three faint neighbours: others of the sample, shrunk and set aside.

    Parameters
    ----------
    models : numpy.ndarray (N, S, S, C)
        Without noise.
    rng : numpy.random.Generator

    Returns
    -------
    numpy.ndarray (N, S, S, C)
        The light to add.
    """
    count, size = models.shape[:2]
    small = models[:, : size // 4 * 4, : size // 4 * 4]
    small = small.reshape(count, size // 4, 4, size // 4, 4, -1).sum(axis=(2, 4))
    side, added = small.shape[1], np.zeros_like(models)
    for light in added:
        for _ in range(rng.integers(4)):
            away, around = rng.uniform(0.33, 0.6) * size, rng.uniform(0, 2 * np.pi)
            top, left = (
                int(round((size - side) / 2 + away * part))
                for part in (np.sin(around), np.cos(around))
            )
            rows = slice(max(top, 0), min(top + side, size))
            columns = slice(max(left, 0), min(left + side, size))
            if rows.start < rows.stop and columns.start < columns.stop:
                other = small[rng.integers(count)] * rng.uniform(0.02, 0.3)
                light[rows, columns] += other[
                    rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
                ]
    return added


def colour_picture(counts: np.ndarray, sigma: np.ndarray, depth=1.0) -> np.ndarray:
    """asinh(Q I) / sqrt(Q) with I the mean over bands, each colour in its share of I.

    Parameters
    ----------
    counts : numpy.ndarray (N, S, S, 3)
        g, r and z, sky subtracted, on one magnitude scale.
    sigma : numpy.ndarray (3,)
        Standard deviation of the sky.
    depth : float or numpy.ndarray
        How strong the noise shows; 1 is usual.

    Returns
    -------
    numpy.ndarray (N, S, S, 3) float32
        Red (z), green (r), blue (g) from 0 to 255.
    """
    unit = _NOISE * depth / (_WEIGHT[1] * sigma[1])
    bands = np.maximum(counts * unit * _WEIGHT + _LEVEL, 0.0)
    mean = bands.mean(axis=-1, keepdims=True)
    brightness = np.arcsinh(_SOFT * mean) / np.sqrt(_SOFT)
    toned = mean + _SATURATION * (bands[..., ::-1] - mean)
    colours = toned * (brightness / np.maximum(mean, 1e-9))
    return (255 * np.clip(colours, 0.0, 1.0)).astype(np.float32)
