"""What calls are given: nests of arguments, and whose memory an array is."""

import numpy as np

from . import live


def owner(array):
    """Give the array that an array is a view of, or itself."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def laid_out(flat, like):
    """Shape a flat array as another one, its axes in the same order in memory."""
    order = sorted(range(like.ndim), key=lambda i: -like.strides[i])
    value = flat.reshape([like.shape[i] for i in order]).transpose(np.argsort(order))
    if like.flags["C_CONTIGUOUS"]:  # where the order of axes of size 1 means nothing
        value = flat.reshape(like.shape)
    wide = [i for i in range(like.ndim) if like.shape[i] > 1 and like.size]
    if any(value.strides[i] != like.strides[i] for i in wide):
        live.refuse("a view was made that NumPy does not know as one")
    return value


def same_memory(a, b) -> bool:
    """Whether an array is a view of the memory of another one."""
    return isinstance(a, np.ndarray) and owner(a) is owner(b)


def mapped(nest, change):
    """Change the leaves of nested tuples, lists and dictionaries."""
    if isinstance(nest, (tuple, list)):
        return type(nest)([mapped(x, change) for x in nest])
    if isinstance(nest, dict):
        return {name: mapped(x, change) for name, x in nest.items()}
    return change(nest)


def found(nest, kinds) -> list:
    """List what nested tuples, lists and dictionaries hold of some kinds."""
    met: list = []
    mapped(nest, lambda x: met.append(x) if isinstance(x, kinds) else None)
    return met
