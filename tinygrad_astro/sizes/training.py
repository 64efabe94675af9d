"""Training on simulated galaxies, then calibration on others."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tinygrad_astro import optimizers, random, schedules
from tinygrad_astro.photoz.calibration import FEWEST, Calibration
from tinygrad_astro.photoz.heads import Mixture
from tinygrad_astro.sizes import networks
from tinygrad_astro.sizes.draws import Draws
from tinygrad_astro.sizes.measurer import Measurer
from tinygrad_astro.sizes.quantities import QUANTITIES, judged
from tinygrad_astro.sizes.sky import SKY_VARIANCE, Sample, simulate


@dataclass(frozen=True)
class Recipe:
    """The numbers of a training run.

    Attributes
    ----------
    galaxies, held_out : int
        Simulated to learn from, and to calibrate on.
    size : int
        Side of the stamps, in pixels.
    epochs, batch : int
    learning_rate : float
        Top of the one-cycle schedule.
    components : int
        Gaussians per density.
    dropout : float
    seed : int

    Raises
    ------
    ValueError
        If a number is out of range.
    """

    galaxies: int = 10000
    held_out: int = 1000
    size: int = 48
    epochs: int = 20
    batch: int = 64
    learning_rate: float = 0.003
    components: int = 3
    dropout: float = 0.05
    seed: int = 0

    def __post_init__(self):
        for name, least in {"galaxies": 10, "held_out": FEWEST, "size": 16, "epochs": 1}.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name}={getattr(self, name)}: expected at least {least}")
        for name in ("batch", "components"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: expected at least 1")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout={self.dropout}: expected from 0 to below 1")

    def to_dict(self) -> dict:
        """Give the numbers by name."""
        return asdict(self)


def labels_of(truth: np.ndarray, heads: dict[str, Mixture]):
    """Give what the network is to say, and what counts: (labels, weights), one each per quantity.

    A size is learned where it is judged: its density holds if the part is there.
    """
    labels = [heads[q.name].labels(q.forward(truth[q.name])) for q in QUANTITIES]
    return labels, [judged(q.name, truth).astype(np.float32) for q in QUANTITIES]


def train(
    recipe: Recipe, progress: Callable[[str, int, int], Any] | None = None
) -> tuple[Measurer, dict]:
    """Train a network on simulated galaxies and calibrate it on others.

    Parameters
    ----------
    recipe : Recipe
    progress : callable, optional
        Called as `progress(stage, done, total)`.

    Returns
    -------
    Measurer
    dict of str to list
        Losses by epoch.
    """
    tell = progress or (lambda stage, done, total: None)
    random.manual_seed(recipe.seed)
    sample = simulate_told(recipe.galaxies, recipe, 0, tell)
    scale = {q.name: q.forward(sample.truth[q.name]) for q in QUANTITIES}
    heads = {name: Mixture.fit(values, recipe.components) for name, values in scale.items()}
    labels, weights = labels_of(sample.truth, heads)
    draws = Draws(sample, labels, weights, recipe.batch, recipe.seed)
    model = networks.whole(recipe.size, recipe.components, recipe.dropout)
    rate = schedules.OneCycle(recipe.learning_rate, max(recipe.epochs * len(draws), 2))
    model.compile(
        optimizers.Adam(rate, global_clipnorm=5.0), [heads[q.name].loss() for q in QUANTITIES]
    )
    history: dict[str, list] = {}
    for epoch in range(recipe.epochs):
        found = model.fit(draws, epochs=epoch + 1, initial_epoch=epoch, verbose=0)
        for name, values in found.history.items():
            history.setdefault(name, []).extend(values)
        tell("learning", epoch + 1, recipe.epochs)
    made = Measurer(model, heads, {q.name: Calibration.none() for q in QUANTITIES})
    model.metadata["recipe"] = recipe.to_dict()
    held_out = simulate(recipe.held_out, recipe.size, recipe.seed, recipe.galaxies)
    return calibrated(made, held_out), history


def simulate_told(n: int, recipe: Recipe, start: int, tell, piece: int = 500) -> Sample:
    """Simulate piece by piece, and tell how far it is."""
    parts = []
    for first in range(0, n, piece):
        count = min(piece, n - first)
        parts.append(simulate(count, recipe.size, recipe.seed, start + first))
        tell("simulating", first + count, n)
    return Sample(
        *(np.concatenate([getattr(p, name) for p in parts]) for name in ("models", "psfs", "truth"))
    )


def calibrated(made: Measurer, sample: Sample) -> Measurer:
    """Bend the densities until the PIT of a sample that the network never saw is level."""
    said = made.measure(sample.images(), sample.psfs, np.sqrt(SKY_VARIANCE), calibrated=False)
    _, weights = labels_of(sample.truth, made.heads)
    found = {}
    for q, weight in zip(QUANTITIES, weights, strict=True):
        pits = said.pit(q.name, sample.truth[q.name])[weight > 0]
        found[q.name] = Calibration.fit(pits) if len(pits) >= FEWEST else Calibration.none()
    return Measurer(made.model, made.heads, found)
