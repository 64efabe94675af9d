"""Stamps of objects of five types, and the share of volunteers that named each."""

from dataclasses import dataclass, replace

import numpy as np

from tinygrad_astro.data.simulate import TYPES, galaxies

# As rare as they are in a survey, roughly: most objects are discs and spheroids.
MIX = dict(zip(TYPES, (0.26, 0.34, 0.16, 0.14, 0.10), strict=True))
EVEN = dict.fromkeys(TYPES, 0.2)
VOTERS = 40


@dataclass
class Stamps:
    """Stamps of N objects.

    Attributes
    ----------
    images : numpy.ndarray (N, S, S, C) float32
        Counts, sky subtracted, with noise.
    votes : numpy.ndarray (N, 5) float32
        Share of the volunteers for each of `data.simulate.TYPES`.
    label : numpy.ndarray (N,) int
        The true type, which no volunteer knows, as an index in `TYPES`.
    snr : numpy.ndarray (N,) float64
        Matched-filter S/N in the reference band.
    identifier : numpy.ndarray (N,) of str
    """

    images: np.ndarray
    votes: np.ndarray
    label: np.ndarray
    snr: np.ndarray
    identifier: np.ndarray

    def __len__(self) -> int:
        return len(self.label)

    def __getitem__(self, rows) -> "Stamps":
        """Give some of the objects."""
        names = ("images", "votes", "label", "snr", "identifier")
        return replace(self, **{name: getattr(self, name)[rows] for name in names})


def simulate_stamps(
    n: int,
    size: int = 48,
    snr: tuple[float, float] = (5.0, 200.0),
    mix: dict[str, float] | None = None,
    seed: int = 0,
    start: int = 0,
) -> Stamps:
    """Simulate objects in g, r, i and let 40 volunteers vote on each.

    Parameters
    ----------
    n, size : int
        Number of stamps and their side in pixels.
    snr : (float, float)
        Range, uniform in its logarithm. What is unclassifiable for being faint has 1 to 4.
    mix : dict of str to float, optional
        Shares of the types; default `MIX`.
    seed, start : int
        Object `start + i` depends on seed and number alone.

    Examples
    --------
    >>> made = simulate_stamps(4, size=24, seed=2)
    >>> made.images.shape, made.votes.shape, made.identifier.tolist()
    ((4, 24, 24, 3), (4, 5), ['2-1', '2-2', '2-3', '2-4'])
    """
    made = galaxies(
        n, size, "gri", seed, mix or MIX, snr, radius=(2.5, size / 7), psf=2.2, voters=VOTERS,
        start=start,
    )  # fmt: skip
    names = np.array([f"{seed}-{number}" for number in made.truth["id"]])
    return Stamps(made.images, made.votes, made.labels, made.truth["snr"].astype(float), names)
