"""Galaxies of a bulge and a disc, each behind a point-spread function of its own.

Bulge (de Vaucouleurs) and disc (exponential, in part with arms) share centre and ellipse, so that
axis ratio and half-light radius mean one thing. Lengths are pixels, counts electrons.
"""

from dataclasses import dataclass, replace

import numpy as np

from tinygrad_astro.data.sky.components import Arms, spiral_arms
from tinygrad_astro.data.sky.drawing import generator
from tinygrad_astro.data.sky.profiles import Sersic, draw_profile, ellipse
from tinygrad_astro.data.sky.psf import Moffat, convolve

PSF_RADIUS = 15
SKY_VARIANCE = 425.0
SNR = (15.0, 300.0)
_ARMED = 0.4
_COLUMNS = ("id x y half_light_radius axis_ratio angle bulge_fraction bulge_radius disc_radius "
            "fwhm snr").split()  # fmt: skip


@dataclass
class Sample:
    """Galaxies with their PSFs and all that is true of them.

    Attributes
    ----------
    models : numpy.ndarray (N, S, S) float32
        Without noise; the whole galaxy has a flux of 1, so a stamp holds a little less.
    psfs : numpy.ndarray (N, 31, 31) float32
        Sum 1 each.
    truth : numpy.ndarray (N,), structured
        id; x, y (centre, pixel); half_light_radius (semi-major axis, before the PSF), axis_ratio,
        angle (degrees from +x); bulge_fraction; bulge_radius, disc_radius (half-light, semi-major
        axis); fwhm (of the PSF); snr (that `images` of this sample has).
    """

    models: np.ndarray
    psfs: np.ndarray
    truth: np.ndarray

    def __len__(self) -> int:
        return len(self.truth)

    def __getitem__(self, rows) -> "Sample":
        """Give some of the galaxies."""
        return replace(self, models=self.models[rows], psfs=self.psfs[rows], truth=self.truth[rows])

    @property
    def scaled(self) -> np.ndarray:
        """The models in counts at the S/N of the truth, float32 (N, S, S)."""
        return self.models * counts_for(self.models, self.truth["snr"])[:, None, None]

    def images(self) -> np.ndarray:
        """Expose every galaxy once: counts with the sky subtracted, float32 (N, S, S).

        The noise of a galaxy follows from its id: the same galaxy, the same bits.
        """
        made = self.scaled
        for image, number in zip(made, self.truth["id"], strict=True):
            rng = generator(int(number), 11, 0)
            image += np.sqrt(image + SKY_VARIANCE) * rng.standard_normal(image.shape, np.float32)
        return made


def simulate(
    n: int,
    size: int = 48,
    seed: int = 0,
    start: int = 0,
    radius: tuple[float, float] = (1.2, 10.0),
    fwhm: tuple[float, float] = (1.5, 5.0),
    snr: tuple[float, float] = SNR,
) -> Sample:
    """Draw galaxies; number `start + i` of a seed is the same however many are drawn.

    Half-light radius, S/N and the ratio of bulge to disc radius (0.15 to 1) are uniform in their
    logarithms; bulge fraction and axis ratio (0.2 to 1) are uniform.

    Parameters
    ----------
    n, size : int
        Number of galaxies and side of their stamps in pixels.
    seed, start : int
    radius : (float, float)
        Range of the half-light radius.
    fwhm : (float, float)
        Range of the PSF, a slightly elliptical Moffat profile.
    snr : (float, float)
        Range of the matched-filter S/N.

    Returns
    -------
    Sample

    Raises
    ------
    ValueError
        If a number or a range cannot be.

    Examples
    --------
    >>> made = simulate(2, size=24)
    >>> made.models.shape, made.psfs.shape, made.images().dtype
    ((2, 24, 24), (2, 31, 31), dtype('float32'))
    """
    if n < 1 or size < 16:
        raise ValueError(f"n must be >= 1 and size >= 16, received {n} and {size}")
    for name, (low, high) in {"radius": radius, "fwhm": fwhm, "snr": snr}.items():
        if not 0 < low <= high:
            raise ValueError(f"{name} must be (low, high), 0 < low <= high, received {low, high}")
    truth = np.zeros(n, [(name, "i8" if name == "id" else "f8") for name in _COLUMNS])
    models = np.zeros((n, size, size), np.float32)
    psfs = np.zeros((n, 2 * PSF_RADIUS + 1, 2 * PSF_RADIUS + 1), np.float32)
    for index, row in enumerate(truth):
        rng = generator(seed, 10, start + index)
        row["id"] = seed * 10_000_000 + start + index + 1
        row["x"], row["y"] = (size - 1) / 2 + rng.uniform(-1, 1, 2)
        row["bulge_fraction"], row["axis_ratio"] = rng.uniform(0, 1), rng.uniform(0.2, 1)
        row["angle"] = rng.uniform(0, 180)
        ratio = np.exp(rng.uniform(np.log(0.15), 0.0))
        row["half_light_radius"], row["fwhm"], row["snr"] = (
            np.exp(rng.uniform(*np.log(limits))) for limits in (radius, fwhm, snr)
        )
        unit = half_light_radius(row["bulge_fraction"], ratio, 1.0)
        row["disc_radius"] = row["half_light_radius"] / unit
        row["bulge_radius"] = ratio * row["disc_radius"]
        psf = draw_psf(
            row["fwhm"], rng.uniform(2.5, 4.5), rng.uniform(0.85, 1), rng.uniform(0, 180)
        )
        arms = _arms(rng, row) if rng.random() < _ARMED else None
        models[index], psfs[index] = draw(row, psf, size, arms), psf
    return Sample(models, psfs, truth)


