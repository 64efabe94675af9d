"""Kernels: loops over raw arrays, output first; one folder per device with the same names."""

import numpy as np

from tinygrad_astro.kernels import cpu


def of(array):
    """Give the folder of kernels for the device that `array` lives on."""
    if isinstance(array, np.ndarray):
        return cpu
    raise TypeError(f"no kernels for {type(array).__name__}; expected a NumPy array")


def xp(array):
    """Give the array namespace (elementwise, reductions, layout) of the device of `array`."""
    if isinstance(array, np.ndarray):
        return np
    raise TypeError(f"no array functions for {type(array).__name__}; expected a NumPy array")
