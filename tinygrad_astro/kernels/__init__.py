"""Kernels: loops over raw arrays, output first; one folder per device with the same names."""

import numpy as np

from tinygrad_astro.kernels import cpu, live
from tinygrad_astro.kernels.trace import Program, Traced


def of(array):
    """Give the folder of kernels for the device that `array` lives on."""
    if isinstance(array, np.ndarray):
        return cpu
    if isinstance(array, Traced):
        return array.program.kernels
    if getattr(array, "device", None) == "cuda":
        from tinygrad_astro.kernels import cuda

        return cuda
    raise TypeError(f"no kernels for {type(array).__name__}; expected an array on cpu or cuda")


def on(device):
    """Give the folder of kernels for "cpu" or "cuda"."""
    if device == "cuda":
        from tinygrad_astro.kernels import cuda

        return cuda
    if device == "cpu":
        recorded = live.store()
        return recorded.kernels if isinstance(recorded, Program) else cpu
    raise ValueError(f'device={device!r}: expected "cpu" or "cuda"')


def number_for(array, number):
    """Give a number in the dtype of `array`; read from the card where it is new at each replay."""
    if isinstance(number, live.Live):
        return xp(array).asarray(number, array.dtype)
    return array.dtype.type(number)


def limits(indices):
    """Give the least and the largest of some integers, asking the card where nobody knows."""
    if isinstance(indices, np.ndarray):
        return int(indices.min()), int(indices.max())
    if isinstance(indices, Traced):
        return indices.limits()
    from tinygrad_astro.kernels.cuda import indexing

    return indexing.limits(indices)


def xp(array):
    """Give the array namespace (elementwise, reductions, layout) of the device of `array`."""
    if isinstance(array, np.ndarray):
        return np
    if isinstance(array, Traced):
        return array.program.numpy
    if getattr(array, "device", None) == "cuda":
        from tinygrad_astro.kernels.cuda import namespace

        return namespace
    raise TypeError(f"no functions for {type(array).__name__}; expected an array on cpu or cuda")


def constant(values, device):
    """Give a raw array of numbers that never change; a recorded step copies them once, beforehand.

    The host keeps them too, so that nothing that depends on them alone asks the card.
    """
    with live.outside():
        made = moved(values, device)
    if device == "cuda":
        made.memory.host = values
    return made


def moved(array, device):
    """Give a raw array on "cpu" or "cuda", itself where it is there already."""
    if device == getattr(array, "device", "cpu"):
        return array
    if device == "cpu":
        return array.copy_to_host()
    if device == "cuda":
        from tinygrad_astro.kernels.cuda import namespace

        return namespace.asarray(array)
    raise ValueError(f'device={device!r}: expected "cpu" or "cuda"')
