"""Training on vote fractions: soft labels, rare types weighted up, galaxies turned at random."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tinygrad_astro import losses, optimizers, random, schedules
from tinygrad_astro.data.simulate import TYPES
from tinygrad_astro.data.stretch import AsinhStretch
from tinygrad_astro.morphology.classifier import Classifier
from tinygrad_astro.morphology.networks import FILTERS, block_net
from tinygrad_astro.morphology.orbit import turned
from tinygrad_astro.morphology.stamps import Stamps
from tinygrad_astro.spectra.survey import check_apart


@dataclass(frozen=True)
class Recipe:
    """The numbers of a training run on simulated stamps.

    Attributes
    ----------
    simulated, judged : int
        Stamps to learn from, and others to be judged on.
    size : int
        Side of a stamp in pixels.
    snr : (float, float)
        Range of the S/N.
    epochs, batch : int
    learning_rate : float
        Top of the one-cycle schedule.
    filters, dropout
        As in `networks.block_net`.
    balance : float
        Weight of a type is its number to the power of minus this: 0 none, 1 all types alike.
    seed : int
    """

    simulated: int = 6000
    judged: int = 1500
    size: int = 48
    snr: tuple[float, float] = (5.0, 200.0)
    epochs: int = 15
    batch: int = 64
    learning_rate: float = 0.006
    filters: tuple[int, ...] = FILTERS
    dropout: float = 0.2
    balance: float = 0.5
    seed: int = 0

    def __post_init__(self):
        for name in ("simulated", "judged", "epochs", "batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: expected at least 1")
        least = 2 ** len(self.filters)
        if self.size < max(least, 24):
            raise ValueError(f"stamps of {self.size} pixels, expected at least {max(least, 24)}")

    def to_dict(self) -> dict:
        """Give the numbers by name."""
        return asdict(self) | {"filters": list(self.filters), "snr": list(self.snr)}


class Turns:
    """Batches that `Model.fit` reads anew in every epoch: shuffled, turned, weighted.

    Parameters
    ----------
    images : numpy.ndarray (N, S, S, C)
        Stretched.
    votes : numpy.ndarray (N, K)
    weight : numpy.ndarray (N,)
    batch, seed : int
    """

    def __init__(self, images, votes, weight, batch: int, seed: int):
        self.images, self.votes, self.weight = images, votes, weight
        self.batch, self.seed, self.epoch = batch, seed, 0

    def __len__(self) -> int:
        return -(-len(self.images) // self.batch)

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        rng = np.random.default_rng([self.seed, self.epoch])
        self.epoch += 1
        order = rng.permutation(len(self.images))
        for first in range(0, len(order), self.batch):
            rows = order[first : first + self.batch]
            yield turned(self.images[rows], rng), self.votes[rows], self.weight[rows]


def type_weights(votes: np.ndarray, balance: float) -> np.ndarray:
    """Weigh objects by how rare the type is that most volunteers named; their mean is 1.

    Parameters
    ----------
    votes : numpy.ndarray (N, K)
    balance : float
        0: all objects alike; 1: all types alike.

    Returns
    -------
    numpy.ndarray (N,) float32

    Examples
    --------
    >>> import numpy as np
    >>> type_weights(np.array([[1, 0], [1, 0], [1, 0], [0, 1]]), 1.0).tolist()[2:]
    [0.6666666865348816, 2.0]
    """
    named = votes.argmax(axis=1)
    count = np.bincount(named, minlength=votes.shape[1])
    weight = np.maximum(count, 1.0)[named] ** -balance
    return (weight / weight.mean()).astype(np.float32)


def train(
    training: Stamps,
    check: Stamps,
    recipe: Recipe,
    progress: Callable[[str, int, int], Any] | None = None,
) -> tuple[Classifier, dict[str, list]]:
    """Train the four-block network on what volunteers said.

    Parameters
    ----------
    training, check : Stamps
        What is learned from, and others for the loss curve.
    recipe : Recipe
    progress : callable, optional
        Called as `progress("training", done, total)`.

    Returns
    -------
    Classifier
    dict of str to list
        Losses and accuracies by epoch; accuracy is agreement with most of the volunteers.

    Raises
    ------
    ValueError
        If an object is in both samples.
    """
    check_apart(training, check)
    tell = progress or (lambda stage, done, total: None)
    random.manual_seed(recipe.seed)
    stretch = AsinhStretch.fit(training.images)
    model = block_net(
        training.images.shape[1], training.images.shape[-1], {"type": len(TYPES)},
        recipe.filters, recipe.dropout,
    )  # fmt: skip
    weight = type_weights(training.votes, recipe.balance)
    batches = Turns(stretch(training.images)[0], training.votes, weight, recipe.batch, recipe.seed)
    rate = schedules.OneCycle(recipe.learning_rate, max(len(batches) * recipe.epochs, 2))
    model.compile(
        optimizers.Adam(rate, global_clipnorm=5.0),
        losses.CategoricalCrossentropy(from_logits=True),
        metrics=["categorical_accuracy"],
    )
    seen = stretch(check.images)[0], check.votes
    history: dict[str, list] = {}
    for epoch in range(recipe.epochs):
        found = model.fit(
            batches, epochs=epoch + 1, verbose=0, initial_epoch=epoch, validation_data=seen,
            validation_batch_size=256,
        )  # fmt: skip
        for name, values in found.history.items():
            history.setdefault(name, []).extend(values)
        tell("training", epoch + 1, recipe.epochs)
    return Classifier(model, stretch), history
