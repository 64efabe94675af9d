"""Activation layers and the functions behind them, against NumPy and scipy."""

import numpy as np
import pytest
from scipy import special

import tinygrad_astro as ta
from tinygrad_astro import activations, layers

X = np.array([[-3.0, -0.5, 0.0, 0.3, 2.0]])

FUNCTIONS = {
    "linear": X,
    "relu": np.maximum(X, 0),
    "leaky_relu": np.where(X > 0, X, 0.2 * X),
    "elu": np.where(X > 0, X, np.expm1(X)),
    "gelu": X * special.ndtr(X),
    "sigmoid": special.expit(X),
    "hard_sigmoid": np.clip(X / 6 + 0.5, 0, 1),
    "tanh": np.tanh(X),
    "silu": X * special.expit(X),
    "swish": X * special.expit(X),
    "softplus": np.log1p(np.exp(X)),
    "softsign": X / (1 + np.abs(X)),
    "softmax": special.softmax(X, -1),
    "log_softmax": special.log_softmax(X, -1),
    "log_sigmoid": np.log(special.expit(X)),
    "exponential": np.exp(X),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_by_name(name):
    out = layers.Activation(name)(ta.tensor(X)).numpy()
    np.testing.assert_allclose(out, FUNCTIONS[name], rtol=1e-7, atol=1e-12)


def test_every_name_is_tested_and_told():
    assert set(FUNCTIONS) == set(activations._BY_NAME)
    assert all(activations.name_of(activations.get(name)) for name in FUNCTIONS)
    assert activations.name_of(np.tanh) is None and activations.get(np.tanh) is np.tanh
    assert activations.get(None) is ta.ops.linear


@pytest.mark.parametrize("name", ["linear", "relu", "sigmoid", "gelu", "softmax"])
def test_bias_then_activation(name):
    function, bias = activations.get(name), np.array([0.1, -0.2, 0.3, -0.4, 0.5])
    found = activations.with_bias(ta.tensor(X), ta.tensor(bias), function).numpy()
    expected = function(ta.tensor(X + bias)).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)
    bare = activations.with_bias(ta.tensor(X), None, function).numpy()
    np.testing.assert_array_equal(bare, function(ta.tensor(X)).numpy())


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (layers.ReLU(), np.maximum(X, 0)),
        (layers.ReLU(max_value=1.0), np.clip(X, 0, 1)),
        (layers.ReLU(negative_slope=0.5), np.where(X > 0, X, X / 2)),
        (layers.ReLU(threshold=0.4, negative_slope=0.5), np.where(X >= 0.4, X, (X - 0.4) / 2)),
        (layers.LeakyReLU(0.1), np.where(X > 0, X, 0.1 * X)),
        (layers.ELU(2.0), np.where(X > 0, X, 2 * np.expm1(X))),
        (layers.Softmax(), special.softmax(X, -1)),
        (layers.Activation("relu"), np.maximum(X, 0)),
        (layers.Activation(ta.ops.relu), np.maximum(X, 0)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_layers(layer, expected):
    np.testing.assert_allclose(layer(ta.tensor(X)).numpy(), expected, rtol=1e-12)
    assert layer.compute_output_shape((None, None, 5)) == (None, None, 5)
    assert type(layer).from_config(layer.get_config()).get_config() == layer.get_config()
    ta.testing.check_grads(lambda x: ta.ops.sum(ta.ops.sin(layer(x))), X + 0.01, order=2)


def test_prelu_learns_one_slope_for_each_channel():
    layer = layers.PReLU("ones", shared_axes=(1, 2))
    assert layer(np.ones((2, 4, 6, 3))).shape == (2, 4, 6, 3)
    assert layer.alpha.shape == (1, 1, 3)
    layer.set_weights([np.array([[[0.0, 0.5, 2.0]]])])
    np.testing.assert_array_equal(layer(-np.ones((1, 1, 1, 3))).numpy().ravel(), [0, -0.5, -2])
    y = layer(-np.ones((1, 2, 2, 3)))
    y.sum().backward()
    np.testing.assert_array_equal(layer.alpha.grad.numpy().ravel(), [-4, -4, -4])


def test_nan_stays_nan():
    for layer in (layers.ReLU(1.0, 0.1, 0.2), layers.ReLU(), layers.ELU(), layers.LeakyReLU()):
        assert np.isnan(layer(np.array([[np.nan]])).item())


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: layers.Activation("mish!"), "unknown activation 'mish!'"),
        (lambda: layers.ReLU(max_value=-1.0), "max_value=-1.0, expected a number of at least 0"),
        (lambda: layers.LeakyReLU(-0.1), "negative_slope=-0.1"),
        (lambda: layers.PReLU().build((None, None, 3)), r"shared_axes=\(1,\)"),
    ],
)
def test_errors_name_what_was_received_and_expected(call, text):
    with pytest.raises(ValueError, match=text):
        call()
