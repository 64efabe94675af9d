"""Synthetic spectra of stars, galaxies and quasars, as many as training needs."""

import numpy as np

from tinygrad_astro.spectra import galaxies, quasars, stars
from tinygrad_astro.spectra.survey import CLASSES, Spectra
from tinygrad_astro.spectra.telescope import observe

# Fewer, wider pixels than BOSS has: 5 of its 1e-4 in log10, 345 km/s, make one.
FIRST, STEP, PIXELS = 3.5502, 5e-4, 940


def grid(pixels: int = PIXELS, step: float = STEP, first: float = FIRST) -> np.ndarray:
    """Give wavelengths in Angstrom: 10^(first + step i), i < pixels."""
    return 10 ** (first + step * np.arange(pixels))


def simulate(
    n: int,
    seed: int = 0,
    start: int = 0,
    wavelength: np.ndarray | None = None,
    shares: tuple[float, float, float] = (0.38, 0.17, 0.45),
    snr: tuple[float, float] = (2.6, 0.8),
) -> Spectra:
    """Simulate spectra with known class and redshift.

    Object `start + i` depends on seed and number alone, so sets with other numbers share none.

    Parameters
    ----------
    n, seed, start : int
    wavelength : numpy.ndarray (L,), optional
        In Angstrom; default `grid()`.
    shares : (float, float, float)
        Of stars, galaxies and quasars.
    snr : (float, float)
        Median, and scatter of the natural logarithm, of the signal-to-noise ratio per 1e-4 in log10
        of the wavelength.

    Returns
    -------
    Spectra

    Raises
    ------
    ValueError
        If the shares are not three numbers >= 0 with a sum above 0.

    Examples
    --------
    >>> made = simulate(3, seed=1)
    >>> made.flux.shape, made.identifier.tolist()
    ((3, 940), ['1-0', '1-1', '1-2'])
    """
    share = np.asarray(shares, np.float64)
    if share.shape != (len(CLASSES),) or (share < 0).any() or not share.sum() > 0:
        raise ValueError(f"shares={shares!r}, expected three numbers >= 0: of {CLASSES}")
    wavelength = grid() if wavelength is None else wavelength
    flux = np.zeros((n, len(wavelength)), np.float32)
    ivar, label, redshift = np.zeros_like(flux), np.zeros(n, int), np.zeros(n)
    for i in range(n):
        sequence = np.random.SeedSequence(seed, spawn_key=(start + i,))
        rng = np.random.Generator(np.random.Philox(sequence))
        label[i] = np.searchsorted(np.cumsum(share / share.sum()), rng.random(), "right")
        light, redshift[i] = draw(rng, wavelength, CLASSES[min(label[i], 2)])
        ratio = float(np.clip(snr[0] * np.exp(rng.normal(0, snr[1])), 0.3, 60))
        flux[i], ivar[i] = observe(rng, wavelength, light, ratio)
    names = np.array([f"{seed}-{start + i}" for i in range(n)])
    return Spectra(wavelength, flux, ivar, label, redshift, names)


def draw(rng: np.random.Generator, wavelength: np.ndarray, kind: str) -> tuple[np.ndarray, float]:
    """Draw one object without noise: its flux (L,), and its redshift."""
    if kind == "star":
        return stars.star(rng, wavelength), 0.0
    maker = galaxies if kind == "galaxy" else quasars
    redshift = maker.draw_redshift(rng)
    light = getattr(maker, kind)(rng, wavelength, redshift)
    return light, redshift
