"""A photometric survey of the synthetic sky: cut-outs, and the magnitudes measured on them."""

import numpy as np

from tinygrad_astro.data.simulate import galaxies
from tinygrad_astro.photoz.catalogue import Catalogue

BANDS = "ugriz"
TYPES = ("spheroid", "disc", "irregular")
# Electrons of sky per pixel: u is the darkest and the noisiest for what galaxies send there.
SKY = (120.0, 300.0, 500.0, 700.0, 700.0)


def survey(n: int, size: int = 32, seed: int = 0, start: int = 0) -> Catalogue:
    """Simulate galaxies of known redshift in u, g, r, i, z, and measure them.

    Magnitudes come from a circular aperture of half the stamp's side, noise included, so faint
    galaxies are undetected in u. Galaxy `start + i` is the same however many are made.

    Parameters
    ----------
    n, size : int
        Number of galaxies and side of their stamps in pixels.
    seed, start : int
        As in `data.simulate.galaxies`.

    Returns
    -------
    Catalogue
        With images on an asinh scale of the sky's noise, and identifiers "seed-number".

    Examples
    --------
    >>> made = survey(2, size=16)
    >>> made.images.shape, made.magnitudes.shape, made.identifier.tolist()
    ((2, 16, 16, 5), (2, 5), ['0-1', '0-2'])
    """
    made = galaxies(
        n,
        size,
        BANDS,
        seed,
        TYPES,
        snr=None,
        radius=(1.2, size / 6),
        sky=SKY,
        zero_point=31.5,
        start=start,
    )
    counts, noise = photometry(made.images, made.camera)
    # Undetected, with no light at all: an upper limit as surveys write it, m faint, error large.
    kept = np.maximum(counts, 1e-3 * noise)
    magnitudes = made.camera.zero_point - 2.5 * np.log10(kept)
    errors = 2.5 / np.log(10.0) * noise / kept
    sigma = np.sqrt(made.camera.variance(np.zeros(len(BANDS))))
    return Catalogue(
        magnitudes,
        errors,
        tuple(BANDS),
        made.truth["redshift"].astype(np.float64),
        np.array([f"{seed}-{number}" for number in made.truth["id"]]),
        np.arcsinh(made.images / sigma).astype(np.float32),
    )


def photometry(images: np.ndarray, camera) -> tuple[np.ndarray, np.ndarray]:
    """Add up the counts in a central circle, and give the standard deviation of that sum.

    Parameters
    ----------
    images : numpy.ndarray (N, S, S, C)
        Counts, sky subtracted.
    camera : data.sky.camera.Camera

    Returns
    -------
    counts, noise : numpy.ndarray (N, C)
    """
    size = images.shape[1]
    axis = np.arange(size) - (size - 1) / 2
    inside = np.hypot(axis[:, None], axis) <= size / 4
    counts = images[:, inside].sum(axis=1, dtype=np.float64)
    background = (camera.sky + camera.read_noise**2) * inside.sum()
    return counts, np.sqrt(np.maximum(counts, 0.0) + background)
