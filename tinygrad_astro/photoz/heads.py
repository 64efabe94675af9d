"""How a network says a density: as a mixture of Gaussians, or as probabilities of redshift bins."""

from dataclasses import asdict, dataclass

import numpy as np

from tinygrad_astro import losses
from tinygrad_astro.photoz.losses import MixtureNegativeLogLikelihood, mixture_of
from tinygrad_astro.photoz.pdf import Pdf, from_bins, from_mixture

# Redshifts beyond those of the training sample by this share of their range are possible, too.
BELOW, ABOVE = 0.03, 0.10
POINTS = 401


def _range(redshift: np.ndarray) -> tuple[float, float]:
    low, high = float(redshift.min()), float(redshift.max())
    return low - BELOW * (high - low), high + ABOVE * (high - low)


@dataclass(frozen=True)
class Mixture:
    """A mixture of Gaussians in redshift (Bishop 1994; D'Isanto & Polsterer 2018, A&A 609, A111).

    Attributes
    ----------
    components : int
    centre, spread : float
        Redshift is learned as (z - centre) / spread.
    low, high : float
        Densities end here.
    """

    components: int
    centre: float
    spread: float
    low: float
    high: float

    @classmethod
    def fit(cls, redshift: np.ndarray, components: int) -> "Mixture":
        """Take the scale of a training sample."""
        spread = float(redshift.std()) or 1.0
        return cls(components, float(redshift.mean()), spread, *_range(redshift))

    @property
    def outputs(self) -> int:
        """Numbers that the network gives."""
        return 3 * self.components

    def loss(self) -> losses.Loss:
        """Give what to train with."""
        return MixtureNegativeLogLikelihood()

    def labels(self, redshift: np.ndarray) -> np.ndarray:
        """Turn redshifts into what the loss expects."""
        return ((redshift - self.centre) / self.spread).astype(np.float32)[:, None]

    def pdf(self, outputs: np.ndarray) -> Pdf:
        """Turn outputs (N, 3 K) into densities."""
        weight, mean, sigma = mixture_of(outputs)
        grid = np.linspace(self.low, self.high, POINTS)
        return from_mixture(weight, self.centre + self.spread * mean, self.spread * sigma, grid)

    def to_dict(self) -> dict:
        """Give what `head_from` takes, as JSON can hold it."""
        return {"head": "mixture", **asdict(self)}


@dataclass(frozen=True)
class Bins:
    """Probabilities of equal bins, as Pasquet et al. 2019 (A&A 621, A26) use 180 of them.

    The label is spread over neighbouring bins as a Gaussian of `blur` bins, which tells the
    network that near bins are nearly right.

    Attributes
    ----------
    bins : int
    low, high : float
        Outer edges.
    blur : float
        In bins.
    """

    bins: int
    low: float
    high: float
    blur: float = 0.7

    @classmethod
    def fit(cls, redshift: np.ndarray, bins: int) -> "Bins":
        """Cover the range of a training sample."""
        return cls(bins, *_range(redshift))

    @property
    def edges(self) -> np.ndarray:
        """Redshifts between the bins, (bins + 1,)."""
        return np.linspace(self.low, self.high, self.bins + 1)

    @property
    def outputs(self) -> int:
        """Numbers that the network gives."""
        return self.bins

    def loss(self) -> losses.Loss:
        """Give what to train with."""
        return losses.CategoricalCrossentropy(from_logits=True)

    def labels(self, redshift: np.ndarray) -> np.ndarray:
        """Turn redshifts into shares of the bins, float32 (N, bins)."""
        edges = self.edges
        centres, width = 0.5 * (edges[1:] + edges[:-1]), edges[1] - edges[0]
        inside = np.clip(redshift, self.low, self.high)
        distance = (inside[:, None] - centres) / (self.blur * width)
        share = np.exp(-0.5 * distance**2)
        return (share / share.sum(axis=1, keepdims=True)).astype(np.float32)

    def pdf(self, outputs: np.ndarray) -> Pdf:
        """Turn logits (N, bins) into densities on the grid of the edges."""
        logits = np.asarray(outputs, np.float64)
        share = np.exp(logits - logits.max(axis=1, keepdims=True))
        return from_bins(share / share.sum(axis=1, keepdims=True), self.edges)

    def to_dict(self) -> dict:
        """Give what `head_from` takes, as JSON can hold it."""
        return {"head": "bins", **asdict(self)}


HEADS = {"mixture": Mixture, "bins": Bins}


def head_from(given: dict) -> Mixture | Bins:
    """Make a head from what `to_dict` gave.

    Raises
    ------
    ValueError
        If the name is unknown.

    Examples
    --------
    >>> head_from({"head": "bins", "bins": 90, "low": 0.0, "high": 0.9}).outputs
    90
    """
    numbers = dict(given)
    name = numbers.pop("head", None)
    if name not in HEADS:
        raise ValueError(f"unknown head {name!r}, expected one of {', '.join(HEADS)}")
    return HEADS[name](**numbers)
