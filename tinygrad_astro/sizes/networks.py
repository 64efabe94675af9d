"""The network: a trunk that sees image and PSF, and a head, in front of which dropout acts.

The parts are models of their own, so that the head can be asked again and again with dropout on
(Gal & Ghahramani 2016, arXiv:1506.02142) while the trunk, with its batch normalisation, runs once
and stays as it is in use.
"""

import numpy as np

from tinygrad_astro import layers
from tinygrad_astro.models import Model
from tinygrad_astro.sizes.quantities import QUANTITIES

PSF_INPUT = 21
BLOCKS = ((32, 5), (32, 3), (64, 3))


def trunk(size: int, features: int = 160, blocks: tuple[tuple[int, int], ...] = BLOCKS) -> Model:
    """Make the part that turns an image and its PSF into `features` numbers.

    Each block convolves, halves, normalises and cuts at 0. The first halves by taking every second
    step, the others by the maximum: on all pixels of the stamp, a convolution and a maximum of its
    16 channels take more time than all that follows. The PSF goes through a dense layer.

    Parameters
    ----------
    size : int
        Side of the stamps, in pixels.
    features : int
    blocks : tuple of (int, int)
        Filters and kernel size of each block.

    Examples
    --------
    >>> trunk(48).output_shape
    (None, 160)
    """
    image, psf = layers.Input((size, size, 2)), layers.Input((PSF_INPUT, PSF_INPUT, 1))
    x = image
    for number, (filters, kernel) in enumerate(blocks):
        step = 1 if number else 2
        x = layers.Conv2D(filters, kernel, strides=step, padding="same", use_bias=False)(x)
        x = layers.MaxPooling2D(2)(x) if number else x
        x = layers.BatchNormalization(momentum=0.9, activation="relu")(x)
    seen = layers.Dense(32, activation="relu")(layers.Flatten()(psf))
    x = layers.Concatenate()([layers.Flatten()(x), seen])
    return Model([image, psf], layers.Dense(features, activation="relu")(x), name="trunk")


def head(features: int = 160, components: int = 3, dropout: float = 0.1) -> Model:
    """Make the part that turns features into a mixture of Gaussians for each quantity.

    Examples
    --------
    >>> len(head().output_shape), head().output_shape[0]
    (5, (None, 9))
    """
    given = layers.Input((features,))
    x = layers.Dropout(dropout)(given)
    x = layers.Dropout(dropout)(layers.Dense(128, activation="relu")(x))
    ends = [layers.Dense(3 * components, name=q.name)(x) for q in QUANTITIES]
    return Model(given, ends, name="head")


def whole(size: int, components: int = 3, dropout: float = 0.1, blocks=BLOCKS) -> Model:
    """Join trunk and head into what is trained and saved."""
    image, psf = layers.Input((size, size, 2)), layers.Input((PSF_INPUT, PSF_INPUT, 1))
    first = trunk(size, blocks=blocks)
    return Model([image, psf], head(components=components, dropout=dropout)(first([image, psf])))


def image_input(images: np.ndarray, sigma) -> np.ndarray:
    """Scale images in two ways, float32 (N, S, S, 2): by the noise, and by the galaxy itself.

    The first channel is asinh(x / sigma), which shows faint outskirts; the second is x over the
    mean of its brightest hundredth, which shows the shape whatever the flux.

    Parameters
    ----------
    images : numpy.ndarray (N, S, S)
        Counts, sky subtracted; NaN counts as sky.
    sigma : float or numpy.ndarray (N,)
        Standard deviation of the sky, in counts.
    """
    sigma = np.broadcast_to(np.asarray(sigma, np.float32), len(images))[:, None, None]
    known = np.where(np.isfinite(images), images, 0.0).astype(np.float32) / sigma
    flat = known.reshape(len(known), -1)
    count = max(flat.shape[1] // 100, 1)
    bright = np.partition(flat, -count, axis=1)[:, -count:].mean(axis=1)
    made = np.empty((*known.shape, 2), np.float32)
    np.arcsinh(known, out=made[..., 0])
    np.divide(known, np.maximum(bright, 1.0)[:, None, None], out=made[..., 1])
    return made


def psf_input(psfs: np.ndarray) -> np.ndarray:
    """Cut out the middle of PSFs and stretch it, float32 (N, 21, 21, 1): sqrt(p / largest).

    Raises
    ------
    ValueError
        If a PSF is no odd square of at least 21 pixels, or has no positive value.
    """
    psfs = np.asarray(psfs, np.float32)
    if psfs.ndim != 3 or psfs.shape[1] != psfs.shape[2] or psfs.shape[1] % 2 == 0:
        raise ValueError(f"PSFs have shape {psfs.shape}, expected (N, P, P) with P odd")
    cut = (psfs.shape[1] - PSF_INPUT) // 2
    if cut < 0:
        raise ValueError(f"PSFs are {psfs.shape[1]} pixels wide, expected at least {PSF_INPUT}")
    peak = psfs.max(axis=(1, 2), keepdims=True)
    if not (peak > 0).all():
        raise ValueError("a PSF has no positive value; expected a picture of a star, sum 1")
    middle = slice(cut, cut + PSF_INPUT)
    return np.sqrt(np.maximum(psfs[:, middle, middle], 0) / peak)[..., None]
