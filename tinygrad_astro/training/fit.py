"""The training loop: epochs of steps, each followed by a look at the validation data."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_astro.callbacks import CallbackList, History
from tinygrad_astro.random import next_seed
from tinygrad_astro.training.evaluation import test_epoch
from tinygrad_astro.training.feed import (
    ArrayFeed,
    Batch,
    IterableFeed,
    check_count,
    common_length,
    cut,
    is_arrays,
    make_feed,
)
from tinygrad_astro.training.finite import check_inputs, check_labels, check_step
from tinygrad_astro.training.objective import Objective
from tinygrad_astro.training.step import build, objective_of, train_step


@dataclass
class Run:
    """Where a run of `fit` is: everything that a checkpoint must hold, callbacks included.

    Attributes
    ----------
    model, objective, feed : Model, Objective, ArrayFeed or IterableFeed
        What is trained, how, and on what.
    callbacks : CallbackList
    epoch, step : int
        The next batch is number `step` of `epoch`, both from 0.
    """

    model: Any
    objective: Objective
    feed: ArrayFeed | IterableFeed
    callbacks: CallbackList
    epoch: int = 0
    step: int = 0


def fit(
    model,
    x=None,
    y=None,
    batch_size=None,
    epochs=1,
    verbose="auto",
    callbacks=None,
    validation_split=0.0,
    validation_data=None,
    shuffle=True,
    class_weight=None,
    sample_weight=None,
    initial_epoch=0,
    steps_per_epoch=None,
    validation_steps=None,
    validation_batch_size=None,
    validation_freq=1,
    mask=None,
) -> History:
    """Train a model.

    Parameters
    ----------
    model : Model
        Compiled.
    x : array (N, ...), list or dict of arrays, or iterable of batches
        Inputs. An iterable (`data.Batches`, or any other) gives tuples (x, y), (x, y,
        sample_weight) or (x, y, sample_weight, mask), and is read anew in every epoch.
    y : array (N, ...), or list or dict of arrays, one per output
        Labels.
    batch_size : int, optional
        32 by default.
    epochs : int
        Train up to this epoch.
    verbose : "auto", 0, 1 or 2
        0: silent; 1: a progress bar; 2: one line per epoch; "auto": a bar if someone watches.
    callbacks : list of Callback, optional
        Called in this order, `BackupAndRestore` last.
    validation_split : float
        Keep this last part of the samples for validation.
    validation_data : tuple or iterable, optional
        (x, y), (x, y, sample_weight) or (x, y, sample_weight, mask), or an iterable of batches.
    shuffle : bool
        Draw a new order of the samples in every epoch; for arrays.
    class_weight : dict or sequence, optional
        Weight of each class in the training loss; also per pixel.
    sample_weight : array (N,) or (N, H, W), optional
        Weights in the loss, and in weighted metrics.
    initial_epoch : int
        Where to start counting.
    steps_per_epoch : int, optional
        Batches per epoch, by default one pass over the data. The next epoch goes on from there.
    validation_steps, validation_batch_size : int, optional
        The same for validation.
    validation_freq : int
        Validate after every so many epochs.
    mask : array of bool (N,), (N, H, W) or of y's shape, optional
        True where a label counts.

    Returns
    -------
    History
        `.history[name]` lists loss and metrics, one per epoch.

    Raises
    ------
    RuntimeError
        If the model is not compiled.
    ValueError
        If data are empty, differ in length, or labels that count or inputs are not finite; before
        anything is trained. (Inputs from an iterable: once the loss is NaN. A model that replaces
        NaN itself may be given them.)

    Examples
    --------
    >>> import numpy as np, tinygrad_astro as ta
    >>> x = np.linspace(-1, 1, 64)[:, None]
    >>> model = ta.Sequential([ta.Input((1,)), ta.layers.Dense(1)])
    >>> model.compile(ta.optimizers.SGD(0.5), "mse")
    >>> history = model.fit(x, 3 * x, epochs=20, verbose=0)
    >>> history.history["loss"][-1] < 1e-3
    True
    """
    objective = objective_of(model)
    check_count("epochs", epochs, least=0)
    check_count("initial_epoch", initial_epoch, least=0)
    check_count("validation_freq", validation_freq)
    check_labels(y, sample_weight, mask, objective)
    if validation_split:
        data = Batch(x, y, sample_weight, mask)
        (x, y, sample_weight, mask), validation_data = split(data, validation_split)
    options = dict(steps=steps_per_epoch, epochs=epochs, seed=next_seed() if shuffle else None)
    feed = make_feed(x, y, sample_weight, mask, batch_size, **options)
    held_out = validation_feed(
        validation_data, validation_batch_size or batch_size, validation_steps, objective
    )
    build(model, feed.first().x)
    check_inputs(model, feed)
    check_inputs(model, held_out, "x of the validation data")
    hooks = CallbackList(callbacks, model, verbose=verbose, epochs=epochs, steps=feed.steps)
    run = Run(model, objective, feed, hooks, epoch=initial_epoch)
    model.stop_training = False
    logs: dict = {}
    with hooks:
        hooks.set_run(run)
        hooks.on_train_begin()
        while run.epoch < epochs and not model.stop_training:
            validate = held_out if (run.epoch + 1) % validation_freq == 0 else None
            logs = train_epoch(run, class_weight, validate)
        hooks.on_train_end(logs)
    model.history = hooks.history
    return hooks.history


def train_epoch(run: Run, class_weight=None, held_out=None) -> dict:
    """Train for the rest of `run.epoch`, validate, and give the logs."""
    model, objective, callbacks = run.model, run.objective, run.callbacks
    callbacks.on_epoch_begin(run.epoch)
    if run.step == 0:
        objective.reset()
    for batch in run.feed.batches(run.epoch, skip=run.step):
        callbacks.on_train_batch_begin(run.step)
        loss, y_pred = train_step(model, objective, batch, class_weight)
        check_step(loss, batch.x, f" of batch {run.step} of epoch {run.epoch}")
        objective.update(loss, batch.y, y_pred, batch.sample_weight, batch.mask, class_weight)
        run.step += 1
        if callbacks.watch_batches:
            callbacks.on_train_batch_end(run.step - 1, objective.results())
        if model.stop_training:
            break
    logs = objective.results()
    if held_out is not None:
        found = test_epoch(model, objective, held_out, callbacks)
        logs |= {f"val_{name}": value for name, value in found.items()}
    run.epoch, run.step = run.epoch + 1, 0
    callbacks.on_epoch_end(run.epoch - 1, logs)
    return logs


def split(data: Batch, fraction):
    """Keep the last part of all samples for validation: (training data, validation data).

    Raises
    ------
    ValueError
        If the fraction is not between 0 and 1, leaves nothing on one side, or x is no array.
    """
    if not isinstance(fraction, (int, float, np.number)) or not 0 < fraction < 1:
        raise ValueError(f"validation_split={fraction!r}: expected a fraction from 0 to below 1")
    if not is_arrays(data.x):
        raise ValueError(
            f"validation_split needs arrays to cut, x is a {type(data.x).__name__}; give "
            "validation_data instead"
        )
    data = Batch(*make_feed(*data).data)
    samples = common_length(data)
    kept = int(samples * (1 - fraction))
    if not 0 < kept < samples:
        raise ValueError(
            f"validation_split={fraction} of {samples} samples leaves {kept} for training and "
            f"{samples - kept} for validation; expected at least one each"
        )
    parts = [tuple(cut(part, s) for part in data) for s in (slice(kept), slice(kept, None))]
    return Batch(*parts[0]), parts[1]


def validation_feed(data, batch_size, steps, objective):
    """Make a feed of what `validation_data` may be.

    Raises
    ------
    ValueError
        If it is a tuple of another length than 2 to 4.
    """
    if data is None:
        return None
    if not isinstance(data, (tuple, list)):
        return make_feed(data, steps=steps)
    if not 2 <= len(data) <= 4:
        raise ValueError(
            f"validation_data has {len(data)} parts, expected (x, y), (x, y, sample_weight) or "
            "(x, y, sample_weight, mask)"
        )
    feed = make_feed(*data, *(None,) * (4 - len(data)), batch_size, steps=steps)
    check_labels(*feed.data[1:], objective)
    return feed
