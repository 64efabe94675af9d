"""tinygrad_astro: tape-based autodiff, Numba kernels, Keras-shaped layers, and real sky."""

from tinygrad_astro import random
from tinygrad_astro._version import __version__
from tinygrad_astro.random import manual_seed

__all__ = ["__version__", "manual_seed", "random"]
