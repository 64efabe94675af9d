"""What the network sees: the blend, where its sources are, and what symmetry says of each.

Galaxies look much alike when turned by 180 degrees about their centres. So the far side of a source
tells what its near side, under the neighbour, would look like alone. The deblender of SDSS makes
its templates that way (R. H. Lupton, www.astro.princeton.edu/~rhl/overview/deblend.html); here they
are a hint for the network and no answer.
"""

import numpy as np

_SCALE = 8.0  # over which nearness falls by a factor of e, in pixels


def input_channels(bands: int) -> int:
    """Count the channels of `network_input`: image, two maps of places, two symmetric parts."""
    return 3 * bands + 2


def network_input(image: np.ndarray, sigma: np.ndarray, place, others) -> np.ndarray:
    """Give asinh(image / sigma), nearness to source and neighbours, and their symmetric light.

    Parameters
    ----------
    image : numpy.ndarray (H, W, C)
        Counts, sky subtracted; what is not finite counts as 0.
    sigma : numpy.ndarray (C,)
        Noise of the sky.
    place : (float, float)
        (x, y) of the source, in pixels counted from 0.
    others : sequence of (float, float)
        Of its neighbours; there may be none.

    Returns
    -------
    numpy.ndarray (H, W, 3 C + 2) float32
    """
    seen = np.arcsinh(np.where(np.isfinite(image), image, 0.0) / sigma).astype(np.float32)
    maps = [nearness(image.shape[:2], [place]), nearness(image.shape[:2], others)]
    symmetric = [symmetric_light(seen, [place]), symmetric_light(seen, others)]
    return np.concatenate([seen, np.stack(maps, axis=-1), *symmetric], axis=-1)


def nearness(shape: tuple[int, int], places) -> np.ndarray:
    """Give exp(-distance to the nearest place / 8 pixels), 0 without places, (H, W) float32.

    Examples
    --------
    >>> nearness((3, 4), [(2.0, 1.0)])[1].round(2).tolist()
    [0.7799999713897705, 0.8799999952316284, 1.0, 0.8799999952316284]
    """
    made = np.zeros(shape, np.float32)
    for x, y in places:
        dx, dy = np.arange(shape[1]) - x, np.arange(shape[0]) - y
        distance = np.hypot(dy[:, None], dx)
        made = np.maximum(made, np.exp(-distance / _SCALE).astype(np.float32))
    return made


def symmetric_light(image: np.ndarray, places) -> np.ndarray:
    """Give min(image, image turned by 180 degrees about a place): the most over places.

    That is the light that sources could hold which look the same from both sides. The turn is about
    the nearest middle, corner or edge of a pixel; where the far side lies outside of the image,
    the pixel itself stays.

    Parameters
    ----------
    image : numpy.ndarray (H, W, C)
    places : sequence of (float, float)
        (x, y); without any the result is 0.

    Examples
    --------
    >>> line = np.array([5.0, 1.0, 2.0, 4.0, 9.0]).reshape(1, 5, 1)
    >>> symmetric_light(line, [(2.1, 0.0)]).ravel().tolist()
    [5.0, 1.0, 2.0, 1.0, 5.0]
    """
    parts = [np.minimum(image, _turned(image, place)) for place in places]
    return np.max(parts, axis=0) if parts else np.zeros_like(image)


def _turned(image: np.ndarray, place) -> np.ndarray:
    """Turn an image by 180 degrees about a place (x, y)."""
    x, y = place
    rows = np.rint(2 * y).astype(int) - np.arange(image.shape[0])
    columns = np.rint(2 * x).astype(int) - np.arange(image.shape[1])
    inside = (rows >= 0) & (rows < len(rows)), (columns >= 0) & (columns < len(columns))
    made = image.copy()
    made[np.ix_(*inside)] = image[np.ix_(rows[inside[0]], columns[inside[1]])]
    return made
