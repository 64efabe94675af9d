"""The border between the user's data and raw arrays: native byte order, real numbers only."""

import numpy as np


def as_array(data, dtype=None):
    """Make a native array of real numbers; Python floats become float32, arrays keep dtype."""
    if hasattr(data, "__dlpack__") and not isinstance(data, (np.ndarray, np.generic)):
        data = np.from_dlpack(data)
    try:
        array = np.asarray(data)
    except ValueError as error:
        raise TypeError(f"cannot make a tensor of ragged data: {error}; pad it first") from None
    if array.dtype.kind not in "fiub":
        raise TypeError(
            f"cannot make a tensor of dtype {array.dtype}; expected real numbers or booleans"
        )
    if dtype is None and not isinstance(data, (np.ndarray, np.generic)) and array.dtype.kind == "f":
        dtype = np.float32
    if dtype is None:
        dtype = array.dtype.newbyteorder("=")
        if dtype.kind == "f" and dtype.itemsize not in (4, 8):
            dtype = np.dtype(np.float32 if dtype.itemsize < 4 else np.float64)
    return array.astype(dtype, copy=False)
