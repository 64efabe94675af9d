"""Callbacks with Keras's names, arguments and order of hooks."""

from tinygrad_astro.callbacks.backup import BackupAndRestore
from tinygrad_astro.callbacks.callback import Callback, History, LambdaCallback
from tinygrad_astro.callbacks.callback_list import CallbackList
from tinygrad_astro.callbacks.checkpoint import ModelCheckpoint
from tinygrad_astro.callbacks.learning_rate import LearningRateScheduler
from tinygrad_astro.callbacks.logs import CSVLogger, TerminateOnNaN
from tinygrad_astro.callbacks.monitor import EarlyStopping, ReduceLROnPlateau
from tinygrad_astro.callbacks.progress import ProgressBar, ProgressLines

__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ProgressBar",
    "ProgressLines",
    "ReduceLROnPlateau",
    "TerminateOnNaN",
]
