"""Training: on as many synthetic spectra as it takes, then, gently, on the few real ones."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tinygrad_astro import layers, losses, optimizers, random, schedules
from tinygrad_astro.models import Model
from tinygrad_astro.spectra.classifier import Classifier, Verdict, fitted, redshift_bins
from tinygrad_astro.spectra.inputs import CHANNELS, network_inputs
from tinygrad_astro.spectra.networks import line_net
from tinygrad_astro.spectra.simulate import grid, simulate
from tinygrad_astro.spectra.survey import CLASSES, Spectra


@dataclass(frozen=True)
class Recipe:
    """The numbers of a training run.

    Attributes
    ----------
    simulated : int
        Synthetic spectra to train on first.
    epochs, batch : int
    learning_rate : float
        Top of the one-cycle schedule on synthetic spectra.
    width, dropout
        As in `networks.line_net`.
    redshift_share : float
        Weight of the redshift's loss beside that of the class.
    tuning_steps : int
        Updates on real spectra; half of each batch stays synthetic, so that nothing is forgotten.
    tuning_rate : float
        Their learning rate, at the start of half a cosine.
    folds, repeats : int
        Of the cross-validation: networks per fold whose probabilities are averaged.
    seed : int
    """

    simulated: int = 12000
    epochs: int = 8
    batch: int = 64
    learning_rate: float = 0.003
    width: int = 128
    dropout: float = 0.3
    redshift_share: float = 0.3
    tuning_steps: int = 60
    tuning_rate: float = 0.0003
    folds: int = 5
    repeats: int = 1
    seed: int = 0

    def __post_init__(self):
        for name in ("simulated", "epochs", "batch", "width", "repeats"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: expected at least 1")
        if self.folds < 2:
            raise ValueError(f"folds={self.folds}: expected at least 2")

    def to_dict(self) -> dict:
        """Give the numbers by name."""
        return asdict(self)


def labels_of(spectra: Spectra) -> tuple[list, list]:
    """Give what the two ends shall say, and what counts: labels, and weights.

    A star has no redshift worth learning, so its weight there is 0; so has what is not known.
    """
    known = np.isfinite(spectra.redshift) & (spectra.label > 0)
    shift = np.log1p(np.where(known, np.maximum(spectra.redshift, -0.01), 0.0))
    labels = [np.maximum(spectra.label, 0), redshift_bins().labels(shift)]
    weights = [(spectra.label >= 0).astype(np.float32), known.astype(np.float32)]
    return labels, weights


def compiled(model: Model, rate, recipe: Recipe) -> Model:
    """Give the model the losses of its two ends."""
    model.compile(
        optimizers.Adam(rate, global_clipnorm=5.0),
        [
            losses.SparseCategoricalCrossentropy(from_logits=True),
            losses.CategoricalCrossentropy(from_logits=True),
        ],
        loss_weights=[1.0, recipe.redshift_share],
    )
    return model


def new_network(pixels: int, recipe: Recipe) -> Model:
    """Make the network with fresh weights."""
    ends = {"class": len(CLASSES), "redshift": redshift_bins().outputs}
    return line_net(pixels, len(CHANNELS), ends, recipe.width, recipe.dropout)


def pretrain(
    recipe: Recipe,
    wavelength: np.ndarray | None = None,
    progress: Callable[[str, int, int], Any] | None = None,
) -> tuple[Classifier, Spectra, dict]:
    """Train on synthetic spectra alone.

    Parameters
    ----------
    recipe : Recipe
    wavelength : numpy.ndarray (L,), optional
        Of the network's pixels; default `simulate.grid()`.
    progress : callable, optional
        Called as `progress("learning from synthetic spectra", done, total)`.

    Returns
    -------
    Classifier
    Spectra
        What it was trained on.
    dict
        Losses by epoch, of these and of a tenth as many that it never saw.
    """
    wavelength = grid() if wavelength is None else wavelength
    random.manual_seed(recipe.seed)
    held = max(recipe.simulated // 10, 1)
    seen = simulate(recipe.simulated, recipe.seed, wavelength=wavelength)
    unseen = simulate(held, recipe.seed, recipe.simulated, wavelength)
    steps = -(-recipe.simulated // recipe.batch)
    rate = schedules.OneCycle(recipe.learning_rate, max(steps * recipe.epochs, 2))
    model = compiled(new_network(len(wavelength), recipe), rate, recipe)
    labels, weights = labels_of(seen)
    check = network_inputs(unseen), *labels_of(unseen)
    x, told = network_inputs(seen), progress or (lambda stage, done, total: None)
    history: dict[str, list] = {}
    for epoch in range(recipe.epochs):
        found = model.fit(
            x, labels, recipe.batch, epoch + 1, 0, sample_weight=weights, initial_epoch=epoch,
            validation_data=check, validation_batch_size=256,
        )  # fmt: skip
        for name, values in found.history.items():
            history.setdefault(name, []).extend(values)
        told("learning from synthetic spectra", epoch + 1, recipe.epochs)
    return Classifier(model, wavelength), seen, history


def fine_tune(
    start: Classifier, real: Spectra, synthetic: Spectra, recipe: Recipe, seed: int = 0
) -> Classifier:
    """Go on from a trained network with real spectra, half and half with synthetic ones.

    Batch normalisation keeps its statistics: a few dozen spectra say less than thousands.

    Parameters
    ----------
    start : Classifier
        Left as it is.
    real : Spectra
        On the network's grid or on one that is finer.
    synthetic : Spectra
        On the network's grid.
    recipe : Recipe
    seed : int

    Returns
    -------
    Classifier
    """
    random.manual_seed(recipe.seed + 7919 * (seed + 1))
    model = new_network(len(start.wavelength), recipe)
    model.set_weights(start.model.get_weights())
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.trainable = False
    compiled(model, schedules.CosineDecay(recipe.tuning_rate, recipe.tuning_steps), recipe)
    rng, half = np.random.default_rng(recipe.seed + seed), max(recipe.batch // 2, 1)
    real = fitted(real, start.wavelength)
    parts = [(network_inputs(s), *labels_of(s)) for s in (real, synthetic[: 40 * half])]
    for _ in range(recipe.tuning_steps):
        drawn = [_draw(part, half, rng) for part in parts]
        x, y0, y1, w0, w1 = (np.concatenate(pair) for pair in zip(*drawn, strict=True))
        model.train_on_batch(x, [y0, y1], sample_weight=[w0, w1])
    return Classifier(model, start.wavelength)


def _draw(part, count, rng):
    x, labels, weights = part
    rows = rng.integers(len(x), size=count)
    return x[rows], labels[0][rows], labels[1][rows], weights[0][rows], weights[1][rows]


def mean_verdict(verdicts: list[Verdict]) -> Verdict:
    """Average what several networks say: probabilities by mean, redshifts by median."""
    probability = np.mean([v.probability for v in verdicts], axis=0)
    redshift = np.median([v.redshift for v in verdicts], axis=0)
    star = probability.argmax(axis=1) == 0
    spread = np.mean([v.spread for v in verdicts], axis=0)
    return Verdict(probability, np.where(star, 0.0, redshift), np.where(star, 0.0, spread))
