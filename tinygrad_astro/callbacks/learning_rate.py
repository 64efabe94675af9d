"""A learning rate set anew for every epoch."""

import inspect

from tinygrad_astro.callbacks.callback import Callback


class LearningRateScheduler(Callback):
    """Before each epoch, learning_rate = schedule(epoch, learning_rate).

    Parameters
    ----------
    schedule : callable(epoch, learning_rate) or callable(epoch)
    verbose : int
        1: say it.

    Raises
    ------
    ValueError
        If the function gives no number, or the optimizer follows a schedule of its own.
    """

    def __init__(self, schedule, verbose=0):
        super().__init__()
        if not callable(schedule):
            raise TypeError(
                f"LearningRateScheduler got schedule={schedule!r}, expected a function of (epoch, "
                "learning rate) that gives the rate"
            )
        self.schedule, self.verbose = schedule, verbose
        try:
            self._old = len(inspect.signature(schedule).parameters) == 1
        except (TypeError, ValueError):
            self._old = False
        self._done: int | None = None

    def on_train_begin(self, logs=None):
        """Forget earlier runs."""
        self._done = None

    def on_epoch_begin(self, epoch, logs=None):
        """Set the rate; a run resumed within an epoch has it already."""
        optimizer = self.model.optimizer
        if epoch == self._done:
            return
        if optimizer.schedule is not None:
            raise ValueError(
                "LearningRateScheduler cannot change a learning rate that follows a schedule "
                f"({optimizer.schedule}); give the optimizer a number"
            )
        rate = self.schedule(epoch) if self._old else self.schedule(epoch, optimizer.learning_rate)
        optimizer.learning_rate = rate
        self._done = epoch
        if self.verbose:
            print(f"Epoch {epoch + 1}: learning rate set to {rate:g}")

    def on_epoch_end(self, epoch, logs=None):
        """Add the rate to the logs."""
        if logs is not None:
            logs["learning_rate"] = self.model.optimizer.learning_rate

    def get_state(self) -> dict:
        """Give the last epoch whose rate was set."""
        return {"done": self._done}

    def set_state(self, state: dict) -> None:
        """Continue from what `get_state` gave."""
        self._done = state["done"]
