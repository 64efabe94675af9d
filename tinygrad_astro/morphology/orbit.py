"""The eight flips and quarter turns of a galaxy: which way is up is no property of it."""

from collections.abc import Callable

import numpy as np

from tinygrad_astro.data.augmentation import d4

ORDER = 8


def turned(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Turn or flip every image at random, without interpolation.

    Parameters
    ----------
    images : numpy.ndarray (N, S, S, C)
    rng : numpy.random.Generator

    Raises
    ------
    ValueError
        If the images are not square.
    """
    _check_square(images)
    chosen = rng.integers(ORDER, size=len(images))
    return np.stack([d4(image, k) for image, k in zip(images, chosen, strict=True)])


def orbit_mean(predict: Callable[[np.ndarray], np.ndarray], images: np.ndarray) -> np.ndarray:
    """mean over g in D4 of predict(g x): the same answer, up to rounding, whichever way x is laid.

    Parameters
    ----------
    predict : callable
        From images (N, S, S, C) to values (N, ...), such as probabilities.
    images : numpy.ndarray (N, S, S, C)

    Returns
    -------
    numpy.ndarray (N, ...) float64

    Raises
    ------
    ValueError
        If the images are not square.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.arange(4.0).reshape(1, 2, 2, 1)
    >>> orbit_mean(lambda x: x[:, 0, 0], image)
    array([[1.5]])
    """
    _check_square(images)
    total: np.ndarray | float = 0.0
    for k in range(ORDER):
        total = total + np.asarray(predict(_all_turned(images, k)), np.float64)
    return np.asarray(total) / ORDER


def _all_turned(images: np.ndarray, k: int) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(d4(np.moveaxis(images, 0, 2), k), 2, 0))


def _check_square(images: np.ndarray) -> None:
    if images.ndim != 4 or images.shape[1] != images.shape[2]:
        raise ValueError(
            f"the symmetries of a square need images (N, S, S, C), received {images.shape}; cut "
            "them square"
        )
