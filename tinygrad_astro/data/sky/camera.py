"""The camera of the synthetic sky: from sources to counts, variance and noise."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tinygrad_astro.data.sky.components import draw_galaxy
from tinygrad_astro.data.sky.psf import as_psfs, convolve, draw_star, kernel
from tinygrad_astro.data.sky.seds import band_names
from tinygrad_astro.data.sky.source import Source


@dataclass
class Stamp:
    """The noise-free image of one source, cut out of its field.

    Attributes
    ----------
    origin : (int, int)
        Row and column of its first pixel in the field.
    data : numpy.ndarray (h, w, C) float32
        Counts; no pixels where the source lies outside of the field.
    """

    origin: tuple[int, int]
    data: np.ndarray

    @property
    def window(self) -> tuple[slice, slice]:
        """The slices (rows, columns) of the field that the stamp covers."""
        (y, x), (height, width) = self.origin, self.data.shape[:2]
        return slice(y, y + height), slice(x, x + width)


class Camera:
    """Bands, seeing, sky and noise of one exposure. One count is one electron.

    Parameters
    ----------
    bands : str or sequence of str
        Names out of `seds.BANDS`; "gri" is three bands.
    psf : float, Gaussian, Moffat, or a sequence with one per band
        A number is the FWHM in pixels of a Moffat profile with beta = 3.
    sky : float or sequence of float (C,)
        Counts of the sky per pixel. Images come with the sky subtracted; its noise stays.
    read_noise : float or sequence of float (C,)
        Standard deviation in counts.
    zero_point : float
        AB magnitude of one count.
    pixel_scale : float
        Arcsec per pixel.
    """

    def __init__(
        self,
        bands: str | Sequence[str] = "gri",
        psf=3.5,
        sky: float | Sequence[float] = 400.0,
        read_noise: float | Sequence[float] = 5.0,
        zero_point: float = 30.0,
        pixel_scale: float = 0.2,
    ):
        self.bands = band_names(bands)
        count = len(self.bands)
        self.psfs = as_psfs(psf, count)
        self.sky = np.broadcast_to(np.asarray(sky, float), (count,))
        self.read_noise = np.broadcast_to(np.asarray(read_noise, float), (count,))
        for name, value in (("sky", self.sky), ("read_noise", self.read_noise)):
            if not (np.isfinite(value).all() and (value >= 0).all()):
                raise ValueError(f"{name} must be finite and >= 0, received {value}")
        self.zero_point, self.pixel_scale = float(zero_point), float(pixel_scale)
        self.reference = self.bands.index("r") if "r" in self.bands else count // 2
        self.fwhm = max(psf.fwhm for psf in self.psfs)
        self.margin = math.ceil(5 * self.fwhm)
        self.kernels = np.stack([kernel(psf, self.margin) for psf in self.psfs], axis=-1)

    def counts(self, magnitude: float) -> float:
        """Give the total counts of an AB magnitude."""
        return 10 ** (-0.4 * (magnitude - self.zero_point))

    def variance(self, model: np.ndarray) -> np.ndarray:
        """Give source + sky + read noise squared, (H, W, C), in counts squared."""
        return model + (self.sky + self.read_noise**2)

    def expose(self, rng: np.random.Generator, model: np.ndarray) -> np.ndarray:
        """Add Poisson noise of source and sky and Gaussian read noise, (H, W, C) float32."""
        counts = rng.poisson(np.maximum(model + self.sky, 0.0)) - self.sky
        return (counts + rng.standard_normal(model.shape) * self.read_noise).astype(np.float32)

    def draw(self, source: Source, shape: tuple[int, int], x: float, y: float) -> np.ndarray:
        """Draw a source behind the PSF into an image of its own, (H, W, C) float64, counts."""
        if not source.components:
            layers = [
                f * draw_star(shape, p, x, y) for f, p in zip(source.flux, self.psfs, strict=True)
            ]
            return np.stack(layers, axis=-1)
        pad = self.margin
        wide = draw_galaxy(
            source.components, (shape[0] + 2 * pad, shape[1] + 2 * pad), x + pad, y + pad
        )
        blurred = [convolve(wide[..., c], self.kernels[..., c]) for c in range(len(self.bands))]
        # The FFT leaves rounding errors of either sign where there is no light.
        return np.maximum(np.stack(blurred, axis=-1), 0.0)[pad:-pad, pad:-pad]

    def stamp(self, source: Source, shape: tuple[int, int], x: float, y: float) -> Stamp:
        """Draw a source into a stamp that holds 99 % of its light, as far as `shape` allows."""
        if source.components:
            reach = max(part.reach(0.99) for part in source.components) + 2 * self.fwhm
        else:
            reach = max(float(psf.quantile(0.999)) for psf in self.psfs)
        half = math.ceil(min(reach, 1.5 * max(shape)))
        y0, x0 = max(round(y) - half, 0), max(round(x) - half, 0)
        y1, x1 = min(round(y) + half + 1, shape[0]), min(round(x) + half + 1, shape[1])
        if y1 <= y0 or x1 <= x0:
            return Stamp((0, 0), np.zeros((0, 0, len(self.bands)), np.float32))
        data = self.draw(source, (y1 - y0, x1 - x0), x - x0, y - y0)
        return Stamp((y0, x0), data.astype(np.float32))

    def signal_to_noise(self, model: np.ndarray) -> float:
        """Give the matched-filter S/N in the reference band: sqrt(sum s^2 / variance)."""
        signal = model[..., self.reference].astype(np.float64)
        noise = signal + self.sky[self.reference] + self.read_noise[self.reference] ** 2
        return float(np.sqrt(np.sum(signal**2 / np.maximum(noise, 1e-300))))
