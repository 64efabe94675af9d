"""The chunks of a Dask array through a network: the tiles of a mosaic on the machines of a cluster.

The model travels as the bytes of its file, never pickled, once to each worker. A worker computes
one chunk at a time: kernels use all its threads anyway.
"""

import tempfile
import threading
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from tinygrad_astro.extras import optional
from tinygrad_astro.models.saving import load_model, model_bytes
from tinygrad_astro.mosaic.prediction import infer, network_inputs
from tinygrad_astro.mosaic.tiling import Reach, up

_turn = threading.Lock()


def predict_chunks(model, image, tile: int = 512, prepare=None):
    """Predict a Dask array (H, W, C) through `map_overlap`; see `mosaic.predict`.

    Its chunks are kept where they begin at multiples of the network's step and are as wide as its
    margin, or else cut anew, about `tile` pixels wide.

    Returns
    -------
    dask.array.Array (H, W, K)

    Raises
    ------
    ImportError
        If dask is not installed.
    ValueError
        As `mosaic.predict_tiles`.
    """
    array, delayed = optional("dask.array"), optional("dask").delayed
    reach = Reach.of(model)
    axes = [fitting(image.chunks[axis], tile, reach) for axis in (0, 1)]
    depth = [reach.room if len(sizes) > 1 else 0 for sizes in axes]
    channels = model.output_shape[-1]
    inner = {type(layer).__name__: type(layer) for layer in model.sublayers()}
    own = {name: cls for name, cls in inner.items() if not _is_ours(cls)}
    return array.map_overlap(
        partial(_predict_chunk, own=tuple(own.items()), prepare=prepare),
        image.rechunk((*axes, (image.shape[2],))),
        packed=delayed(model_bytes(model), pure=True),
        depth={0: depth[0], 1: depth[1], 2: 0},
        boundary="none",
        allow_rechunk=False,
        chunks=(*map(_with_margins, axes, depth), (channels,)),
        dtype=model.dtype,
        meta=np.empty((0, 0, 0), model.dtype),
    )


def fitting(sizes: tuple[int, ...], tile: int, reach: Reach) -> tuple[int, ...]:
    """Give the chunk sizes of an axis, cut anew unless the margin of tiles fits the given ones.

    Examples
    --------
    >>> fitting((64, 64, 20), 32, Reach(margin=11, period=4))
    (64, 64, 20)
    >>> fitting((50, 50, 48), 32, Reach(margin=11, period=4))
    (32, 32, 32, 32, 20)
    """
    starts = np.cumsum(sizes)[:-1]
    if len(sizes) == 1 or (min(sizes) >= reach.room and not (starts % reach.period).any()):
        return tuple(sizes)
    side = max(up(tile, reach.period), reach.room)
    count, rest = divmod(sum(sizes), side)
    cut = [side] * count + [rest] * (rest > 0)
    if len(cut) > 1 and cut[-1] < max(reach.room, 1):
        cut[-2:] = [cut[-2] + cut[-1]]
    return tuple(cut)


def _with_margins(sizes, depth):
    last = len(sizes) - 1
    return tuple(n + depth * (i > 0) + depth * (i < last) for i, n in enumerate(sizes))


def _is_ours(cls) -> bool:
    return cls.__module__.partition(".")[0] == "tinygrad_astro"


def _predict_chunk(chunk, packed: bytes, own, prepare) -> np.ndarray:
    with _turn:
        model = _unpacked(packed, own)
        given = network_inputs(chunk, prepare, len(model.traced().symbols))
        return np.ascontiguousarray(infer(model, given))


@lru_cache(maxsize=2)
def _unpacked(packed: bytes, own):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.safetensors")
        path.write_bytes(packed)
        return load_model(path, dict(own))
