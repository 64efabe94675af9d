"""Memory for results on the device, from the pool that CUDA itself keeps."""

from . import namespace


def empty(shape, dtype):
    """Give an array whose values are not set."""
    return namespace.empty(shape, dtype)


def owns(array):
    """Tell whether an array is the whole of its memory: only those made here are."""
    return array.flags["OWNDATA"]
