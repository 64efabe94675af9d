"""Training, evaluation and prediction: what the methods of `Model` call."""

from tinygrad_astro.training.evaluation import evaluate, predict
from tinygrad_astro.training.fit import Run, fit
from tinygrad_astro.training.inference import RecordedPredictions, infer
from tinygrad_astro.training.objective import Objective
from tinygrad_astro.training.step import (
    compile,
    predict_on_batch,
    test_on_batch,
    train_on_batch,
)

__all__ = [
    "Objective",
    "RecordedPredictions",
    "Run",
    "compile",
    "evaluate",
    "fit",
    "infer",
    "predict",
    "predict_on_batch",
    "test_on_batch",
    "train_on_batch",
]
