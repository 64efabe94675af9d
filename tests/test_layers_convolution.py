"""Convolution layers against plain loops, scipy, and counts made by hand; gradients checked."""

import numpy as np
import pytest
import reference
from scipy import signal

import tinygrad_astro as ta
from tinygrad_astro import layers


def set_up(layer, x, rng):
    """Build in float64 and give all weights random values."""
    layer.build((None, *x.shape[1:]))
    layer.set_weights([rng.standard_normal(w.shape) for w in layer.get_weights()])
    return layer


def weights_gradients(layer, x):
    """Check first and second derivatives with respect to the input and every weight."""
    values = [w.numpy().copy() for w in layer.trainable_weights]

    def f(x, *weights):
        for held, weight in zip(holders, weights, strict=True):
            setattr(layer, held, weight)
        return ta.ops.sum(ta.ops.tanh(layer.call(x)))

    holders = [
        next(name for name, value in vars(layer).items() if value is weight)
        for weight in layer.trainable_weights
    ]
    ta.testing.check_grads(f, x, *values, order=2)


def test_lecture_layer_has_2432_parameters():
    layer = layers.Conv2D(32, 5)
    assert layer.compute_output_shape((None, 69, 69, 3)) == (None, 65, 65, 32)
    assert layer.count_params() == (5 * 5 * 3 + 1) * 32 == 2432


@pytest.mark.parametrize(
    ("strides", "padding", "dilation", "groups"),
    [
        (1, "valid", 1, 1),
        (2, "same", 1, 2),
        ((1, 2), 1, (2, 1), 1),
        (1, ((0, 2), (1, 0)), 1, 4),
    ],
)
def test_conv2d_equals_plain_loops(strides, padding, dilation, groups, rng):
    x = rng.standard_normal((2, 7, 6, 4))
    layer = layers.Conv2D(
        8, 3, strides, padding, dilation_rate=dilation, groups=groups, dtype="float64"
    )
    set_up(layer, x, rng)
    found = layer(x)
    pads = {"valid": ((0, 0), (0, 0)), "same": ((1, 1), (0, 1)), 1: ((1, 1), (1, 1))}
    pair = strides if isinstance(strides, tuple) else (strides, strides)
    wide = dilation if isinstance(dilation, tuple) else (dilation, dilation)
    kernel, bias = layer.get_weights()
    around = pads[padding] if padding in pads else padding
    expected = reference.conv(x, kernel, pair, around, wide, groups) + bias
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12, atol=1e-12)
    assert layer.compute_output_shape((None, 7, 6, 4)) == (None, *found.shape[1:])
    assert layer.compute_output_shape((None, None, None, 4)) == (None, None, None, 8)


def test_conv1d_equals_scipy(rng):
    x = rng.standard_normal((1, 12, 1))
    layer = set_up(layers.Conv1D(1, 3, activation="relu", dtype="float64"), x, rng)
    kernel, bias = layer.get_weights()
    expected = signal.correlate(x[0, :, 0], kernel[:, 0, 0], "valid") + bias
    np.testing.assert_allclose(layer(x).numpy()[0, :, 0], np.maximum(expected, 0), rtol=1e-12)


def test_causal_padding_sees_no_later_pixel(rng):
    x = rng.standard_normal((1, 10, 1))
    layer = set_up(layers.Conv1D(1, 3, padding="causal", dilation_rate=2, dtype="float64"), x, rng)
    before = layer(x).numpy()
    x[0, 6:] += 1.0
    after = layer(x).numpy()
    np.testing.assert_array_equal(before[0, :6], after[0, :6])
    assert (before[0, 6:] != after[0, 6:]).all() and after.shape == (1, 10, 1)


def test_transposed_equals_zero_insertion_and_full_convolution(rng):
    x = rng.standard_normal((1, 4, 5, 1))
    layer = set_up(layers.Conv2DTranspose(1, 3, strides=2, dtype="float64"), x, rng)
    kernel, bias = layer.get_weights()
    spread = np.zeros((7, 9))
    spread[::2, ::2] = x[0, :, :, 0]
    expected = signal.convolve2d(spread, kernel[:, :, 0, 0], "full") + bias
    np.testing.assert_allclose(layer(x).numpy()[0, :, :, 0], expected, rtol=1e-12)


@pytest.mark.parametrize("size", [1, 2, 3, 4])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_transposed_shape_is_known_before(size, padding):
    layer = layers.Conv1DTranspose(2, size, strides=2, padding=padding)
    shape = layer.compute_output_shape((None, 5, 3))
    assert layer(np.ones((1, 5, 3))).shape[1:] == shape[1:]
    assert layer.compute_output_shape((None, None, 3)) == (None, None, 2)


def test_output_padding_chooses_the_size():
    layer = layers.Conv2DTranspose(1, 3, strides=2, output_padding=(0, 1))
    assert layer(np.ones((1, 3, 3, 1))).shape == (1, 7, 8, 1)


