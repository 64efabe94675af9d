"""Rings from few, noisy tags: features learned on drawn galaxies, then tuned on real ones."""

import itertools
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tinygrad_astro import layers, losses, optimizers, random, schedules
from tinygrad_astro.metrics import ROCAUC
from tinygrad_astro.models import Model
from tinygrad_astro.morphology.drawn import FEATURES, draw_cutouts
from tinygrad_astro.morphology.networks import FILTERS, block_net
from tinygrad_astro.morphology.orbit import orbit_mean, turned
from tinygrad_astro.morphology.rings import Rings, network_inputs
from tinygrad_astro.spectra.survey import check_apart, folds

_PIECE = 500
_SHIFT = 3


@dataclass(frozen=True)
class RingRecipe:
    """The numbers of a run on real cut-outs.

    Attributes
    ----------
    drawn, epochs : int
        Galaxies drawn to learn from first (edge-on ones are left out), and passes over them. 0
        drawn: train from scratch.
    steps, batch : int
        Updates on real cut-outs.
    learning_rate : float
        Top of the one-cycle schedule from scratch.
    tuning_steps, tuning_rate
        The same after `drawn`: half a cosine from this rate down, batch normalisation frozen.
    decay : float
        Decoupled weight decay of AdamW.
    smoothing : float
        Tags are noisy: 0 and 1 are pulled this far towards 1/2.
    fraction_share : float
        Weight of the vote fractions' loss beside that of the tag.
    filters, dropout
        As in `networks.block_net`.
    folds, repeats : int
        Of the cross-validation; networks per fold and start whose answers are averaged. After
        `drawn` there are two starts, from those galaxies and from scratch: they err apart.
    seed : int
    """

    drawn: int = 0
    epochs: int = 10
    steps: int = 150
    batch: int = 32
    learning_rate: float = 0.005
    tuning_steps: int = 60
    tuning_rate: float = 0.001
    decay: float = 0.01
    smoothing: float = 0.1
    fraction_share: float = 0.1
    filters: tuple[int, ...] = FILTERS
    dropout: float = 0.5
    folds: int = 5
    repeats: int = 2
    seed: int = 0

    def __post_init__(self):
        for name in ("epochs", "steps", "batch", "tuning_steps", "repeats"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: expected at least 1")
        if self.folds < 2:
            raise ValueError(f"folds={self.folds}: expected at least 2")

    def to_dict(self) -> dict:
        """Give the numbers by name."""
        return asdict(self) | {"filters": list(self.filters)}


def varied(pictures: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Turn, flip and shift cut-outs, change brightness and colour a little, add noise.

    Parameters
    ----------
    pictures : numpy.ndarray (N, S, S, 3)
        0 to 255.
    rng : numpy.random.Generator

    Returns
    -------
    numpy.ndarray (N, S, S, 3) float32
        What the network sees.
    """
    n, size = pictures.shape[:2]
    wide = np.pad(turned(pictures, rng), ((0, 0), *[(_SHIFT, _SHIFT)] * 2, (0, 0)), mode="reflect")
    at = rng.integers(2 * _SHIFT + 1, size=(n, 2))
    cut = [w[i : i + size, j : j + size] for w, (i, j) in zip(wide, at, strict=True)]
    bright = rng.uniform(0.8, 1.25, (n, 1, 1, 1)) * (1 + rng.normal(0, 0.05, (n, 1, 1, 3)))
    noise = rng.standard_normal(pictures.shape, np.float32) * 2
    return network_inputs((np.stack(cut) * bright + noise).astype(np.float32))


def pretrain(
    recipe: RingRecipe, size: int, progress: Callable[[str, int, int], Any] | None = None
) -> tuple[Model, dict[str, float]]:
    """Learn rings, bars, arms and irregulars on drawn galaxies.

    Parameters
    ----------
    recipe : RingRecipe
    size : int
        Side of the cut-outs in pixels.
    progress : callable, optional
        Called as `progress(stage, done, total)`.

    Returns
    -------
    Model
        Its end gives logits of `drawn.FEATURES`.
    dict of str to float
        The area under the ROC curve of each, on a tenth of the galaxies that it never saw.
    """
    tell = progress or (lambda stage, done, total: None)
    starts = range(0, recipe.drawn, _PIECE)
    parts = []
    for number, start in enumerate(starts, 1):
        parts.append(draw_cutouts(min(_PIECE, recipe.drawn - start), size, recipe.seed, start))
        tell("drawing galaxies", number, len(starts))
    pictures, features = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("pictures", "features")
    )
    held = max(len(pictures) // 10, 1)
    random.manual_seed(recipe.seed)
    rng = np.random.default_rng([recipe.seed, 0])
    model = block_net(size, 3, {"features": len(FEATURES)}, recipe.filters, 0.2)
    batches = -(-(len(pictures) - held) // recipe.batch)
    rate = schedules.OneCycle(recipe.learning_rate, max(batches * recipe.epochs, 2))
    model.compile(optimizers.Adam(rate), losses.BinaryCrossentropy(from_logits=True))
    for epoch in range(recipe.epochs):
        order = held + rng.permutation(len(pictures) - held)
        for first in range(0, len(order), recipe.batch):
            rows = order[first : first + recipe.batch]
            model.train_on_batch(varied(pictures[rows], rng), features[rows])
        tell("learning from drawn galaxies", epoch + 1, recipe.epochs)
    said = model.predict(network_inputs(pictures[:held]), batch_size=256, verbose=0)
    return model, {
        name: float(ROCAUC()(features[:held, k], said[:, k])) for k, name in enumerate(FEATURES)
    }


@dataclass
class RingNet:
    """A network that says ring or not, and vote fractions.

    Attributes
    ----------
    model : Model
        Two ends: the logit of a ring, and the fractions, each in units of its own spread.
    mean, spread : numpy.ndarray (F,)
        Of the fractions it was trained on.
    """

    model: Model
    mean: np.ndarray
    spread: np.ndarray

    def say(self, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Give the probability of a ring, (N,), and the fractions, (N, F), averaged over D4."""

        def answers(x):
            logit, fractions = self.model.predict(x, batch_size=256, verbose=0)
            return np.concatenate([0.5 * (1 + np.tanh(0.5 * logit)), fractions], axis=1)

        said = orbit_mean(answers, network_inputs(pictures))
        return said[:, 0], np.clip(self.mean + self.spread * said[:, 1:], 0.0, 1.0)


def train_rings(
    sample: Rings, recipe: RingRecipe, start: Model | None = None, number: int = 0
) -> RingNet:
    """Train one network on real cut-outs, from scratch or from what `start` has learned.

    Parameters
    ----------
    sample : Rings
    recipe : RingRecipe
    start : Model, optional
        From `pretrain`; left as it is.
    number : int
        Weights and batches follow from it.
    """
    random.manual_seed(recipe.seed + 1000 * (number + 1))
    rng = np.random.default_rng([recipe.seed, 1, number])
    mean, spread = sample.fractions.mean(axis=0), sample.fractions.std(axis=0) + 1e-6
    wanted = (sample.fractions - mean) / spread
    ends = {"ring": 1, "fractions": len(sample.questions)}
    model = block_net(sample.pictures.shape[1], 3, ends, recipe.filters, recipe.dropout)
    steps: int = recipe.steps
    rate: schedules.LearningRateSchedule = schedules.OneCycle(recipe.learning_rate, max(steps, 2))
    if start is not None:
        inherit(model, start)
        steps = recipe.tuning_steps
        rate = schedules.CosineDecay(recipe.tuning_rate, steps)
    model.compile(
        optimizers.AdamW(rate, weight_decay=recipe.decay),
        [
            losses.BinaryCrossentropy(from_logits=True, label_smoothing=recipe.smoothing),
            losses.MeanSquaredError(),
        ],
        loss_weights=[1.0, recipe.fraction_share],
    )
    for _ in range(steps):
        rows = rng.integers(len(sample), size=recipe.batch)
        labels = [sample.ring[rows, None].astype(np.float32), wanted[rows]]
        model.train_on_batch(varied(sample.pictures[rows], rng), labels)
    return RingNet(model, mean, spread)


def inherit(model: Model, start: Model) -> None:
    """Take over the weights of all layers but the ends, and freeze the batch normalisations.

    A few hundred galaxies say less about means and variances than thousands of drawn ones.
    """
    known = {layer.name: layer for layer in start.layers}
    for layer in model.layers:
        if layer.weights and layer.name in known:
            layer.set_weights(known[layer.name].get_weights())
            if isinstance(layer, layers.BatchNormalization):
                layer.trainable = False


def cross_validate(
    sample: Rings,
    recipe: RingRecipe,
    start: Model | None = None,
    progress: Callable[[str, int, int], Any] | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Judge every galaxy by networks that never saw it.

    Returns
    -------
    probability : numpy.ndarray (N,)
        Of a ring.
    fractions, constant : numpy.ndarray (N, F)
        What the networks say, and the mean over the galaxies that they were trained on.
    fold : numpy.ndarray (N,) int
    """
    tell = progress or (lambda stage, done, total: None)
    fold = folds(sample.ring, recipe.folds, recipe.seed)
    probability, constant = np.zeros(len(sample)), np.zeros(sample.fractions.shape)
    fractions = np.zeros(sample.fractions.shape)
    starts = [None] if start is None else [start, None]
    for number in range(recipe.folds):
        here = fold == number
        check_apart(sample[~here], sample[here])
        for begun, k in itertools.product(starts, range(recipe.repeats)):
            made = train_rings(sample[~here], recipe, begun, number * recipe.repeats + k)
            ring, shares = made.say(sample.pictures[here])
            probability[here] += ring / (recipe.repeats * len(starts))
            fractions[here] += shares / (recipe.repeats * len(starts))
        constant[here] = made.mean
        tell("cross-validating", number + 1, recipe.folds)
    return probability, fractions, constant, fold
