"""Tiles through a network, in reading order.

The sums are direct ones (`precision("exact")`): fast transforms would round a pixel by its place in
a tile.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinygrad_astro import training
from tinygrad_astro.data.fits import Image
from tinygrad_astro.data.prefetch import prefetch
from tinygrad_astro.data.validity import valid_pixels
from tinygrad_astro.kernels.precision import precision
from tinygrad_astro.layers.structure import leaves
from tinygrad_astro.mosaic.tiling import Reach, Tile, tiles

Progress = Callable[[int, int], Any]


def network_inputs(section, prepare: Callable | None, inputs: int):
    """Make what the network takes of a section that was read.

    Without `prepare`: the pixels, the bad ones of a file as 0; for a model of two inputs, the
    pixels and which of them are valid.
    """
    if prepare is not None:
        return prepare(section)
    data, mask = (section.data, section.mask) if isinstance(section, Image) else (section, None)
    data = np.asarray(data)
    if inputs == 2:
        return data, valid_pixels(data, mask)
    return data if mask is None else np.where(mask, data.dtype.type(0), data)


def infer(model, given) -> np.ndarray:
    """Give the output (h, w, K) for one section's inputs (h, w, C), summed directly."""
    batch = [np.asarray(part)[None] for part in leaves(given)]
    with precision("exact"):
        return training.infer(model, batch if len(batch) > 1 else batch[0]).numpy()[0]


def predict_tiles(
    model, image, tile: int = 512, prepare: Callable | None = None, skip: int = 0
) -> Iterator[tuple[Tile, np.ndarray]]:
    """Predict an image tile by tile, in reading order; the next tile is read meanwhile.

    Parameters
    ----------
    model : Model
        Its output has the pixels of its input, or of its two inputs, pixels and mask.
    image : array (H, W, C)
        Anything with a shape whose sections can be read: an array, a memory map, a `BandReader`.
    tile : int
        Side of a tile in pixels. The result does not depend on it; memory does.
    prepare : callable, optional
        Makes the network's input (h, w, C), or a tuple of inputs, of a section that was read: a
        stretch, for example. Default: the pixels, with the bad ones of a file as 0; for a model of
        two inputs the pixels and `valid_pixels`.
    skip : int
        Tiles at the beginning that are left out.

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
    check_image(image)
    cut = tiles(image.shape[:2], tile, Reach.of(model))
    inputs = len(model.traced().symbols)

    def read():
        for one in cut[skip:]:
            yield one, network_inputs(image[one.window], prepare, inputs)

    for one, given in prefetch(read(), 1):
        yield one, np.ascontiguousarray(infer(model, given)[one.inner])


def check_image(image) -> None:
    """Raise ValueError unless the image has three axes."""
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
    model, tile, prepare
        As in `predict_tiles`.
    image : array (H, W, C)
        As in `predict_tiles`, or a Dask array: its chunks then are the tiles, if they allow it, and
        go through `dask.array.map_overlap`.
    out : array (H, W, K), optional
        Where to write, by sections: a memory map, for example. Default: a new array.
    progress : callable, optional
        Called as `progress(done, total)` after every tile.

    Returns
    -------
    array (H, W, K)
        `out`, or the new array; of a Dask array a Dask array, computed when it is asked for.

    Raises
    ------
    ValueError
        As `predict_tiles`; and if `out` or `progress` is given with a Dask array.

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
    check_image(image)
    if hasattr(image, "__dask_graph__"):
        from tinygrad_astro.mosaic.chunks import predict_chunks

        if out is not None or progress is not None:
            raise ValueError(
                "a Dask array is predicted when it is computed, so out and progress have no place "
                "here: use dask.array.store(result, out) and dask.diagnostics.ProgressBar"
            )
        return predict_chunks(model, image, tile, prepare)
    height, width = image.shape[:2]
    total = len(tiles((height, width), tile, Reach.of(model)))
    for done, (one, values) in enumerate(predict_tiles(model, image, tile, prepare), 1):
        if out is None:
            out = np.empty((height, width, values.shape[-1]), values.dtype)
        out[one.core] = values
        if progress is not None:
            progress(done, total)
    return out
