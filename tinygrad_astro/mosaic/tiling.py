"""How an image is cut into tiles: how far a network sees, cores, and the windows they need.

A tile answers for its core, and is computed from a window with a margin around it. Two conditions
make the core exact. The margin is at least as wide as the network sees, so that no pixel of the
core depends on what lies outside the window; and windows begin at multiples of the network's step
(2^depth pixels for a U-Net), so that every pixel falls into the same place of the same pooling
window. At the edges of the image the window ends where the image ends, so the padding there is the
whole image's own.
"""

from dataclasses import dataclass

import numpy as np

from tinygrad_astro.layers.structure import leaves
from tinygrad_astro.models.receptive_field import interval, reach

LONGEST_PERIOD = 256

Section = tuple[slice, slice]


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
        """Read it off the layers of a model whose output has the pixels of its input, or inputs.

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
        ends = [] if graph is None else [graph.symbols, leaves(graph.outputs)]
        shapes = [[symbol.shape for symbol in end] for end in ends]
        sizes = {shape[:3] if len(shape) == 4 else None for end in shapes for shape in end}
        if len(sizes) != 1 or None in sizes or len(shapes[1]) != 1:
            raise ValueError(
                f"{model.name} goes from and to {shapes or 'unknown shapes'}: prediction by tiles "
                "needs a model of images with one output of the same height and width, for example "
                'unet((None, None, bands), classes, padding="same")'
            )
        symbol = ends[1][0]
        sides = [pair for pair in reach(graph, symbol) if pair is not None]
        if len(sides) < 2:
            raise ValueError(
                f"{model.name} looks at the whole image for every pixel, so it cannot be predicted "
                "by tiles; leave out layers such as GlobalAveragePooling2D or GroupNormalization"
            )
        margin = max(side for axis in sides for side in axis)
        return cls(margin, max(_period(graph, symbol, axis) for axis in (0, 1)))

    @property
    def room(self) -> int:
        """The margin that tiles take: whole periods, so that windows begin where they may."""
        return up(self.margin, self.period)


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
    side, margin = up(side, step), reach.room
    pieces = []
    for start in range(0, length, side):
        stop = min(start + side, length)
        first, last = max(start - margin, 0), min(up(stop, step) + margin, length)
        inner = slice(start - first, stop - first)
        pieces.append(_Piece(slice(start, stop), slice(first, last), inner))
    return pieces


def up(number: int, multiple: int) -> int:
    """Give the smallest multiple that is not below the number."""
    return -(-number // multiple) * multiple
