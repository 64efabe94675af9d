"""Probability densities of redshift on a grid: what a network said, as curves to ask questions of.

A density is kept as its cumulative distribution at the points of a grid, straight between them.
All that is asked of it (quantiles, moments, PIT, CRPS) is then exact for this curve.
"""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

# Densities made at a time: what is in between stays in the cache, which halves the time.
_ROWS = 128


@dataclass(frozen=True)
class Pdf:
    """Densities of N objects.

    Attributes
    ----------
    grid : numpy.ndarray (G,) float64
        Redshifts, rising.
    cdf : numpy.ndarray (N, G) float64
        From 0 at the first to 1 at the last point; rows of NaN where nothing is known.

    Raises
    ------
    ValueError
        If shapes do not fit, the grid does not rise, or a distribution falls.

    Examples
    --------
    >>> import numpy as np
    >>> flat = Pdf(np.array([0.0, 1.0]), np.array([[0.0, 1.0]]))
    >>> float(flat.quantile(0.25)[0]), float(flat.mean[0]), float(flat.at([0.75])[0])
    (0.25, 0.5, 0.75)
    """

    grid: np.ndarray
    cdf: np.ndarray

    def __post_init__(self):
        if self.grid.ndim != 1 or len(self.grid) < 2 or not (np.diff(self.grid) > 0).all():
            raise ValueError("the grid of a Pdf must hold two or more redshifts that rise")
        if self.cdf.ndim != 2 or self.cdf.shape[1] != len(self.grid):
            raise ValueError(
                f"the cdf of a Pdf has shape {self.cdf.shape}, expected (objects, "
                f"{len(self.grid)}) as the grid"
            )
        if (np.diff(self.cdf, axis=1) < -1e-9).any():
            raise ValueError("a cumulative distribution falls somewhere; expected it to rise")
        ends = self.cdf[:, [0, -1]]
        if (np.abs(ends - [0.0, 1.0])[~np.isnan(ends).any(axis=1)] > 1e-6).any():
            raise ValueError("a cumulative distribution does not go from 0 to 1")

    def __len__(self) -> int:
        return len(self.cdf)

    def __getitem__(self, rows) -> "Pdf":
        """Give some of the rows."""
        return Pdf(self.grid, self.cdf[rows])

    @property
    def masses(self) -> np.ndarray:
        """Probability between neighbouring points, (N, G - 1)."""
        return np.diff(self.cdf, axis=1)

    @property
    def density(self) -> np.ndarray:
        """Probability per unit redshift between neighbouring points, (N, G - 1)."""
        return self.masses / np.diff(self.grid)

    @property
    def centres(self) -> np.ndarray:
        """Redshifts half-way between neighbouring points, (G - 1,)."""
        return 0.5 * (self.grid[1:] + self.grid[:-1])

    @property
    def mean(self) -> np.ndarray:
        """Expected redshift, (N,)."""
        return self.masses @ self.centres

    @property
    def sigma(self) -> np.ndarray:
        """Standard deviation, (N,)."""
        within = np.diff(self.grid) ** 2 / 12
        apart = np.square(self.centres - self.mean[:, None])
        return np.sqrt((self.masses * (apart + within)).sum(axis=1))

    @property
    def median(self) -> np.ndarray:
        """Redshift with half of the probability on each side, (N,)."""
        return self.quantile(0.5)

    @property
    def mode(self) -> np.ndarray:
        """Redshift of the highest density, (N,): the middle of the first such interval."""
        best = self.centres[self.density.argmax(axis=1)]
        return np.where(np.isnan(self.cdf[:, 0]), np.nan, best)

    def quantile(self, probability: float) -> np.ndarray:
        """Give the redshift below which this much probability lies, (N,).

        Where the distribution is flat at that height, the lowest such redshift.
        """
        if not 0 <= probability <= 1:
            raise ValueError(f"quantile got {probability}, expected a number from 0 to 1")
        above = (self.cdf < probability).sum(axis=1)
        high = np.clip(above, 1, len(self.grid) - 1)
        rows = np.arange(len(self))
        low_mass, high_mass = self.cdf[rows, high - 1], self.cdf[rows, high]
        step = np.where(high_mass > low_mass, high_mass - low_mass, 1.0)
        share = np.clip((probability - low_mass) / step, 0.0, 1.0)
        return self.grid[high - 1] + share * (self.grid[high] - self.grid[high - 1])

    def at(self, redshift) -> np.ndarray:
        """Give the probability below a redshift of each object, (N,)."""
        redshift = np.asarray(redshift, np.float64)
        if redshift.shape != (len(self),):
            raise ValueError(
                f"{len(self)} densities got redshifts of shape {redshift.shape}, expected one each"
            )
        high = np.clip(np.searchsorted(self.grid, redshift), 1, len(self.grid) - 1)
        rows = np.arange(len(self))
        share = (redshift - self.grid[high - 1]) / (self.grid[high] - self.grid[high - 1])
        low_mass, high_mass = self.cdf[rows, high - 1], self.cdf[rows, high]
        return low_mass + np.clip(share, 0.0, 1.0) * (high_mass - low_mass)


