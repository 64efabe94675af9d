"""Prediction of large images by tiles, equal bit by bit to predicting the whole image at once.

A tile answers for its core, and is computed from a window with a margin around it. Two conditions
make the core exact. The margin is at least as wide as the network sees, so that no pixel of the
core depends on what lies outside the window; and windows begin at multiples of the network's step
(2^depth pixels for a U-Net), so that every pixel falls into the same place of the same pooling
window. At the edges of the image the window ends where the image ends, so the padding there is the
whole image's own. The sums are direct ones (`precision("exact")`): fast transforms would round a
pixel by its place in a tile.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_astro.data.prefetch import prefetch
from tinygrad_astro.kernels.precision import precision
from tinygrad_astro.models.receptive_field import interval, reach
from tinygrad_astro.modes import no_grad

LONGEST_PERIOD = 256

Section = tuple[slice, slice]
Progress = Callable[[int, int], Any]


@dataclass(frozen=True)
class Reach:
    """How far a network looks around a pixel, and how often it looks alike.

    Attributes
    ----------
    margin : int
        Largest distance, in pixels along an axis, of an input pixel that an output pixel depends
        on.
    period : int
        Moving the input by this many pixels moves the output by as many.
    """

    margin: int
    period: int

    @classmethod
    def of(cls, model) -> "Reach":
        """Read it off the layers of a model whose output has the pixels of its input.

        Raises
        ------
        ValueError
            If a layer looks at the whole image at once, or the output has other pixels than the
            input.

        Examples
        --------
        >>> import tinygrad_astro as ta
        >>> layers = [ta.Input((None, None, 1)), ta.layers.Conv2D(1, 5, padding="same")]
        >>> Reach.of(ta.Sequential(layers))
        Reach(margin=2, period=1)
        """
        graph = model.traced()
        shapes = None if graph is None else (graph.symbols[0].shape, model.output_shape)
        if shapes is None or [len(s) for s in shapes] != [4, 4] or shapes[0][:3] != shapes[1][:3]:
            raise ValueError(
                f"{model.name} gives {shapes and shapes[1]} for images {shapes and shapes[0]}: "
                "prediction by tiles needs a model of one image whose output has the same height "
                'and width, for example unet((None, None, bands), classes, padding="same")'
            )
        symbol = model.outputs[0]
        sides = [pair for pair in reach(graph, symbol) if pair is not None]
        if len(sides) < 2:
            raise ValueError(
                f"{model.name} looks at the whole image for every pixel, so it cannot be predicted "
                "by tiles; leave out layers such as GlobalAveragePooling2D or GroupNormalization"
            )
        margin = max(side for axis in sides for side in axis)
        return cls(margin, max(_period(graph, symbol, axis) for axis in (0, 1)))


@dataclass(frozen=True)
class Tile:
    """One tile: what it answers for, and what it must read for that.

    Attributes
    ----------
    core, window : (slice, slice)
        Rows and columns of the image.
    inner : (slice, slice)
        The core, counted from the beginning of the window.
    """

    core: Section
    window: Section
    inner: Section


def tiles(shape: tuple[int, int], side: int, reach: Reach) -> list[Tile]:
    """Cut an image into square cores of about `side` pixels, in reading order.

    Parameters
    ----------
    shape : (int, int)
        Height and width in pixels.
    side : int
        Rounded up to a multiple of the step at which windows may begin.
    reach : Reach

    Returns
    -------
    list of Tile

    Raises
    ------
    ValueError
        If `side` is below 1.

    Examples
    --------
    >>> tile = tiles((64, 64), 16, Reach(margin=3, period=2))[5]
    >>> tile.core, tile.window
    ((slice(16, 32, None), slice(16, 32, None)), (slice(12, 36, None), slice(12, 36, None)))
    """
    if side < 1:
        raise ValueError(f"the side of a tile must be at least 1 pixel, received {side}")
    rows, columns = (_pieces(length, side, reach) for length in shape)
    return [
        Tile((y.core, x.core), (y.window, x.window), (y.inner, x.inner))
        for y in rows
        for x in columns
    ]


def predict_tiles(
    model, image, tile: int = 512, prepare: Callable | None = None
) -> Iterator[tuple[Tile, np.ndarray]]:
    """Predict an image tile by tile, in reading order; the next tile is read meanwhile.

    Parameters
    ----------
    model : Model
        Its output has the pixels of its input.
    image : array (H, W, C)
        Anything with a shape whose sections can be read: an array, a memory map, a `BandReader`.
    tile : int
        Side of a tile in pixels. The result does not depend on it; memory does.
    prepare : callable, optional
        Makes the network's input (h, w, C) of a section that was read: a stretch, for example.

    Yields
    ------
    tile : Tile
    values : numpy.ndarray (h, w, K)
        The outputs at `tile.core`.

    Raises
    ------
    ValueError
        If the image has not three axes, or the model cannot be tiled (see `Reach.of`).
    """
    _check_image(image)
    cut = tiles(image.shape[:2], tile, Reach.of(model))

    def read():
        for one in cut:
            section = image[one.window]
            yield one, np.asarray(section) if prepare is None else prepare(section)

    for one, inputs in prefetch(read(), 1):
        with no_grad(), precision("exact"):
            values = model(inputs[None], training=False).numpy()[0]
        yield one, np.ascontiguousarray(values[one.inner])


def _check_image(image):
    if len(image.shape) != 3:
        raise ValueError(f"expected an image (H, W, C), received shape {tuple(image.shape)}")


def predict(
    model,
    image,
    tile: int = 512,
    prepare: Callable | None = None,
    out=None,
    progress: Progress | None = None,
):
    """Predict an image of any size by tiles: bit by bit `model(image[None])[0]`, summed exactly.

    Parameters
    ----------
    model, image, tile, prepare
        As in `predict_tiles`.
    out : array (H, W, K), optional
        Where to write, by sections: a memory map, for example. Default: a new array.
    progress : callable, optional
        Called as `progress(done, total)` after every tile.

    Returns
    -------
    array (H, W, K)
        `out`, or the new array.

    Raises
    ------
    ValueError
        As `predict_tiles`.

    Examples
    --------
    >>> import numpy as np, tinygrad_astro as ta
    >>> model = ta.Sequential([ta.Input((None, None, 1)), ta.layers.Conv2D(2, 3, padding="same")])
    >>> image = np.random.default_rng(0).normal(size=(40, 50, 1)).astype(np.float32)
    >>> with ta.precision("exact"):
    ...     whole = model(image[None]).numpy()[0]
    >>> bool((predict(model, image, tile=16) == whole).all())
    True
    """
    _check_image(image)
    height, width = image.shape[:2]
    total = len(tiles((height, width), tile, Reach.of(model)))
    for done, (one, values) in enumerate(predict_tiles(model, image, tile, prepare), 1):
        if out is None:
            out = np.empty((height, width, values.shape[-1]), values.dtype)
        out[one.core] = values
        if progress is not None:
            progress(done, total)
    return out


def _period(graph, symbol, axis: int) -> int:
    """Find the shortest shift after which the pixels seen are the same ones, shifted."""
    positions = np.arange(2 * LONGEST_PERIOD)
    low, high = interval(graph, symbol, axis, positions, positions)
    for period in (2**k for k in range(LONGEST_PERIOD.bit_length())):
        ahead, behind = slice(period, None), slice(None, -period)
        if all((seen[ahead] - seen[behind] == period).all() for seen in (low, high)):
            return period
    raise ValueError(
        "the strides of the model do not combine to a power of two of at most "
        f"{LONGEST_PERIOD} pixels, which prediction by tiles needs"
    )


@dataclass(frozen=True)
class _Piece:
    core: slice
    window: slice
    inner: slice


def _pieces(length: int, side: int, reach: Reach) -> list[_Piece]:
    step = reach.period
    side, margin = _up(side, step), _up(reach.margin, step)
    pieces = []
    for start in range(0, length, side):
        stop = min(start + side, length)
        first, last = max(start - margin, 0), min(_up(stop, step) + margin, length)
        inner = slice(start - first, stop - first)
        pieces.append(_Piece(slice(start, stop), slice(first, last), inner))
    return pieces


def _up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple
