"""Synthetic quasars: a power law, broad lines, the Lyman alpha forest, dust, troughs in some."""

import numpy as np

from tinygrad_astro.spectra.lines import QUASAR, gaussian_lines, pixel_widened

LIGHT = 299792.458
# Share of quasars with broad absorption lines, and the lines that have them.
TROUGHS = 0.12
TROUGH_LINES = ("C IV", "Si IV", "N V", "O VI")


def draw_redshift(rng: np.random.Generator) -> float:
    """Draw a redshift as BOSS chose its targets: most from 2 to 3.5, where the forest is seen."""
    choice = rng.random()
    if choice < 0.62:
        return float(2.05 + rng.gamma(1.6, 0.33))
    if choice < 0.92:
        return float(rng.uniform(0.4, 2.2))
    return float(rng.uniform(3.0, 5.2))


def quasar(rng: np.random.Generator, wavelength: np.ndarray, redshift: float) -> np.ndarray:
    """Draw the flux per wavelength of a quasar, without noise, in any unit.

    The continuum is lambda^-1.5 (scatter 0.5), flatter beyond 5000 A; equivalent widths and line
    widths scatter about the composite of Vanden Berk et al. 2001 (AJ 122, 549).

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
    slope = rng.normal(-1.5, 0.5)
    continuum = np.where(rest < 5000, (rest / 5000) ** slope, (rest / 5000) ** (0.4 * slope))
    flux = continuum * (1 + _line_contrast(rng, rest))
    flux *= 10 ** (-0.4 * rng.exponential(0.04) * 1.39 * (rest / 1e4) ** -1.2)
    if rng.random() < TROUGHS:
        flux *= _troughs(rng, rest)
    return flux * _forest(rng, wavelength, redshift)


def _line_contrast(rng, rest):
    """Give line over continuum, each line a core and wings."""
    step = float(np.log(rest[1] / rest[0]))
    strength, broad = rng.lognormal(0, 0.45), rng.lognormal(0, 0.35)
    place, sigma, height = [], [], []
    for centre, width, velocity in QUASAR.values():
        narrow = velocity < 1000
        shift = rng.normal(0, 80 if narrow else 400)
        speed = velocity * (rng.lognormal(0, 0.2) if narrow else broad * rng.lognormal(0, 0.15))
        area = width * strength * rng.lognormal(0, 0.35)
        for share, factor in ((0.6, 0.6), (0.4, 1.6)):
            spread = pixel_widened(centre * speed * factor / LIGHT, centre, step)
            place.append(centre * (1 + shift / LIGHT))
            sigma.append(float(spread))
            height.append(area * share / (spread * np.sqrt(2 * np.pi)))
    return gaussian_lines(rest, place, sigma, height)


def _troughs(rng, rest):
    """Give the transmission of outflowing gas: the same velocities in front of several lines."""
    fastest = rng.uniform(4000, 25000)
    slowest = fastest - rng.uniform(2000, min(fastest, 12000))
    depth, seen = rng.uniform(0.4, 1.0), np.ones_like(rest)
    for name in TROUGH_LINES:
        velocity = LIGHT * (1 - rest / QUASAR[name][0])
        edges = np.tanh((velocity - slowest) / 400) - np.tanh((velocity - fastest) / 400)
        seen *= 1 - depth * rng.uniform(0.4, 1.0) * 0.5 * edges
    return np.clip(seen, 0.0, 1.0)


def _forest(rng, wavelength, redshift):
    """Give the transmission of the gas in front: 0.0036 (1 + z)^3.46 in the mean, and in clumps."""
    rest = wavelength / (1 + redshift)
    depth = 0.0036 * (wavelength / 1215.67) ** 3.46
    clumps = rng.gamma(0.6, 1 / 0.6, len(wavelength) + 2)
    clumps = (clumps[:-2] + clumps[1:-1] + clumps[2:]) / 3
    inside = np.where(rest < 1215.67, depth * clumps, 0.0)
    if rng.random() < 0.12:  # a damped system, black over a dozen Angstrom
        place = 1215.67 * (1 + rng.uniform(1.9, max(redshift, 2.0)))
        width = rng.uniform(4, 20)
        inside += np.where(rest < 1216, 3.0 / (1 + ((wavelength - place) / width) ** 4), 0.0)
    limit = rng.exponential(1.5)
    return np.exp(-inside - np.where(rest < 912, limit, 0.0))
