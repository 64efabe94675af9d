"""ModelCheckpoint: saves the model as training goes."""

import os

from tinygrad_astro.callbacks.monitor import Monitor


class ModelCheckpoint(Monitor):
    """Saves the model, or its weights, after epochs or batches; every save is all or nothing.

    Parameters
    ----------
    filepath : path
        May hold fields of logs: "{epoch:02d}-{val_loss:.3f}.safetensors"; epochs count from 1 here.
    monitor : str
        The log that says which model is best.
    verbose : int
        1: say it.
    save_best_only : bool
        Save only when the watched log has improved.
    save_weights_only : bool
        Leave the architecture out.
    mode : "auto", "min" or "max"
    save_freq : "epoch" or int
        After every epoch, or every so many batches.
    initial_value_threshold : float, optional
        What must be beaten first.

    Raises
    ------
    ValueError
        If `save_freq` is something else, or a field of `filepath` is not in the logs.
    """

    def __init__(
        self,
        filepath,
        monitor="val_loss",
        verbose=0,
        save_best_only=False,
        save_weights_only=False,
        mode="auto",
        save_freq="epoch",
        initial_value_threshold=None,
    ):
        super().__init__(monitor, mode)
        check_frequency("ModelCheckpoint", save_freq)
        self.filepath, self.verbose = os.fspath(filepath), verbose
        self.save_best_only, self.save_weights_only = save_best_only, save_weights_only
        self.save_freq = save_freq
        self.best = initial_value_threshold
        self._seen = 0

    def on_train_batch_end(self, batch, logs=None):
        """Count batches."""
        self._seen += 1
        if self.save_freq != "epoch" and self._seen >= self.save_freq:
            self._seen = 0
            self._save(self.run.epoch, logs, batch)

    def on_epoch_end(self, epoch, logs=None):
        """Save."""
        if self.save_freq == "epoch":
            self._save(epoch, logs)

    def _save(self, epoch, logs, batch=None):
        logs = logs or {}
        if self.save_best_only:
            current = self.value(logs)
            if current is None or not self.improves(current, self.best):
                return
            self.best = current
        fields = {"epoch": epoch + 1, **logs} | ({} if batch is None else {"batch": batch + 1})
        try:
            path = self.filepath.format(**fields)
        except KeyError as error:
            raise ValueError(
                f"filepath {self.filepath!r} has the field {error}, expected one of "
                f"{', '.join(fields)}"
            ) from None
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        save = self.model.save_weights if self.save_weights_only else self.model.save
        save(path)
        if self.verbose:
            print(f"Epoch {epoch + 1}: saved to {path}")

    def get_state(self) -> dict:
        """Give the best value and the count of batches."""
        return {"best": self.best, "seen": self._seen}

    def set_state(self, state: dict) -> None:
        """Continue from what `get_state` gave."""
        self.best, self._seen = state["best"], state["seen"]


def check_frequency(name, save_freq) -> None:
    """Raise unless `save_freq` is "epoch" or a whole number of batches."""
    whole = isinstance(save_freq, int) and not isinstance(save_freq, bool)
    if save_freq != "epoch" and not (whole and save_freq >= 1):
        raise ValueError(
            f'{name} got save_freq={save_freq!r}, expected "epoch" or a number of batches'
        )
