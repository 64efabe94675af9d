"""Dask arrays through a network: the bits of the whole image, also from two processes."""

import os

import numpy as np
import pytest

from tinygrad_astro import layers, mosaic
from tinygrad_astro.models import Model, unet
from tinygrad_astro.mosaic import Reach

array = pytest.importorskip("dask.array", reason="clusters need the extra dask")


class Shifted(layers.Layer):
    """A layer that no library knows: its class must travel with the model."""

    def call(self, inputs):
        return inputs + 0.25

    def compute_output_shape(self, input_shape):
        return input_shape

    def sees(self, axis, low, high):
        return low, high


def network():
    model = unet((None, None, 2), 3, filters=4, depth=2, activation="softmax")
    rng = np.random.default_rng(3)
    model.set_weights([w * rng.normal(1.0, 0.2, w.shape) for w in model.get_weights()])
    return model


def doubled(section):
    return 2 * section


@pytest.mark.parametrize(
    "chunks", [(64, 64, 2), (50, 41, 1), (200, 48, 2), (7, 9, 2), (-1, -1, -1)]
)
@pytest.mark.parametrize("tile", [16, 512])
def test_chunks_give_the_bits_of_the_whole(rng, chunks, tile):
    model, image = network(), rng.normal(size=(150, 133, 2)).astype(np.float32)
    expected = mosaic.predict(model, image)
    lazy = mosaic.predict(model, array.from_array(image, chunks), tile)
    assert lazy.shape == (150, 133, 3) and lazy.dtype == np.float32
    np.testing.assert_array_equal(lazy.compute(scheduler="threads"), expected)


def test_preparation_masks_and_own_layers(rng):
    image = rng.normal(size=(70, 64, 1)).astype(np.float32)
    image[30:35, 20:30] = np.nan
    pixels, good = layers.Input((None, None, 1)), layers.Input((None, None, 1))
    x, v = layers.PartialConv2D(2, 5, padding="same")(pixels, good)
    model = Model([pixels, good], Shifted()(layers.Unmask()(x, v)))
    for prepare in (None, lambda section: (2 * section, np.isfinite(section))):
        expected = mosaic.predict(model, image, prepare=prepare)
        lazy = mosaic.predict(model, array.from_array(image, (32, 32, 1)), 32, prepare)
        np.testing.assert_array_equal(lazy.compute(scheduler="synchronous"), expected)


@pytest.mark.cluster
def test_a_cluster_of_two_workers_gives_the_same_bits(rng):
    distributed = pytest.importorskip("distributed", reason="clusters need the extra dask")
    model, image = network(), rng.normal(size=(160, 133, 2)).astype(np.float32)
    expected = mosaic.predict(model, image, prepare=doubled)
    lazy = mosaic.predict(model, array.from_array(image, (48, 48, 2)), 48, lambda s: 2 * s)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        workers = client.run(os.getpid)
        assert len({os.getpid(), *workers.values()}) == 3
        found = client.compute(lazy).result(timeout=240)
        busy = client.run(lambda: _chunks_seen())
    np.testing.assert_array_equal(found, expected)
    assert all(busy.values())


def _chunks_seen():
    from tinygrad_astro.mosaic import chunks

    return chunks._unpacked.cache_info().misses


@pytest.mark.parametrize("length", [1, 30, 100, 257])
@pytest.mark.parametrize("size", [1, 16, 33, 300])
@pytest.mark.parametrize("reach", [Reach(0, 1), Reach(11, 4), Reach(40, 8)])
def test_chunks_are_wide_enough_and_begin_where_they_may(length, size, reach):
    from tinygrad_astro.mosaic.chunks import fitting

    given = (size,) * (length // size) + ((length % size,) if length % size else ())
    sizes = fitting(given, 16, reach)
    assert sum(sizes) == length and min(sizes) > 0
    assert not (np.cumsum(sizes)[:-1] % reach.period).any()
    assert len(sizes) == 1 or min(sizes) >= reach.room


def test_what_a_lazy_result_cannot_take(rng):
    lazy = array.zeros((64, 64, 2), chunks=32)
    with pytest.raises(ValueError, match="dask.array.store"):
        mosaic.predict(network(), lazy, out=np.zeros((64, 64, 3)))
    with pytest.raises(ValueError, match="three axes|H, W, C"):
        mosaic.predict(network(), lazy[..., 0])
