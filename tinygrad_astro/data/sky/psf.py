"""Point-spread functions: stars at sub-pixel positions, and the convolution of everything else."""

import math

import numpy as np

from tinygrad_astro.data.sky.profiles import draw_profile


class Gaussian:
    """I(r) = exp(-r^2 / (2 s^2)) / (2 pi s^2) with s = FWHM / 2.3548.

    Parameters
    ----------
    fwhm : float
        Full width at half maximum, in pixels.
    """

    def __init__(self, fwhm: float):
        _positive(fwhm)
        self.fwhm = float(fwhm)
        self.sigma = fwhm / math.sqrt(8 * math.log(2))

    def brightness(self, r2: np.ndarray) -> np.ndarray:
        """Give the flux per square pixel at squared radius `r2`, for a flux of 1."""
        s2 = self.sigma**2
        return np.exp(-0.5 * r2 / s2) / (2 * math.pi * s2)

    def quantile(self, fraction) -> np.ndarray:
        """Give the radius, in pixels, that holds `fraction` of the light."""
        return self.sigma * np.sqrt(-2 * np.log1p(-np.asarray(fraction)))


class Moffat:
    """I(r) = (beta - 1) / (pi a^2) (1 + r^2 / a^2)^(-beta), the shape of atmospheric seeing.

    Moffat 1969 (A&A 3, 455), with a = FWHM / (2 sqrt(2^(1/beta) - 1)).

    Parameters
    ----------
    fwhm : float
        Full width at half maximum, in pixels.
    beta : float
        Slope of the wings, above 1; 3 is typical of good seeing.
    """

    def __init__(self, fwhm: float, beta: float = 3.0):
        _positive(fwhm)
        if not beta > 1:
            raise ValueError(f"Moffat needs beta > 1 for a finite flux, received {beta}")
        self.fwhm, self.beta = float(fwhm), float(beta)
        self.scale = fwhm / (2 * math.sqrt(2 ** (1 / beta) - 1))

    def brightness(self, r2: np.ndarray) -> np.ndarray:
        """Give the flux per square pixel at squared radius `r2`, for a flux of 1."""
        peak = (self.beta - 1) / (math.pi * self.scale**2)
        return peak * (1 + r2 / self.scale**2) ** -self.beta

    def quantile(self, fraction) -> np.ndarray:
        """Give the radius, in pixels, that holds `fraction` of the light."""
        return self.scale * np.sqrt((1 - np.asarray(fraction)) ** (1 / (1 - self.beta)) - 1)


PSF = Gaussian | Moffat


def as_psfs(psf, bands: int) -> list[PSF]:
    """Make one PSF per band of a FWHM in pixels, a PSF, or a sequence of either.

    A bare number is the FWHM of a Moffat profile with beta = 3.

    Raises
    ------
    ValueError
        If a sequence has not one entry per band.
    """
    listed = list(psf) if isinstance(psf, list | tuple) else [psf] * bands
    if len(listed) != bands:
        raise ValueError(f"expected one PSF per band ({bands}), received {len(listed)}")
    return [p if isinstance(p, Gaussian | Moffat) else Moffat(float(p)) for p in listed]


def kernel(psf: PSF, radius: int | None = None) -> np.ndarray:
    """Sample a PSF at pixel centres, normalised to 1: `(2 radius + 1)` squared, float64.

    The radius is 5 FWHM unless given. (Galaxies are integrated over pixels before they are
    convolved, so the kernel must not be integrated again.)

    Examples
    --------
    >>> k = kernel(Gaussian(3.0))
    >>> k.shape, round(float(k.sum()), 12)
    ((31, 31), 1.0)
    """
    reach = math.ceil(5 * psf.fwhm) if radius is None else radius
    axis = np.arange(-reach, reach + 1.0)
    r2 = axis[:, None] ** 2 + axis**2
    sampled = np.where(r2 <= reach * reach, psf.brightness(r2), 0.0)
    return sampled / sampled.sum()


def draw_star(shape: tuple[int, int], psf: PSF, x: float, y: float) -> np.ndarray:
    """Draw a point source of flux 1 at (x, y), integrated over pixels, (H, W) float64."""
    return draw_profile(shape, psf, x, y)


def convolve(image: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Convolve (H, W) with a centred odd kernel; beyond the border the image is 0."""
    pad = weights.shape[0] // 2
    full = [_good_length(length + 2 * pad) for length in image.shape]
    product = np.fft.rfft2(image, full) * np.fft.rfft2(weights, full)
    whole = np.fft.irfft2(product, full)
    return whole[pad : pad + image.shape[0], pad : pad + image.shape[1]]


def _good_length(length: int) -> int:
    """Round up to a product of 2, 3 and 5, for which the FFT is fast."""
    while True:
        rest = length
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return length
        length += 1


def _positive(fwhm: float) -> None:
    if not fwhm > 0:
        raise ValueError(f"FWHM must be positive, received {fwhm}")
