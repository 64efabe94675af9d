"""Spectra simple enough to state in full, so that colours follow redshift in a known way.

Three templates, all normalised to 1 at 5500 Angstrom in the rest frame:

- old stars: a black body of 4400 K; below 4000 A it drops to 0.45 (the 4000 A break), below 2900 A
  to a quarter of that;
- young stars: lambda^-2; below 3650 A it drops to 0.75 (the Balmer break), nothing below 912 A;
  emission lines [O II] 3727, H beta 4861, [O III] 5007 and H alpha 6563 with equivalent widths of
  40, 15, 40 and 60 A;
- stars: a black body of their temperature with a drop to 0.6 below 3900 A.

A galaxy is a sum of old and young light, dimmed by dust A(lambda) = A_V (lambda / 5500)^-0.8.
Fluxes are AB: counts are proportional to the mean f_nu over a top-hat band. Distances are those of
a flat universe with H_0 = 70 km/s/Mpc and Omega_m = 0.3.
"""

import math
from functools import lru_cache

import numpy as np

# Effective wavelength and width in Angstrom.
BANDS = {
    "u": (3550.0, 600.0), "g": (4750.0, 1400.0), "r": (6200.0, 1350.0), "i": (7600.0, 1500.0),
    "z": (8900.0, 1250.0), "Y": (10200.0, 1000.0), "J": (12500.0, 1700.0),
    "H": (16400.0, 2900.0), "Ks": (21500.0, 3000.0),
}  # fmt: skip
_ALIASES = {"Z": "z", "y": "Y", "K": "Ks"}
_LINES = ((3727.0, 40.0), (4861.0, 15.0), (5007.0, 40.0), (6563.0, 60.0))
_GRID = np.geomspace(800.0, 24000.0, 3000)
_HUBBLE_LENGTH_MPC = 299792.458 / 70.0


def band_names(bands) -> tuple[str, ...]:
    """Check the names of bands, given as "gri" or as a sequence.

    Raises
    ------
    ValueError
        If a name is unknown; the text lists those that exist.
    """
    names = tuple(bands)
    unknown = [name for name in names if _ALIASES.get(name, name) not in BANDS]
    if unknown or not names:
        raise ValueError(f"unknown bands {unknown or names}; there are {', '.join(BANDS)}")
    return names


def _black_body(wavelength: np.ndarray, temperature: float) -> np.ndarray:
    return wavelength**-5.0 / np.expm1(1.4388e8 / (wavelength * temperature))


def _step(wavelength: np.ndarray, edge: float, below: float, width: float) -> np.ndarray:
    return below + (1 - below) / (1 + np.exp(-(wavelength - edge) / width))


@lru_cache(maxsize=1)
def _old() -> np.ndarray:
    light = (
        _black_body(_GRID, 4400.0) * _step(_GRID, 4000, 0.45, 60) * _step(_GRID, 2900, 0.25, 100)
    )
    return light / np.interp(5500.0, _GRID, light)


@lru_cache(maxsize=1)
def _young() -> np.ndarray:
    light = (_GRID / 5500.0) ** -2 * _step(_GRID, 3650, 0.75, 40) * _step(_GRID, 912, 0.0, 5)
    lines = np.ones_like(_GRID)
    for centre, width in _LINES:
        sigma = 12.0
        shape = np.exp(-0.5 * ((_GRID - centre) / sigma) ** 2)
        lines += width / (sigma * math.sqrt(2 * math.pi)) * shape
    return light * lines


@lru_cache(maxsize=1)
def _dust() -> np.ndarray:
    return (_GRID / 5500.0) ** -0.8


def galaxy_spectrum(young: float, dust: float = 0.0) -> np.ndarray:
    """Give f_lambda on the grid; `young` is the share of young light at 5500 A, `dust` is A_V."""
    light = (1 - young) * _old() + young * _young()
    return light * 10 ** (-0.4 * dust * _dust())


def star_spectrum(temperature: float) -> np.ndarray:
    """Give f_lambda of a star of `temperature` kelvin on the grid."""
    light = _black_body(_GRID, temperature) * _step(_GRID, 3900, 0.6, 80)
    return light / np.interp(5500.0, _GRID, light)


def band_flux(spectrum: np.ndarray, bands, redshift=0.0) -> np.ndarray:
    """Give mean f_nu per band of a spectrum seen at `redshift`, up to one constant.

    Parameters
    ----------
    spectrum : numpy.ndarray
        From `galaxy_spectrum` or `star_spectrum`.
    bands : sequence of str (C,)
    redshift : float or numpy.ndarray (...)

    Returns
    -------
    numpy.ndarray (..., C)
        Proportional to L_nu in the emitted band; distance and (1 + z) are not in it.
    """
    photons = np.concatenate([[0.0], np.cumsum(_halves(spectrum * _GRID) * np.diff(_GRID))])
    out = []
    for name in bands:
        centre, width = BANDS[_ALIASES.get(name, name)]
        low, high = (edge / (1 + np.asarray(redshift)) for edge in
                     (centre - width / 2, centre + width / 2))  # fmt: skip
        light = np.interp(high, _GRID, photons) - np.interp(low, _GRID, photons)
        out.append(light / np.log(high / low))
    return np.stack(out, axis=-1)


def _halves(values: np.ndarray) -> np.ndarray:
    return 0.5 * (values[1:] + values[:-1])


@lru_cache(maxsize=1)
def _comoving() -> tuple[np.ndarray, np.ndarray]:
    z = np.linspace(0.0, 4.0, 4001)
    inverse = 1 / np.sqrt(0.3 * (1 + z) ** 3 + 0.7)
    distance = np.concatenate([[0.0], np.cumsum(_halves(inverse) * np.diff(z))])
    return z, distance * _HUBBLE_LENGTH_MPC


def distance_modulus(redshift):
    """Give m - M without K-correction: 5 log10(D_L / 10 pc)."""
    z = np.asarray(redshift)
    return 5 * np.log10((1 + z) * np.interp(z, *_comoving()) * 1e5)


def arcsec_per_kpc(redshift):
    """Give the angle that one kiloparsec spans."""
    z = np.asarray(redshift)
    return 206.265 * (1 + z) / np.interp(z, *_comoving())
