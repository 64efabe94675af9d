"""Are probabilities right, and do they rank right: reliability and ROC curves."""

import numpy as np

from tinygrad_astro.metrics import ROCAUC


def reliability(said, true, bins: int = 10) -> dict:
    """ECE = sum over bins of (share of cases) |mean said - mean true|.

    Parameters
    ----------
    said : array_like of float, any shape
        Probabilities from 0 to 1.
    true : array_like of the same shape
        What came: 0 or 1, or the share of volunteers.
    bins : int
        Of equal width.

    Returns
    -------
    dict
        `said` and `true`, the means of the bins that hold a case, their `cases`, and `ece`, the
        expected calibration error.

    Raises
    ------
    ValueError
        If the shapes differ, nothing is given, or something is no probability.

    References
    ----------
    Guo et al. 2017 (arXiv:1706.04599), equation 3, there for the most probable class alone.

    Examples
    --------
    >>> reliability([0.1, 0.1, 0.9, 0.9], [0, 0, 1, 0])["ece"]
    0.25
    """
    said, true = (np.asarray(v, np.float64) for v in (said, true))
    if said.shape != true.shape or not said.size or bins < 1:
        raise ValueError(
            f"reliability got {said.shape} probabilities, {true.shape} outcomes and {bins} bins, "
            "expected equal shapes, at least one of each"
        )
    said, true = said.ravel(), true.ravel()
    if not ((said >= -1e-9) & (said <= 1 + 1e-9)).all():
        raise ValueError("a probability lies outside of 0 to 1; give probabilities, not logits")
    place = np.clip((said * bins).astype(int), 0, bins - 1)
    cases = np.bincount(place, minlength=bins)
    held = cases > 0
    means = [np.bincount(place, v, minlength=bins)[held] / cases[held] for v in (said, true)]
    gap = np.abs(means[0] - means[1])
    return {
        "said": means[0].tolist(),
        "true": means[1].tolist(),
        "cases": cases[held].tolist(),
        "ece": float((gap * cases[held]).sum() / len(said)),
    }


def roc(true, said) -> tuple[np.ndarray, np.ndarray, float]:
    """Give false and true positive rates, from the strictest threshold to none, and the area.

    Parameters
    ----------
    true : array_like of bool (N,)
    said : array_like of float (N,)
        Larger: rather true.

    Returns
    -------
    false_rate, true_rate : numpy.ndarray
        Equal values of `said` share one point.
    area : float
        NaN where one of the classes does not occur.

    Examples
    --------
    >>> x, y, area = roc([0, 1, 0, 1], [0.1, 0.9, 0.4, 0.3])
    >>> x.tolist(), y.tolist(), area
    ([0.0, 0.0, 0.5, 0.5, 1.0], [0.0, 0.5, 0.5, 1.0, 1.0], 0.75)
    """
    true, said = np.asarray(true, bool), np.asarray(said, np.float64)
    order = np.argsort(-said, kind="stable")
    last = np.append(np.diff(said[order]) != 0, True)
    rates = []
    for kind in (~true, true):
        count = np.cumsum(kind[order])[last]
        rates.append(np.concatenate([[0.0], count / max(kind.sum(), 1)]))
    return rates[0], rates[1], float(ROCAUC()(true.astype(float), said))
