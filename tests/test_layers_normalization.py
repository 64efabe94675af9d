"""Normalisation layers against NumPy; moving statistics, freezing, batches of one, gradients."""

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro import layers


def test_training_uses_the_batch_and_moves_the_statistics(rng):
    x = rng.normal(3.0, 2.0, (4, 5, 6, 3))
    layer = layers.BatchNormalization(momentum=0.9, epsilon=0.01, dtype="float64")
    layer.build((None, 5, 6, 3))
    gamma, beta = rng.standard_normal((2, 3))
    layer.set_weights([gamma, beta, np.full(3, 5.0), np.full(3, 7.0)])
    mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
    expected = gamma * (x - mean) / np.sqrt(variance + 0.01) + beta
    np.testing.assert_allclose(layer(x, training=True).numpy(), expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(layer.moving_mean.numpy(), 0.9 * 5 + 0.1 * mean, rtol=1e-12)
    np.testing.assert_allclose(layer.moving_variance.numpy(), 0.9 * 7 + 0.1 * variance, rtol=1e-12)


def test_inference_uses_the_moving_statistics_and_leaves_them(rng):
    x = rng.normal(3.0, 2.0, (4, 3))
    layer = layers.BatchNormalization(dtype="float64")
    layer.build((None, 3))
    layer.set_weights([np.ones(3), np.zeros(3), np.full(3, 2.0), np.full(3, 4.0)])
    np.testing.assert_allclose(layer(x).numpy(), (x - 2) / np.sqrt(4.001), rtol=1e-12)
    assert (layer.moving_mean.numpy() == 2).all() and (layer.moving_variance.numpy() == 4).all()


def test_a_frozen_layer_stays_in_inference(rng):
    x = rng.standard_normal((4, 3))
    layer = layers.BatchNormalization()
    still = layer(x).numpy()
    layer.trainable = False
    np.testing.assert_array_equal(layer(x, training=True).numpy(), still)
    assert (layer.moving_mean.numpy() == 0).all()


def test_weights_and_who_trains_them():
    layer = layers.BatchNormalization()
    layer.build((None, 4, 4, 3))
    names = [w.name for _, w in layer.named_weights()]
    assert names == ["gamma", "beta", "moving_mean", "moving_variance"]
    assert len(layer.trainable_weights) == len(layer.non_trainable_weights) == 2
    bare = layers.BatchNormalization(center=False, scale=False)
    bare.build((None, 3))
    assert len(bare.weights) == 2 and bare.trainable_weights == []


def test_a_batch_of_one_value_per_channel_gives_beta():
    layer = layers.BatchNormalization(beta_initializer="ones")
    out = layer(np.full((1, 3), 9.0), training=True)
    np.testing.assert_array_equal(out.numpy(), np.ones((1, 3)))


def test_one_image_is_a_batch_of_its_pixels(rng):
    out = layers.BatchNormalization(epsilon=0.0)(rng.standard_normal((1, 8, 8, 2)), training=True)
    np.testing.assert_allclose(out.numpy().mean((0, 1, 2)), 0, atol=1e-6)
    np.testing.assert_allclose(out.numpy().std((0, 1, 2)), 1, rtol=1e-5)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_an_activation_equals_one_applied_after(training, activation, rng):
    x = rng.standard_normal((4, 5, 3))
    fused = layers.BatchNormalization(activation=activation)
    plain = layers.BatchNormalization()
    after = layers.Activation(activation)(plain(x, training=training))
    np.testing.assert_allclose(fused(x, training=training).numpy(), after.numpy(), rtol=1e-6)


@pytest.mark.parametrize("training", [False, True])
def test_batch_norm_gradients(training, rng):
    x = rng.standard_normal((3, 2, 2))
    layer = layers.BatchNormalization(dtype="float64")
    layer.build((None, 2, 2))

    def f(x, gamma, beta):
        layer.gamma, layer.beta = gamma, beta
        return ta.ops.sum(ta.ops.sin(layer.call(x, training=training)))

    ta.testing.check_grads(f, x, np.array([0.5, 1.5]), np.array([0.1, -0.2]), order=2)


def test_layer_norm_equals_numpy_over_any_axes(rng):
    x = rng.standard_normal((2, 4, 5, 3))
    layer = layers.LayerNormalization((1, 2), epsilon=0.1, dtype="float64")
    layer.build((None, 4, 5, 3))
    gamma, beta = rng.standard_normal((2, 4, 5))
    layer.set_weights([gamma, beta])
    mean, variance = x.mean((1, 2), keepdims=True), x.var((1, 2), keepdims=True)
    hat = (x - mean) / np.sqrt(variance + 0.1)
    expected = hat * gamma[None, :, :, None] + beta[None, :, :, None]
    np.testing.assert_allclose(layer(x).numpy(), expected, rtol=1e-10)


def test_group_norm_equals_numpy(rng):
    x = rng.standard_normal((2, 4, 5, 6))
    layer = layers.GroupNormalization(3, epsilon=0.1, dtype="float64")
    layer.build((None, 4, 5, 6))
    gamma, beta = rng.standard_normal((2, 6))
    layer.set_weights([gamma, beta])
    parts = x.reshape(2, 4, 5, 3, 2)
    axes = (1, 2, 4)
    hat = parts - parts.mean(axes, keepdims=True)
    hat /= np.sqrt(parts.var(axes, keepdims=True) + 0.1)
    np.testing.assert_allclose(layer(x).numpy(), hat.reshape(x.shape) * gamma + beta, rtol=1e-10)


@pytest.mark.parametrize(
    "make", [layers.LayerNormalization, lambda **k: layers.GroupNormalization(2, **k)]
)
def test_other_norms_have_right_gradients(make, rng):
    layer = make(dtype="float64")
    x = rng.standard_normal((2, 3, 4))
    layer.build((None, 3, 4))
    ta.testing.check_grads(lambda x: ta.ops.sum(ta.ops.sin(layer.call(x))), x, order=2)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: layers.BatchNormalization(axis=1)(np.ones((2, 3, 4))), "axis=1, but it works alo"),
        (
            lambda: layers.BatchNormalization(momentum=2),
            "momentum=2, expected a number from 0 to 1",
        ),
        (
            lambda: layers.BatchNormalization(epsilon=-1),
            "epsilon=-1, expected a number of at least",
        ),
        (lambda: layers.BatchNormalization()(np.ones((0, 3)), training=True), "values to average"),
        (lambda: layers.BatchNormalization(synchronized=True), "not supported"),
        (lambda: layers.LayerNormalization(0)(np.ones((2, 3))), "expected axes after the batch"),
        (lambda: layers.LayerNormalization(5)(np.ones((2, 3))), "axis=5 for inputs of 2 axes"),
        (lambda: layers.LayerNormalization(1).build((None, None, 3)), "unknown size"),
        (
            lambda: layers.GroupNormalization(4)(np.ones((2, 3, 3))),
            "groups=4 does not divide the 3",
        ),
    ],
)
def test_errors_name_what_was_received_and_expected(call, text):
    with pytest.raises(ValueError, match=text):
        call()


def test_nan_stays_in_its_channel(rng):
    x = rng.standard_normal((4, 4, 4, 3))
    x[0, 0, 0, 1] = np.nan
    out = layers.BatchNormalization()(x, training=True).numpy()
    assert np.isnan(out[..., 1]).all() and np.isfinite(out[..., [0, 2]]).all()