def test_depthwise_and_separable_equal_their_definition(rng):
    x = rng.standard_normal((1, 6, 5, 3))
    layer = set_up(layers.SeparableConv2D(4, 3, depth_multiplier=2, dtype="float64"), x, rng)
    depthwise, pointwise, bias = layer.get_weights()
    parts = [
        signal.correlate2d(x[0, :, :, c], depthwise[:, :, c, m], "valid")
        for c in range(3)
        for m in range(2)
    ]
    expected = np.stack(parts, -1) @ pointwise[0, 0] + bias
    np.testing.assert_allclose(layer(x).numpy()[0], expected, rtol=1e-12)
    alone = layers.DepthwiseConv2D(3, depth_multiplier=2, use_bias=False, dtype="float64")
    alone.build((None, 6, 5, 3))
    alone.set_weights([depthwise])
    np.testing.assert_allclose(alone(x).numpy()[0], np.stack(parts, -1), rtol=1e-12)


@pytest.mark.parametrize(
    "make",
    [
        lambda: layers.Conv2D(2, 2, padding="same", activation="sigmoid", dtype="float64"),
        lambda: layers.Conv2DTranspose(2, 2, 2, activation="tanh", dtype="float64"),
        lambda: layers.DepthwiseConv2D(2, depth_multiplier=2, dtype="float64"),
        lambda: layers.SeparableConv2D(2, 2, activation="softplus", dtype="float64"),
    ],
    ids=["conv", "transposed", "depthwise", "separable"],
)
def test_gradients(make, rng):
    x = rng.standard_normal((1, 4, 3, 2))
    weights_gradients(set_up(make(), x, rng), x)


def test_nan_stays_within_its_windows():
    x = np.ones((1, 8, 8, 1))
    x[0, 4, 4, 0] = np.nan
    out = layers.Conv2D(1, 3, activation="relu")(x).numpy()[0, :, :, 0]
    assert np.isnan(out[2:5, 2:5]).all() and np.isnan(out).sum() == 9


def test_multiply_adds_are_taps_times_pixels():
    conv = layers.Conv2D(6, 3, groups=2)
    shape = conv.compute_output_shape((None, 10, 10, 4))
    assert conv.multiply_adds((None, 10, 10, 4), shape) == 8 * 8 * 9 * 2 * 6
    assert conv.multiply_adds((None, None, 10, 4), (None, None, 8, 6)) is None
    up = layers.Conv2DTranspose(6, 2, strides=2)
    shape = up.compute_output_shape((None, 5, 5, 4))
    assert up.multiply_adds((None, 5, 5, 4), shape) == 25 * 4 * 6 * 4


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: layers.Conv2D(4, 3, name="c")(np.ones((8, 8, 1))), "'c' got an input of shape"),
        (lambda: layers.Conv2D(4, 3)(np.ones((2, 8, 8))), r"expected 4 axes \(N, H, W, C\); add"),
        (lambda: layers.Conv2D(4, 9)(np.ones((1, 4, 8, 1))), 'does not fit.*or padding="same"'),
        (lambda: layers.Conv2D(4, 9).compute_output_shape((None, 4, 8, 1)), "'conv2d.*: conv"),
        (lambda: layers.Conv2D(4, (3, 3, 3)), r"kernel_size=\(3, 3, 3\): expected an integer or 2"),
        (lambda: layers.Conv2D(4, 3, strides=0), "strides=0: expected integers of at least 1"),
        (lambda: layers.Conv2D(4, 3, padding="full"), "padding='full': expected \"valid\""),
        (lambda: layers.Conv2D(4, 3, padding="causal"), "is for one axis"),
        (lambda: layers.Conv2D(4, 3, groups=3), "groups=3 does not divide filters=4"),
        (
            lambda: layers.Conv2D(4, 3, groups=2)(np.ones((1, 8, 8, 3))),
            "does not divide the 3 chan",
        ),
        (lambda: layers.Conv2D(-1, 3), "filters=-1, expected an integer of at least 1"),
        (lambda: layers.Conv2D(4, 3).build((None, 8, 8, None)), "whose last axis must be known"),
        (
            lambda: layers.Conv2DTranspose(4, 3, output_padding=2, strides=2)(
                np.ones((1, 8, 8, 3))
            ),
            "output_padding=2 must be less than strides",
        ),
    ],
)
def test_errors_name_what_was_received_and_expected(call, text):
    with pytest.raises(ValueError, match=text):
        call()


def test_another_number_of_channels_is_refused():
    layer = layers.Conv2D(4, 3, name="c")
    layer(np.ones((1, 8, 8, 3)))
    with pytest.raises(ValueError, match=r"'c' got 5 channels .* but it was built for 3"):
        layer(np.ones((1, 8, 8, 5)))


def test_an_empty_batch_passes():
    assert layers.Conv2D(4, 3)(np.ones((0, 8, 8, 1))).shape == (0, 6, 6, 4)
