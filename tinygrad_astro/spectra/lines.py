"""Spectral lines that everybody knows: names and rest wavelengths in vacuum, in Angstrom.

Quasar lines and their equivalent widths after Vanden Berk et al. 2001 (AJ 122, 549), table 2;
the others after the line list of the Sloan Digital Sky Survey.
"""

import numpy as np

# name: (wavelength, equivalent width in Angstrom, width as a standard deviation in km/s)
QUASAR = {
    "O VI": (1033.8, 9.7, 4000.0), "Ly alpha": (1215.7, 70.0, 3000.0),
    "N V": (1240.1, 20.0, 3500.0), "O I": (1305.4, 1.7, 2500.0),
    "Si IV": (1398.3, 8.1, 3500.0), "C IV": (1549.1, 23.8, 2800.0),
    "He II": (1640.4, 4.0, 4000.0), "Al III": (1857.8, 2.0, 3000.0),
    "C III]": (1908.7, 21.2, 3500.0), "Fe II UV": (2380.0, 25.0, 14000.0),
    "Mg II": (2799.1, 32.3, 2300.0), "[Ne V]": (3426.8, 1.5, 500.0),
    "[O II]": (3728.5, 1.6, 300.0), "[Ne III]": (3869.9, 1.4, 400.0),
    "H delta": (4102.9, 5.0, 2200.0), "H gamma": (4341.7, 12.6, 2200.0),
    "Fe II": (4570.0, 18.0, 5500.0), "H beta": (4862.7, 46.2, 2300.0),
    "[O III] 4959": (4960.3, 3.5, 350.0), "[O III] 5007": (5008.2, 13.2, 350.0),
    "Fe II red": (5265.0, 18.0, 5000.0), "He I": (5877.3, 4.9, 2500.0),
    "H alpha": (6564.6, 194.5, 2300.0),
}  # fmt: skip

# name: (wavelength, strength where H alpha is 1 in a metal-rich galaxy, the same in a poor one)
GALAXY_EMISSION = {
    "[O II]": (3728.5, 0.6, 0.8), "[Ne III]": (3869.9, 0.04, 0.20), "H delta": (4102.9, 0.07, 0.09),
    "H gamma": (4341.7, 0.13, 0.16), "H beta": (4862.7, 0.30, 0.35),
    "[O III] 4959": (4960.3, 0.10, 0.60), "[O III] 5007": (5008.2, 0.30, 1.80),
    "He I": (5877.3, 0.03, 0.04), "[N II] 6548": (6549.9, 0.13, 0.02),
    "H alpha": (6564.6, 1.0, 1.0),
    "[N II] 6583": (6585.3, 0.40, 0.06), "[S II] 6716": (6718.3, 0.20, 0.12),
    "[S II] 6731": (6732.7, 0.15, 0.09), "[S III]": (9533.2, 0.15, 0.25),
}  # fmt: skip

# name: (wavelength, equivalent width in Angstrom in old stars, standard deviation in Angstrom)
OLD_STARS = {
    "CN": (3840.0, 10.0, 25.0), "Ca K": (3934.8, 9.0, 9.0), "Ca H": (3969.6, 8.0, 9.0),
    "Ca I": (4227.9, 1.5, 6.0), "G band": (4305.6, 6.0, 14.0), "Fe 4383": (4384.8, 4.0, 12.0),
    "Mg b": (5176.6, 6.0, 20.0), "Fe 5270": (5271.9, 3.0, 12.0), "Na D": (5894.6, 3.5, 7.0),
    "TiO": (6230.0, 5.0, 50.0), "Ca II 8500": (8500.4, 1.3, 6.0),
    "Ca II 8544": (8544.4, 3.5, 7.0), "Ca II 8664": (8664.5, 2.8, 7.0),
}  # fmt: skip

BALMER = (
    6564.61, 4862.68, 4341.68, 4102.89, 3971.19, 3890.15, 3836.47, 3798.98, 3771.70, 3751.22,
    3735.43, 3722.94, 3712.98,
)  # fmt: skip
PASCHEN = (8665.0, 8752.9, 8865.2, 9017.4, 9232.0, 9548.6, 10052.1)

# What a figure marks, by class; in the frame of the source.
MARKED = {
    "star": {
        "H alpha": 6564.6, "H beta": 4862.7, "H gamma": 4341.7, "H delta": 4102.9, "Ca K": 3934.8,
        "Ca H": 3969.6, "Mg b": 5176.6, "Na D": 5894.6, "Ca II": 8544.4,
    },
    "galaxy": {
        "[O II]": 3728.5, "Ca K": 3934.8, "Ca H": 3969.6, "G band": 4305.6, "H beta": 4862.7,
        "[O III]": 5008.2, "Mg b": 5176.6, "Na D": 5894.6, "H alpha": 6564.6, "[S II]": 6725.0,
    },
    "quasar": {
        "O VI": 1033.8, "Ly alpha": 1215.7, "N V": 1240.1, "Si IV": 1398.3, "C IV": 1549.1,
        "C III]": 1908.7, "Mg II": 2799.1, "H beta": 4862.7, "[O III]": 5008.2, "H alpha": 6564.6,
    },
}  # fmt: skip


def gaussian_lines(wavelength, centre, sigma, height) -> np.ndarray:
    """sum_k height_k exp(-(wavelength - centre_k)^2 / 2 sigma_k^2), each only where it matters.

    Parameters
    ----------
    wavelength : numpy.ndarray (L,)
    centre, sigma, height : array_like (K,)
        In the unit of the wavelength; height in any.

    Returns
    -------
    numpy.ndarray (L,)

    Examples
    --------
    >>> import numpy as np
    >>> gaussian_lines(np.array([1.0, 2.0, 9.0]), [2.0], [1.0], [3.0]).round(3)
    array([1.82, 3.  , 0.  ])
    """
    wavelength = np.asarray(wavelength, np.float64)
    total = np.zeros_like(wavelength)
    for c, s, h in zip(centre, sigma, height, strict=True):
        first, last = np.searchsorted(wavelength, (c - 6 * s, c + 6 * s))
        near = slice(first, last)
        total[near] += h * np.exp(-0.5 * ((wavelength[near] - c) / s) ** 2)
    return total


def pixel_widened(sigma, wavelength, step: float) -> np.ndarray:
    """Give line widths after instrument and pixels: R = 2000, and pixels of `step` in ln(lambda).

    Parameters
    ----------
    sigma : array_like (K,)
        Standard deviations in Angstrom.
    wavelength : array_like (K,)
        Where the lines are observed, in Angstrom.
    step : float
    """
    instrument = np.asarray(wavelength) / 2000.0 / 2.355
    pixel = np.asarray(wavelength) * step / np.sqrt(12.0)
    return np.sqrt(np.square(sigma) + instrument**2 + pixel**2)
