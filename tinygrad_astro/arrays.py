"""The border between the user's data and raw arrays: native byte order, real numbers only."""

import numpy as np

from tinygrad_astro.kernels.trace import Traced

_CUDA = 2  # DLPack's number of that device


def native_dtype(dtype) -> np.dtype:
    """Check a dtype that a tensor shall have, and give it in native byte order.

    Raises
    ------
    TypeError
        If it is neither boolean, integer, float32 nor float64.
    """
    if dtype is None:
        raise TypeError("a tensor cannot have dtype None; expected float32, float64, ...")
    found = np.dtype(dtype)
    found = found if found.isnative else found.newbyteorder("=")
    if found.kind not in "iub" and not (found.kind == "f" and found.itemsize in (4, 8)):
        raise TypeError(
            f"a tensor cannot have dtype {np.dtype(dtype)}; expected float32, float64, an integer "
            "or bool"
        )
    return found


def is_ours(array) -> bool:
    """Tell whether it is a raw array of ours: on the card, or of a step that is recorded."""
    return (
        isinstance(array, Traced)
        or hasattr(array, "copy_to_host")
        and getattr(array, "device", None) == "cuda"
    )


def take_over(exporter):
    """Give an array on the memory of an exporter: DLPack, or the CUDA array interface."""
    if not hasattr(exporter, "__dlpack_device__"):
        if hasattr(exporter, "__cuda_array_interface__"):  # Numba's device arrays
            from tinygrad_astro.kernels.cuda.array import borrow

            return borrow(exporter)
        raise TypeError(
            f"a {type(exporter).__name__} does not speak DLPack, expected an array of NumPy, "
            "PyTorch, CuPy or JAX; use ta.tensor"
        )
    if exporter.__dlpack_device__()[0] == _CUDA:
        from tinygrad_astro.kernels.cuda.array import borrow

        return borrow(exporter)
    try:
        return np.from_dlpack(exporter)
    except RuntimeError as error:
        kind, dtype = type(exporter).__name__, getattr(exporter, "dtype", "unknown")
        raise TypeError(
            f"cannot take over a {kind} of dtype {dtype} through DLPack: {error}; convert it to "
            "float32 on the CPU first"
        ) from None


def as_array(data, dtype=None):
    """Make a native array of real numbers; Python floats become float32, arrays keep dtype.

    Half precision becomes float32, and long double float64: what the kernels compute in.
    """
    foreign = hasattr(data, "__dlpack__") or hasattr(data, "__cuda_array_interface__")
    if isinstance(data, Traced) or (foreign and not isinstance(data, (np.ndarray, np.generic))):
        data = data if is_ours(data) else take_over(data)
        if not isinstance(data, np.ndarray):
            return data if dtype is None else data.astype(native_dtype(dtype), copy=False)
    if type(data) is not np.ndarray and np.ma.is_masked(data):
        raise TypeError(
            "a masked array would lose its mask here, and masked values would count; give "
            "array.filled(value) as data and ~array.mask as weights or mask"
        )
    try:
        array = np.asarray(data)
    except ValueError as error:
        raise TypeError(f"cannot make a tensor of ragged data: {error}; pad it first") from None
    if array.dtype.kind not in "fiub":
        raise TypeError(
            f"cannot make a tensor of dtype {array.dtype}; expected real numbers or booleans"
        )
    if dtype is not None:
        return array.astype(native_dtype(dtype), copy=False)
    if array.dtype.kind != "f":
        return array.astype(array.dtype.newbyteorder("="), copy=False)
    double = hasattr(data, "dtype") and array.dtype.itemsize >= 8
    return array.astype(np.float64 if double else np.float32, copy=False)


def cuda_interface(tensor) -> dict:
    """Give what other libraries need to use the memory of a tensor on the card."""
    if tensor.device != "cuda" or tensor.requires_grad:
        why = "is tracked; detach() it first" if tensor.device == "cuda" else "is on the CPU"
        raise AttributeError(f"no __cuda_array_interface__: this tensor {why}")
    return tensor.data.__cuda_array_interface__
