"""A pytest plugin that puts every tensor of the ordinary tests on the card, single numbers aside.

    NUMBA_ENABLE_CUDASIM=1 PYTHONPATH=tests/cuda pytest -p on_cuda tests/test_ops_reduce.py

Tests that look at raw arrays, or at memory that views share, are for the CPU and may fail here.
"""

import sys

import numpy as np

import tinygrad_astro.arrays
from tinygrad_astro.kernels import moved
from tinygrad_astro.tape import Tensor

_as_array, _make = tinygrad_astro.arrays.as_array, Tensor.__init__


def as_array(*args, **kwargs):
    """Give what the library's as_array gives, on the card."""
    array = _as_array(*args, **kwargs)
    return moved(array, "cuda") if array.ndim else array


def make(self, data, *args, **kwargs):
    """Make a Tensor on the card."""
    there = isinstance(data, np.ndarray) and data.ndim
    _make(self, moved(data, "cuda") if there else data, *args, **kwargs)


def pytest_configure(config):
    """Take over, where this file was named as a plugin."""
    for module in list(sys.modules.values()):
        if getattr(module, "as_array", None) is _as_array:
            module.as_array = as_array
    Tensor.__init__ = make
