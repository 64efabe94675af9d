"""Dropout and noise: rates, seeds, shapes of masks, gradients, and silence in inference."""

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro import layers

ALL = [
    layers.Dropout(0.5),
    layers.SpatialDropout2D(0.5),
    layers.GaussianNoise(1.0),
]


@pytest.mark.parametrize("layer", ALL, ids=lambda layer: type(layer).__name__)
def test_inference_is_the_identity(layer, rng):
    x = rng.standard_normal((2, 3, 3, 4)).astype("float32")
    np.testing.assert_array_equal(layer(x).numpy(), x)
    assert layer.compute_output_shape((None, None, 3, 4)) == (None, None, 3, 4)


def test_dropout_keeps_the_mean_and_drops_the_rate():
    out = layers.Dropout(0.3)(np.ones((100, 1000)), training=True).numpy()
    assert set(np.unique(out)) == {0.0, np.float32(1 / 0.7)}
    assert (out == 0).mean() == pytest.approx(0.3, abs=0.005)


def test_each_call_draws_anew_and_the_seed_of_the_library_repeats_it():
    layer, x = layers.Dropout(0.5), np.ones((4, 50))
    ta.manual_seed(5)
    first, second = (layer(x, training=True).numpy() for _ in range(2))
    assert (first != second).any()
    ta.manual_seed(5)
    np.testing.assert_array_equal(layer(x, training=True).numpy(), first)


def test_seeds_of_layers_tell_them_apart():
    x = np.ones((4, 50))
    drawn = []
    for seed in (1, 2, 1):
        ta.manual_seed(5)
        drawn.append(layers.Dropout(0.5, seed=seed)(x, training=True).numpy())
    assert (drawn[0] != drawn[1]).any()
    np.testing.assert_array_equal(drawn[0], drawn[2])


def test_a_resumed_stream_draws_what_the_first_would_have():
    layer, x = layers.Dropout(0.5), np.ones((4, 50))
    layer(x, training=True)
    state = ta.random.get_state()
    expected = layer(x, training=True).numpy()
    ta.random.set_state(state)
    np.testing.assert_array_equal(layer(x, training=True).numpy(), expected)


def test_rates_at_the_ends():
    x = np.ones((2, 3))
    np.testing.assert_array_equal(layers.Dropout(0)(x, training=True).numpy(), x)
    np.testing.assert_array_equal(layers.Dropout(1.0)(x, training=True).numpy(), 0 * x)


@pytest.mark.parametrize(
    ("layer", "shape", "axes"),
    [
        (layers.SpatialDropout1D(0.5), (8, 6, 20), (1,)),
        (layers.SpatialDropout2D(0.5), (8, 4, 3, 20), (1, 2)),
        (layers.Dropout(0.5, noise_shape=(None, 1, None)), (8, 6, 20), (1,)),
    ],
)
def test_whole_channels_are_dropped(layer, shape, axes):
    out = layer(np.ones(shape), training=True).numpy()
    assert (out.max(axes) == out.min(axes)).all()
    assert 0.3 < (out.max(axes) == 0).mean() < 0.7 and set(np.unique(out)) == {0.0, 2.0}


def test_a_dropped_nan_is_zero():
    out = layers.SpatialDropout1D(0.5)(np.full((1, 5, 64), np.nan), training=True).numpy()
    dropped = (out == 0).all(1)
    assert dropped.any() and np.isnan(out).all(1)[~dropped].all()


@pytest.mark.parametrize("layer", ALL, ids=lambda layer: type(layer).__name__)
def test_gradients(layer, rng):
    def f(x):
        ta.manual_seed(9)
        return ta.ops.sum(ta.ops.sin(layer.call(x, training=True)))

    ta.testing.check_grads(f, rng.standard_normal((1, 3, 3, 4)), order=2)


def test_noise_has_the_spread_asked_for():
    x = np.full((100, 100), 3.0)
    out = layers.GaussianNoise(0.5)(x, training=True).numpy()
    assert out.mean() == pytest.approx(3.0, abs=0.02) and out.std() == pytest.approx(0.5, rel=0.03)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: layers.Dropout(1.5), "rate=1.5, expected a number from 0 to 1"),
        (lambda: layers.Dropout("0.5"), "rate='0.5', expected a number"),
        (lambda: layers.Dropout(0.5, seed=1.5), "seed=1.5, expected an integer or None"),
        (
            lambda: layers.Dropout(0.5, noise_shape=(1, 1))(np.ones((2, 3, 4)), training=True),
            r"noise_shape=\(1, 1\) for inputs of shape \(2, 3, 4\), expected 3 sizes",
        ),
        (lambda: layers.GaussianNoise(-1), "stddev=-1, expected a number of at least 0"),
        (lambda: layers.SpatialDropout2D(0.5)(np.ones((2, 3, 4))), "expected 4 axes"),
    ],
)
def test_errors_name_what_was_received_and_expected(call, text):
    with pytest.raises(ValueError, match=text):
        call()
