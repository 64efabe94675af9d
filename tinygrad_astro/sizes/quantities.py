"""The five quantities that are measured, and the scales on which a network learns them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

# Shares closer to 0 or 1 are as good as there.
_EDGE = 0.005


def _logit(share):
    share = np.clip(share, _EDGE, 1 - _EDGE)
    return np.log(share / (1 - share))


def _share(logit):
    return 1 / (1 + np.exp(-np.asarray(logit)))


def _radius(logarithm):
    return 10.0 ** np.asarray(logarithm)


@dataclass(frozen=True)
class Quantity:
    """One number of a galaxy.

    Attributes
    ----------
    name : str
        Column of the truth.
    label : str
        For figures, with the unit.
    positive : bool
        A radius (learned as its decimal logarithm); else a share (learned as its logit).
    """

    name: str
    label: str
    positive: bool

    @property
    def forward(self) -> Callable:
        """From the quantity to the scale on which it is learned; rises throughout."""
        return np.log10 if self.positive else _logit

    @property
    def backward(self) -> Callable:
        """From that scale to the quantity."""
        return _radius if self.positive else _share

    def residual(self, found, true) -> np.ndarray:
        """ln(found / true) for a radius, which is nearly the relative error; found - true else."""
        found, true = np.asarray(found, np.float64), np.asarray(true, np.float64)
        return np.log(found / true) if self.positive else found - true


QUANTITIES = (
    Quantity("half_light_radius", "half-light radius [pixel]", True),
    Quantity("axis_ratio", "axis ratio", False),
    Quantity("bulge_fraction", "bulge fraction", False),
    Quantity("bulge_radius", "bulge radius [pixel]", True),
    Quantity("disc_radius", "disc radius [pixel]", True),
)

# A radius is judged where its part holds at least this share of the light.
LEAST_SHARE = 0.2


def judged(name: str, truth: np.ndarray) -> np.ndarray:
    """Tell which galaxies a quantity is judged on, bool (N,): a part must be there to have a size.

    Examples
    --------
    >>> import numpy as np
    >>> truth = np.array([(0.05,), (0.5,), (0.95,)], [("bulge_fraction", "f8")])
    >>> judged("bulge_radius", truth), judged("axis_ratio", truth)
    (array([False,  True,  True]), array([ True,  True,  True]))
    """
    share = {"bulge_radius": truth["bulge_fraction"], "disc_radius": 1 - truth["bulge_fraction"]}
    return share.get(name, np.ones(len(truth))) >= LEAST_SHARE
