"""BackupAndRestore: a run that was killed goes on where its last backup was."""

import os

from tinygrad_astro import checkpoints
from tinygrad_astro.callbacks.callback import Callback
from tinygrad_astro.callbacks.checkpoint import check_frequency


class BackupAndRestore(Callback):
    """Writes the whole state of training to one file; `fit` with the same file goes on from it.

    A run killed at any moment and started again ends with the weights of one that was never killed,
    bit by bit, if data, model and compile are the same. Wherever it stands among the callbacks, it
    is called last.

    Parameters
    ----------
    path : path
        The file, conventionally .safetensors; its folder is made.
    save_freq : "epoch" or int
        After every epoch, or every so many batches and after every epoch.
    delete_checkpoint : bool
        Delete the file when training has ended.
    verbose : int
        1: say where training goes on.

    Raises
    ------
    ValueError
        If `save_freq` is something else.
    CheckpointError
        If the file is not such a state, or one of another model or optimizer.
    """

    def __init__(self, path, save_freq="epoch", delete_checkpoint=True, verbose=0):
        super().__init__()
        check_frequency("BackupAndRestore", save_freq)
        self.path, self.save_freq = os.fspath(path), save_freq
        self.delete_checkpoint, self.verbose = delete_checkpoint, verbose
        self._seen = 0

    def on_train_begin(self, logs=None):
        """Go on from the file if there is one."""
        self._seen = 0
        if os.path.exists(self.path):
            checkpoints.load_training(self.path, self.run)
            if self.verbose:
                print(f"going on at epoch {self.run.epoch + 1}, step {self.run.step}: {self.path}")
        else:
            os.makedirs(os.path.dirname(self.path) or ".", exist_ok=True)

    def on_train_batch_end(self, batch, logs=None):
        """Save after so many batches."""
        self._seen += 1
        if self.save_freq != "epoch" and self._seen % self.save_freq == 0:
            checkpoints.save_training(self.path, self.run)

    def on_epoch_end(self, epoch, logs=None):
        """Save."""
        checkpoints.save_training(self.path, self.run)

    def on_train_end(self, logs=None):
        """Delete the file."""
        if self.delete_checkpoint and os.path.exists(self.path):
            os.remove(self.path)
