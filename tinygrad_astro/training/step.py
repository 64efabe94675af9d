"""One batch: forward, loss, backward, update; or forward and loss alone."""

import numpy as np

from tinygrad_astro.layers.structure import map_leaves, shape_of
from tinygrad_astro.modes import no_grad
from tinygrad_astro.training.feed import Batch, arrays
from tinygrad_astro.training.finite import check_step
from tinygrad_astro.training.inference import infer
from tinygrad_astro.training.learn import eager_step
from tinygrad_astro.training.objective import Objective, joined
from tinygrad_astro.training.recorded import RecordedSteps, can_be_recorded


def train_step(model, objective: Objective, batch: Batch, class_weight=None):
    """Make one step of the optimizer; give (loss, outputs)."""
    if objective.jit_compile and can_be_recorded(model, objective):
        objective.recorded = objective.recorded or RecordedSteps(objective)
        return objective.recorded.step(model, batch, class_weight)
    return eager_step(model, objective, batch, class_weight)


def test_step(model, objective: Objective, batch: Batch):
    """Compute the outputs and the loss without the tape; give (loss, outputs)."""
    with no_grad():
        y_pred = infer(model, batch.x)
        cells = objective.cells(y_pred, batch, names=objective.names_of(model))
        losses = joined(objective.losses(cells, y_pred))
    return objective.read(losses, batch.size), y_pred


def objective_of(model) -> Objective:
    """Give what `compile` made.

    Raises
    ------
    RuntimeError
        If the model has not been compiled.
    """
    objective = getattr(model, "objective", None)
    if objective is None:
        raise RuntimeError("the model is not compiled: call model.compile(optimizer, loss) first")
    return objective


def compile(  # noqa: A001  (Keras's name)
    model,
    optimizer="rmsprop",
    loss=None,
    metrics=None,
    loss_weights=None,
    weighted_metrics=None,
    jit_compile="auto",
) -> None:
    """Choose how `model` is trained: its optimizer, losses and metrics.

    Parameters
    ----------
    model : Model
        Gets the attributes `objective`, `optimizer`, `loss` and `stop_training`.
    optimizer : str, Optimizer or dict
        As in `optimizers.get`.
    loss : str, Loss or function, or a list or dict of them, one per output
        As in `losses.get`.
    metrics : list, or a list or dict of lists, one per output
        As in `metrics.get`; they see masks, but not sample weights.
    loss_weights : list or dict of float, optional
        Factors of the outputs' losses in the total.
    weighted_metrics : list, or a list or dict of lists, one per output
        Metrics that see sample weights too.
    jit_compile : bool or "auto"
        Whether a step is recorded as a whole (forward, loss, backward, optimizer), once per shape
        of batch, and repeated from then on: as a CUDA graph on cuda, without the tape on the CPU. A
        small network's step is mostly calls otherwise. "auto": yes, unless the step does what a
        recording cannot repeat; then it runs kernel by kernel, and on cuda a warning says once what
        prevented it. On the CPU none with layers, losses or functions of your own is recorded,
        whose Python might do another thing at each step, and none that needs more than a quarter
        of `memory_stats()["limit"]`. True: all steps, and what cannot be recorded is an error.
        False: never. Predictions on the CPU, validation's too, are recorded likewise unless False;
        those of models with parts of your own never are.

    Raises
    ------
    ValueError
        If a name is unknown, or `jit_compile` is none of these.
    TypeError
        If numbers stand where metrics belong: Keras's third position is `loss_weights`, which is a
        keyword here.

    Notes
    -----
    The first batch of a shape runs kernel by kernel, the second is recorded. What Python does in a
    `call` of your own (printing, counting, choosing by chance) happens at the recording only; a
    value cannot be read there. Numbers that layers, losses and the optimizer keep as attributes may
    be changed between steps, layers frozen, weights loaded or moved: the step is recorded anew
    where that is needed. A list or an array kept there must be replaced, not written into. While a
    step is recorded on the CPU, for some milliseconds, other threads cannot use the model.
    """
    model.objective = Objective(
        optimizer, loss, loss_weights, metrics, weighted_metrics, jit_compile
    )
    model.optimizer, model.loss = model.objective.optimizer, loss
    model.stop_training = False


def build(model, x) -> None:
    """Make the weights of a model that has not seen any data, from the shape of `x`.

    Raises
    ------
    ValueError
        If the shape does not fit the model.
    """
    if not model.built:
        model.build(map_leaves(shape_of, x))


def train_on_batch(
    model, x, y=None, sample_weight=None, class_weight=None, mask=None, return_dict=False
):
    """Make one step on one batch.

    Parameters
    ----------
    model : Model
        Compiled.
    x, y : array_like (N, ...), or nests of them
        Inputs and labels.
    sample_weight, mask : array_like, optional
        As in `fit`.
    class_weight : dict or sequence, optional
        Weight of each class.
    return_dict : bool
        Give a dict by name.

    Returns
    -------
    float, list or dict
        The loss of this batch before the step; with metrics, a list of it and of their values on
        this batch.

    Raises
    ------
    ValueError
        If there are no samples, or x holds what is not finite and made the loss NaN.
    """
    objective = objective_of(model)
    batch = Batch(*(arrays(p, "batch") for p in (x, y, sample_weight, mask)))
    if x is None or not batch.size:
        raise ValueError("train_on_batch got no samples: x is empty, expected at least one")
    build(model, batch.x)
    _forget(objective, return_dict)
    loss, y_pred = train_step(model, objective, batch, class_weight)
    check_step(loss, batch.x)
    return _of_batch(objective, loss, y_pred, batch, return_dict)


def test_on_batch(model, x, y=None, sample_weight=None, mask=None, return_dict=False):
    """Give the loss and metrics of one batch, training nothing; arguments as `train_on_batch`."""
    objective = objective_of(model)
    batch = Batch(*(arrays(p, "batch") for p in (x, y, sample_weight, mask)))
    _forget(objective, return_dict)
    loss, y_pred = test_step(model, objective, batch)
    return _of_batch(objective, loss, y_pred, batch, return_dict)


def predict_on_batch(model, x):
    """Give the outputs for one batch as arrays."""
    return map_leaves(lambda leaf: np.array(leaf.numpy()), infer(model, arrays(x, "x")))


def _forget(objective, return_dict):
    """Start the means anew: the step itself adds the losses of single outputs to theirs."""
    if objective.has_metrics or return_dict:
        objective.reset()


def _of_batch(objective, loss, y_pred, batch, return_dict):
    if not objective.has_metrics and not return_dict:
        return loss
    objective.update(loss, batch.y, y_pred, batch.sample_weight, batch.mask)
    logs = objective.results()
    return logs if return_dict else flat(logs)


def flat(logs: dict):
    """Give the values of logs as a list, or the loss alone if it is all there is."""
    return logs["loss"] if len(logs) == 1 else list(logs.values())
