"""How bright, how large and how far galaxies of each type are."""

from functools import lru_cache

import numpy as np

from tinygrad_astro.data.sky.seds import (
    arcsec_per_kpc,
    band_flux,
    distance_modulus,
    galaxy_spectrum,
)

# Characteristic absolute r magnitude and its spread; half-light radius in kpc at M = -21, the slope
# of log radius against magnitude, and its scatter in dex (after Shen et al. 2003, MNRAS 343, 978).
_LUMINOSITY = {"spheroid": (-21.5, 1.0), "disc": (-20.7, 1.0), "irregular": (-18.8, 0.9)}
_SIZE = {
    "spheroid": (3.6, -0.20, 0.10), "disc": (5.5, -0.10, 0.12), "irregular": (4.5, -0.10, 0.12),
}  # fmt: skip
_REDSHIFTS = np.geomspace(0.004, 1.5, 400)


def absolute_magnitude(rng: np.random.Generator, kind: str) -> float:
    """Draw an absolute r magnitude typical of a type."""
    return float(rng.normal(*_LUMINOSITY[kind]))


def effective_radius(
    rng: np.random.Generator, kind: str, absolute: float, redshift: float, scale: float
) -> float:
    """Draw the effective radius in pixels of `scale` arcsec, from luminosity and distance."""
    size, slope, scatter = _SIZE[kind]
    kiloparsec = size * 10 ** (slope * (absolute + 21) + rng.normal(0, scatter))
    return float(kiloparsec * arcsec_per_kpc(redshift) / scale)


def redshift_of(kind: str, apparent: float, absolute: float) -> float:
    """Find the redshift at which a galaxy of this luminosity has this apparent r magnitude."""
    return float(np.interp(apparent - absolute, dimming(kind), _REDSHIFTS))


def apparent_magnitude(kind: str, absolute: float, redshift: float) -> float:
    """Give the apparent r magnitude: M + distance modulus + K-correction of a mean spectrum."""
    return absolute + float(np.interp(redshift, _REDSHIFTS, dimming(kind)))


@lru_cache(maxsize=3)
def dimming(kind: str) -> np.ndarray:
    """Give m - M in r on the grid of redshifts, made to rise throughout."""
    young = {"spheroid": 0.02, "disc": 0.4, "irregular": 0.8}[kind]
    spectrum = galaxy_spectrum(young)
    emitted = band_flux(spectrum, "r", _REDSHIFTS)[:, 0] / band_flux(spectrum, "r")[0]
    correction = -2.5 * np.log10((1 + _REDSHIFTS) * emitted)
    return np.maximum.accumulate(distance_modulus(_REDSHIFTS) + correction)
