"""tinygrad_astro: tape-based autodiff, Numba kernels, Keras-shaped layers, and real sky."""

# First, because loading the file tensor.py binds the name `tensor`, which the function then takes.
import tinygrad_astro.tensor as _operators
from tinygrad_astro import (
    activations,
    callbacks,
    cuda,
    data,
    explain,
    initializers,
    layers,
    losses,
    metrics,
    models,
    ops,
    optimizers,
    random,
    schedules,
    testing,
)
from tinygrad_astro._version import __version__
from tinygrad_astro.autodiff import grad, hvp, jacobian, value_and_grad
from tinygrad_astro.kernels.cpu.memory import memory_stats, set_memory_limit
from tinygrad_astro.kernels.cpu.target import get_num_threads, set_num_threads
from tinygrad_astro.kernels.precision import current_precision, precision
from tinygrad_astro.models import Input, Model, Sequential
from tinygrad_astro.modes import detect_anomaly, is_recording, no_grad
from tinygrad_astro.pullback import jvp, vjp
from tinygrad_astro.random import manual_seed
from tinygrad_astro.tape import AnomalyError, GradientError, Tensor, primitive

from_dlpack, tensor = _operators.from_dlpack, _operators.tensor

__all__ = [
    "AnomalyError", "GradientError", "Input", "Model", "Sequential", "Tensor", "__version__",
    "activations", "callbacks", "cuda", "current_precision", "data", "detect_anomaly",
    "explain", "from_dlpack", "get_num_threads", "grad", "hvp", "initializers",
    "is_recording", "jacobian", "jvp", "layers", "losses", "manual_seed", "memory_stats", "metrics",
    "models", "no_grad", "ops", "optimizers", "precision", "primitive", "random", "schedules",
    "set_memory_limit", "set_num_threads", "tensor", "testing", "value_and_grad", "vjp",
]  # fmt: skip
