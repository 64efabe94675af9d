"""Pictures of kernels hold the kernels; feature maps are what the layer gives."""

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro import explain, layers
from tinygrad_astro.explain.pictures import mosaic, near_square


def built(layer, *shape):
    layer.build((None, *shape))
    return layer


def image_of(figure):
    return np.ma.filled(figure.axes[0].images[0].get_array(), np.nan)


def title_of(figure):
    return figure.axes[0].get_title(loc="left")


def test_kernels_of_one_channel_are_tiles_in_reading_order():
    layer = built(layers.Conv2D(5, (3, 2), name="first"), 8, 8, 1)
    figure = explain.filters(layer)
    image, kernel = image_of(figure), layer.get_weights()[0]
    columns = near_square(5)
    for k in range(5):
        top, left = k // columns * 4, k % columns * 3
        np.testing.assert_array_equal(image[top : top + 3, left : left + 2], kernel[:, :, 0, k])
    assert np.isnan(image[:, 2]).all()
    assert title_of(figure) == "first: 5 kernels of 3 x 2"
    shown = figure.axes[0].images[0]
    assert shown.norm.vmax == -shown.norm.vmin == pytest.approx(np.abs(kernel).max())


def test_several_channels_are_rows_filters_are_columns():
    layer = built(layers.Conv2D(4, 3, name="second"), 8, 8, 2)
    image, kernel = image_of(explain.filters(layer)), layer.get_weights()[0]
    assert image.shape == (7, 15)
    np.testing.assert_array_equal(image[4:7, 8:11], kernel[:, :, 1, 2])


def test_a_transposed_kernel_is_read_the_right_way_round():
    layer = built(layers.Conv2DTranspose(4, 3, name="up"), 8, 8, 2)
    image, kernel = image_of(explain.filters(layer)), layer.get_weights()[0]
    np.testing.assert_array_equal(image[4:7, 8:11], kernel[:, :, 2, 1])


@pytest.mark.parametrize("kind", [layers.DepthwiseConv2D, layers.SeparableConv2D])
def test_depthwise_kernels(kind):
    arguments = (3,) if kind is layers.DepthwiseConv2D else (4, 3)
    layer = built(kind(*arguments), 8, 8, 6)
    assert "6 kernels of 3 x 3" in title_of(explain.filters(layer))


def test_large_layers_are_cut_and_say_so():
    layer = built(layers.Conv2D(64, 1, name="deep"), 4, 4, 100)
    assert title_of(explain.filters(layer)) == (
        "deep: the first 32 of 64 filters of 1 x 1 across, the first 8 of 100 input channels down"
    )


def test_spectral_kernels_are_curves():
    layer = built(layers.Conv1D(7, 5, name="lines"), 32, 2)
    figure = explain.filters(layer)
    kernel = layer.get_weights()[0]
    visible = [axes for axes in figure.axes if axes.get_visible()]
    assert len(visible) == 7
    curves = visible[3].lines[1:]  # the first is the zero line
    for channel, curve in enumerate(curves):
        np.testing.assert_array_equal(curve.get_xdata(), [-2, -1, 0, 1, 2])
        np.testing.assert_array_equal(curve.get_ydata(), kernel[:, channel, 3])


def test_kernels_of_zeros_can_be_drawn():
    layer = built(layers.Conv2D(2, 3, kernel_initializer="zeros"), 8, 8, 1)
    assert explain.filters(layer)._repr_png_().startswith(b"\x89PNG")


def test_layers_without_kernels_are_refused():
    with pytest.raises(ValueError, match="Dense 'd', which has no convolution kernel"):
        explain.filters(built(layers.Dense(2, name="d"), 8))
    with pytest.raises(ValueError, match="built by calling it"):
        explain.filters(layers.Conv2D(2, 3))


def nested(rng):
    inner = ta.Sequential([layers.Conv2D(3, 3, name="deep"), layers.ReLU()], name="inner")
    model = ta.Sequential([layers.Conv2D(2, 3, name="first"), inner, layers.Dropout(0.5)])
    return model, rng.standard_normal((2, 8, 8, 1)).astype("float32")


def test_feature_maps_are_the_outputs_of_the_layer(rng):
    model, x = nested(rng)
    maps = explain.feature_maps(model, x, "deep")
    first, inner = model.layers[:2]
    np.testing.assert_array_equal(maps, inner.layers[0](first(x)).numpy())
    np.testing.assert_array_equal(explain.feature_maps(model, x, first), first(x).numpy())
    assert "call" not in vars(first) and ta.is_recording()
    np.testing.assert_array_equal(maps, explain.feature_maps(model, x, inner.layers[0]))


def test_feature_maps_of_functional_and_subclassed_models(rng):
    x = ta.Input((8, 1))
    shared = layers.Conv1D(1, 3, padding="same", name="shared")
    model = ta.Model(x, shared(shared(x)))
    data = rng.standard_normal((1, 8, 1)).astype("float32")
    last = explain.feature_maps(model, data, "shared")
    np.testing.assert_array_equal(last, model(data).numpy())

    class Idle(ta.Model):
        def __init__(self):
            super().__init__()
            self.used, self.unused = layers.Dense(2), layers.Dense(3, name="unused")

        def call(self, inputs):
            return self.used(inputs)

    with pytest.raises(ValueError, match="'unused' is in .*does not pass through"):
        explain.feature_maps(Idle(), np.ones((1, 4), "float32"), "unused")
    with pytest.raises(ValueError, match="has no layer 'other'; it has .*shared"):
        explain.feature_maps(model, data, "other")


def test_the_layer_is_itself_again_after_an_error(rng):
    model, x = nested(rng)
    model(x)
    with pytest.raises(ValueError):
        explain.feature_maps(model, x[..., 0], "first")
    assert "call" not in vars(model.layers[0])


def test_pictures_of_maps(rng):
    maps = rng.uniform(0, 1, (2, 4, 6, 5))
    image = image_of(explain.draw_maps(maps, example=1))
    np.testing.assert_array_equal(image[:4, :6], maps[1, :, :, 0])
    figure = explain.draw_maps(rng.standard_normal((1, 30, 4)))
    assert image_of(figure).shape == (4, 30)
    assert figure.axes[0].images[0].get_cmap().name == "RdBu_r"
    with pytest.raises(ValueError, match=r"got an array of shape \(2, 3\)"):
        explain.draw_maps(np.ones((2, 3)))


def test_a_mosaic_leaves_gaps():
    tiles = np.arange(3.0)[:, None, None] * np.ones((3, 2, 2))
    image = mosaic(tiles, columns=2, gap=2)
    assert image.shape == (6, 6) and np.isnan(image).sum() == 36 - 12
    assert image[4, 0] == 2.0 and image[0, 4] == 1.0
