"""Callback: hooks into fit, evaluate and predict, in Keras's order; History and LambdaCallback."""


class Callback:
    """Base of all callbacks: override the hooks you need.

    Epochs and batches count from 0. Batch hooks of training see the running loss and metrics of the
    epoch in `logs`; what a hook adds to the `logs` of `on_epoch_end`, later callbacks see.

    Attributes
    ----------
    model : Model
    params : dict
        "verbose", "epochs" and "steps" (batches per epoch, None if unknown).
    run : Run or None
        Where `fit` is: epoch, step, objective, data.
    """

    def __init__(self):
        self.model = None
        self.params: dict = {}
        self.run = None

    def set_model(self, model) -> None:
        """Take the model; called before all other hooks."""
        self.model = model

    def set_params(self, params: dict) -> None:
        """Take `params`; called before all other hooks."""
        self.params = params

    def set_run(self, run) -> None:
        """Take the run; called before `on_train_begin`."""
        self.run = run

    def get_state(self) -> dict:
        """Give what a resumed run needs: numbers, texts, arrays and lists of arrays, by name."""
        return {}

    def set_state(self, state: dict) -> None:
        """Continue from what `get_state` gave; called after `on_train_begin`."""

    def close(self) -> None:
        """Let go of files and bars; called at the end, also after an error."""

    def on_train_begin(self, logs=None):
        """Before the first epoch."""

    def on_train_end(self, logs=None):
        """After the last epoch, with its logs."""

    def on_epoch_begin(self, epoch, logs=None):
        """Before an epoch of training."""

    def on_epoch_end(self, epoch, logs=None):
        """After an epoch and its validation, with loss, metrics and `val_...`."""

    def on_batch_begin(self, batch, logs=None):
        """Keras's older name of `on_train_batch_begin`."""

    def on_batch_end(self, batch, logs=None):
        """Keras's older name of `on_train_batch_end`."""

    def on_train_batch_begin(self, batch, logs=None):
        """Before a step of training."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch, logs=None):
        """After a step of training."""
        self.on_batch_end(batch, logs)

    def on_test_begin(self, logs=None):
        """Before an evaluation, also that within `fit`."""

    def on_test_end(self, logs=None):
        """After an evaluation."""

    def on_test_batch_begin(self, batch, logs=None):
        """Before a batch of an evaluation."""

    def on_test_batch_end(self, batch, logs=None):
        """After a batch of an evaluation."""

    def on_predict_begin(self, logs=None):
        """Before a prediction."""

    def on_predict_end(self, logs=None):
        """After a prediction."""

    def on_predict_batch_begin(self, batch, logs=None):
        """Before a batch of a prediction."""

    def on_predict_batch_end(self, batch, logs=None):
        """After a batch of a prediction, with `logs["outputs"]`."""


class History(Callback):
    """Keeps the logs of all epochs; `fit` makes one and returns it.

    Attributes
    ----------
    history : dict of list
        Loss and metrics by name, one entry per epoch.
    epoch : list of int
    """

    def __init__(self):
        super().__init__()
        self.history: dict[str, list] = {}
        self.epoch: list[int] = []

    def on_train_begin(self, logs=None):
        """Forget earlier epochs."""
        self.history, self.epoch = {}, []

    def on_epoch_end(self, epoch, logs=None):
        """Append the logs."""
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)

    def get_state(self) -> dict:
        """Give all epochs."""
        return {"history": self.history, "epoch": self.epoch}

    def set_state(self, state: dict) -> None:
        """Continue these epochs."""
        self.history, self.epoch = state["history"], state["epoch"]


class LambdaCallback(Callback):
    """A callback made of functions, one for each hook that is needed.

    Parameters
    ----------
    on_epoch_begin, on_epoch_end : callable(epoch, logs), optional
    on_train_begin, on_train_end : callable(logs), optional
    on_train_batch_begin, on_train_batch_end : callable(batch, logs), optional
    **hooks
        Other hooks of `Callback`, by name.

    Raises
    ------
    TypeError
        If there is no such hook, or it is no function.

    Examples
    --------
    >>> seen = []
    >>> callback = LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch))
    >>> callback.on_epoch_end(3, {}); seen
    [3]
    """

    def __init__(
        self,
        on_epoch_begin=None,
        on_epoch_end=None,
        on_train_begin=None,
        on_train_end=None,
        on_train_batch_begin=None,
        on_train_batch_end=None,
        **hooks,
    ):
        super().__init__()
        hooks |= {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
        }
        for name, function in hooks.items():
            if not name.startswith("on_") or not hasattr(Callback, name):
                raise TypeError(f"LambdaCallback got {name!r}, which is no hook of Callback")
            if function is not None and not callable(function):
                raise TypeError(f"LambdaCallback got {name}={function!r}, expected a function")
            if function is not None:
                setattr(self, name, function)


def overrides(callback, *hooks) -> bool:
    """Tell whether a callback does something at any of these hooks."""
    return any(
        getattr(type(callback), hook) is not getattr(Callback, hook) or hook in vars(callback)
        for hook in hooks
    )
