"""Dropout from a counter-based generator: Srivastava et al. 2014; Salmon et al. 2011 (Philox).

The mask is a pure function of (seed, rate, element), so nothing is stored: the gradient draws the
same mask again, and every device draws the same bits.
"""

import operator
from numbers import Real

import numpy as np

from tinygrad_astro.kernels import of, on, xp
from tinygrad_astro.kernels.live import Live
from tinygrad_astro.tape import Tensor, lift, primitive


@primitive(lambda g, out, x, rate, seed: _dropout(g, rate=rate, seed=seed), keeps="")
def _dropout(x, rate, seed):
    out = of(x).memory.empty(x.shape, x.dtype)
    of(x).dropout.dropout(out.reshape(-1), xp(x).ascontiguousarray(x).reshape(-1), rate, seed)
    return out


def _word(seed):
    """Give the low 64 bits of a seed; one that is new at every replay of a graph has no others."""
    if isinstance(seed, Live):
        return seed
    if not hasattr(seed, "__index__"):
        raise TypeError(f"seed={seed!r} ({type(seed).__name__}), expected an integer")
    return np.uint64(operator.index(seed) % 2**64)


def dropout(inputs, rate, seed):
    """Zero each value with probability `rate`, and divide the others by 1 - rate.

    Parameters
    ----------
    inputs : Tensor of any shape
    rate : float in [0, 1)
        Resolved in steps of 1/65536.
    seed : int
        The same seed gives the same mask; its low 64 bits count.

    Raises
    ------
    ValueError
        If the rate is no number in [0, 1).
    TypeError
        If the seed is not an integer.
    """
    (x,) = lift([inputs])
    x = x if x.dtype.kind == "f" else x.astype(np.float32)
    if not isinstance(rate, Real) or not 0 <= rate < 1:
        raise ValueError(f"dropout rate {rate!r}: expected a number in [0, 1)")
    return x if rate == 0 else _dropout(x, rate=float(rate), seed=_word(seed))


def _empty(shape, dtype, device):
    if np.dtype(dtype) not in (np.float32, np.float64):
        raise TypeError(f"random values of dtype {np.dtype(dtype)}, expected float32 or float64")
    return on(device).memory.empty((int(np.prod(shape)),), np.dtype(dtype))


def random_uniform(shape, seed, dtype=np.float32, device="cpu"):
    """Uniform values in [0, 1) by Philox; the same seed gives the same values."""
    out = _empty(shape, dtype, device)
    of(out).dropout.uniform(out, _word(seed), 0)
    return Tensor(out.reshape(shape))


def random_normal(shape, seed, dtype=np.float32, device="cpu"):
    """Values of zero mean and unit variance, by Philox and the Box-Muller transform.

    The same seed gives the same draws; their values differ by rounding from device to device.
    """
    out = _empty(shape, dtype, device)
    of(out).dropout.normal(out, _word(seed))
    return Tensor(out.reshape(shape))
