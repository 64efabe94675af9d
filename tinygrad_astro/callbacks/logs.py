"""Callbacks that write down or check what training says: a CSV file, and the stop at NaN."""

import csv
import os

import numpy as np

from tinygrad_astro.callbacks.callback import Callback
from tinygrad_astro.files import check_folder


class CSVLogger(Callback):
    """Writes one row per epoch to a CSV file: epoch, then the logs in alphabetical order.

    A resumed run cuts the file back to the epochs that its backup knows, so that no row is doubled.

    Parameters
    ----------
    filename : path
    separator : str
    append : bool
        Keep what is in the file.
    """

    def __init__(self, filename, separator=",", append=False):
        super().__init__()
        if not isinstance(separator, str) or len(separator) != 1:
            raise ValueError(f"CSVLogger got separator={separator!r}, expected one character")
        self.filename, self.separator, self.append = os.fspath(filename), separator, append
        self._file = None
        self._fields: list[str] | None = None
        self._keep: int | None = None  # bytes of the file that a resumed run keeps

    def on_train_begin(self, logs=None):
        """Start anew."""
        self.close()
        check_folder(self.filename)  # now, not after an epoch of training
        self._fields, self._keep = None, None

    def _begin(self, logs):
        exists = os.path.exists(self.filename)
        if self._keep is None or not exists:
            self._keep = os.path.getsize(self.filename) if self.append and exists else 0
        self._file = open(self.filename, "r+" if exists else "w", newline="", encoding="utf-8")
        self._file.truncate(self._keep)
        self._file.seek(0, os.SEEK_END)
        if self._fields is None:
            self._fields = ["epoch", *sorted(logs)]
        if self._keep == 0:
            csv.writer(self._file, delimiter=self.separator).writerow(self._fields)

    def on_epoch_end(self, epoch, logs=None):
        """Write a row; a value that is not there becomes NA."""
        logs = logs or {}
        if self._file is None:
            self._begin(logs)
        values = [logs.get(name, "NA") for name in self._fields[1:]]
        values = [v.tolist() if isinstance(v, np.ndarray) else v for v in values]
        csv.writer(self._file, delimiter=self.separator).writerow([epoch, *values])
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def get_state(self) -> dict:
        """Give the length of the file and its columns."""
        length = 0 if self._file is None else self._file.tell()
        return {"length": length, "fields": self._fields}

    def set_state(self, state: dict) -> None:
        """Go on after the rows that were there then."""
        self._keep, self._fields = state["length"], state["fields"]


class TerminateOnNaN(Callback):
    """Ends training when the loss is NaN or infinite.

    Parameters
    ----------
    raise_error : bool
        Raise RuntimeError instead.
    """

    def __init__(self, raise_error=False):
        super().__init__()
        self.raise_error = raise_error

    def on_batch_end(self, batch, logs=None):
        """Look at the loss."""
        loss = (logs or {}).get("loss")
        if loss is not None and not np.isfinite(loss):
            if self.raise_error:
                raise RuntimeError(f"the loss is {loss} at batch {batch}; training is ended")
            print(f"Batch {batch}: the loss is {loss}, training is ended")
            self.model.stop_training = True
