"""How a U-Net learns to tell sources from sky: crops of one image, turned and flipped."""

from dataclasses import asdict, dataclass
from os import PathLike

import numpy as np

from tinygrad_astro import callbacks as cb
from tinygrad_astro import layers, losses, metrics, optimizers, random, schedules
from tinygrad_astro.data.augmentation import D4
from tinygrad_astro.data.crops import RandomCrops
from tinygrad_astro.models import Model, unet
from tinygrad_astro.segmentation.survey import Survey

BATCH_NORM_MOMENTUM = 0.9


@dataclass(frozen=True)
class Recipe:
    """The numbers of a training run.

    Attributes
    ----------
    steps, batch : int
        Updates in all, rounded up to whole rounds, and crops in each.
    size : int
        Side of a crop in pixels.
    base, depth : int
        Channels at the first level of the U-Net, and number of halvings.
    learning_rate : float
        Top of the one-cycle schedule.
    rounds : int
        How often to validate, and to save the state.
    seed : int
        Of all randomness.

    Examples
    --------
    >>> recipe = Recipe(steps=100, rounds=12)
    >>> recipe.steps_per_round, recipe.total_steps
    (9, 108)
    """

    steps: int = 600
    batch: int = 8
    size: int = 128
    base: int = 16
    depth: int = 3
    learning_rate: float = 0.01
    rounds: int = 12
    seed: int = 0

    @property
    def steps_per_round(self) -> int:
        """Updates from one validation to the next."""
        return -(-self.steps // self.rounds)

    @property
    def total_steps(self) -> int:
        """Updates in all."""
        return self.steps_per_round * self.rounds

    def to_dict(self) -> dict:
        """Give the numbers by name."""
        return asdict(self)


def train(survey: Survey, recipe: Recipe, state: str | PathLike | None = None, verbose="auto"):
    """Train a U-Net on the training columns of a survey.

    The loss is the cross-entropy per pixel; Adam follows one cycle of the learning rate.

    Parameters
    ----------
    survey : Survey
    recipe : Recipe
    state : path, optional
        File of the training state. If it exists, training goes on from it, bit by bit as if it had
        never stopped; it is written after every round and left there at the end.
    verbose : "auto", 0, 1 or 2
        As in `Model.fit`.

    Returns
    -------
    model : Model
        Gives probabilities (N, H, W, classes); its metadata name bands and classes and hold the
        stretch.
    history : dict of str to list
        Loss and IoU of source pixels, of training and validation, by round.

    Raises
    ------
    ValueError
        If a crop does not fit into the training columns, or a number is out of range.
    """
    random.manual_seed(recipe.seed)
    rows, parts = slice(None), survey.parts
    train_on, check_on = (rows, parts["training"]), (rows, parts["validation"])
    crops = RandomCrops(
        survey.image[train_on],
        survey.classes[train_on],
        mask=_if_any(survey.mask[train_on]),
        size=recipe.size,
        batch_size=recipe.batch,
        steps=recipe.steps_per_round,
        seed=recipe.seed,
        augment=D4(),
    )
    network = build(survey, recipe)
    weight = balance(survey.classes[train_on], len(survey.names))
    truth = survey.classes[check_on][None]
    # Weighed alike, so that the two curves can be compared.
    held_out = (survey.image[check_on][None], truth, *(() if weight is None else (weight[truth],)))
    backup = [] if state is None else [cb.BackupAndRestore(state, delete_checkpoint=False)]
    history = network.fit(
        crops,
        epochs=recipe.rounds,
        validation_data=held_out,
        class_weight=weight,
        callbacks=backup,
        verbose=verbose,
    )
    model = Model(network.input, layers.Softmax(name="probability")(network.output), name="unet")
    model.metadata = describe(survey, recipe)
    return model, history.history


def build(survey: Survey, recipe: Recipe) -> Model:
    """Make the network, which gives logits, and choose its loss, optimizer and metric."""
    count = len(survey.names)
    network = unet((None, None, survey.image.shape[2]), count, recipe.base, recipe.depth)
    for layer in network.layers:
        # Keras's default, 0.99, takes longer to forget the first steps than a short run lasts.
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = BATCH_NORM_MOMENTUM
    cycle = schedules.OneCycle(recipe.learning_rate, max(recipe.total_steps, 2))
    network.compile(
        optimizers.Adam(cycle),
        losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[metrics.IoU(count, range(1, count), name="iou", sparse_y_pred=False)],
    )
    return network


def balance(classes: np.ndarray, count: int) -> np.ndarray | None:
    """Weigh the classes for the loss: the square root of how much rarer than sky each of them is.

    Unweighed, a network with several kinds of source first learns "source" and may stay long where
    all are one kind. With one kind there is nothing to balance: None.

    Examples
    --------
    >>> balance(np.repeat([0, 1, 2], [160, 10, 40]), 3).round(6).tolist()
    [1.0, 4.0, 2.0]
    """
    if count == 2:
        return None
    frequency = np.bincount(classes.ravel(), minlength=count)
    return np.sqrt(frequency[0] / np.maximum(frequency, 1))


def describe(survey: Survey, recipe: Recipe) -> dict:
    """Give what must travel with the weights."""
    return {
        "task": "segmentation",
        "bands": survey.bands,
        "classes": survey.names,
        "stretch": survey.stretch.to_dict(),
        "recipe": recipe.to_dict(),
    }


def _if_any(mask: np.ndarray) -> np.ndarray | None:
    """Leave a mask out that masks nothing: weights of 1 cost time."""
    return mask if mask.any() else None
