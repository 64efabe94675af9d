"""What a photometric redshift is worth, by name: papers use one word for different numbers.

`pasquet` and `rail` give the same four ideas in the two conventions in use; the others are the
numbers themselves. All take arrays of one length, without NaN.
"""

import numpy as np

from tinygrad_astro.photoz.flatness import flatness
from tinygrad_astro.photoz.pdf import Pdf

# Largest |dz| that is no outlier.
PASQUET_CUT, WIDE_CUT = 0.05, 0.15


def residual(z_phot, z_spec) -> np.ndarray:
    """dz = (z_phot - z_spec) / (1 + z_spec), (N,).

    Raises
    ------
    ValueError
        If the shapes differ, nothing is given, or a value is not finite.

    Examples
    --------
    >>> residual([1.2], [1.0]).round(3)
    array([0.1])
    """
    z_phot, z_spec = np.asarray(z_phot, np.float64), np.asarray(z_spec, np.float64)
    if z_phot.shape != z_spec.shape or z_phot.ndim != 1 or z_phot.size == 0:
        raise ValueError(
            f"got redshifts of shapes {z_phot.shape} and {z_spec.shape}, expected (N,) twice"
        )
    bad = ~(np.isfinite(z_phot) & np.isfinite(z_spec))
    if bad.any():
        raise ValueError(
            f"{bad.sum()} of {len(bad)} redshifts are not finite, the first in row "
            f"{bad.argmax()}; leave these objects out and say how many they were"
        )
    return (z_phot - z_spec) / (1 + z_spec)


def sigma_nmad(dz) -> float:
    """1.4826 median |dz - median(dz)|: also called sigma_MAD.

    Examples
    --------
    >>> sigma_nmad([-1.0, 0.0, 1.0])
    1.4826
    """
    dz = np.asarray(dz)
    return float(1.4826 * np.median(np.abs(dz - np.median(dz))))


def sigma_iqr(dz) -> float:
    """(75th - 25th percentile of dz) / 1.349.

    Examples
    --------
    >>> round(sigma_iqr([0.0, 1.0, 2.0, 3.0, 4.0]), 4)
    1.4826
    """
    low, high = np.percentile(np.asarray(dz), [25, 75])
    return float((high - low) / 1.349)


def pasquet(z_phot, z_spec) -> dict[str, float]:
    """Give bias = mean(dz), sigma_mad, and outliers = share of |dz| > 0.05.

    As in Pasquet et al. 2019 (A&A 621, A26), section 5.

    Examples
    --------
    >>> pasquet([0.1, 0.2, 0.6], [0.1, 0.2, 0.5])["outliers"]
    0.3333333333333333
    """
    dz = residual(z_phot, z_spec)
    return {
        "bias": float(dz.mean()),
        "sigma_mad": sigma_nmad(dz),
        "outliers": float((np.abs(dz) > PASQUET_CUT).mean()),
    }


def rail(z_phot, z_spec) -> dict[str, float]:
    """Give bias = median(dz), sigma_iqr, sigma_mad, outliers = share of |dz| > the cut.

    The cut is max(0.06, 3 sigma_iqr), as the RAIL software of the LSST Dark Energy Science
    Collaboration counts.

    Examples
    --------
    >>> rail([0.1, 0.2, 0.6], [0.1, 0.2, 0.5])["bias"]
    0.0
    """
    dz = residual(z_phot, z_spec)
    sigma = sigma_iqr(dz)
    return {
        "bias": float(np.median(dz)),
        "sigma_iqr": sigma,
        "sigma_mad": sigma_nmad(dz),
        "outliers": float((np.abs(dz) > max(0.06, 3 * sigma)).mean()),
    }


def point_metrics(z_phot, z_spec) -> dict:
    """Give both conventions, sigma_nmad, and the share of |dz| > 0.15."""
    dz = residual(z_phot, z_spec)
    return {
        "objects": len(dz),
        "sigma_nmad": sigma_nmad(dz),
        "outliers_0.15": float((np.abs(dz) > WIDE_CUT).mean()),
        "pasquet": pasquet(z_phot, z_spec),
        "rail": rail(z_phot, z_spec),
    }


def pit(pdf: Pdf, z_spec) -> np.ndarray:
    """PIT = F(z_spec), the probability below the truth: level from 0 to 1 if densities are honest.

    Dawid 1984 (J. R. Stat. Soc. A 147, 278).

    Returns
    -------
    numpy.ndarray (N,)
    """
    return pdf.at(z_spec)


def crps(pdf: Pdf, z_spec) -> np.ndarray:
    """CRPS = integral over z of (F(z) - [z >= z_spec])^2, in redshift, (N,).

    Hersbach 2000 (Weather and Forecasting 15, 559), equation 1; exact for a piecewise straight F.
    For a density that is a spike it is |z - z_spec|.

    Examples
    --------
    >>> import numpy as np
    >>> flat = Pdf(np.array([0.0, 1.0]), np.array([[0.0, 1.0]]))
    >>> crps(flat, [0.0]).round(4)
    array([0.3333])
    """
    z = np.asarray(z_spec, np.float64)[:, None]
    here = pdf.at(z[:, 0])[:, None]
    low, high = pdf.grid[:-1], pdf.grid[1:]
    below, above = pdf.cdf[:, :-1], pdf.cdf[:, 1:]
    # Up to the truth F^2 counts, from there on (F - 1)^2; one interval is parted by it.
    left = _square(below, np.where(high > z, here, above), np.clip(z - low, 0, high - low))
    right = _square(1 - np.where(low < z, here, below), 1 - above, np.clip(high - z, 0, high - low))
    outside = np.maximum(pdf.grid[0] - z, 0) + np.maximum(z - pdf.grid[-1], 0)
    return (left + right).sum(axis=1) + outside[:, 0]


def _square(start, end, width):
    """Integrate the square of a straight line from `start` to `end` over `width`."""
    return width * (start * start + start * end + end * end) / 3


def cde_loss(pdf: Pdf, z_spec) -> float:
    """L = mean of integral f(z)^2 dz - 2 mean f(z_spec): up to a constant, the squared error of f.

    Izbicki & Lee 2017 (Electron. J. Stat. 11, 2800), equation 7. Lower is better.

    Examples
    --------
    >>> import numpy as np
    >>> cde_loss(Pdf(np.array([0.0, 1.0]), np.array([[0.0, 1.0]])), [0.5])
    -1.0
    """
    z, density = np.asarray(z_spec, np.float64), pdf.density
    square = (density**2 * np.diff(pdf.grid)).sum(axis=1)
    place = np.searchsorted(pdf.grid, z, side="right") - 1
    inside = (z >= pdf.grid[0]) & (z <= pdf.grid[-1])
    place = np.clip(place, 0, density.shape[1] - 1)
    at_truth = np.where(inside, density[np.arange(len(z)), place], 0.0)
    return float((square - 2 * at_truth).mean())


def pdf_metrics(pdf: Pdf, z_spec) -> dict:
    """Give mean CRPS, CDE loss, coverage of the central 68 and 95 %, and how level the PIT is."""
    values = pit(pdf, z_spec)
    return {
        "crps": float(crps(pdf, z_spec).mean()),
        "cde_loss": cde_loss(pdf, z_spec),
        "coverage_68": float((np.abs(values - 0.5) <= 0.34135).mean()),
        "coverage_95": float((np.abs(values - 0.5) <= 0.47725).mean()),
        "pit": flatness(values),
    }
