"""The U-Net: published counts and sizes, odd images, every way up, gradients, learning."""

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro.models import unet, valid_sizes
from tinygrad_astro.models.unet import shrinkage


def trainable(model):
    return sum(w.size for w in model.trainable_weights)


@pytest.mark.parametrize(
    ("classes", "bands", "options", "count"),
    [
        (2, 1, {"batch_norm": False}, 31_030_658),
        (1, 1, {"batch_norm": False}, 31_030_593),
        (2, 3, {"batch_norm": False}, 31_031_810),
        (2, 1, {"use_bias": True}, 31_042_434),
        (2, 1, {}, 31_036_546),
        (2, 3, {}, 31_037_698),
        (2, 1, {"batch_norm": False, "filters": 16}, 1_940_834),
        (2, 1, {"batch_norm": False, "filters": 32}, 7_759_554),
        (2, 1, {"batch_norm": False, "up": "upsample"}, 31_030_658),
    ],
)
def test_published_counts_of_trainable_parameters(classes, bands, options, count):
    assert trainable(unet((None, None, bands), classes, **options)) == count


def test_ronneberger_maps_572_to_388():
    model = unet((572, 572, 1), 2, padding="valid", batch_norm=False)
    assert trainable(model) == model.count_params() == 31_030_658
    assert model.output_shape == (None, 388, 388, 2)
    crops = [model.get_layer(f"up{i}_crop") for i in (3, 2, 1, 0)]
    pairs = [(layer.input.shape[1], layer.output.shape[1]) for layer in crops]
    assert pairs == [(64, 56), (136, 104), (280, 200), (568, 392)]
    assert [layer.name for layer in model.layers if layer.name in ("pad", "crop")] == []


def test_valid_sizes():
    assert valid_sizes(4)[:2] == [188, 204] and 572 in valid_sizes(4)
    assert valid_sizes(1, up_to=24) == [20, 22, 24]
    assert [shrinkage(depth) for depth in (1, 2, 4)] == [16, 40, 184]


@pytest.mark.parametrize("up", ["transpose", "upsample", "unpool"])
@pytest.mark.parametrize("size", [(1, 1), (3, 17), (16, 8), (9, 20)])
def test_any_size_goes_through_and_comes_back(up, size):
    model = unet((None, None, 2), 3, filters=2, depth=2, up=up, dropout=0.1)
    x = np.random.default_rng(0).standard_normal((2, *size, 2)).astype("float32")
    out = model(x, training=True)
    assert out.shape == (2, *size, 3) and np.isfinite(out.numpy()).all()


@pytest.mark.parametrize("up", ["transpose", "upsample"])
def test_valid_takes_any_size_above_its_margin(up):
    model = unet((None, None, 1), 1, filters=2, depth=1, padding="valid", up=up)
    for n in (17, 18, 21, 24):
        assert model(np.ones((1, n, n + 3, 1))).shape == (1, n - 16, n - 13, 1)
    with pytest.raises(ValueError, match="the input must be larger than 16 pixels|does not fit"):
        model(np.ones((1, 16, 24, 1)))


def test_a_fitting_size_and_a_free_size_agree():
    ta.manual_seed(4)
    fixed = unet((16, 16, 1), 1, filters=2, depth=2)
    free = unet((None, None, 1), 1, filters=2, depth=2)
    free.set_weights(fixed.get_weights())
    x = np.random.default_rng(0).standard_normal((1, 16, 16, 1))
    np.testing.assert_array_equal(fixed(x).numpy(), free(x).numpy())


def test_a_tile_gives_what_the_whole_image_gives():
    model = unet((None, None, 1), 1, filters=2, depth=1, batch_norm=False)
    x = np.random.default_rng(0).standard_normal((1, 64, 64, 1)).astype("float32")
    whole, tile = model(x).numpy(), model(x[:, 8:57, 6:59]).numpy()
    np.testing.assert_allclose(tile[:, 12:30, 12:30], whole[:, 20:38, 18:36], atol=1e-6)


@pytest.mark.parametrize("up", ["transpose", "unpool"])
def test_gradients_reach_every_weight(up):
    model = unet((8, 8, 1), 1, filters=2, depth=2, up=up)
    x = np.random.default_rng(0).standard_normal((4, 8, 8, 1))
    ta.ops.sum(ta.ops.square(model(x, training=True))).backward()
    assert all((w.grad.numpy() != 0).any() for w in model.trainable_weights)


def test_it_learns_to_find_bright_squares(rng):
    ta.manual_seed(0)
    x = rng.normal(0, 0.3, (32, 16, 16, 1))
    y = np.zeros((32, 16, 16, 1))
    for i, (row, column) in enumerate(rng.integers(0, 11, (32, 2))):
        y[i, row : row + 5, column : column + 5] = 1
    x += y
    model = unet((16, 16, 1), 1, filters=4, depth=2, activation="sigmoid")
    model.compile(ta.optimizers.Adam(0.03), "binary_crossentropy")
    model.fit(x, y, batch_size=8, epochs=20, verbose=0)
    found = model(x, training=True).numpy() > 0.5
    assert (found & (y > 0)).sum() / (found | (y > 0)).sum() > 0.8


def test_dropout_sits_at_the_end_of_the_contracting_path():
    model = unet((32, 32, 1), 1, filters=2, depth=2, dropout=0.3)
    drops = [layer for layer in model.layers if layer.name.endswith("dropout")]
    assert [layer.name for layer in drops] == ["down1_dropout", "bottom_dropout"]
    assert all(layer.rate == 0.3 for layer in drops)


def test_the_summary_tells_about_padding():
    text = []
    unet((None, None, 1), 1, filters=2, depth=3).summary(print_fn=text.append)
    assert "not a multiple of 8 are padded by reflection at the end" in text[-1]
    fixed = []
    unet((32, 32, 1), 1, filters=2, depth=3).summary(print_fn=fixed.append)
    assert "padded" not in "\n".join(fixed)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (((64, 64), 1), r"input_shape=\(64, 64\), expected \(height, width, channels\)"),
        (((64, 64, 1), 0), "filters=0, expected an integer of at least 1"),
        (((64, 64, 1), 1, 8, 0), "depth=0, expected an integer from 1 to 8"),
        (((64, 64, 1), 1, 8, 2, "full"), "padding='full', expected"),
        (((64, 64, 1), 1, 8, 4, "valid"), "shrinks its input by 184 pixels"),
    ],
)
def test_errors_name_what_was_received_and_expected(arguments, text):
    with pytest.raises(ValueError, match=text):
        unet(*arguments)


def test_wrong_ways_up_are_refused():
    with pytest.raises(ValueError, match="up='nearest', expected one of transpose, upsample, unp"):
        unet((64, 64, 1), 1, up="nearest")
    with pytest.raises(ValueError, match='up="unpool" needs padding="same"'):
        unet((64, 64, 1), 1, depth=1, padding="valid", up="unpool")
