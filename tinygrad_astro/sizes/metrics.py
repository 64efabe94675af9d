"""How good measurements are, and how honest their errors: one table for networks and for fits."""

from collections.abc import Sequence

import numpy as np

from tinygrad_astro.photoz.flatness import flatness
from tinygrad_astro.photoz.metrics import sigma_nmad
from tinygrad_astro.photoz.pdf import normal_cdf
from tinygrad_astro.sizes.fitting import Fit
from tinygrad_astro.sizes.measurer import ONE_SIGMA, TWO_SIGMA, Densities
from tinygrad_astro.sizes.quantities import QUANTITIES, Quantity, judged

# Where "bright" begins, in S/N.
BRIGHT = 50.0


def accuracy(residual: np.ndarray, pit: np.ndarray) -> dict:
    """Say how far off measurements are, and whether their errors are as large as they say.

    Parameters
    ----------
    residual : numpy.ndarray (N,)
        From `Quantity.residual`; NaN where a measurement failed.
    pit : numpy.ndarray (N,)
        Probability below the truth.

    Returns
    -------
    dict
        `galaxies`, `failed`; of those that did not fail: `bias` (median), `sigma_nmad`, `rms`,
        `within_1_sigma` and `within_2_sigma` (shares of truths in the central 68.27 and 95.45 %:
        so large they should be), `pit` (how level).

    Examples
    --------
    >>> import numpy as np
    >>> found = accuracy(np.array([0.1, -0.1, np.nan]), np.array([0.5, 0.01, np.nan]))
    >>> found["galaxies"], found["failed"], found["within_1_sigma"]
    (3, 1, 0.5)
    """
    known = np.isfinite(residual) & np.isfinite(pit)
    away = 2 * np.abs(pit[known] - 0.5)
    if not known.any():
        return {"galaxies": len(residual), "failed": len(residual)}
    return {
        "galaxies": len(residual),
        "failed": int((~known).sum()),
        "bias": float(np.median(residual[known])),
        "sigma_nmad": sigma_nmad(residual[known]),
        "rms": float(np.sqrt(np.mean(residual[known] ** 2))),
        "within_1_sigma": float((away <= ONE_SIGMA).mean()),
        "within_2_sigma": float((away <= TWO_SIGMA).mean()),
        "pit": flatness(pit[known]),
    }


def judge(residuals: dict, pits: dict, truth: np.ndarray) -> dict:
    """Tabulate `accuracy` by quantity, for all galaxies and for those brighter than `BRIGHT`."""
    found = {}
    for name, residual in residuals.items():
        counts = judged(name, truth)
        bright = counts & (truth["snr"] >= BRIGHT)
        found[name] = accuracy(residual[counts], pits[name][counts])
        found[name]["bright"] = accuracy(residual[bright], pits[name][bright])
    return found


def of_densities(said: Densities, truth: np.ndarray) -> tuple[dict, dict]:
    """Give residuals and PITs by quantity, each (N,)."""
    residuals = {q.name: q.residual(said.value(q.name), truth[q.name]) for q in QUANTITIES}
    return residuals, {q.name: said.pit(q.name, truth[q.name]) for q in QUANTITIES}


def of_fits(fits: Sequence[Fit], truth: np.ndarray) -> tuple[dict, dict]:
    """Give residuals and PITs by quantity that the fits have, their errors taken as Gaussian."""
    residuals, pits = {}, {}
    for q in QUANTITIES:
        residual, error = fit_residual(q, fits, truth)
        if np.isfinite(residual).any():
            residuals[q.name] = residual
            with np.errstate(divide="ignore", invalid="ignore"):
                pull = np.where(error > 0, -residual / error, np.nan)
            pits[q.name] = np.where(np.isnan(pull), np.nan, normal_cdf(np.clip(pull, -9, 9)))
    return residuals, pits


def fit_residual(
    quantity: Quantity, fits: Sequence[Fit], truth: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Give residuals and errors of one quantity, (N,) each; NaN where the fit has none."""
    values = np.array([fit.values[quantity.name] for fit in fits])
    errors = np.array([fit.errors[quantity.name] for fit in fits])
    return quantity.residual(values, truth[quantity.name]), errors
