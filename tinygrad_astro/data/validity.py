"""Which pixels count: what a file says by mask, inverse variance and NaN, as one mask."""

import numpy as np

from tinygrad_astro.data.stretch import bad_pixels


def valid_pixels(images, mask=None, ivar=None) -> np.ndarray:
    """Give the pixels that count: finite, not masked, and of an inverse variance above 0.

    This is the `valid` of masked layers and the `mask` of losses (True counts), while in the mask
    of a file True is bad. As weights of a loss give `ivar` itself together with this mask.

    Parameters
    ----------
    images : array_like (..., C)
    mask : array_like of bool (..., C) or (...), optional
        True where a pixel is bad, as `read_image` gives it.
    ivar : array_like (..., C) or (...), optional
        Inverse variance, in 1 / unit of the image squared. 0, negative, NaN and infinite values say
        that there are no data.

    Returns
    -------
    numpy.ndarray of bool (..., C)

    Raises
    ------
    ValueError
        If the shape of `mask` or `ivar` fits neither way.

    Examples
    --------
    >>> valid_pixels([[1.0], [float("nan")], [3.0]], ivar=[[4.0], [4.0], [0.0]]).ravel()
    array([ True, False, False])
    """
    images = np.asarray(images)
    bad = bad_pixels(images, mask)
    if ivar is not None:
        ivar = np.asarray(ivar)
        if ivar.shape not in (images.shape, images.shape[:-1]):
            raise ValueError(
                f"ivar of shape {ivar.shape} does not fit images of shape {images.shape}; expected "
                f"{images.shape}, or {images.shape[:-1]} for all channels"
            )
        ivar = ivar if ivar.shape == images.shape else ivar[..., None]
        bad = bad | ~(np.isfinite(ivar) & (ivar > 0))
    return ~bad
