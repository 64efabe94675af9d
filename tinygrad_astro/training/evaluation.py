"""Loss, metrics and outputs on data, training nothing."""

import numpy as np

from tinygrad_astro.callbacks import CallbackList
from tinygrad_astro.layers.structure import leaves, map_leaves
from tinygrad_astro.training.feed import check_count, make_feed
from tinygrad_astro.training.finite import check_labels
from tinygrad_astro.training.inference import infer
from tinygrad_astro.training.step import build, flat, objective_of, test_step


def evaluate(
    model,
    x=None,
    y=None,
    batch_size=None,
    verbose="auto",
    sample_weight=None,
    steps=None,
    callbacks=None,
    return_dict=False,
    mask=None,
):
    """Compute the loss and the metrics on data.

    Parameters
    ----------
    model : Model
        Compiled.
    x, y : arrays (N, ...), nests of them, or x alone an iterable of batches
        As in `fit`.
    batch_size : int, optional
        32 by default, for arrays.
    verbose : "auto", 0, 1 or 2
        1: a progress bar; "auto": a bar if someone watches.
    sample_weight, mask : array_like, optional
        As in `fit`.
    steps : int, optional
        Batches to use; all by default.
    callbacks : list of Callback, optional
        Their `on_test_...` hooks are called.
    return_dict : bool
        Give a dict by name.

    Returns
    -------
    float, list or dict
        The loss; with metrics, a list of it and of their values.

    Raises
    ------
    RuntimeError
        If the model is not compiled.
    ValueError
        If data are empty, differ in length, or labels that count are not finite.

    Examples
    --------
    >>> import numpy as np, tinygrad_astro as ta
    >>> model = ta.Sequential([ta.Input((2,)), ta.layers.Dense(1, kernel_initializer="zeros")])
    >>> model.compile("sgd", "mse")
    >>> float(model.evaluate(np.ones((4, 2)), np.full(4, 3.0), verbose=0))
    9.0
    """
    objective = objective_of(model)
    feed = make_feed(x, y, sample_weight, mask, batch_size, steps=steps)
    check_labels(y, sample_weight, mask, objective)
    build(model, feed.first().x)
    hooks = CallbackList(callbacks, model, verbose=verbose, epochs=1, steps=feed.steps)
    with hooks:
        logs = test_epoch(model, objective, feed, hooks)
    return logs if return_dict else flat(logs)


def test_epoch(model, objective, feed, callbacks) -> dict:
    """Go once through the data; give loss and metrics by name."""
    objective.reset()
    callbacks.on_test_begin()
    for step, batch in enumerate(feed.batches(0)):
        callbacks.on_test_batch_begin(step)
        loss, y_pred = test_step(model, objective, batch)
        objective.update(loss, batch.y, y_pred, batch.sample_weight, batch.mask)
        if callbacks.watch_tests:
            callbacks.on_test_batch_end(step, objective.results())
    logs = objective.results()
    callbacks.on_test_end(logs)
    return logs


def predict(model, x, batch_size=None, verbose="auto", steps=None, callbacks=None):
    """Compute the outputs, batch by batch and off the tape.

    Parameters
    ----------
    model : Model
        Need not be compiled.
    x : array (N, ...), nest of arrays, or iterable of batches
        Inputs; of batches (x, y, ...) only x is used.
    batch_size : int, optional
        32 by default, for arrays.
    verbose, steps, callbacks
        As in `evaluate`.

    Returns
    -------
    ndarray (N, ...), or a list or dict of arrays
        As the model's outputs.

    Raises
    ------
    ValueError
        If there are no samples.

    Examples
    --------
    >>> import numpy as np, tinygrad_astro as ta
    >>> model = ta.Sequential([ta.Input((2,)), ta.layers.Dense(1, kernel_initializer="ones")])
    >>> model.predict(np.ones((3, 2)), batch_size=2, verbose=0).shape
    (3, 1)
    """
    if steps is not None:
        check_count("steps", steps)
    feed = make_feed(x, batch_size=batch_size, steps=steps)
    build(model, feed.first().x)
    hooks = CallbackList(callbacks, model, verbose=verbose, epochs=1, steps=feed.steps)
    parts: list[list[np.ndarray]] = []
    with hooks:
        hooks.on_predict_begin()
        for step, batch in enumerate(feed.batches(0)):
            hooks.on_predict_batch_begin(step)
            y_pred = infer(model, batch.x)
            parts.append([leaf.numpy() for leaf in leaves(y_pred)])
            hooks.on_predict_batch_end(step, {"outputs": y_pred})
        hooks.on_predict_end()
    joined = iter([np.concatenate(column) for column in zip(*parts, strict=True)])
    return map_leaves(lambda _: next(joined), y_pred)
