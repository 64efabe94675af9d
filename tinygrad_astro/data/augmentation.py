"""Exact augmentation: image, label, weights and mask move together, and nothing is interpolated.

An augmentation is called as `augment(rng, image, *companions)` on one sample and gives the same
number of arrays back. A companion that has the image's pixels, `(H, W)` or `(H, W, K)`, moves with
it; anything else (a class, a redshift, None) passes through. Quantities that change under a flip,
such as a position angle, are therefore the caller's to exclude.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

Augmentation = Callable[..., tuple[Any, ...]]


def d4(array: np.ndarray, k: int) -> np.ndarray:
    """Apply element k of the symmetries of the square to the first two axes, exactly.

    Parameters
    ----------
    array : numpy.ndarray (H, W, ...)
    k : int in 0..7
        `k % 4` quarter turns (counter-clockwise as displayed with row 0 on top), then, for k >= 4,
        a left-right flip. Odd k swaps H and W.

    Raises
    ------
    ValueError
        If k is none of these, or the array has less than two axes.

    Examples
    --------
    >>> import numpy as np
    >>> d4(np.array([[1, 2], [3, 4]]), 1).tolist()
    [[2, 4], [1, 3]]
    """
    if not isinstance(k, (int, np.integer)) or not 0 <= k <= 7:
        raise ValueError(f"d4 got k={k!r}, expected a whole number from 0 to 7")
    if np.ndim(array) < 2:
        raise ValueError(f"d4 turns images (H, W, ...), received shape {np.shape(array)}")
    turned = np.rot90(array, k % 4, axes=(0, 1))
    return np.ascontiguousarray(turned[:, ::-1] if k >= 4 else turned)


def d4_inverse(array: np.ndarray, k: int) -> np.ndarray:
    """Undo `d4(array, k)`: a turn is undone by the opposite turn, a reflection by itself."""
    return d4(array, k if k >= 4 else -k % 4)


def _like(image: np.ndarray, companion: Any, axes: int) -> bool:
    """Tell whether `companion` is a map over the pixels of `image`."""
    shape = np.shape(companion)
    return len(shape) >= axes and shape[:axes] == image.shape[:axes]


class D4:
    """A random one of the 8 flips and quarter turns; of the 4 that keep its shape if H != W.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.arange(8.0).reshape(2, 2, 2)
    >>> turned, label = D4()(np.random.default_rng(0), image, image[..., 0])
    >>> bool((turned[..., 0] == label).all())
    True
    """

    def __call__(self, rng: np.random.Generator, image: np.ndarray, *companions):
        """Give image (H, W, C) and companions, turned alike.

        Raises
        ------
        ValueError
            If the image has not three axes.
        """
        if image.ndim != 3:
            raise ValueError(f"D4 turns images (H, W, C), received shape {image.shape}")
        square = image.shape[0] == image.shape[1]
        k = int(rng.integers(8)) if square else 2 * int(rng.integers(4))
        moved = (d4(np.asarray(c), k) if _like(image, c, 2) else c for c in companions)
        return (d4(image, k), *moved)

    def __repr__(self) -> str:
        return "D4()"


class Shift:
    """A random shift by whole pixels along each axis; the border is filled by its mirror image.

    The mirror keeps image and label consistent up to the border, so that no pixel is invented
    that would need a mask.

    Parameters
    ----------
    pixels : int
        Largest shift, in pixels, in either direction.
    """

    def __init__(self, pixels: int):
        if int(pixels) != pixels or pixels < 0:
            raise ValueError(f"Shift needs a whole number of pixels >= 0, received {pixels!r}")
        self.pixels = int(pixels)

    def __call__(self, rng: np.random.Generator, image: np.ndarray, *companions):
        """Give image (H, W, C) or spectrum (L, C) and companions, shifted alike.

        Raises
        ------
        ValueError
            If an axis is not longer than the largest shift.
        """
        axes = image.ndim - 1
        if min(image.shape[:axes], default=0) <= self.pixels:
            raise ValueError(
                f"a shift of up to {self.pixels} pixels needs longer axes, received {image.shape}"
            )
        steps = rng.integers(-self.pixels, self.pixels + 1, axes)
        moved = (
            self._move(np.asarray(c), steps) if _like(image, c, axes) else c for c in companions
        )
        return (self._move(image, steps), *moved)

    @staticmethod
    def _move(array: np.ndarray, steps: np.ndarray) -> np.ndarray:
        for axis, step in enumerate(steps):
            length = array.shape[axis]
            source = np.abs(np.arange(length) - step)
            source = np.where(source >= length, 2 * (length - 1) - source, source)
            array = np.take(array, source, axis=axis)
        return array

    def __repr__(self) -> str:
        return f"Shift({self.pixels})"


class Noise:
    """Gaussian noise on the image alone.

    Parameters
    ----------
    sigma : float or sequence of float (C,)
        Standard deviation, in the unit of the image (after the stretch, the noise of the sky
        is about 1).
    """

    def __init__(self, sigma):
        self.sigma = np.asarray(sigma, dtype=np.float64)
        if not (np.isfinite(self.sigma).all() and (self.sigma >= 0).all()):
            raise ValueError(f"Noise needs finite sigma >= 0, received {sigma!r}")

    def __call__(self, rng: np.random.Generator, image: np.ndarray, *companions):
        """Give `image + sigma * N(0, 1)` in the dtype of `image`, and the companions untouched."""
        noise = rng.standard_normal(image.shape) * self.sigma
        return ((image + noise).astype(image.dtype), *companions)

    def __repr__(self) -> str:
        return f"Noise({self.sigma.tolist()})"


class Compose:
    """Several augmentations, one after the other.

    Examples
    --------
    >>> Compose(D4(), Shift(4), Noise(0.1))
    Compose(D4(), Shift(4), Noise(0.1))
    """

    def __init__(self, *steps: Augmentation):
        self.steps = steps

    def __call__(self, rng: np.random.Generator, image: np.ndarray, *companions):
        """Give image and companions after all steps."""
        sample = (image, *companions)
        for step in self.steps:
            sample = step(rng, *sample)
        return sample

    def __repr__(self) -> str:
        return f"Compose({', '.join(map(repr, self.steps))})"
