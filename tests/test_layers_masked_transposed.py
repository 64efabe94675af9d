"""Partial transposed convolutions beside pixels that are scattered and counted one by one."""

import itertools

import numpy as np
import pytest

from tinygrad_astro import layers
from tinygrad_astro.testing import check_grads, check_masked

GEOMETRIES = [
    {"kernel_size": 2, "strides": 2},
    {"kernel_size": 3, "strides": 2, "padding": "same"},
    {"kernel_size": 4, "strides": 3, "output_padding": 1},
    {"kernel_size": 1, "strides": 2},
    {"kernel_size": (2, 3), "strides": (3, 1), "padding": ((1, 0), (1, 1))},
    {"kernel_size": 3, "strides": 2, "dilation_rate": 2},
]


def sample(rng, shape, channels=1, share=0.6):
    x = rng.normal(size=shape).astype(np.float32)
    return x, rng.random((*shape[:-1], channels)) < share


def befores(layer, size, given):
    """Give what the output lacks at its beginning, by Keras's rules."""
    for axis, padding in enumerate((layer.padding,) * 2):
        reach = (layer.kernel_size[axis] - 1) * layer.dilation_rate[axis] + 1
        if padding == "same":
            yield max((given[axis] - 1) * layer.strides[axis] + reach - size[axis], 0) // 2
        else:
            yield 0 if padding == "valid" else padding[axis][0]


def by_scattering(layer, x, valid, size):
    """Let every pixel, of a grid that goes on beyond the image, reach its places tap by tap."""
    kernel, bias = layer.get_weights()
    good = np.broadcast_to(valid, x.shape)
    first = list(befores(layer, size, x.shape[1:3]))
    total = np.zeros((len(x), *size, layer.filters))
    count, whole = np.zeros((len(x), *size, 1)), np.zeros((*size, 1))
    grid = itertools.product(range(-6, x.shape[1] + 6), range(-6, x.shape[2] + 6))
    for pixel, tap in itertools.product(grid, np.ndindex(*layer.kernel_size)):
        at = tuple(
            p * s + k * d - b
            for p, s, k, d, b in zip(pixel, layer.strides, tap, layer.dilation_rate, first)
        )
        if not all(0 <= a < n for a, n in zip(at, size)):
            continue
        whole[at] += valid.shape[-1]
        if all(0 <= p < n for p, n in zip(pixel, x.shape[1:3])):
            own = (slice(None), *pixel)
            total[:, *at] += np.where(good[own], x[own], 0) @ kernel[tap].T
            count[:, *at] += valid[own].sum(axis=-1, keepdims=True)
    scaled = total * whole / np.maximum(count, 1) + bias
    return np.where(count > 0, scaled, 0), count > 0


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
def test_values_are_those_of_scattered_pixels(rng, geometry, channels):
    x, valid = sample(rng, (2, 5, 4, 2), channels, share=0.4)
    layer = layers.PartialConv2DTranspose(3, **geometry, bias_initializer="ones")
    y, seen = layer(np.where(valid, x, np.nan), valid)
    expected, expected_seen = by_scattering(layer, x, valid, y.shape[1:3])
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(seen.numpy(), expected_seen)
    assert 0 < expected_seen.mean() < 1


@pytest.mark.parametrize("stride", [2, 3])
def test_of_valid_pixels_it_is_the_plain_one_where_kernel_and_stride_are_equal(rng, stride):
    x = rng.normal(size=(2, 5, 4, 3)).astype(np.float32)
    layer = layers.PartialConv2DTranspose(4, stride, strides=stride, activation="tanh")
    plain = layers.Conv2DTranspose(4, stride, strides=stride, activation="tanh")
    y, seen = layer(x, np.ones((2, 5, 4, 1)))
    plain.build(x.shape)
    plain.set_weights(layer.get_weights())
    np.testing.assert_allclose(y.numpy(), plain(x).numpy(), rtol=1e-5, atol=1e-6)
    assert seen.numpy().all()


def test_far_from_borders_it_is_the_plain_one_for_any_kernel(rng):
    x = rng.normal(size=(1, 9, 8, 2)).astype(np.float32)
    layer = layers.PartialConv2DTranspose(3, 5, strides=2, padding="same")
    plain = layers.Conv2DTranspose(3, 5, strides=2, padding="same")
    y, _ = layer(x, np.ones((1, 9, 8, 1)))
    plain.build(x.shape)
    plain.set_weights(layer.get_weights())
    inner = np.s_[:, 4:-4, 4:-4]
    np.testing.assert_allclose(y.numpy()[inner], plain(x).numpy()[inner], rtol=1e-4, atol=1e-5)
    assert not np.allclose(y.numpy(), plain(x).numpy(), atol=1e-3)


def test_a_masked_border_is_no_border(rng):
    x, valid = rng.normal(size=(1, 10, 10, 1)), np.zeros((1, 10, 10, 1), bool)
    valid[:, 2:8, 2:8] = True
    layer = layers.PartialConv2DTranspose(2, 3, strides=2, padding="same")
    inner = layer(x[:, 2:8, 2:8], valid[:, 2:8, 2:8])[0].numpy()
    np.testing.assert_allclose(layer(x, valid)[0].numpy()[:, 4:16, 4:16], inner, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 2])
def test_masked_pixels_change_no_bit(rng, channels):
    x, valid = sample(rng, (2, 5, 6, 2), channels)
    image = layers.PartialConv2DTranspose(3, 3, strides=2)
    image(x, valid)
    check_masked(lambda x: image(x, valid)[0], x, valid, image.trainable_weights)
    x, valid = sample(rng, (2, 9, 2), channels)
    spectrum = layers.PartialConv1DTranspose(3, 4, strides=2, activation="elu")
    spectrum(x, valid)
    check_masked(lambda x: spectrum(x, valid)[0], x, valid, spectrum.trainable_weights)


def test_gradients_to_second_order(rng):
    x, valid = rng.normal(size=(1, 4, 3, 2)), rng.random((1, 4, 3, 2)) < 0.7
    kind = {"dtype": "float64"}
    layer = layers.PartialConv2DTranspose(2, 3, strides=2, activation="tanh", **kind)
    check_grads(lambda x: layer(x, valid)[0], x)
    layer = layers.PartialConv1DTranspose(2, 3, strides=2, activation="tanh", **kind)
    check_grads(lambda x: layer(x, valid[:, 0])[0], x[:, 0])


@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize("channels", [1, 4])
def test_shapes_are_known_before(rng, rank, channels):
    x, valid = sample(rng, ((2, 12, 4), (2, 12, 8, 4))[rank - 1], channels)
    layer = getattr(layers, f"PartialConv{rank}DTranspose")(3, 3, strides=2)
    told = layer.compute_output_shape(x.shape, valid.shape)
    assert told == [y.shape for y in layer(x, valid)]
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    with pytest.raises(ValueError, match=f"PartialConv{rank}DTranspose"):
        layer(x, valid[:, 1:])