def from_mixture(
    weights: np.ndarray, means: np.ndarray, sigmas: np.ndarray, grid: np.ndarray
) -> Pdf:
    """F(z) = sum_k w_k Phi((z - m_k) / s_k), cut off at the ends of the grid.

    Parameters
    ----------
    weights, means, sigmas : numpy.ndarray (N, K)
        Of the Gaussians; weights sum to 1 per object, sigmas are positive.
    grid : numpy.ndarray (G,)

    Returns
    -------
    Pdf
        What lies outside of the grid is dealt out within, in proportion.

    Examples
    --------
    >>> import numpy as np
    >>> one = np.ones((1, 1))
    >>> pdf = from_mixture(one, 0.5 * one, 0.1 * one, np.linspace(0, 1, 101))
    >>> float(pdf.median[0].round(6)), float(pdf.sigma[0].round(3))
    (0.5, 0.1)
    """
    total = np.zeros((len(means), len(grid)))
    for start in range(0, len(means), _ROWS):
        rows = slice(start, start + _ROWS)
        for weight, mean, sigma in zip(weights[rows].T, means[rows].T, sigmas[rows].T, strict=True):
            total[rows] += weight[:, None] * normal_cdf((grid - mean[:, None]) / sigma[:, None])
    return Pdf(grid, _cut_off(total))


@cache
def _normal_table() -> tuple[np.ndarray, np.ndarray]:
    """Phi at 16001 points from -8 to 8, and by how much it rises to the next."""
    at = np.linspace(-8.0, 8.0, 16001)
    level = np.array([0.5 * math.erfc(-x / math.sqrt(2)) for x in at])
    return level, np.append(np.diff(level), 0.0)


def normal_cdf(x: np.ndarray) -> np.ndarray:
    """Phi(x), the normal distribution function, to 4e-8: a table, straight between its points.

    Examples
    --------
    >>> import numpy as np
    >>> normal_cdf(np.array([-9.0, 0.0, 1.96])).round(4)
    array([0.   , 0.5  , 0.975])
    """
    level, rise = _normal_table()
    # The points are evenly spaced, so their number is computed: six times faster than np.interp,
    # which searches for it.
    place = (np.clip(x, -8.0, 8.0) + 8.0) * 1000.0
    below = np.fmax(place, 0.0).astype(np.intp)  # where x is NaN, any: the share stays NaN
    return level.take(below) + (place - below) * rise.take(below)


def from_bins(probabilities: np.ndarray, edges: np.ndarray) -> Pdf:
    """Make densities of probabilities in bins, level within each bin.

    Parameters
    ----------
    probabilities : numpy.ndarray (N, G - 1)
        Sum to 1 per object.
    edges : numpy.ndarray (G,)
    """
    below = np.concatenate([np.zeros((len(probabilities), 1)), probabilities], axis=1)
    return Pdf(np.asarray(edges, np.float64), _cut_off(np.cumsum(below, axis=1, dtype=np.float64)))


def _cut_off(cdf: np.ndarray) -> np.ndarray:
    low, high = cdf[:, :1], cdf[:, -1:]
    inside = high - low
    outside = ~(inside > 1e-12)
    scaled = (cdf - low) / np.where(outside, 1.0, inside)
    # A density that lies wholly beyond the grid piles up at its nearer end.
    beyond = np.zeros_like(cdf)
    beyond[:, -1] = 1.0
    beyond[(low > 0.5)[:, 0], 1:] = 1.0
    filled = np.where(outside, beyond, scaled)
    return np.where(np.isnan(cdf).any(axis=1, keepdims=True), np.nan, filled)


def average(pdfs: list[Pdf]) -> Pdf:
    """Give the mean of densities on one grid: any of them may be the right one.

    Raises
    ------
    ValueError
        If the grids differ.
    """
    if any(not np.array_equal(pdf.grid, pdfs[0].grid) for pdf in pdfs):
        raise ValueError("densities on different grids have no mean; put them on one grid first")
    return Pdf(pdfs[0].grid, np.mean([pdf.cdf for pdf in pdfs], axis=0))
