"""CallbackList: calls every callback at every hook, and closes them at the end, come what may."""

from tinygrad_astro.callbacks.backup import BackupAndRestore
from tinygrad_astro.callbacks.callback import Callback, History, overrides
from tinygrad_astro.callbacks.progress import ProgressBar, ProgressLines, watched


class CallbackList(Callback):
    """The callbacks of one call of fit, evaluate or predict, as one.

    Parameters
    ----------
    callbacks : Callback or list of Callback, optional
        The user's, called first.
    model : Model
    verbose : "auto", 0, 1 or 2
        1: add a progress bar; 2: one line per epoch; "auto": a bar if someone watches.
    epochs : int
    steps : int or None
        Batches per epoch.

    Raises
    ------
    TypeError
        If something is not a callback.
    ValueError
        If `verbose` is something else.
    """

    def __init__(self, callbacks, model, verbose="auto", epochs=1, steps=None):
        super().__init__()
        given = list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks]
        given = [callback for callback in given if callback is not None]
        for callback in given:
            if not isinstance(callback, Callback):
                raise TypeError(
                    f"callbacks holds {callback!r} ({type(callback).__name__}), expected callbacks "
                    "of ta.callbacks, or subclasses of Callback"
                )
        if isinstance(verbose, str) and verbose != "auto" or verbose not in ("auto", 0, 1, 2):
            raise ValueError(f'verbose={verbose!r}: expected "auto", 0, 1 or 2')
        if verbose == "auto":
            verbose = 1 if watched() else 2
        if verbose and not any(isinstance(c, (ProgressBar, ProgressLines)) for c in given):
            given.append(ProgressBar() if verbose == 1 else ProgressLines())
        if not any(isinstance(c, History) for c in given):
            given.append(History())
        # A backup holds the state of all callbacks, so it comes when they have done their part.
        self.callbacks = sorted(given, key=lambda c: isinstance(c, BackupAndRestore))
        self.history = next(c for c in self.callbacks if isinstance(c, History))
        self.watch_batches = any(
            overrides(c, "on_train_batch_end", "on_batch_end") for c in self.callbacks
        )
        self.watch_tests = any(overrides(c, "on_test_batch_end") for c in self.callbacks)
        self.set_model(model)
        self.set_params({"verbose": verbose, "epochs": epochs, "steps": steps})

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for callback in self.callbacks:
            callback.close()
        self.set_run(None)  # a History outlives the run and must not keep the data alive

    def _call(self, hook, *args):
        for callback in self.callbacks:
            getattr(callback, hook)(*args)

    def set_model(self, model) -> None:
        """Hand on the model."""
        self.model = model
        self._call("set_model", model)

    def set_params(self, params) -> None:
        """Hand on the parameters."""
        self.params = params
        self._call("set_params", params)

    def set_run(self, run) -> None:
        """Hand on the run."""
        self.run = run
        self._call("set_run", run)

    def get_state(self) -> dict:
        """Give the state of each callback, by place and class."""
        return {
            f"{i}-{type(callback).__name__}": callback.get_state()
            for i, callback in enumerate(self.callbacks)
        }

    def set_state(self, state) -> None:
        """Continue from what `get_state` gave; callbacks that are new start afresh."""
        for i, callback in enumerate(self.callbacks):
            known = state.get(f"{i}-{type(callback).__name__}")
            if known:
                callback.set_state(known)

    def on_train_begin(self, logs=None):
        self._call("on_train_begin", {} if logs is None else logs)

    def on_train_end(self, logs=None):
        self._call("on_train_end", {} if logs is None else logs)

    def on_epoch_begin(self, epoch, logs=None):
        self._call("on_epoch_begin", epoch, {} if logs is None else logs)

    def on_epoch_end(self, epoch, logs=None):
        self._call("on_epoch_end", epoch, {} if logs is None else logs)

    def on_train_batch_begin(self, batch, logs=None):
        self._call("on_train_batch_begin", batch, {} if logs is None else logs)

    def on_train_batch_end(self, batch, logs=None):
        self._call("on_train_batch_end", batch, {} if logs is None else logs)

    def on_test_begin(self, logs=None):
        self._call("on_test_begin", {} if logs is None else logs)

    def on_test_end(self, logs=None):
        self._call("on_test_end", {} if logs is None else logs)

    def on_test_batch_begin(self, batch, logs=None):
        self._call("on_test_batch_begin", batch, {} if logs is None else logs)

    def on_test_batch_end(self, batch, logs=None):
        self._call("on_test_batch_end", batch, {} if logs is None else logs)

    def on_predict_begin(self, logs=None):
        self._call("on_predict_begin", {} if logs is None else logs)

    def on_predict_end(self, logs=None):
        self._call("on_predict_end", {} if logs is None else logs)

    def on_predict_batch_begin(self, batch, logs=None):
        self._call("on_predict_batch_begin", batch, {} if logs is None else logs)

    def on_predict_batch_end(self, batch, logs=None):
        self._call("on_predict_batch_end", batch, {} if logs is None else logs)
