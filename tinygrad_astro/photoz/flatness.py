"""Is the PIT level? Tests against the even distribution, in NumPy alone."""

import math

import numpy as np

BINS = 20


def counts(values, bins: int = BINS) -> np.ndarray:
    """Count PIT values in equal bins from 0 to 1, (bins,)."""
    return np.histogram(np.clip(values, 0.0, 1.0), bins, (0.0, 1.0))[0]


def kolmogorov_smirnov(values) -> tuple[float, float]:
    """Give D = max |share of values below p - p|, and the chance of a larger one.

    The chance is Kolmogorov's series with Stephens's factor (1970, J. R. Stat. Soc. B 32, 115),
    good to 0.02 from 50 values on.

    Examples
    --------
    >>> import numpy as np
    >>> distance, chance = kolmogorov_smirnov((np.arange(100) + 0.5) / 100)
    >>> round(distance, 6), chance
    (0.005, 1.0)
    """
    ordered = np.sort(np.asarray(values, np.float64))
    n = len(ordered)
    above = (np.arange(1, n + 1) / n - ordered).max()
    distance = float(max(above, (ordered - np.arange(n) / n).max()))
    scaled = (math.sqrt(n) + 0.12 + 0.11 / math.sqrt(n)) * distance
    if scaled < 0.2:  # where the alternating series no longer converges, the chance is 1
        return distance, 1.0
    k = np.arange(1, 101)
    chance = 2 * ((-1.0) ** (k - 1) * np.exp(-2 * (k * scaled) ** 2)).sum()
    return distance, float(np.clip(chance, 0.0, 1.0))


def cramer_von_mises(values) -> float:
    """W^2 = 1 / 12n + sum_i (x_i - (2i - 1) / 2n)^2 for values in order; 0.461 is its 95 % point.

    Examples
    --------
    >>> import numpy as np
    >>> round(cramer_von_mises((np.arange(100) + 0.5) / 100), 6)
    0.000833
    """
    ordered = np.sort(np.asarray(values, np.float64))
    n = len(ordered)
    even = (2 * np.arange(1, n + 1) - 1) / (2 * n)
    return float(1 / (12 * n) + np.square(ordered - even).sum())


def anderson_darling(values) -> float:
    """A^2 = -n - 1/n sum_i (2i - 1) (ln x_i + ln(1 - x_{n+1-i})); 2.492 is its 95 % point.

    Heavy on the tails. A value at 0 or 1, a redshift that its density excludes, is moved inside by
    1e-6, or it alone would make the number infinite.
    """
    ordered = np.sort(np.clip(np.asarray(values, np.float64), 1e-6, 1 - 1e-6))
    n = len(ordered)
    weight = 2 * np.arange(1, n + 1) - 1
    return float(-n - (weight * (np.log(ordered) + np.log1p(-ordered[::-1]))).sum() / n)


def chi_square_sigmas(observed: np.ndarray) -> float:
    """Tell by how many standard deviations counts in equal bins stray more than chance would.

    chi^2 = sum (count - mean)^2 / mean with k = bins - 1 degrees of freedom is turned into a normal
    deviate by Wilson & Hilferty 1931 (PNAS 17, 684). Negative: more even than chance.

    Examples
    --------
    >>> import numpy as np
    >>> chi_square_sigmas(np.array([100, 100, 100, 100])) < 0
    True
    >>> chi_square_sigmas(np.array([160, 80, 80, 80])) > 4
    True
    """
    observed = np.asarray(observed, np.float64)
    expected, k = observed.mean(), len(observed) - 1
    ratio = np.square(observed - expected).sum() / expected / k
    spread = 2 / (9 * k)
    return float((ratio ** (1 / 3) - (1 - spread)) / math.sqrt(spread))


def flatness(values) -> dict:
    """Say how level PIT values are.

    Parameters
    ----------
    values : numpy.ndarray (N,)

    Returns
    -------
    dict
        `ks`, `ks_chance`, `cvm`, `ad`; `chi_square_sigmas` over 20 bins; `flat_2_sigma`, whether
        both the bins and the largest distance are what chance gives within 2 sigma (a chance above
        0.0455); `histogram`.
    """
    distance, chance = kolmogorov_smirnov(values)
    observed = counts(values)
    sigmas = chi_square_sigmas(observed)
    return {
        "ks": distance,
        "ks_chance": chance,
        "cvm": cramer_von_mises(values),
        "ad": anderson_darling(values),
        "chi_square_sigmas": sigmas,
        "flat_2_sigma": bool(sigmas <= 2.0 and chance >= 0.0455),
        "histogram": observed.tolist(),
    }
