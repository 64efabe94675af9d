"""The galaxy classifier of Dieleman, Willett and Dambre 2015 (arXiv:1503.07077), and its views."""

import math

import numpy as np

from tinygrad_astro import ops
from tinygrad_astro.layers import Conv2D, Dense, Dropout, Input, Maxout, MaxPooling2D
from tinygrad_astro.layers.layer import Layer
from tinygrad_astro.models.architecture import register
from tinygrad_astro.models.sequential import Sequential

__all__ = ["GalaxyViews", "JoinViews", "dieleman15"]

VIEWS = 16


@register
class GalaxyViews(Layer):
    """Cut each image into 16 views, all with the galaxy's centre near the same corner.

    The image is taken as it is, turned by 45 degrees about its centre, and both again mirrored left
    to right. Of the central `size` x `size` pixels of each of these four, the four corners of
    `crop` x `crop` pixels, which overlap in the middle, are turned by quarter turns until the
    centre of the galaxy lies at their lower right. So one network sees every part of the
    galaxy from the same side.

    Parameters
    ----------
    size : int
        Side of the part that is used.
    crop : int
        Side of a view: more than half of `size`, so that every view holds the centre.
    **kwargs
        `name`.

    Raises
    ------
    ValueError
        If the views do not overlap, or an image is not square, smaller than `size`, or odd where
        `size` is even (or the other way round): then no pixel grid is centred in both.

    Notes
    -----
    Images (N, S, S, C) give views (16 N, crop, crop, C), those of one image in a row. A quarter
    turn moves pixels; only the turn by 45 degrees interpolates, between the four nearest. Its
    corners reach 1.41 times as far: where the image ends, its outermost pixels are repeated, so
    give images of 99 x 99 for `size` 69 if they can be had. A NaN stays in the views it is seen in.

    References
    ----------
    Dieleman et al. 2015 (arXiv:1503.07077), "Viewpoint extraction".

    Examples
    --------
    >>> import numpy as np
    >>> GalaxyViews()(np.zeros((2, 69, 69, 3))).shape
    (32, 45, 45, 3)
    """

    input_rank = 4

    def __init__(self, size=69, crop=45, **kwargs):
        super().__init__(**kwargs)
        if not size / 2 < crop <= size:
            raise ValueError(
                f"{self.title}: crops of {crop} out of {size} pixels, expected more than half, so "
                "that each holds the centre, and at most all"
            )
        self.size, self.crop = int(size), int(crop)

    def call(self, inputs):
        self._check(inputs.shape)
        n, side, _, channels = inputs.shape
        edge = (side - self.size) // 2
        middle = slice(edge, edge + self.size)
        upright = inputs[:, middle, middle]
        views = []
        for image in (upright, self._turned(inputs)):
            for seen in (image, ops.flip(image, 2)):
                views += [self._corner(seen, quarter) for quarter in range(4)]
        return ops.reshape(ops.stack(views, axis=1), (-1, self.crop, self.crop, channels))

    def _corner(self, image, quarter):
        """Turn the image by quarter turns and take its upper left corner."""
        if quarter % 2:
            image = ops.transpose(image, (0, 2, 1, 3))
        axes = {0: None, 1: 1, 2: (1, 2), 3: 2}[quarter]
        image = image if axes is None else ops.flip(image, axes)
        return image[:, : self.crop, : self.crop]

    def _turned(self, inputs):
        """Turn by 45 degrees: between the four nearest pixels, linearly in both directions."""
        n, side, _, channels = inputs.shape
        pixels = ops.reshape(inputs, (n, side * side, channels))
        turned = 0.0
        for place, weight in turned_places(side, self.size):
            turned = turned + ops.take(pixels, place, 1) * weight.astype(inputs.dtype)[:, None]
        return ops.reshape(turned, (n, self.size, self.size, channels))

    def _check(self, shape):
        side = shape[1]
        if side != shape[2] or side is None or side < self.size or (side - self.size) % 2:
            raise ValueError(
                f"{self.title} got images of shape {tuple(shape)}, expected squares of {self.size} "
                f"pixels or of an even number more; cut them so, around the galaxy"
            )

    def compute_output_shape(self, input_shape):
        self._check(input_shape)
        return (None, self.crop, self.crop, input_shape[3])


