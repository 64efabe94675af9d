"""What a spectrograph makes of a flux: noise, errors of calibration, pixels without data."""

import numpy as np

# Noise of the sky, relative: the shape of a spectrograph with a blue and a red arm on a dark site.
NOISE_AT = (
    3500,
    3700,
    3850,
    4100,
    4500,
    5000,
    5700,
    6050,
    6300,
    7000,
    8500,
    9300,
    9900,
    10200,
    10450,
)
NOISE = (14.0, 5.0, 3.2, 2.1, 1.6, 1.3, 1.1, 1.2, 1.0, 0.8, 0.8, 1.0, 1.8, 3.5, 7.0)
# Bright lines of the night sky (vacuum), where noise is two to four times larger.
SKY_LINES = (
    5578.9, 5891.6, 5897.6, 6302.0, 6365.5, 6866.0, 7278.0, 7318.3, 7342.9, 7526.0, 7715.0, 7752.8,
    7796.3, 7823.5, 7915.8, 7966.5, 7995.8, 8027.6, 8346.9, 8401.8, 8432.5, 8454.6, 8467.5, 8507.2,
    8780.8, 8829.5, 8888.3, 8922.1, 8961.1, 9004.1, 9051.0, 9340.9, 9378.6, 9442.3, 9479.3, 9522.3,
    9569.9, 9793.6, 9875.8, 9918.0, 10016.0, 10085.0, 10126.0, 10290.0, 10375.0,
)  # fmt: skip
FIRST, LAST = (3560.0, 3640.0), (10300.0, 10420.0)


def noise_shape(wavelength: np.ndarray) -> np.ndarray:
    """Give the relative noise of the sky, 1 at 6300 A but for its lines, (L,)."""
    smooth = np.exp(np.interp(wavelength, NOISE_AT, np.log(NOISE)))
    width = np.gradient(wavelength) + 1.5
    excess = np.zeros_like(smooth)
    for line in SKY_LINES:
        excess = np.maximum(excess, np.exp(-0.5 * ((wavelength - line) / width) ** 2))
    return smooth * (1 + 2.0 * excess)


def observe(
    rng: np.random.Generator, wavelength: np.ndarray, flux: np.ndarray, snr: float
) -> tuple[np.ndarray, np.ndarray]:
    """Observe a flux at a median signal-to-noise ratio per 1e-4 in log10 of the wavelength.

    Parameters
    ----------
    rng : numpy.random.Generator
    wavelength, flux : numpy.ndarray (L,)
    snr : float

    Returns
    -------
    flux, ivar : numpy.ndarray (L,) float32
        The errors say the truth but for a percent of pixels, where the sky was subtracted badly;
        ivar is 0 beyond the ends of the coverage and in dead pixels.
    """
    sky = noise_shape(wavelength)
    per_pixel = float(np.log10(wavelength[1] / wavelength[0])) / 1e-4
    wanted = snr * np.sqrt(per_pixel)
    level = np.median(flux)
    # Half of the noise of an object as bright as the sky is its own.
    sigma = sky * np.sqrt(1 + np.clip(flux / max(level, 1e-12), 0, 10) * min(0.02 * snr, 1.0))
    sigma *= np.median(flux / sigma) / wanted
    noise = sigma * rng.standard_normal(len(flux))
    noise *= np.where(rng.random(len(flux)) < 0.01, rng.uniform(2, 5, len(flux)), 1.0)
    seen = flux * _calibration(rng, wavelength) + noise
    dead = (wavelength < rng.uniform(*FIRST)) | (wavelength > rng.uniform(*LAST))
    dead |= rng.random(len(flux)) < 0.002
    ivar = np.where(dead, 0.0, 1 / np.square(sigma))
    return np.where(dead, 0.0, seen).astype(np.float32), ivar.astype(np.float32)


def _calibration(rng, wavelength):
    """Give the error of the flux calibration: a tilt and a bend of some percent."""
    x = np.linspace(-1, 1, len(wavelength))
    return np.exp(rng.normal(0, 0.10) * x + rng.normal(0, 0.05) * (2 * x**2 - 1))
