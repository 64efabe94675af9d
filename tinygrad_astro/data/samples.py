"""Samples as arrays, tuples or dicts of arrays: taking them apart and putting them together."""

import numpy as np

from tinygrad_astro.data.stretch import bad_pixels


def native(array) -> np.ndarray:
    """Give the array in the byte order of this machine."""
    array = np.asarray(array)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def as_samples(value, name: str):
    """Keep what has a shape and an index, make an array of the rest; ragged input is refused."""
    if hasattr(value, "shape") and hasattr(value, "__getitem__"):
        made = value
    else:
        try:
            made = np.asarray(value)
        except ValueError as error:
            raise ValueError(f"{name} is ragged: its rows differ in shape ({error})") from error
    if not made.shape:
        raise ValueError(f"{name} must have samples along its first axis, received {value!r}")
    return made


def structure(value, name: str):
    """Make arrays of the leaves of a tuple or dict, or of a single value."""
    if isinstance(value, dict):
        return {key: as_samples(part, f"{name}[{key!r}]") for key, part in value.items()}
    if isinstance(value, tuple):
        return tuple(as_samples(part, f"{name}[{i}]") for i, part in enumerate(value))
    return as_samples(value, name)


def leaves(part) -> list:
    """List the arrays of a tuple, a dict, a single array or None."""
    if part is None:
        return []
    if isinstance(part, dict):
        return list(part.values())
    return list(part) if isinstance(part, tuple) else [part]


def map_leaves(part, function):
    """Apply `function` to each array of a structure and keep the structure."""
    if part is None:
        return None
    if isinstance(part, dict):
        return {key: function(value) for key, value in part.items()}
    return tuple(map(function, part)) if isinstance(part, tuple) else function(part)


def common_length(x, y, weights, mask) -> int:
    """Give the number of samples that all arrays share, or raise ValueError with each length."""
    named = {"x": x, "y": y, "weights": weights, "mask": mask}
    lengths = {name: [len(leaf) for leaf in leaves(part)] for name, part in named.items()}
    found = {length for each in lengths.values() for length in each}
    if len(found) != 1:
        told = {name: each for name, each in lengths.items() if each}
        raise ValueError(f"all arrays need one number of samples, received {told}")
    if found == {0}:
        raise ValueError("there are no samples: the first axis of x has length 0")
    return found.pop()


def without_masked(x, y, weights, mask):
    """Set masked pixels to 0, and the weights of the pixels that are bad in any band."""
    first, *others = leaves(x)
    bad = bad_pixels(first, mask)
    zeroed = iter([np.where(bad, first.dtype.type(0), first), *others])
    x = map_leaves(x, lambda _: next(zeroed))
    # A table (N, F) has no pixels: a missing feature does not take the sample out.
    is_map = isinstance(y, np.ndarray) and bad.ndim > 2
    if is_map and y.shape[: bad.ndim - 1] == bad.shape[:-1]:
        good = ~bad.any(axis=-1)
        if weights is None:
            weights = good.astype(np.float32)
        else:
            spread = weights.reshape(weights.shape + (1,) * (good.ndim - weights.ndim))
            weights = np.where(good, spread, weights.dtype.type(0))
    return x, weights


def trimmed(x, y, weights):
    """Give `x`, `(x, y)` or `(x, y, weights)`: what is there."""
    if weights is not None:
        return x, y, weights
    return x if y is None else (x, y)
