"""Prediction by tiles is the prediction of the whole image, bit by bit."""

import numpy as np
import pytest

from tinygrad_astro import layers, mosaic, precision
from tinygrad_astro.models import Model, Sequential, unet
from tinygrad_astro.mosaic import Reach, tiles


def network(depth=2, bands=2, **options):
    model = unet((None, None, bands), 2, filters=4, depth=depth, activation="softmax", **options)
    rng = np.random.default_rng(3)
    model.set_weights([w * rng.normal(1.0, 0.2, w.shape) for w in model.get_weights()])
    return model


def exactly(model, image):
    with precision("exact"):
        return model(image[None]).numpy()[0]


@pytest.mark.parametrize("up", ["transpose", "upsample", "unpool"])
@pytest.mark.parametrize("shape", [(100, 90), (96, 64), (41, 133)])
def test_tiles_give_the_bits_of_the_whole(rng, up, shape):
    model = network(up=up)
    image = rng.normal(size=(*shape, 2)).astype(np.float32)
    whole = exactly(model, image)
    for side in (16, 40, 75, 1000):
        np.testing.assert_array_equal(mosaic.predict(model, image, tile=side), whole)


def test_deeper_and_wider_networks(rng):
    model = network(depth=3, bands=5)
    image = rng.normal(size=(150, 201, 5)).astype(np.float32)
    whole = exactly(model, image)
    for side in (32, 100):
        np.testing.assert_array_equal(mosaic.predict(model, image, tile=side), whole)


def sees(model, shape, pixel):
    """List the input pixels that one output pixel depends on, by changing each of them."""
    blank = np.zeros((1, *shape, 1))
    before = model(blank).numpy()[0, pixel[0], pixel[1]]
    seen = []
    for y in range(shape[0]):
        blank[0, y, pixel[1]] = 1e3
        if (model(blank).numpy()[0, pixel[0], pixel[1]] != before).any():
            seen.append(y)
        blank[0, y, pixel[1]] = 0
    return seen


def test_reach_is_what_a_changed_pixel_shows():
    image = layers.Input((None, None, 1), dtype="float64")
    x = layers.Conv2D(1, 3, padding="same", kernel_initializer="ones", dtype="float64")(image)
    x = layers.AveragePooling2D(2, dtype="float64")(x)
    x = layers.Conv2D(1, 3, padding="same", kernel_initializer="ones", dtype="float64")(x)
    x = layers.UpSampling2D(2, dtype="float64")(x)
    model = Model(image, x)
    reach = Reach.of(model)
    seen = [sees(model, (24, 4), (y, 2)) for y in (10, 11)]
    margin = max(max(y - min(s), max(s) - y) for y, s in zip((10, 11), seen, strict=True))
    assert reach == Reach(margin=margin, period=2)


def test_a_margin_one_pixel_short_is_noticed(rng):
    model = network()
    image = rng.normal(size=(64, 64, 2)).astype(np.float32)
    whole = exactly(model, image)
    short = Reach(Reach.of(model).margin - 8, 4)
    differ = 0
    for tile in tiles((64, 64), 16, short):
        values = exactly(model, image[tile.window])[tile.inner]
        differ += (values != whole[tile.core]).sum()
    assert differ > 0


@pytest.mark.parametrize("shape", [(1, 1), (50, 70), (128, 33)])
@pytest.mark.parametrize("side", [1, 17, 64])
def test_cores_cover_the_image_once(shape, side):
    covered = np.zeros(shape, int)
    for tile in tiles(shape, side, Reach(margin=11, period=2)):
        covered[tile.core] += 1
        inside = np.zeros(shape, int)
        inside[tile.window][tile.inner] = 1
        assert inside[tile.core].all() and inside.sum() == inside[tile.core].size
        for axis in (0, 1):
            core, window = tile.core[axis], tile.window[axis]
            assert window.start % 2 == 0
            assert core.start - window.start >= 11 or window.start == 0
            assert window.stop - core.stop >= 11 or window.stop == shape[axis]
    assert (covered == 1).all()


def test_image_is_read_by_sections_and_written_by_sections(rng):
    image = rng.normal(size=(96, 200, 2)).astype(np.float32)
    model, largest = network(), []

    class Watched:
        shape = image.shape

        def __getitem__(self, section):
            largest.append(image[section].shape[:2])
            return image[section]

    told, out = [], np.full((96, 200, 2), np.nan, np.float32)
    given = mosaic.predict(
        model, Watched(), 32, lambda x: 2 * x, out, lambda done, total: told.append((done, total))
    )
    assert given is out and told == [(i + 1, 21) for i in range(21)]
    assert max(map(max, largest)) <= 32 + 2 * 32
    np.testing.assert_array_equal(out, exactly(model, 2 * image))


def test_models_that_cannot_be_tiled():
    image = layers.Input((None, None, 1))
    scaled = layers.Multiply()([image, layers.GlobalAveragePooling2D(keepdims=True)(image)])
    with pytest.raises(ValueError, match="looks at the whole image"):
        mosaic.predict(Model(image, scaled), np.zeros((8, 8, 1)))
    with pytest.raises(ValueError, match="with one output of the same height and width"):
        mosaic.predict(Model(image, [layers.ReLU()(image)] * 4), np.zeros((8, 8, 1)))
    with pytest.raises(ValueError, match="same height and width"):
        mosaic.predict(unet((60, 60, 1), 2, 2, 1, padding="valid"), np.zeros((60, 60, 1)))
    tripled = Sequential([layers.Input((9, 9, 1)), layers.MaxPooling2D(3), layers.UpSampling2D(3)])
    with pytest.raises(ValueError, match="power of two"):
        mosaic.predict(tripled, np.zeros((9, 9, 1)))


def test_arguments_out_of_range():
    model = network()
    with pytest.raises(ValueError, match=r"\(H, W, C\), received shape \(8, 8\)"):
        mosaic.predict(model, np.zeros((8, 8)))
    with pytest.raises(ValueError, match="at least 1 pixel, received 0"):
        mosaic.predict(model, np.zeros((8, 8, 2)), tile=0)
