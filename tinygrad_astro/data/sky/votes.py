"""What volunteers would say: vote fractions over the five types, with their doubts.

The doubts are built in, not measured: a bulge fraction near 1/2 divides spheroid from disc, a size
below the seeing makes a galaxy look like a star, and a low S/N sends votes to "unclassifiable".
"""

import math

import numpy as np

from tinygrad_astro.data.sky.source import TYPES


def vote_probabilities(
    kind: str, bulge_fraction: float, radius_over_fwhm: float, snr: float
) -> np.ndarray:
    """Give the probability of each answer, float64 (5,) in the order of `TYPES`.

    Parameters
    ----------
    kind : str
        The true type.
    bulge_fraction : float
        Decides between spheroid and disc; ignored for the other types.
    radius_over_fwhm : float
        Half-light radius in units of the FWHM.
    snr : float

    Examples
    --------
    >>> int(vote_probabilities("disc", 0.1, 3.0, 100.0).argmax())
    1
    """
    answers = dict.fromkeys(TYPES, 0.01)
    if kind in ("spheroid", "disc"):
        round_ = 1 / (1 + math.exp(-(bulge_fraction - 0.55) / 0.08))
        answers["spheroid"] += round_
        answers["disc"] += 1 - round_
        answers["irregular"] += 0.06 * (1 - round_)
    else:
        answers[kind] += 1.0
    if kind == "irregular":
        answers["disc"] += 0.12
    if kind == "point source":
        answers["spheroid"] += 0.04
    elif kind != "unclassifiable":
        answers["point source"] += math.exp(-2.5 * radius_over_fwhm)
    answers["unclassifiable"] += 1 / (1 + (snr / 6.0) ** 3)
    weights = np.array([answers[name] for name in TYPES])
    return weights / weights.sum()


def cast_votes(rng: np.random.Generator, probabilities: np.ndarray, voters: int) -> np.ndarray:
    """Let `voters` volunteers answer; give the fraction of each answer, float64 (5,)."""
    return rng.multinomial(voters, probabilities) / voters


def vote_column(name: str) -> str:
    """Name the column of the truth that holds the votes for a type."""
    return "vote_" + name.replace(" ", "_")
