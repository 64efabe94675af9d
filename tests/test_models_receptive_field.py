"""Receptive fields against the pixels that really change an output."""

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro import layers
from tinygrad_astro.models import Model, Sequential, unet
from tinygrad_astro.models.receptive_field import interval, reach, receptive_field


def sequential(*inner):
    return Sequential([ta.Input((None, None, 1)), *inner])


def skip():
    x = ta.Input((None, None, 1))
    y = layers.Conv2D(1, 5, padding="same")(x)
    y = layers.Conv2D(1, 3, padding="same", dilation_rate=2)(y)
    return Model(x, layers.Add()([x, y]))


def nested():
    x = ta.Input((None, None, 1))
    return Model(x, layers.Conv2D(1, 3, padding="same")(skip()(x)))


MODELS = {
    "conv": lambda: sequential(layers.Conv2D(1, (3, 5))),
    "strided": lambda: sequential(
        layers.Conv2D(1, 5, 2, padding="same"), layers.AveragePooling2D(2), layers.Conv2D(1, 3)
    ),
    "up": lambda: sequential(layers.SumPooling2D(2), layers.UpSampling2D(2), layers.Conv2D(1, 3)),
    "bilinear": lambda: sequential(
        layers.AveragePooling2D(2), layers.UpSampling2D(2, interpolation="bilinear")
    ),
    "transposed": lambda: sequential(
        layers.Conv2D(1, 3, 2, padding="same"), layers.Conv2DTranspose(1, 4, 2, padding="same")
    ),
    "separable": lambda: sequential(
        layers.SeparableConv2D(1, 3), layers.Cropping2D(((2, 1), (0, 1)))
    ),
    "padded": lambda: sequential(layers.ZeroPadding2D(((3, 0), (1, 2))), layers.DepthwiseConv2D(4)),
    "skip": skip,
    "nested": nested,
    "unet": lambda: unet((None, None, 1), 1, 2, 2, batch_norm=False),
    "unet upsample": lambda: unet((None, None, 1), 1, 2, 1, batch_norm=False, up="upsample"),
    "valid unet": lambda: unet((None, None, 1), 1, 2, 1, padding="valid", batch_norm=False),
}


def seen_by(model, size):
    """For rows, then columns: which outputs change (axis 1) when one of them does (axis 0).

    All weights are positive, so that a brighter pixel can only raise what sees it.
    """
    model.set_weights([np.abs(w) + 0.1 for w in model.get_weights()])
    plain = np.ones((1, size, size, 1), "float32")
    rows = plain + 9 * np.eye(size, dtype="float32")[:, :, None, None]
    still = model(plain).numpy()[..., 0]
    changed = model(rows).numpy()[..., 0] > still * (1 + 1e-5)
    columns = model(rows.transpose(0, 2, 1, 3)).numpy()[..., 0] > still * (1 + 1e-5)
    middle = still.shape[1] // 2
    return changed[:, :, middle], columns[:, middle, :]


@pytest.mark.parametrize("name", MODELS)
def test_intervals_are_the_pixels_that_change_the_output(name):
    model, size = MODELS[name](), 64
    for axis, changed in enumerate(seen_by(model, size)):
        middle = changed.shape[1] // 2
        at = np.arange(middle - 2, middle + 3)
        low, high = interval(model.graph, model.outputs[0], axis, at, at)
        for place, first, last in zip(at, low, high, strict=True):
            seen = np.nonzero(changed[:, place])[0]
            assert (first, last) == (seen.min(), seen.max()), (axis, place)


def test_known_sizes():
    model = unet((None, None, 1), 2, 2, padding="valid", batch_norm=False)
    positions = np.arange(4)
    low, high = interval(model.graph, model.outputs[0], 0, positions, positions)
    assert low.min() == 0 and high.max() == 187  # 188 pixels in, 4 out
    assert receptive_field(model.graph, model.outputs[0]) == (204, 204)
    layer = model.get_layer("down1_conv2")
    assert receptive_field(model.graph, layer.output) == (14, 14)


def test_reach_is_to_both_sides():
    model = sequential(layers.ZeroPadding2D(((3, 0), (1, 2))), layers.Conv2D(1, 4))
    assert reach(model.graph, model.outputs[0]) == ((3, 0), (1, 2))


def test_the_whole_input_is_none():
    model = sequential(layers.Conv2D(1, 3), layers.GlobalMaxPooling2D(keepdims=True))
    assert receptive_field(model.graph, model.outputs[0]) == (None, None)
    assert reach(model.graph, model.outputs[0]) == (None, None)
    spectrum = Sequential([ta.Input((None, 2)), layers.Conv1D(2, 5, padding="causal")])
    assert receptive_field(spectrum.graph, spectrum.outputs[0]) == (5,)
    assert reach(spectrum.graph, spectrum.outputs[0]) == ((4, 0),)
