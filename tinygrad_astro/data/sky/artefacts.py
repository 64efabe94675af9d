"""What makes an image unclassifiable: a satellite trail, a bleeding star, the edge of a chip."""

import math

import numpy as np

ARTEFACTS = ("trail", "bleed", "edge")


def spoil(
    rng: np.random.Generator, kind: str, image: np.ndarray, sigma: np.ndarray, fwhm: float
) -> np.ndarray:
    """Put an artefact over the middle of an image.

    Parameters
    ----------
    rng : numpy.random.Generator
    kind : {"trail", "bleed", "edge"}
    image : numpy.ndarray (H, W, C)
        Counts; a new array is given back.
    sigma : numpy.ndarray (C,)
        Noise of the sky in counts.
    fwhm : float
        Of the seeing, in pixels.
    """
    height, width = image.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float64)
    middle = (width - 1) / 2 + rng.uniform(-4, 4), (height - 1) / 2 + rng.uniform(-4, 4)
    # Reflected sunlight and saturated stars are white: alike in all bands.
    peak = np.maximum(image.max(), 20 * sigma)
    if kind == "edge":
        turn = rng.uniform(0, 2 * math.pi)
        beyond = (x - middle[0]) * math.cos(turn) + (y - middle[1]) * math.sin(turn) > 0
        return np.where(beyond[..., None], 0.0, image).astype(image.dtype)
    if kind == "trail":
        turn = rng.uniform(0, math.pi)
        away = (x - middle[0]) * math.sin(turn) - (y - middle[1]) * math.cos(turn)
        line = np.exp(-0.5 * (away / (0.6 * fwhm * rng.uniform(0.8, 1.6))) ** 2)
        return (image + line[..., None] * peak * rng.uniform(0.7, 2.0)).astype(image.dtype)
    r2 = (x - middle[0]) ** 2 + (y - middle[1]) ** 2
    full = peak * rng.uniform(1.5, 3.0)
    glow = 30 * full * (1 + r2[..., None] / fwhm**2) ** -2.5
    column = np.abs(x - round(middle[0])) <= rng.integers(0, 2)
    bled = column & (np.abs(y - middle[1]) < rng.uniform(0.4, 1.0) * height)
    bright = np.where(bled[..., None], full, np.minimum(image + glow, full))
    return bright.astype(image.dtype)