def draw_psf(fwhm: float, beta: float = 3.0, axis_ratio: float = 1.0, angle: float = 0.0):
    """Sample a Moffat profile at pixel centres, float64 (31, 31) of sum 1."""
    axis = np.arange(-PSF_RADIUS, PSF_RADIUS + 1.0)
    u, v = ellipse(axis[None, :], axis[:, None], axis_ratio, angle)
    light = Moffat(fwhm, beta).brightness(axis_ratio * (u * u + v * v))
    return light / light.sum()


def draw(row: np.void, psf: np.ndarray, size: int, arms: Arms | None = None) -> np.ndarray:
    """Draw a galaxy of flux 1 behind a PSF, float64 (size, size)."""
    pad = PSF_RADIUS
    place = row["x"] + pad, row["y"] + pad
    shape, turned = (size + 2 * pad,) * 2, (row["axis_ratio"], row["angle"])
    disc = draw_profile(shape, Sersic(row["disc_radius"], 1.0), *place, *turned)
    if arms is not None:
        axis = np.arange(float(shape[0]))
        disc *= arms(*ellipse(axis[None, :] - place[0], axis[:, None] - place[1], *turned))
    bulge = draw_profile(shape, Sersic(row["bulge_radius"], 4.0), *place, *turned)
    share = row["bulge_fraction"]
    blurred = convolve(share * bulge + (1 - share) * disc, psf)[pad:-pad, pad:-pad]
    return np.maximum(blurred, 0.0)


def _arms(rng: np.random.Generator, row: np.void) -> Arms:
    """Draw arms, which leave the radial profile what it is."""
    pitch = rng.uniform(12, 28) * rng.choice([-1, 1])
    strength, count = rng.uniform(0.3, 1.0), int(rng.choice([2, 2, 3, 4]))
    return spiral_arms(
        rng, row["disc_radius"], count, pitch, strength, axis_ratio=row["axis_ratio"]
    )


def half_light_radius(bulge_fraction, bulge_radius, disc_radius):
    """Find R with B F_4(R / R_b) + (1 - B) F_1(R / R_d) = 1/2, F_n the light within a radius.

    Parameters
    ----------
    bulge_fraction, bulge_radius, disc_radius : array_like (...)
        Radii in pixels (or any unit); the two profiles share one ellipse.

    Returns
    -------
    numpy.ndarray (...)
        In the unit of the radii; NaN where one of the three is.

    Examples
    --------
    >>> half_light_radius([0.0, 1.0, 0.5], 2.0, 6.0).round(2)
    array([6.  , 2.  , 4.01])
    """
    share, bulge, disc = np.broadcast_arrays(
        *(np.asarray(a, np.float64) for a in (bulge_fraction, bulge_radius, disc_radius))
    )
    low, high = np.minimum(bulge, disc) * 0.999, np.maximum(bulge, disc) * 1.001
    levels = np.linspace(0, 1, 4001)
    profiles = [Sersic(1.0, n).quantile(levels) for n in (4.0, 1.0)]
    for _ in range(50):
        middle = 0.5 * (low + high)
        inside = share * np.interp(middle / bulge, profiles[0], levels)
        inside = inside + (1 - share) * np.interp(middle / disc, profiles[1], levels)
        low, high = np.where(inside < 0.5, middle, low), np.where(inside < 0.5, high, middle)
    return np.where(np.isnan(share + bulge + disc), np.nan, 0.5 * (low + high))


def counts_for(models: np.ndarray, snr: np.ndarray) -> np.ndarray:
    """Find the fluxes at which sqrt(sum m^2 / (m + sky variance)) is `snr`, (N,).

    S/N grows as a power between 1/2 and 1 of the flux, so each round at least halves the error of
    its logarithm.
    """
    flux = np.full(len(models), 1e4)
    for _ in range(16):
        seen = models * flux[:, None, None].astype(np.float32)
        flux *= snr / np.sqrt((seen**2 / (seen + SKY_VARIANCE)).sum(axis=(1, 2), dtype=np.float64))
    return flux.astype(np.float32)
