"""From magnitudes to network inputs: undetected bands keep their meaning, missing ones a mask.

A magnitude of 33 with an error of 14750 is no brightness but a flux near zero with a known
noise. Fluxes and their errors are recovered and put on the asinh scale of Lupton, Gunn & Szalay
1999 (AJ 118, 1406), which is linear where the noise rules and logarithmic where the source does.
"""

import math
from dataclasses import asdict, dataclass

import numpy as np

from tinygrad_astro.photoz.catalogue import Catalogue

POGSON = 2.5 / math.log(10.0)
# Fluxes are counted in nanomaggies, so that all numbers stay near one.
ZERO_POINT = 22.5
# Inputs beyond this many standard deviations say no more than "extreme".
WIDEST = 5.0


def fluxes(magnitudes: np.ndarray, errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn magnitudes and their errors into fluxes and theirs, in nanomaggies (AB zero point 22.5).

    Examples
    --------
    >>> import numpy as np
    >>> flux, noise = fluxes(np.array([22.5, 33.0]), np.array([0.1, 14750.0]))
    >>> flux.round(4), noise.round(3)
    (array([1.e+00, 1.e-04]), array([0.092, 0.857]))
    """
    flux = 10 ** (-0.4 * (np.asarray(magnitudes, np.float64) - ZERO_POINT))
    return flux, flux * np.asarray(errors, np.float64) / POGSON


def asinh_magnitudes(flux: np.ndarray, noise: np.ndarray, softening: np.ndarray):
    """m = 22.5 - 2.5/ln(10) (asinh(f / 2b) + ln b), and its error.

    Lupton, Gunn & Szalay 1999, equation 3; the error by linear propagation.

    Parameters
    ----------
    flux, noise : numpy.ndarray (N, B)
        In nanomaggies; a flux may be negative.
    softening : numpy.ndarray (B,)
        b: the flux at which the scale turns from linear to logarithmic.

    Returns
    -------
    magnitude, error : numpy.ndarray (N, B)
        The error is finite however faint the source.

    Examples
    --------
    >>> import numpy as np
    >>> m, e = asinh_magnitudes(np.array([100.0, 0.0]), np.array([1.0, 1.0]), np.array(1.0))
    >>> m.round(3), e.round(3)
    (array([17.5, 22.5]), array([0.011, 0.543]))
    """
    magnitude = ZERO_POINT - POGSON * (np.arcsinh(flux / (2 * softening)) + np.log(softening))
    return magnitude, POGSON * noise / np.sqrt(flux**2 + 4 * softening**2)


@dataclass(frozen=True)
class Features:
    """Network inputs of a catalogue: asinh magnitudes, colours, errors and what is missing.

    Per object: B magnitudes, B - 1 colours of neighbouring bands, B logarithms of errors, all
    centred and scaled as in the sample this was fitted on, and B flags that are 1 where a band was
    not measured. What hangs on a missing band is 0.

    Attributes
    ----------
    bands : list of str
    softening : list of float (B,)
        In nanomaggies: the median noise.
    centre, scale : list of float (3 B - 1,)
    """

    bands: list[str]
    softening: list[float]
    centre: list[float]
    scale: list[float]

    @classmethod
    def fit(cls, catalogue: Catalogue) -> "Features":
        """Find softening, centres and scales on a training sample: medians and scaled MADs.

        Raises
        ------
        ValueError
            If a band was measured nowhere.
        """
        measured = catalogue.measured
        empty = [b for k, b in enumerate(catalogue.bands) if not measured[:, k].any()]
        if empty:
            raise ValueError(
                f"no object has a measurement in band {', '.join(empty)}; leave the band out"
            )
        noise = fluxes(catalogue.magnitudes, catalogue.errors)[1]
        softening = np.nanmedian(np.where(measured, noise, np.nan), axis=0)
        values = _columns(catalogue, softening)
        centre = np.nanmedian(values, axis=0)
        scale = 1.4826 * np.nanmedian(np.abs(values - centre), axis=0)
        scale = np.where(scale > 0, scale, 1.0)
        parts = (softening, centre, scale)
        return cls(list(catalogue.bands), *(part.tolist() for part in parts))

    @property
    def count(self) -> int:
        """Number of inputs."""
        return 4 * len(self.bands) - 1

    def transform(self, catalogue: Catalogue) -> np.ndarray:
        """Give the inputs, float32 (N, 4 B - 1).

        Raises
        ------
        ValueError
            If the bands are not those this was fitted on.
        """
        if list(catalogue.bands) != list(self.bands):
            raise ValueError(
                f"the catalogue has bands {', '.join(catalogue.bands)}, expected "
                f"{', '.join(self.bands)} in this order"
            )
        values = (_columns(catalogue, np.array(self.softening)) - self.centre) / self.scale
        values = np.where(np.isnan(values), 0.0, np.clip(values, -WIDEST, WIDEST))
        return np.concatenate([values, ~catalogue.measured], axis=1).astype(np.float32)

    def to_dict(self) -> dict:
        """Give what `from_dict` takes, as JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, given: dict) -> "Features":
        """Make it again."""
        return cls(**given)


def _columns(catalogue: Catalogue, softening: np.ndarray) -> np.ndarray:
    """Give magnitudes, colours and log errors, NaN where a band they need is missing."""
    measured = catalogue.measured
    shown = np.where(measured, catalogue.magnitudes, np.nan)
    flux, noise = fluxes(shown, np.where(measured, catalogue.errors, np.nan))
    magnitude, error = asinh_magnitudes(flux, noise, softening)
    return np.concatenate([magnitude, -np.diff(magnitude, axis=1), np.log(error)], axis=1)


def hide_bands(inputs: np.ndarray, bands: int, chance: float, rng: np.random.Generator):
    """Make bands missing at random, so that a network learns to do without them.

    Parameters
    ----------
    inputs : numpy.ndarray (N, 4 B - 1)
        From `Features.transform`; not changed.
    bands : int
        B.
    chance : float
        Of each band of each object. One band always stays.
    rng : numpy.random.Generator

    Returns
    -------
    numpy.ndarray (N, 4 B - 1)
    """
    hidden = rng.random((len(inputs), bands)) < chance
    hidden[np.arange(len(inputs)), rng.integers(bands, size=len(inputs))] = False
    gone = hidden | (inputs[:, -bands:] > 0)
    colours = gone[:, 1:] | gone[:, :-1]
    values = np.concatenate([gone, colours, gone], axis=1)
    kept = np.where(values, 0.0, inputs[:, :-bands])
    return np.concatenate([kept, gone], axis=1).astype(inputs.dtype)
