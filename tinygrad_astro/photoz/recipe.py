"""The numbers of a training run."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Recipe:
    """How photometric redshifts are learned.

    Attributes
    ----------
    head : {"mixture", "bins"}
        How densities are said.
    components, bins : int
        Gaussians of the mixture, or number of bins.
    width, depth, activation, dropout
        As in `networks.perceptron`.
    epochs, batch : int
    learning_rate : float
        At the start of half a cosine down to 0.
    folds : int
        The training sample is parted in so many; each network learns without one part, which then
        serves to calibrate.
    repeats : int
        Networks per fold, from different first weights.
    hide : float
        Chance that a band is hidden from the network in training, so that it can do without.
    seed : int
        Of all randomness.

    Raises
    ------
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> Recipe(folds=5, repeats=2).members
    10
    """

    head: str = "mixture"
    components: int = 8
    bins: int = 90
    width: int = 128
    depth: int = 2
    activation: str = "silu"
    dropout: float = 0.1
    epochs: int = 60
    batch: int = 64
    learning_rate: float = 0.003
    folds: int = 10
    repeats: int = 1
    hide: float = 0.02
    seed: int = 0

    def __post_init__(self):
        if self.head not in ("mixture", "bins"):
            raise ValueError(f"unknown head {self.head!r}, expected mixture or bins")
        for name in ("components", "width", "depth", "epochs", "batch", "repeats"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: expected at least 1")
        for name in ("bins", "folds"):
            if getattr(self, name) < 2:
                raise ValueError(f"{name}={getattr(self, name)}: expected at least 2")
        for name in ("hide", "dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: expected from 0 to below 1")

    @property
    def members(self) -> int:
        """Networks in all."""
        return self.folds * self.repeats

    def to_dict(self) -> dict:
        """Give the numbers by name."""
        return asdict(self)
