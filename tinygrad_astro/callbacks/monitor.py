"""Callbacks that watch one log: stop early, or lower the learning rate on a plateau."""

import warnings

from tinygrad_astro import bounds
from tinygrad_astro.callbacks.callback import Callback


class Monitor(Callback):
    """What callbacks that watch a log share: which way is better, and by how much.

    Parameters
    ----------
    monitor : str
        The log to watch.
    mode : "auto", "min" or "max"
        Which way is better; "auto" asks the metric.
    min_delta : float
        Smaller changes are none; same unit as the log.

    Raises
    ------
    ValueError
        If `mode` is something else, or "auto" cannot tell.
    """

    def __init__(self, monitor="val_loss", mode="auto", min_delta=0.0):
        super().__init__()
        if mode not in ("auto", "min", "max"):
            raise ValueError(
                f'{type(self).__name__} got mode={mode!r}, expected "auto", "min" or "max"'
            )
        if not isinstance(monitor, str):
            raise TypeError(f"{type(self).__name__} got monitor={monitor!r}, expected a log's name")
        self.monitor, self.mode = monitor, mode
        self.min_delta = abs(bounds.number(self, "min_delta", min_delta))
        self.best: float | None = None

    def value(self, logs) -> float | None:
        """Give the watched value, None with a warning if it is not there."""
        if self.monitor in (logs or {}):
            return float(logs[self.monitor])
        warnings.warn(
            f"{type(self).__name__} watches {self.monitor!r}, which is not available; the logs "
            f"have {', '.join(logs or {}) or 'nothing'}",
            stacklevel=5,
        )
        return None

    def improves(self, value: float, best: float | None) -> bool:
        """Tell whether `value` is better than `best`, by more than `min_delta`."""
        if best is None:
            return True
        if self.direction() == "down":
            return value + self.min_delta < best
        return value - self.min_delta > best

    def direction(self) -> str:
        """Give "up" or "down"."""
        if self.mode != "auto":
            return "down" if self.mode == "min" else "up"
        objective = getattr(self.model, "objective", None)
        found = objective.direction(self.monitor) if objective else None
        if found is None:
            raise ValueError(
                f"{type(self).__name__} cannot tell whether a larger or a smaller {self.monitor!r} "
                'is better; give mode="min" or mode="max"'
            )
        return found


