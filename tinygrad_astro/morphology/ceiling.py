"""What tags allow at most: galaxies that nobody tagged although they look like those that are."""

import numpy as np

from tinygrad_astro.metrics import ROCAUC


def tag_ceiling(tag, probability) -> dict:
    """alike = P(said | no tag) / P(said | tag); ceiling = (N_tag + (1 - alike) N_no tag) / N.

    If the tagged are a random part of the galaxies that look so, then of the others a share up to
    `alike` looks the same: no classifier parts these from the tagged. They are all that is wrong
    with one that knows the rest. Whether the said ones with and without a tag do look the same,
    `auc_inside` tells: 0.5 where the network finds nothing that parts them. Above 0.5 the ceiling
    is that of this network, not of the tags: a better one may pass it.

    Parameters
    ----------
    tag : array_like of int (N,)
        1 where volunteers tagged, 0 elsewhere.
    probability : array_like (N,)
        Of a tag, by networks that never saw the galaxy; above 0.5 it is said.

    Returns
    -------
    dict
        `said` and `said_and_tagged`, counts; `alike`, from 0 to 1; `ceiling`, the accuracy, and
        `ceiling_error`, its standard error; `auc_inside`, among the said, and
        `auc_inside_error`, its standard deviation for scores that tell nothing. None where a kind
        of galaxy is missing.

    Raises
    ------
    ValueError
        If the shapes differ, or a tag is not 0 or 1.

    References
    ----------
    Elkan & Noto 2008 (KDD, p. 213), section 2, for tags as a random part of what they mean; Mann &
    Whitney 1947 (Ann. Math. Stat. 18, 50) for the error of the AUC.

    Examples
    --------
    >>> found = tag_ceiling([1, 1, 0, 0], [0.9, 0.8, 0.9, 0.1])
    >>> found["alike"], found["ceiling"]
    (0.5, 0.75)
    """
    tag, probability = np.asarray(tag), np.asarray(probability, np.float64)
    if tag.shape != probability.shape or tag.ndim != 1 or not np.isin(tag, (0, 1)).all():
        raise ValueError(
            f"tag_ceiling got tags of shape {tag.shape} and probabilities of shape "
            f"{probability.shape}, expected (N,) for both, and tags of 0 or 1"
        )
    said = probability > 0.5
    tagged, others = int((tag == 1).sum()), int((tag == 0).sum())
    inside = [int((said & (tag == k)).sum()) for k in (0, 1)]
    found = {"said": int(said.sum()), "said_and_tagged": inside[1]}
    with np.errstate(invalid="ignore", divide="ignore"):
        by_kind = np.divide(inside, (others, tagged))
        alike = float(np.clip(by_kind[0] / by_kind[1], 0.0, 1.0))
        binomial = by_kind * (1 - by_kind) / (others, tagged)
        error = np.sqrt(binomial[0] + alike**2 * binomial[1]) / by_kind[1]
        auc_error = np.sqrt(np.divide(sum(inside) + 1, 12 * inside[0] * inside[1]))
    share = others / max(len(tag), 1)
    numbers = {
        "alike": alike,
        "ceiling": 1 - share * alike,
        "ceiling_error": share * error,
        "auc_inside": ROCAUC()(tag[said].astype(float), probability[said]),
        "auc_inside_error": auc_error,
    }
    return found | {k: float(v) if np.isfinite(v) else None for k, v in numbers.items()}
