"""Layers that act in training only: dropout, whole channels or single values, and noise.

A draw takes its seed from `ta.random`, so a resumed run draws what the first would have drawn. A
layer's own `seed` is mixed in: two layers, or two runs, are told apart by it.
"""

from tinygrad_astro import ops, random
from tinygrad_astro.layers import checks
from tinygrad_astro.layers.layer import Elementwise

__all__ = ["Dropout", "GaussianNoise", "SpatialDropout1D", "SpatialDropout2D"]


class _Random(Elementwise):
    """A layer that draws at each call in training."""

    def set_seed(self, seed) -> None:
        """Keep the seed to mix in."""
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
            raise ValueError(f"{self.title}: seed={seed!r}, expected an integer or None")
        self.seed = seed

    def draw_seed(self) -> int:
        """Give the seed of the next draw."""
        return (random.next_seed() ^ (self.seed or 0)) & ((1 << 64) - 1)


class Dropout(_Random):
    """In training, x / (1 - rate) with probability 1 - rate and 0 otherwise; else x.

    Parameters
    ----------
    rate : float in [0, 1]
        The fraction to drop, in steps of 1/65536.
    noise_shape : tuple of int or None, optional
        The mask's shape, broadcast to the inputs: (None, 1, 1, None) drops whole channels. None
        means the input's size.
    seed : int, optional
        Mixed into the library's seed.
    **kwargs
        `name`.

    Raises
    ------
    ValueError
        If the rate is outside [0, 1], or noise_shape does not broadcast to the inputs.

    Notes
    -----
    The mask comes from the counter-based generator Philox-4x32-10: the same bits for any number of
    threads. NaN times a dropped value is 0.

    References
    ----------
    Srivastava et al. 2014, section 4 (scaled in training instead of in use).

    Examples
    --------
    >>> import numpy as np, tinygrad_astro as ta
    >>> x = np.ones((1, 1000), "float32")
    >>> y = ta.layers.Dropout(0.5)(x, training=True).numpy()
    >>> sorted({float(v) for v in y.ravel()}), bool(abs(y.mean() - 1) < 0.1)
    ([0.0, 2.0], True)
    """

    def __init__(self, rate, noise_shape=None, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.rate = checks.fraction(self, "rate", rate)
        self.noise_shape = None if noise_shape is None else tuple(noise_shape)
        self.set_seed(seed)

    def mask_shape(self, shape) -> tuple[int, ...] | None:
        """Give the shape of the mask for inputs of `shape`; None: the same."""
        if self.noise_shape is None:
            return None
        if len(self.noise_shape) != len(shape):
            raise ValueError(
                f"{self.title}: noise_shape={self.noise_shape} for inputs of shape {shape}, "
                f"expected {len(shape)} sizes, each 1, the input's, or None"
            )
        return tuple(n if m is None else m for m, n in zip(self.noise_shape, shape, strict=True))

    def call(self, inputs, training=False):
        if not training or self.rate == 0:
            return inputs
        if self.rate == 1:
            return ops.zeros_like(inputs)
        shape = self.mask_shape(inputs.shape)
        if shape is None:
            return ops.dropout(inputs, self.rate, self.draw_seed())
        ones = ops.ones_like(inputs.detach()[tuple(slice(0, n) for n in shape)])
        mask = ops.dropout(ones, self.rate, self.draw_seed())
        return ops.where(mask > 0, inputs * mask, 0.0)


class _SpatialDropout(Dropout):
    """Dropout of whole channels."""

    rank: int

    def __init__(self, rate, seed=None, **kwargs):
        super().__init__(rate, seed=seed, **kwargs)
        self.input_rank = self.rank + 2

    def mask_shape(self, shape):
        return (shape[0], *(1,) * self.rank, shape[-1])


class SpatialDropout1D(_SpatialDropout):
    """In training, drop whole channels of spectra (N, L, C): neighbours would give a value away.

    Parameters
    ----------
    rate : float in [0, 1]
        The fraction of channels to drop.
    seed : int, optional
        Mixed into the library's seed.
    **kwargs
        `name`.

    References
    ----------
    Tompson et al. 2015 (arXiv:1411.4280), section 3.2.
    """

    rank = 1


class SpatialDropout2D(_SpatialDropout):
    """In training, drop whole channels of images (N, H, W, C): neighbours would give a value away.

    Parameters
    ----------
    rate : float in [0, 1]
        The fraction of channels to drop.
    seed : int, optional
        Mixed into the library's seed.
    **kwargs
        `name`.

    Raises
    ------
    ValueError
        If the rate is outside [0, 1].

    References
    ----------
    Tompson et al. 2015 (arXiv:1411.4280), section 3.2.
    """

    rank = 2

    def __init__(self, rate, data_format=None, seed=None, **kwargs):
        super().__init__(rate, seed=seed, **kwargs)
        self.data_format = checks.channels_last(self, data_format)


class GaussianNoise(_Random):
    """In training, x plus normal noise; else x.

    Parameters
    ----------
    stddev : float
        Standard deviation of the noise, in the unit of x.
    seed : int, optional
        Mixed into the library's seed.
    **kwargs
        `name`.

    Raises
    ------
    ValueError
        If stddev is negative.
    """

    def __init__(self, stddev, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.stddev = checks.not_negative(self, "stddev", stddev)
        self.set_seed(seed)

    def call(self, inputs, training=False):
        if not training or self.stddev == 0:
            return inputs
        noise = ops.random_normal(inputs.shape, self.draw_seed(), inputs.dtype, inputs.device)
        return inputs + noise * self.stddev
