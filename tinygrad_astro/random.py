"""The one source of randomness: a seed and a counter, from which every draw takes its own seed.

`manual_seed(s)` fixes every initial weight, dropout mask and shuffle that follows. The state is two
integers, so a checkpoint can store it and a resumed run draws what the first would have drawn.
"""

import operator
import threading

import numpy as np

from tinygrad_astro.kernels import live

_MIX1, _MIX2, _MASK = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB, (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_lock = threading.Lock()
_state = {"seed": 0, "count": 0}


def manual_seed(seed: int) -> None:
    """Start all randomness of the library anew from `seed`.

    Raises
    ------
    TypeError
        If `seed` is not an integer.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> ta.manual_seed(7); a = ta.random.next_seed()
    >>> ta.manual_seed(7); a == ta.random.next_seed()
    True
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
        raise TypeError(f"manual_seed got {seed!r} ({type(seed).__name__}), expected an integer")
    with _lock:
        _state.update(seed=int(seed) & _MASK, count=0)


def next_seed() -> int:
    """Give the next 64-bit seed: SplitMix64 of (seed, count), Steele et al. 2014, figure 17.

    In a recorded step, what stands for a new one at each replay (`kernels.live`).
    """
    return live.number(_next_seed)


def _next_seed() -> int:
    with _lock:
        _state["count"] += 1
        z = (_state["seed"] + _state["count"] * _GOLDEN) & _MASK
    z = ((z ^ (z >> 30)) * _MIX1) & _MASK
    z = ((z ^ (z >> 27)) * _MIX2) & _MASK
    return z ^ (z >> 31)


def generator() -> np.random.Generator:
    """Give a NumPy generator of its own, seeded by `next_seed`."""
    return np.random.Generator(np.random.Philox(key=next_seed()))


def get_state() -> dict[str, int]:
    """Give the state as a dictionary of integers, for a checkpoint."""
    with _lock:
        return dict(_state)


def set_state(state: dict[str, int]) -> None:
    """Continue from a state that `get_state` gave.

    Raises
    ------
    ValueError
        If `state` is no such dictionary; nothing has changed then.
    """
    try:
        seed, count = operator.index(state["seed"]), operator.index(state["count"])
    except (KeyError, TypeError):
        raise ValueError(
            f"set_state got {state!r}, expected the dictionary of two integers, seed and count, "
            "that get_state gave"
        ) from None
    with _lock:
        _state.update(seed=seed, count=count)
