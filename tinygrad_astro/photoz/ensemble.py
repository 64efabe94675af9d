"""An ensemble of networks: trained fold by fold, calibrated on what each did not see, one file."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_astro import optimizers, random, schedules
from tinygrad_astro.models import Model
from tinygrad_astro.models.saving import load_model_for
from tinygrad_astro.photoz import networks
from tinygrad_astro.photoz.calibration import Calibration
from tinygrad_astro.photoz.catalogue import Catalogue
from tinygrad_astro.photoz.draws import Draws
from tinygrad_astro.photoz.features import Features
from tinygrad_astro.photoz.heads import Bins, Mixture, head_from
from tinygrad_astro.photoz.metrics import pit
from tinygrad_astro.photoz.pdf import Pdf, average
from tinygrad_astro.photoz.recipe import Recipe

TASK = "photoz"


@dataclass
class PhotoZ:
    """What gives redshift densities for a catalogue.

    Attributes
    ----------
    model : Model
        All networks in one: gives (N, members, outputs).
    features : Features
    head : Mixture or Bins
    calibration : Calibration
    """

    model: Model
    features: Features
    head: Mixture | Bins
    calibration: Calibration

    def predict(self, catalogue: Catalogue, calibrated: bool = True) -> Pdf:
        """Give a density per object: the mean of those of all networks, recalibrated.

        Rows of NaN where no band was measured.

        Raises
        ------
        ValueError
            If the bands differ from those of the training, or images are missing.
        """
        x = inputs_of(self.model, self.features, catalogue)
        outputs = self.model.predict(x, batch_size=512, verbose=0)
        members = [self.head.pdf(outputs[:, k]) for k in range(outputs.shape[1])]
        pdf = average(members)
        pdf = self.calibration.apply(pdf) if calibrated else pdf
        seen = np.any(catalogue.measured, axis=1, keepdims=True)
        return Pdf(pdf.grid, np.where(seen, pdf.cdf, np.nan))

    def save(self, path) -> None:
        """Write networks and all that belongs to them into one .safetensors file."""
        self.model.metadata |= {
            "task": TASK,
            "features": self.features.to_dict(),
            "head": self.head.to_dict(),
            "calibration": self.calibration.to_dict(),
        }
        self.model.save(path)


def load(path) -> PhotoZ:
    """Read what `PhotoZ.save` wrote.

    Raises
    ------
    ValueError
        If the file holds another kind of model.
    """
    model = load_model_for(TASK, path)
    return PhotoZ(
        model,
        Features.from_dict(model.metadata["features"]),
        head_from(model.metadata["head"]),
        Calibration.from_dict(model.metadata["calibration"]),
    )


def inputs_of(model: Model, features: Features, catalogue: Catalogue):
    """Give what the network takes: the numbers, or images and numbers.

    Raises
    ------
    ValueError
        If the network wants images and there are none.
    """
    x = features.transform(catalogue)
    if not isinstance(model.input_shape, list):
        return x
    if catalogue.images is None:
        raise ValueError("this network sees images, too, and the catalogue has none")
    return [catalogue.images, x]


def train(
    catalogue: Catalogue,
    recipe: Recipe,
    progress: Callable[[str, int, int], Any] | None = None,
) -> tuple[PhotoZ, dict]:
    """Train an ensemble on a catalogue with redshifts.

    Every network learns without one fold of the sample. What the networks say of the objects that
    they did not see gives the calibration.

    Parameters
    ----------
    catalogue : Catalogue
        All redshifts finite; with images, the networks have two inputs.
    recipe : Recipe
    progress : callable, optional
        Called as `progress("training", done, total)` after every network.

    Returns
    -------
    PhotoZ
    dict
        `unseen`, the Pdf of each object by networks that did not see it, not calibrated;
        `history`, a list of loss histories, one per network.

    Raises
    ------
    ValueError
        If a redshift is missing, or there are too few objects for the folds.
    """
    check_trainable(catalogue, recipe)
    features = Features.fit(catalogue)
    head: Mixture | Bins
    if recipe.head == "mixture":
        head = Mixture.fit(catalogue.redshift, recipe.components)
    else:
        head = Bins.fit(catalogue.redshift, recipe.bins)
    fold = folds(len(catalogue), recipe.folds, recipe.seed)
    tell = progress or (lambda stage, done, total: None)
    members: list[Model] = []
    histories, parts = [], []
    for left_out in range(recipe.folds):
        held_out, said = catalogue[fold == left_out], []
        for _ in range(recipe.repeats):
            seen = catalogue[fold != left_out]
            model, history = train_member(seen, features, head, recipe, len(members))
            members.append(model)
            histories.append(history)
            outputs = model.predict(inputs_of(model, features, held_out), batch_size=512, verbose=0)
            said.append(head.pdf(outputs))
            tell("training", len(members), recipe.members)
        parts.append(average(said))
    cdf = np.zeros((len(catalogue), len(parts[0].grid)))
    for left_out, part in enumerate(parts):
        cdf[fold == left_out] = part.cdf
    unseen = Pdf(parts[0].grid, cdf)
    calibration = Calibration.fit(pit(unseen, catalogue.redshift))
    made = PhotoZ(networks.together(members), features, head, calibration)
    made.model.metadata["recipe"] = recipe.to_dict()
    return made, {"unseen": unseen, "history": histories}


def check_trainable(catalogue: Catalogue, recipe: Recipe) -> None:
    """Raise ValueError where a sample cannot be learned from."""
    unknown = ~np.isfinite(catalogue.redshift)
    if unknown.any():
        raise ValueError(
            f"{unknown.sum()} of {len(catalogue)} training objects have no redshift, the first is "
            f"{str(catalogue.identifier[unknown.argmax()])!r}; leave them out"
        )
    if len(catalogue) < 20 * recipe.folds:
        raise ValueError(
            f"{len(catalogue)} training objects in {recipe.folds} folds; expected at least "
            f"{20 * recipe.folds}"
        )


def folds(count: int, parts: int, seed: int) -> np.ndarray:
    """Deal objects out to folds of nearly equal size, int (N,).

    Examples
    --------
    >>> import numpy as np
    >>> np.bincount(folds(11, 3, seed=0))
    array([4, 4, 3])
    """
    return np.random.default_rng(seed).permutation(np.arange(count) % parts)


def train_member(
    catalogue: Catalogue, features: Features, head, recipe: Recipe, number: int
) -> tuple[Model, dict]:
    """Train one network; its first weights and the order of batches follow from its number."""
    random.manual_seed(recipe.seed + 1000 * (number + 1))
    options: dict[str, Any] = dict(width=recipe.width, depth=recipe.depth)
    options |= dict(activation=recipe.activation, dropout=recipe.dropout)
    model: Model
    if catalogue.images is None:
        model = networks.perceptron(features.count, head.outputs, **options)
    else:
        shape = catalogue.images.shape[1:]
        model = networks.image_and_magnitudes(shape, features.count, head.outputs, **options)
    draws = Draws(
        features.transform(catalogue),
        head.labels(catalogue.redshift),
        catalogue.images,
        len(features.bands),
        recipe.hide,
        recipe.batch,
        recipe.seed + number,
    )
    rate = schedules.CosineDecay(recipe.learning_rate, recipe.epochs * len(draws))
    model.compile(optimizers.Adam(rate), head.loss())
    history = model.fit(draws, epochs=recipe.epochs, verbose=0)
    return model, history.history
