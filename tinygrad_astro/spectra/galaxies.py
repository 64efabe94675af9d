"""Synthetic galaxies: old and young stars, dust, and the lines of the gas between them."""

import numpy as np

from tinygrad_astro.spectra.lines import (
    BALMER,
    GALAXY_EMISSION,
    gaussian_lines,
    pixel_widened,
)
from tinygrad_astro.spectra.stars import black_body, metal_lines

LIGHT = 299792.458


def draw_redshift(rng: np.random.Generator) -> float:
    """Draw a redshift: most below 0.7, some up to 1.5 that [O II] alone tells."""
    return float(rng.uniform(0.02, 0.75) if rng.random() < 0.8 else rng.uniform(0.6, 1.5))


def galaxy(rng: np.random.Generator, wavelength: np.ndarray, redshift: float) -> np.ndarray:
    """Draw the flux per wavelength of a galaxy, without noise, in any unit.

    The share of young light runs from none (an elliptical) to all (a starburst); the equivalent
    width of H alpha grows with it, and [O III] grows as metals get rare.

    Parameters
    ----------
    rng : numpy.random.Generator
    wavelength : numpy.ndarray (L,)
        Observed, in Angstrom; equal steps of the logarithm.
    redshift : float

    Returns
    -------
    numpy.ndarray (L,)
    """
    rest = wavelength / (1 + redshift)
    young = float(rng.beta(0.7, 0.7))
    flux = (1 - young) * _old(rng, rest) + young * _young(rng, rest)
    # Equivalent widths count against the continuum, so dust dims lines and stars alike.
    poor = float(rng.beta(1.0, 1.5))
    h_alpha = 60 * young * rng.lognormal(0, 0.7)
    flux *= 1 + _emission(rng, rest, h_alpha, poor)
    return flux * 10 ** (-0.4 * rng.exponential(0.3) * (rest / 5500) ** -0.8)


def _old(rng, rest):
    """Give stars of ten thousand million years: dim below 4000 A, dimmer below 2900 A."""
    strength = rng.uniform(0.8, 1.3)
    flux = black_body(rest, rng.uniform(4300, 5200)) * metal_lines(rest, strength)
    flux = flux * (0.5 + 0.5 / (1 + np.exp(-(rest - 3990) / 40)))
    return flux * (0.3 + 0.7 / (1 + np.exp(-(rest - 2900) / 80)))


def _young(rng, rest):
    """Give hot stars with Balmer lines and the Balmer jump."""
    flux = (rest / 5500) ** rng.normal(-2.0, 0.4)
    flux *= 1 - rng.uniform(0.05, 0.4) / (1 + np.exp((rest - 3700) / 25))
    flux *= metal_lines(rest, rng.uniform(0.0, 0.4))
    fading = rng.uniform(0.05, 0.3) * np.array(
        [0.6, 0.8, 1, 1, 1, 1, 0.9, 0.8, 0.7, 0.6, 0.5, 0, 0]
    )
    flux *= 1 - gaussian_lines(rest, BALMER, [6.0] * len(BALMER), fading)
    return flux * np.where(rest < 912, 0.02, 1.0)


def _emission(rng, rest, h_alpha, poor):
    """Give lines over continuum; widths of 60 to 250 km/s before the instrument."""
    step = float(np.log(rest[1] / rest[0]))
    speed = np.exp(rng.uniform(np.log(60), np.log(250)))
    centre, rich_ratio, poor_ratio = (
        np.array(part) for part in zip(*GALAXY_EMISSION.values(), strict=True)
    )
    ratio = rich_ratio ** (1 - poor) * poor_ratio**poor
    # A bluer continuum is brighter at short wavelengths, which makes widths there smaller.
    width = h_alpha * ratio * (centre / 6564.6) * rng.lognormal(0, 0.15, len(centre))
    sigma = pixel_widened(centre * speed / LIGHT, centre, step)
    return gaussian_lines(rest, centre, sigma, width / (sigma * np.sqrt(2 * np.pi)))
