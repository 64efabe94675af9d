"""The asinh stretch: per band, fitted on the training data, stored with the model, inverted."""

from collections.abc import Sequence
from typing import Any

import numpy as np


class AsinhStretch:
    """y = asinh((x - median) / scale), per band; scale = 1.4826 median |x - median|.

    Linear around the sky, logarithmic in bright sources, defined for negative pixels (Lupton,
    Gunn and Szalay 1999, AJ 118, 1406, equation 3, with the noise as softening).

    Parameters
    ----------
    median, scale : sequence of float (C,)
        In the unit of x. Scale must be positive and finite.
    bands : sequence of str, optional
        Names of the bands, kept for messages and for the model file.

    Notes
    -----
    A pixel that is masked or not finite becomes 0, the level of the sky, and stays in the mask.

    Where more than half of a band has one value, the median deviation is 0: the standard deviation
    takes its place, and for a band that is constant the number 1, so that it becomes 0 everywhere.

    Examples
    --------
    >>> import numpy as np
    >>> sky = np.random.default_rng(0).normal(10.0, 2.0, (64, 64, 1))
    >>> stretch = AsinhStretch.fit(sky)
    >>> y, mask = stretch(sky)
    >>> bool(np.allclose(stretch.inverse(y), sky, rtol=1e-5)), int(mask.sum())
    (True, 0)
    """

    def __init__(
        self,
        median: Sequence[float] | np.ndarray,
        scale: Sequence[float] | np.ndarray,
        bands: Sequence[str] | None = None,
    ):
        self.median = np.atleast_1d(np.asarray(median, dtype=np.float64))
        self.scale = np.atleast_1d(np.asarray(scale, dtype=np.float64))
        self.bands = None if bands is None else [str(band) for band in bands]
        names = self.median.shape if self.bands is None else (len(self.bands),)
        if not self.median.ndim == 1 or not self.median.shape == self.scale.shape == names:
            raise ValueError(
                f"median, scale and bands must have one entry per band, received shapes "
                f"{self.median.shape}, {self.scale.shape} and {names}"
            )
        if not (np.isfinite(self.median).all() and np.isfinite(self.scale).all()):
            raise ValueError(f"median {self.median} and scale {self.scale} must be finite")
        if not (self.scale > 0).all():
            raise ValueError(f"scale must be positive, received {self.scale}")

    @classmethod
    def fit(
        cls,
        images: np.ndarray,
        mask: np.ndarray | None = None,
        bands: Sequence[str] | None = None,
    ) -> "AsinhStretch":
        """Measure median and scale of each band on the pixels that are good.

        Parameters
        ----------
        images : numpy.ndarray (..., C)
            Any number of leading axes.
        mask : numpy.ndarray of bool, (..., C) or (...), optional
            True where a pixel is bad; NaN and infinite pixels are left out too.
        bands : sequence of str, optional
            Names of the bands.

        Raises
        ------
        ValueError
            If a band has no good pixel, or the shapes do not match.
        """
        images = np.asarray(images)
        bad = bad_pixels(images, mask)
        medians, scales = [], []
        for band in range(images.shape[-1]):
            good = images[..., band][~bad[..., band]].astype(np.float64)
            if not good.size:
                name = band if bands is None else repr(bands[band])
                raise ValueError(f"band {name} has no good pixel to fit the stretch on")
            median = np.median(good)
            deviation = np.abs(good - median)
            scale = 1.4826 * np.median(deviation) or good.std()
            # Rounding leaves a constant band with a deviation of some units in the last place.
            flat = deviation.max() <= 4 * np.finfo(np.float64).eps * abs(median)
            medians.append(median)
            scales.append(1.0 if flat else scale)
        return cls(medians, scales, bands)

    def __call__(
        self, images: np.ndarray, mask: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Stretch images (..., C).

        Returns
        -------
        stretched : numpy.ndarray (..., C) float32
            0 where masked.
        mask : numpy.ndarray of bool (..., C)
            True where masked or not finite.
        """
        images = self._checked(images)
        bad = bad_pixels(images, mask)
        safe = np.where(bad, self.median, images)
        return np.arcsinh((safe - self.median) / self.scale).astype(np.float32), bad

    def inverse(self, stretched: np.ndarray) -> np.ndarray:
        """Undo the stretch: x = median + scale sinh(y), float64 (..., C)."""
        return self.median + self.scale * np.sinh(self._checked(stretched).astype(np.float64))

    def to_dict(self) -> dict[str, Any]:
        """Give plain numbers and text that JSON can hold, for the model file."""
        return {
            "kind": "asinh",
            "median": self.median.tolist(),
            "scale": self.scale.tolist(),
            "bands": self.bands,
        }

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> "AsinhStretch":
        """Build the stretch that `to_dict` described.

        Raises
        ------
        ValueError
            If `stored` describes something else.
        """
        if stored.get("kind") != "asinh" or not {"median", "scale"} <= set(stored):
            raise ValueError(f"expected a stored asinh stretch, received {stored!r}")
        return cls(stored["median"], stored["scale"], stored.get("bands"))

    def __repr__(self) -> str:
        return f"AsinhStretch(median={self.median.tolist()}, scale={self.scale.tolist()})"

    def _checked(self, images: np.ndarray) -> np.ndarray:
        images = np.asarray(images)
        if images.ndim == 0 or images.shape[-1] != len(self.median):
            raise ValueError(
                f"the stretch has {len(self.median)} bands, received pixels of shape "
                f"{images.shape}; bands are the last axis"
            )
        return images


def bad_pixels(images: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """Give `not finite, or masked`, in the shape (..., C) of `images`.

    `mask` may lack the axis of bands: then it holds for all of them.

    Raises
    ------
    ValueError
        If the shape of `mask` fits neither way.
    """
    bad = ~np.isfinite(images)
    if mask is None:
        return bad
    mask = np.asarray(mask, dtype=bool)
    if mask.shape not in (images.shape, images.shape[:-1]):
        raise ValueError(f"mask of shape {mask.shape} does not fit images of shape {images.shape}")
    return bad | (mask if mask.shape == images.shape else mask[..., None])
