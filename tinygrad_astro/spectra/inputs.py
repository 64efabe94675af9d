"""What a network sees of a spectrum: three channels in which a pixel without data is exactly 0."""

import numpy as np

from tinygrad_astro.spectra.survey import Spectra

CHANNELS = ("flux", "contrast", "weight")
# Half-width of the running mean that contrast is measured against: 17,000 km/s.
REACH_KM_S = 17_000.0
LIGHT = 299792.458
# No pixel says more than this, in units of the spectrum's size, or of its own noise (asinh).
BRIGHTEST, SUREST = 8.0, 4.0


def network_inputs(spectra: Spectra) -> np.ndarray:
    """Give flux, contrast and weight of every pixel, float32 (N, L, 3).

    - flux: in units of the spectrum's root mean square, times the weight;
    - contrast: (flux - running mean) / noise, as asinh(x / 2), so that lines stand out;
    - weight: signal^2 / (signal^2 + noise^2), with the root mean square as the signal: near 1
      where the noise is small, 0 where there are no data.

    Whatever a pixel holds that says nothing (NaN, infinities, 1e30), the result is the same to the
    bit. The unit of the flux does not matter.

    Parameters
    ----------
    spectra : Spectra

    Examples
    --------
    >>> from tinygrad_astro.spectra.simulate import simulate
    >>> network_inputs(simulate(2)).shape
    (2, 940, 3)
    """
    good = spectra.good
    ivar = np.where(good, spectra.ivar, 0.0).astype(np.float64)
    flux = np.where(good, spectra.flux, 0.0).astype(np.float64)
    # Fluxes of 1e-17 and of 1e3 alike: first by the largest, so that no square can overflow.
    largest = np.abs(flux).max(axis=1, keepdims=True, initial=0.0)
    unit = np.where(largest > 0, largest, 1.0)
    flux, ivar = flux / unit, ivar * unit * unit
    total = ivar.sum(axis=1, keepdims=True)
    square = (ivar * flux**2).sum(axis=1, keepdims=True) / np.where(total > 0, total, 1.0)
    signal = np.where(square > 0, square, 1.0)
    weight = np.where(good, signal / (signal + 1 / np.where(good, ivar, 1.0)), 0.0)
    bright = np.clip(flux / np.sqrt(signal), -BRIGHTEST, BRIGHTEST) * weight
    step = float(np.log(spectra.wavelength[1] / spectra.wavelength[0]))
    reach = max(1, round(REACH_KM_S / LIGHT / step))
    away = (flux - running_mean(flux, ivar, reach)) * np.sqrt(ivar)
    contrast = np.clip(np.arcsinh(away / 2), -SUREST, SUREST)
    return np.stack([bright, contrast, weight], axis=-1).astype(np.float32)


def running_mean(flux: np.ndarray, weight: np.ndarray, reach: int) -> np.ndarray:
    """Give the weighted mean of each pixel and `reach` on both sides, (N, L); 0 without weight.

    Examples
    --------
    >>> import numpy as np
    >>> running_mean(np.array([[1.0, 5.0, 3.0]]), np.array([[1.0, 0.0, 1.0]]), 1)
    array([[1., 2., 3.]])
    """
    length = flux.shape[1]
    high = np.minimum(np.arange(length) + reach + 1, length)
    low = np.maximum(np.arange(length) - reach, 0)

    def windows(values):
        sums = np.pad(np.cumsum(values, axis=1), ((0, 0), (1, 0)))
        return sums[:, high] - sums[:, low]

    count = windows((weight > 0).astype(np.float64))
    total = np.where(count > 0.5, windows(weight), 1.0)
    mean = windows(flux * weight) / np.where(total > 0, total, 1.0)
    return np.where(count > 0.5, mean, 0.0)
