"""Sersic profiles drawn fast, again and again, behind one point-spread function."""

from math import exp, lgamma, log, pi

import numpy as np

from tinygrad_astro.data.sky.profiles import sersic_b
from tinygrad_astro.extras import optional

# How finely a pixel is split, by its distance from the middle of the stamp (to be below this).
_SPLITS = ((15, 3.0), (3, 9.0), (1, np.inf))


class Renderer:
    """Draw Sersic profiles of flux 1 behind a PSF, many times, on one stamp.

    Pixels near the middle are split, more finely the nearer, once for all: so a drawing costs two
    power laws and one convolution.

    Parameters
    ----------
    size : int
        Side of the stamp.
    psf : numpy.ndarray (P, P)
        P odd.
    """

    def __init__(self, size: int, psf: np.ndarray):
        self._fft = optional("scipy.fft")
        self.size, self.pad = size, psf.shape[0] // 2
        side = size + 2 * self.pad
        self._length = self._fft.next_fast_len(side + psf.shape[0] - 1, real=True)
        self._kernel = self._fft.rfft2(psf, (self._length,) * 2)
        middle = (side - 1) / 2
        y, x = (grid.ravel() for grid in np.mgrid[:side, :side].astype(float))
        away = np.maximum(np.abs(x - middle), np.abs(y - middle))
        parts, least = [], 0.0
        for split, most in _SPLITS:
            pixel, least = np.flatnonzero((away >= least) & (away < most)), most
            step = (np.arange(split) - (split - 1) / 2) / split
            oy, ox = (grid.ravel() for grid in np.meshgrid(step, step, indexing="ij"))
            parts.append(
                (
                    (x[pixel, None] + ox - middle).ravel(),
                    (y[pixel, None] + oy - middle).ravel(),
                    np.repeat(pixel, split**2),
                    np.full(len(pixel) * split**2, 1 / split**2),
                )
            )
        self._x, self._y, self._pixel, self._area = (
            np.concatenate(p) for p in zip(*parts, strict=True)
        )
        self._side, self.drawn = side, 0

    def __call__(self, x, y, e1, e2, log_radius, index) -> np.ndarray:
        """Draw one: (x, y) from the middle of the stamp, (size, size)."""
        self.drawn += 1
        strength = np.hypot(e1, e2)
        ratio, turn = (1 - strength) / (1 + strength), 0.5 * np.arctan2(e2, e1)
        c, s, dx, dy = np.cos(turn), np.sin(turn), self._x - x, self._y - y
        u, v = dx * c + dy * s, (dy * c - dx * s) / ratio
        b = sersic_b(index)
        scaled = (u * u + v * v) * np.exp(-2 * log_radius)
        light = np.exp(-b * scaled ** (0.5 / index)) * self._area
        wide = np.bincount(self._pixel, light, self._side**2).reshape(self._side, self._side)
        whole = self._fft.irfft2(
            self._fft.rfft2(wide, (self._length,) * 2) * self._kernel, (self._length,) * 2
        )
        total = 2 * pi * index * exp(2 * log_radius - 2 * index * log(b) + lgamma(2 * index))
        start = 2 * self.pad
        return whole[start : start + self.size, start : start + self.size] / (total * ratio)