class EarlyStopping(Monitor):
    """Ends training when the watched log has not improved for `patience` epochs.

    Parameters
    ----------
    monitor : str
    min_delta : float
        Smaller improvements are none.
    patience : int
        Epochs to wait.
    verbose : int
        1: say when.
    mode : "auto", "min" or "max"
    baseline : float, optional
        Waiting starts anew only when this is beaten too.
    restore_best_weights : bool
        Put the weights of the best epoch back at the end.
    start_from_epoch : int
        Ignore earlier epochs.

    Examples
    --------
    >>> import numpy as np, tinygrad_astro as ta
    >>> model = ta.Sequential([ta.Input((1,)), ta.layers.Dense(1)])
    >>> model.compile(ta.optimizers.SGD(0.0), "mse")
    >>> stop = EarlyStopping(monitor="loss", patience=2)
    >>> x = np.ones((4, 1))
    >>> len(model.fit(x, x, epochs=9, callbacks=[stop], verbose=0).epoch)
    3
    """

    def __init__(
        self,
        monitor="val_loss",
        min_delta=0,
        patience=0,
        verbose=0,
        mode="auto",
        baseline=None,
        restore_best_weights=False,
        start_from_epoch=0,
    ):
        super().__init__(monitor, mode, min_delta)
        self.patience = bounds.whole(self, "patience", patience)
        self.verbose, self.baseline = verbose, baseline
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = start_from_epoch
        self.on_train_begin()

    def on_train_begin(self, logs=None):
        """Forget earlier runs."""
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best, self.best_weights = None, None

    def on_epoch_end(self, epoch, logs=None):
        """Compare, remember the best, and end training when the wait is over."""
        current = self.value(logs)
        if current is None or epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            self.best_weights, self.best_epoch = self.model.get_weights(), epoch
        self.wait += 1
        if self.improves(current, self.best):
            self.best, self.best_epoch = current, epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.baseline is None or self.improves(current, self.baseline):
                self.wait = 0
        elif self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs=None):
        """Put the best weights back."""
        if self.stopped_epoch and self.verbose:
            print(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose:
                print(f"Restoring the weights of the best epoch: {self.best_epoch + 1}")
            self.model.set_weights(self.best_weights)

    def get_state(self) -> dict:
        """Give the best value and weights, and how long it has been."""
        names = ("wait", "stopped_epoch", "best_epoch", "best")
        state = {name: getattr(self, name) for name in names}
        if self.best_weights is not None:
            state["best_weights"] = self.best_weights
        return state

    def set_state(self, state: dict) -> None:
        """Continue from what `get_state` gave."""
        for name, value in state.items():
            setattr(self, name, value)


class ReduceLROnPlateau(Monitor):
    """Multiplies the learning rate by `factor` when the watched log has stopped improving.

    Parameters
    ----------
    monitor : str
    factor : float
        Below 1.
    patience : int
        Epochs to wait.
    verbose : int
        1: say when.
    mode : "auto", "min" or "max"
    min_delta : float
        Smaller improvements are none.
    cooldown : int
        Epochs after a reduction in which none follows.
    min_lr : float
        The rate goes no lower.

    Raises
    ------
    ValueError
        If `factor` is not below 1, or the rate follows a schedule.
    """

    def __init__(
        self,
        monitor="val_loss",
        factor=0.1,
        patience=10,
        verbose=0,
        mode="auto",
        min_delta=1e-4,
        cooldown=0,
        min_lr=0.0,
    ):
        super().__init__(monitor, mode, min_delta)
        if bounds.number(self, "factor", factor, 0, 1) == 1:
            raise ValueError(f"ReduceLROnPlateau got factor={factor}, expected it below 1")
        self.factor, self.verbose = factor, verbose
        self.patience = bounds.whole(self, "patience", patience)
        self.cooldown = bounds.whole(self, "cooldown", cooldown)
        self.min_lr = bounds.number(self, "min_lr", min_lr, 0)
        self.on_train_begin()

    def on_train_begin(self, logs=None):
        """Forget earlier runs."""
        self.wait = self.cooldown_counter = 0
        self.best = None

    def on_epoch_end(self, epoch, logs=None):
        """Compare, and lower the rate when the wait is over."""
        optimizer = self.model.optimizer
        if logs is not None:
            logs["learning_rate"] = optimizer.learning_rate
        current = self.value(logs)
        if current is None:
            return
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.wait = 0
        if self.improves(current, self.best):
            self.best, self.wait = current, 0
        elif self.cooldown_counter <= 0:
            self.wait += 1
            if self.wait >= self.patience and optimizer.learning_rate > self.min_lr:
                self._reduce(optimizer, epoch)

    def _reduce(self, optimizer, epoch):
        if optimizer.schedule is not None:
            raise ValueError(
                "ReduceLROnPlateau cannot change a learning rate that follows a schedule "
                f"({optimizer.schedule}); give the optimizer a number"
            )
        optimizer.learning_rate = max(optimizer.learning_rate * self.factor, self.min_lr)
        self.cooldown_counter, self.wait = self.cooldown, 0
        if self.verbose:
            print(f"Epoch {epoch + 1}: learning rate reduced to {optimizer.learning_rate:g}")

    def get_state(self) -> dict:
        """Give the best value and the counters."""
        return {
            "wait": self.wait,
            "cooldown_counter": self.cooldown_counter,
            "best": self.best,
        }

    def set_state(self, state: dict) -> None:
        """Continue from what `get_state` gave."""
        for name, value in state.items():
            setattr(self, name, value)
