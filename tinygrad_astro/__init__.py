"""tinygrad_astro: tape-based autodiff, Numba kernels, Keras-shaped layers, and real sky."""

# First, because loading the file tensor.py binds the name `tensor`, which the function then takes.
import tinygrad_astro.tensor as _operators
from tinygrad_astro import ops, random, testing
from tinygrad_astro._version import __version__
from tinygrad_astro.autodiff import grad, hvp, jacobian, value_and_grad
from tinygrad_astro.kernels.cpu.target import get_num_threads, set_num_threads
from tinygrad_astro.modes import detect_anomaly, is_recording, no_grad
from tinygrad_astro.pullback import jvp, vjp
from tinygrad_astro.random import manual_seed
from tinygrad_astro.tape import (
    AnomalyError,
    GradientError,
    Tensor,
    primitive,
)

from_dlpack, tensor = _operators.from_dlpack, _operators.tensor

__all__ = [
    "AnomalyError", "GradientError", "Tensor", "__version__", "detect_anomaly", "from_dlpack",
    "get_num_threads", "grad", "hvp", "is_recording", "jacobian", "jvp", "manual_seed", "no_grad",
    "ops", "primitive", "random", "set_num_threads", "tensor", "testing", "value_and_grad", "vjp",
]  # fmt: skip
