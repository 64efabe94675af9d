"""Synthetic stars: black bodies with Balmer and metal lines, white dwarfs, and odd ones."""

import numpy as np

from tinygrad_astro.spectra.lines import (
    BALMER,
    OLD_STARS,
    PASCHEN,
    gaussian_lines,
    pixel_widened,
)

LIGHT = 299792.458
# Kinds and their shares among objects that look like quasars or galaxies in images.
KINDS = {
    "ordinary": 0.68,
    "white dwarf": 0.14,
    "helium dwarf": 0.03,
    "featureless": 0.05,
    "cataclysmic": 0.04,
    "cool": 0.06,
}
HELIUM = (3889.7, 4027.3, 4472.7, 4714.5, 4923.3, 5017.1, 5877.3, 6680.0)
# Band heads of titanium oxide; each band fades towards the red.
TITANIUM_OXIDE = (4761.0, 4954.0, 5167.0, 5448.0, 5847.0, 6159.0, 6651.0, 7053.0, 7589.0, 8432.0)


def star(rng: np.random.Generator, wavelength: np.ndarray) -> np.ndarray:
    """Draw the flux per wavelength of a star, without noise, in any unit.

    Parameters
    ----------
    rng : numpy.random.Generator
    wavelength : numpy.ndarray (L,)
        In Angstrom; equal steps of the logarithm.

    Returns
    -------
    numpy.ndarray (L,)
    """
    rest = wavelength / (1 + rng.normal(0, 120.0) / LIGHT)
    kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
    if kind == "white dwarf":
        return _white_dwarf(rng, rest)
    if kind == "helium dwarf":
        return black_body(rest, rng.uniform(11000, 25000)) * _helium(rng, rest)
    if kind == "featureless":
        return black_body(rest, np.exp(rng.uniform(np.log(5500), np.log(13000))))
    if kind == "cataclysmic":
        return _cataclysmic(rng, rest)
    if kind == "cool":
        return _cool(rng, rest)
    return ordinary(rng, rest, float(np.exp(rng.uniform(np.log(4200), np.log(16000)))))


def black_body(wavelength: np.ndarray, temperature: float) -> np.ndarray:
    """Planck's law per wavelength (Angstrom, kelvin), 1 at 5500 A.

    Examples
    --------
    >>> import numpy as np
    >>> black_body(np.array([5500.0, 2.898e7 / 8000]), 8000.0).round(3)
    array([1.   , 1.435])
    """

    def law(x):
        return x**-5.0 / np.expm1(1.4388e8 / (x * temperature))

    return law(wavelength) / law(5500.0)


def ordinary(rng: np.random.Generator, rest: np.ndarray, temperature: float) -> np.ndarray:
    """Draw a star of the main sequence or a giant, by its temperature in kelvin.

    Balmer lines and the jump at 3646 A are strongest near 9500 K; metal lines grow below 7500 K.
    """
    hydrogen = float(np.exp(-0.5 * (np.log10(temperature / 9500) / 0.13) ** 2))
    metals = np.clip((8200 - temperature) / 3500, 0, 1.3) * rng.lognormal(-0.2, 0.5)
    flux = black_body(rest, temperature)
    # The series converges to the jump, and what lies beyond is dimmed.
    flux = flux * (1 - 0.5 * hydrogen / (1 + np.exp((rest - 3720) / 25)))
    flux *= 1 - 0.35 * np.clip(metals, 0, 1.2) / (1 + np.exp((rest - 3990) / 60))
    width = rng.uniform(5, 14) * (0.5 + hydrogen)
    flux *= _balmer(rest, (0.12 + 0.55 * hydrogen) * rng.uniform(0.8, 1.1), width)
    flux *= 1 - gaussian_lines(rest, PASCHEN, [width] * len(PASCHEN), [0.25 * hydrogen] * 7)
    return flux * metal_lines(rest, metals)


def metal_lines(rest: np.ndarray, strength: float) -> np.ndarray:
    """Give the transmission of the lines of old stars, their widths times `strength`."""
    step = float(np.log(rest[1] / rest[0]))
    centre, width, sigma = (np.array(part) for part in zip(*OLD_STARS.values(), strict=True))
    spread = pixel_widened(sigma, centre, step)
    depth = strength * width / (spread * np.sqrt(2 * np.pi))
    return 1 - gaussian_lines(rest, centre, spread, np.minimum(depth, 0.85))


def _balmer(rest, depth, width):
    count = len(BALMER)
    fading = depth * np.array([0.8, 1.0, 1.0, 1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2])
    step = float(np.log(rest[1] / rest[0]))
    spread = pixel_widened([width] * count, np.array(BALMER), step)
    return np.clip(1 - gaussian_lines(rest, BALMER, spread, fading), 0.05, None)


def _white_dwarf(rng, rest):
    temperature = np.exp(rng.uniform(np.log(7000), np.log(26000)))
    strength = float(np.exp(-0.5 * (np.log10(temperature / 12000) / 0.2) ** 2))
    width = rng.uniform(25, 60) * (0.5 + 0.5 * strength)
    depth = (0.1 + 0.45 * strength) * rng.uniform(0.7, 1.1)
    # Pressure melts the higher lines into each other.
    fading = depth * np.array([0.8, 1.0, 1.0, 0.85, 0.6, 0.35, 0.15, 0, 0, 0, 0, 0, 0])
    lines = gaussian_lines(rest, BALMER, [width] * len(BALMER), fading)
    return black_body(rest, temperature) * (1 - np.clip(lines, 0, 0.9))


def _helium(rng, rest):
    width, depth = rng.uniform(12, 35), rng.uniform(0.1, 0.35)
    return 1 - np.clip(gaussian_lines(rest, HELIUM, [width] * 8, [depth] * 8), 0, 0.9)


def _cataclysmic(rng, rest):
    flux = (rest / 5500) ** rng.uniform(-2.5, -0.5)
    width, height = rng.uniform(8, 20), rng.lognormal(-0.7, 0.7)
    fading = height * np.array([1.2, 1, 0.9, 0.8, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0, 0, 0])
    lines = gaussian_lines(rest, BALMER, [width] * len(BALMER), fading)
    others = (*HELIUM, 4687.0)
    return flux * (1 + lines + gaussian_lines(rest, others, [width] * 9, [0.3 * height] * 9))


def _cool(rng, rest):
    temperature = rng.uniform(2700, 4200)
    strength = np.clip((4300 - temperature) / 1400, 0.05, 1.0)
    flux = black_body(rest, temperature) * metal_lines(rest, 1.2)
    for head in TITANIUM_OXIDE:
        beyond = (rest - head) / head
        band = np.where(beyond > 0, np.exp(-np.maximum(beyond, 0.0) / 0.025), 0.0)
        flux *= 1 - strength * rng.uniform(0.25, 0.55) * band
    if rng.random() < 0.3:  # an active one
        flux *= 1 + gaussian_lines(rest, BALMER[:4], [4.0] * 4, [1.0, 0.5, 0.4, 0.3])
    return flux
