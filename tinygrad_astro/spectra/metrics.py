"""What classes and redshifts are worth."""

import numpy as np

from tinygrad_astro.photoz.metrics import residual, sigma_nmad

# A velocity of 3000 km/s, within which a survey's redshift counts as right.
RIGHT = 0.01


def class_metrics(label, probability, classes) -> dict:
    """Give accuracy, balanced accuracy, recall by class, confusion matrix and mean log loss.

    Parameters
    ----------
    label : array_like of int (N,)
        The truth; an object with -1 is not counted.
    probability : array_like (N, K)
    classes : sequence of str (K,)

    Returns
    -------
    dict
        `confusion[i][j]` counts objects of class i that were called j. The recall of a class
        without objects is None, and balanced accuracy is the mean of the others.

    Raises
    ------
    ValueError
        If shapes do not fit or nothing has a label.

    Examples
    --------
    >>> found = class_metrics([0, 0, 1], [[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]], ["a", "b"])
    >>> found["confusion"], found["recall"], found["balanced_accuracy"]
    ([[1, 1], [0, 1]], {'a': 0.5, 'b': 1.0}, 0.75)
    """
    label, probability = np.asarray(label), np.asarray(probability, np.float64)
    if probability.shape != (len(label), len(classes)):
        raise ValueError(
            f"{len(label)} labels of {len(classes)} classes got probabilities of shape "
            f"{probability.shape}"
        )
    known = label >= 0
    if not known.any():
        raise ValueError("no object has a label")
    label, probability = label[known], probability[known]
    confusion = np.zeros((len(classes), len(classes)), int)
    np.add.at(confusion, (label, probability.argmax(axis=1)), 1)
    count = confusion.sum(axis=1)
    recall = np.where(count > 0, np.diag(confusion) / np.maximum(count, 1), np.nan)
    said = np.clip(probability[np.arange(len(label)), label], 1e-12, 1.0)
    return {
        "objects": int(known.sum()),
        "accuracy": float(np.diag(confusion).sum() / count.sum()),
        "balanced_accuracy": float(np.nanmean(recall)),
        "recall": {
            name: None if np.isnan(r) else float(r) for name, r in zip(classes, recall, strict=True)
        },
        "confusion": confusion.tolist(),
        "log_loss": float(-np.log(said).mean()),
    }


def redshift_metrics(found, truth) -> dict:
    """Give sigma_NMAD of dz = (found - truth) / (1 + truth), and the shares of |dz| within limits.

    Examples
    --------
    >>> redshift_metrics([2.0, 2.03], [2.0, 2.0])["within_0.01"]
    1.0
    """
    dz = residual(found, truth)
    return {
        "objects": len(dz),
        "sigma_nmad": sigma_nmad(dz),
        "within_0.01": float((np.abs(dz) <= RIGHT + 1e-12).mean()),
        "within_0.03": float((np.abs(dz) <= 3 * RIGHT + 1e-12).mean()),
    }
