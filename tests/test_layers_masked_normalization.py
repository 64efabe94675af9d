"""Batch normalisation of valid pixels beside that of the valid rows alone."""

import numpy as np
import pytest

from tinygrad_astro import layers


def sample(rng, shape, channels=1, share=0.6):
    x = rng.normal(size=shape).astype(np.float32)
    return x, rng.random((*shape[:-1], channels)) < share


def test_batch_norm_is_that_of_the_valid_pixels(rng):
    x, valid = sample(rng, (3, 6, 5, 4))
    layer, plain = layers.MaskedBatchNormalization(), layers.BatchNormalization()
    y, _ = layer(np.where(valid, x, np.inf), valid, training=True)
    rows = valid[..., 0]
    expected = plain(x[rows], training=True).numpy()
    np.testing.assert_allclose(y.numpy()[rows], expected, rtol=1e-4, atol=1e-5)
    assert not y.numpy()[~rows].any()
    for ours, theirs in zip(layer.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    ours, theirs = layer(x, valid)[0].numpy(), plain(x[rows]).numpy()
    np.testing.assert_allclose(ours[rows], theirs, rtol=1e-5, atol=1e-6)


def test_a_channel_without_valid_pixels_keeps_its_statistics():
    layer = layers.MaskedBatchNormalization()
    valid = np.array([[1, 0], [1, 0]])
    y, _ = layer(np.array([[1.0, np.nan], [3.0, 7.0]]), valid, training=True)
    _, _, mean, variance = layer.get_weights()
    assert (mean[1], variance[1]) == (0, 1) and mean[0] == pytest.approx(0.02)
    assert not y.numpy()[:, 1].any()


def test_moving_statistics_do_not_see_masked_pixels(rng):
    x, valid = sample(rng, (4, 6, 3))
    found = []
    for plant in (0.0, np.nan, 1e30):
        layer = layers.MaskedBatchNormalization()
        layer(np.where(valid, x, plant), valid, training=True)
        found.append(np.stack(layer.get_weights()))
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])
