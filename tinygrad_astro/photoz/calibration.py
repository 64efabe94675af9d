"""Recalibration: what is too narrow or off is bent until the PIT of a held-out sample is level."""

from dataclasses import asdict, dataclass

import numpy as np

from tinygrad_astro.photoz.pdf import Pdf

# Where G is kept: closer in the tails, where densities that are too narrow go wrong most.
TAIL = (0.01, 0.03, 0.06, 0.1)
LEVELS = (0.0, *TAIL, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, *(1 - t for t in TAIL[::-1]), 1.0)
FEWEST = 100


@dataclass(frozen=True)
class Calibration:
    """F'(z) = G(F(z)), with G the distribution of the PIT in a sample the network never saw.

    With G known exactly, the PIT of F' is level (Bordoloi, Lilly & Amara 2010, MNRAS 406, 881,
    section 2.3). G is kept as a few points, straight between them, so that it holds the shape and
    not the noise of the sample.

    Attributes
    ----------
    at, value : list of float (K,)
        G at K probabilities, from (0, 0) to (1, 1).

    Examples
    --------
    >>> import numpy as np
    >>> too_wide = Calibration.fit(np.linspace(0.25, 0.75, 1001))
    >>> float(np.round(too_wide(0.3), 3)), float(np.round(too_wide(0.5), 3))
    (0.1, 0.5)
    """

    at: list[float]
    value: list[float]

    @classmethod
    def fit(cls, pits: np.ndarray) -> "Calibration":
        """Find G at `LEVELS` of its height; in the tails, only where ten objects lie beyond.

        Raises
        ------
        ValueError
            If there are fewer than 100 objects, or a PIT is no probability.
        """
        pits = np.asarray(pits, np.float64)
        if pits.ndim != 1 or len(pits) < FEWEST:
            raise ValueError(
                f"recalibration got PITs of shape {pits.shape}, expected at least {FEWEST} objects"
            )
        if not ((pits >= 0) & (pits <= 1)).all():
            raise ValueError("a PIT is a probability from 0 to 1; one of those given is not")
        levels = np.array(LEVELS)
        beyond = np.minimum(levels, 1 - levels) * len(pits)
        value = levels[(beyond == 0) | (beyond >= 9.5)]
        at = np.quantile(pits, value)
        at[0], at[-1] = 0.0, 1.0
        # Equal PITs would make G jump: its points are kept apart.
        at = np.maximum.accumulate(at + 1e-9 * np.arange(len(value)))
        return cls((at / at[-1]).tolist(), value.tolist())

    @classmethod
    def none(cls) -> "Calibration":
        """Give the one that changes nothing."""
        return cls([0.0, 1.0], [0.0, 1.0])

    def __call__(self, probability):
        """G(p)."""
        return np.interp(probability, self.at, self.value)

    def apply(self, pdf: Pdf) -> Pdf:
        """Give the recalibrated densities."""
        return Pdf(pdf.grid, self(pdf.cdf))

    def to_dict(self) -> dict:
        """Give what `from_dict` takes, as JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, given: dict) -> "Calibration":
        """Make it again."""
        return cls(**given)


def sigma_scale(z_phot, z_spec, sigma) -> float:
    """Give the factor by which errors must grow so that 68.27 % of the truths lie within them.

    Parameters
    ----------
    z_phot, z_spec, sigma : array_like (N,)
        Of a sample the network never saw.

    Examples
    --------
    >>> import numpy as np
    >>> sigma_scale(np.zeros(3), np.array([0.1, -0.2, 0.3]), np.full(3, 0.1)) > 2
    True
    """
    pull = np.abs(np.asarray(z_phot) - np.asarray(z_spec)) / np.asarray(sigma)
    return float(np.quantile(pull, 0.6827))
