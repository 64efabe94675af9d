"""What fit, evaluate and predict show: a bar with loss and metrics, or a line per epoch."""

import sys
import time
from contextlib import ExitStack

import numpy as np
from tqdm import tqdm

from tinygrad_astro.callbacks.callback import Callback
from tinygrad_astro.kernels.cpu.target import on_compile


def watched() -> bool:
    """Tell whether someone sees the screen: a terminal or a notebook."""
    return sys.stderr.isatty() or "ipykernel" in sys.modules


def written(logs) -> str:
    """Write logs as one text, four digits each."""
    return ", ".join(
        f"{name}={value:.4g}" for name, value in (logs or {}).items() if np.ndim(value) == 0
    )


class Reporter(Callback):
    """What both share: hearing of kernels that compile for the first time."""

    def __init__(self):
        super().__init__()
        self._open = ExitStack()

    def compiling(self, name: str) -> None:
        """Show that the kernel `name` is being compiled."""

    def _listen(self):
        self._open.close()
        self._open.enter_context(on_compile(lambda name: self.compiling(name.lstrip("_"))))

    def close(self) -> None:
        """Stop listening."""
        self._open.close()

    def on_train_begin(self, logs=None):
        """Start listening."""
        self._listen()

    def on_test_begin(self, logs=None):
        """Start listening, unless `fit` has."""
        if self.run is None:
            self._listen()

    def on_predict_begin(self, logs=None):
        """Start listening."""
        self._listen()


class ProgressBar(Reporter):
    """A tqdm bar per epoch with loss and metrics; says so while kernels compile for the first time.

    Examples
    --------
    >>> ProgressBar().params
    {}
    """

    def __init__(self):
        super().__init__()
        self._bar: tqdm | None = None
        self._text = ""

    def compiling(self, name: str) -> None:
        """Show the kernel's name in front of the bar."""
        if self._bar is not None:
            self._bar.set_description_str(f"compiling {name} (once)", refresh=True)

    def close(self) -> None:
        """Close the bar."""
        super().close()
        self._finish(None)

    def _start(self, text, steps, done=0):
        self._finish(None)
        self._text = text
        self._bar = tqdm(total=steps, initial=done, desc=text, unit="batch", dynamic_ncols=True)

    def _advance(self, logs):
        if self._bar.desc != self._text:
            self._bar.set_description_str(self._text, refresh=False)
        self._bar.set_postfix_str(written(logs), refresh=False)
        self._bar.update()

    def _finish(self, logs):
        if self._bar is not None:
            self._bar.set_description_str(self._text, refresh=False)
            if logs:
                self._bar.set_postfix_str(written(logs), refresh=True)
            self._bar.close()
            self._bar = None

    def on_epoch_begin(self, epoch, logs=None):
        """Start a bar."""
        done = self.run.step if self.run is not None else 0
        self._start(f"Epoch {epoch + 1}/{self.params['epochs']}", self.params["steps"], done)

    def on_train_batch_end(self, batch, logs=None):
        """Advance."""
        self._advance(logs)

    def on_epoch_end(self, epoch, logs=None):
        """Show the epoch's logs and close the bar."""
        self._finish(logs)

    def on_test_begin(self, logs=None):
        """Start a bar, unless this is the validation within `fit`."""
        super().on_test_begin(logs)
        if self.run is None:
            self._start("Evaluating", self.params["steps"])

    def on_test_batch_end(self, batch, logs=None):
        """Advance."""
        if self.run is None:
            self._advance(logs)

    def on_test_end(self, logs=None):
        """Close the bar."""
        if self.run is None:
            self._finish(logs)

    def on_predict_begin(self, logs=None):
        """Start a bar."""
        super().on_predict_begin(logs)
        self._start("Predicting", self.params["steps"])

    def on_predict_batch_end(self, batch, logs=None):
        """Advance."""
        self._advance(None)

    def on_predict_end(self, logs=None):
        """Close the bar."""
        self._finish(None)


class ProgressLines(Reporter):
    """One printed line per epoch, and one when kernels compile for the first time."""

    def __init__(self):
        super().__init__()
        self._said = False
        self._start = 0.0

    def compiling(self, name: str) -> None:
        """Say once that compiling takes a while."""
        if not self._said:
            print("compiling kernels (once; they are kept for the next run) ...", flush=True)
        self._said = True

    def on_epoch_begin(self, epoch, logs=None):
        """Look at the clock."""
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        """Print the epoch's logs."""
        seconds = time.perf_counter() - self._start
        count = f"Epoch {epoch + 1}/{self.params['epochs']}"
        print(f"{count}: {seconds:.1f} s, {written(logs)}", flush=True)

    def on_test_end(self, logs=None):
        """Print the logs of an evaluation outside `fit`."""
        if self.run is None:
            print(f"Evaluation: {written(logs)}", flush=True)