@register
class JoinViews(Layer):
    """Put what the network saw in the 16 views of an image into one row.

    Views (16 N, ...) give (N, 16 C), C being the number of values of a view.

    Parameters
    ----------
    **kwargs
        `name`.
    """

    def call(self, inputs):
        values = math.prod(inputs.shape[1:])
        return ops.reshape(inputs, (inputs.shape[0] // VIEWS, VIEWS * values))

    def compute_output_shape(self, input_shape):
        return (None, VIEWS * math.prod(input_shape[1:]))


def turned_places(side: int, size: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Say where the central pixels of an image turned by 45 degrees lie in the one that is not.

    Parameters
    ----------
    side : int
        Of the image.
    size : int
        Of the centre of the turned one.

    Returns
    -------
    list of (int (size * size,), float (size * size,))
        Of each of the four nearest pixels, its place in the flattened image, and its weight.
    """
    at = np.arange(size) - (size - 1) / 2
    y, x = (grid.ravel() for grid in np.meshgrid(at, at, indexing="ij"))
    half = math.sqrt(0.5)
    # Counter-clockwise as displayed with row 0 on top, like the quarter turns of `data.d4`.
    rows, columns = half * (y + x), half * (x - y)
    corners = []
    middle = (side - 1) / 2
    row, column = (np.clip(v + middle, 0, side - 1) for v in (rows, columns))
    top, left = (np.minimum(v.astype(np.intp), side - 2) for v in (row, column))
    down, right = row - top, column - left
    for below in (0, 1):
        for beside in (0, 1):
            weight = (down if below else 1 - down) * (right if beside else 1 - right)
            corners.append(((top + below) * side + left + beside, weight))
    return corners


def dieleman15(input_shape=(69, 69, 3), classes=37, activation=None, name="dieleman15"):
    """Build the network that won the Galaxy Zoo challenge: 16 views, four convolutions, maxout.

    Parameters
    ----------
    input_shape : (height, width, channels)
        The paper's: 69 x 69 pixels, scaled to [0, 1]. Larger images are used where the view that
        is turned by 45 degrees reaches further; see `GalaxyViews`.
    classes : int
        Outputs; the paper's 37 answers of Galaxy Zoo 2.
    activation : str or callable, optional
        Of the last layer. The paper cuts at 0 and divides by the sum over each question.
    name : str
        Of the model.

    Returns
    -------
    Sequential

    Notes
    -----
    42,303,237 parameters for three channels and 37 answers, one bias per filter as the paper
    describes. (Its released code learns a bias per filter and position, 42,377,125 in all.) All
    16 views pass through the same convolutions.

    References
    ----------
    Dieleman, Willett and Dambre 2015 (arXiv:1503.07077), "Network architecture"; Goodfellow et al.
    2013 (arXiv:1302.4389) for maxout.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> ta.models.dieleman15().count_params()
    42303237
    """
    layers = [
        Input(tuple(input_shape), name=f"{name}_input"),
        GalaxyViews(name="views"),
        Conv2D(32, 6, activation="relu", name="conv1"),
        MaxPooling2D(2, name="pool1"),
        Conv2D(64, 5, activation="relu", name="conv2"),
        MaxPooling2D(2, name="pool2"),
        Conv2D(128, 3, activation="relu", name="conv3"),
        Conv2D(128, 3, activation="relu", name="conv4"),
        MaxPooling2D(2, name="pool4"),
        JoinViews(name="join"),
        Dropout(0.5, name="dropout1"),
        Maxout(2048, name="maxout1"),
        Dropout(0.5, name="dropout2"),
        Maxout(2048, name="maxout2"),
        Dropout(0.5, name="dropout3"),
        Dense(classes, activation, name="head"),
    ]
    return Sequential(layers, name=name)
