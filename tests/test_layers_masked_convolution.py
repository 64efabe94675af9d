"""Partial convolutions beside the equations of the paper, and beside the plain convolution."""

import numpy as np
import pytest
from reference import conv as plain_conv

from tinygrad_astro import layers
from tinygrad_astro.models import Model


def sample(rng, shape, channels=1, share=0.6):
    x = rng.normal(size=shape).astype(np.float32)
    return x, rng.random((*shape[:-1], channels)) < share


def by_equation(x, valid, kernel, bias, pad):
    """Equations 1 and 2, window by window."""
    n, height, width, _ = x.shape
    k = kernel.shape[0]
    room = ((0, 0), (pad, pad), (pad, pad), (0, 0))
    x, good = np.pad(x, room), np.pad(np.broadcast_to(valid, x.shape), room)
    out = np.zeros((n, height + 2 * pad - k + 1, width + 2 * pad - k + 1, kernel.shape[-1]))
    seen = np.zeros((*out.shape[:-1], 1))
    for b, i, j in np.ndindex(*out.shape[:-1]):
        window, m = x[b, i : i + k, j : j + k], good[b, i : i + k, j : j + k]
        if m.any():
            product = np.where(m, window, 0)[..., None] * kernel
            out[b, i, j] = product.sum(axis=(0, 1, 2)) * m.size / m.sum() + bias
            seen[b, i, j] = 1
    return out, seen


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("padding, pad", [("valid", 0), ("same", 1)])
def test_partial_convolution_is_that_of_the_paper(rng, channels, padding, pad):
    x, valid = sample(rng, (2, 9, 8, 2), channels, share=0.3)
    layer = layers.PartialConv2D(3, 3, padding=padding, bias_initializer="ones")
    y, seen = layer(np.where(valid, x, np.nan), valid)
    kernel, bias = layer.get_weights()
    expected, expected_seen = by_equation(x, valid, kernel, bias, pad)
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(seen.numpy(), expected_seen)
    assert 0 < expected_seen.mean() < 1


def test_groups_count_their_own_pixels(rng):
    x, valid = sample(rng, (1, 7, 6, 4), 4, share=0.4)
    layer = layers.PartialConv2D(2, 3, groups=2)
    y, seen = layer(np.where(valid, x, np.inf), valid)
    kernel, bias = layer.get_weights()
    for g in range(2):
        own = (..., slice(2 * g, 2 * g + 2))
        expected, counted = by_equation(x[own], valid[own], kernel[..., g : g + 1], bias[g], 0)
        np.testing.assert_allclose(y.numpy()[..., g : g + 1], expected, rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(seen.numpy()[..., g : g + 1], counted)


def test_partial_convolution_of_valid_pixels_is_the_plain_one(rng):
    x = rng.normal(size=(2, 9, 8, 3)).astype(np.float32)
    layer, plain = layers.PartialConv2D(4, 3, strides=2, dilation_rate=2), layers.Conv2D(4, 3)
    y, seen = layer(x, np.ones((2, 9, 8, 1)))
    expected = plain_conv(x, layer.get_weights()[0], (2, 2), ((0, 0), (0, 0)), (2, 2), 1)
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-4, atol=1e-5)
    assert seen.numpy().all()
    plain.build((None, 9, 8, 3))
    plain.set_weights(layer.get_weights())


def test_a_masked_border_is_no_border(rng):
    x, valid = rng.normal(size=(1, 12, 12, 1)), np.zeros((1, 12, 12, 1), bool)
    valid[:, 2:10, 2:10] = True
    layer = layers.PartialConv2D(2, 3, padding="same")
    inner = layer(x[:, 2:10, 2:10], valid[:, 2:10, 2:10])[0].numpy()
    np.testing.assert_allclose(layer(x, valid)[0].numpy()[:, 2:10, 2:10], inner, atol=1e-6)


def test_the_summary_counts_the_work_of_the_plain_layers():
    work = {}
    for kind in ("", "Partial"):
        image, mask = layers.Input((8, 6, 2)), layers.Input((8, 6, 2))
        given = (image, mask) if kind else (image,)
        conv = getattr(layers, f"{kind}Conv2D")(4, 3)
        grow = getattr(layers, f"{kind}Conv2DTranspose")(3, 2, strides=2)
        x = conv(*given)
        x = grow(*x) if kind else grow(x)
        Model(list(given), x)
        shapes = [(None, 8, 6, 2), (None, 6, 4, 4), (None, 12, 8, 3)]
        told = [[shape] if kind else shape for shape in shapes[1:]]
        work[kind] = [
            conv.multiply_adds(shapes[0], told[0]),
            grow.multiply_adds(shapes[1], told[1]),
        ]
    assert work["Partial"] == work[""] == [24 * 72, 24 * 48]
