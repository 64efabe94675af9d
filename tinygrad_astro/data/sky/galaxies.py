"""Sources drawn at random: structure from the type, colours from stars, dust and redshift."""

import numpy as np

from tinygrad_astro.data.sky.components import Component
from tinygrad_astro.data.sky.morphology import disc, irregular, spheroid
from tinygrad_astro.data.sky.seds import band_flux, galaxy_spectrum, star_spectrum
from tinygrad_astro.data.sky.source import Source


def make_star(rng: np.random.Generator, bands, reference: int, counts: float) -> Source:
    """Draw a star with `counts` in the reference band; cool stars are the most frequent."""
    temperature = 3000.0 * (1 + rng.gamma(1.6, 0.45))
    ratio = band_flux(star_spectrum(min(temperature, 15000.0)), bands)
    return Source("point source", counts * ratio / ratio[reference])


def make_galaxy(
    rng: np.random.Generator,
    kind: str,
    bands,
    reference: int,
    counts: float,
    redshift: float,
    radius: float,
    bars: float = 0.3,
    rings: float = 0.12,
    arms: float = 1.0,
) -> Source:
    """Draw the structure and the colours of a galaxy of given type, flux, redshift and size.

    Parameters
    ----------
    rng : numpy.random.Generator
    kind : {"spheroid", "disc", "irregular"}
    bands : sequence of str (C,)
    reference : int
        Index of the band for which `counts` and all shares hold.
    counts, redshift, radius : float
        Total counts, redshift, and the effective radius in pixels of the main part.
    bars, rings : float
        Probability that a disc that is not edge-on has a bar, a ring.
    arms : float
        Probability that a disc has arms; it is a lenticular otherwise.

    Returns
    -------
    Source
    """
    if kind == "disc":
        source, parts = disc(rng, radius, bars, rings, arms)
    else:
        source, parts = {"spheroid": spheroid, "irregular": irregular}[kind](rng, radius)
    source.redshift = redshift
    for part in parts:
        young, dust = part.stars
        ratio = band_flux(galaxy_spectrum(min(young, 1.0), dust), bands, redshift)
        part.flux = part.share * counts * ratio / ratio[reference]
    source.components = list[Component](parts)
    source.flux = np.sum([component.flux for component in source.components], axis=0)
    return source
