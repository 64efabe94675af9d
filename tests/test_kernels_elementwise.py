"""Activations against NumPy, scipy and torch; slopes by differences; special values; bits."""

import numpy as np
import pytest
from scipy import special

from tinygrad_astro.kernels.cpu import chunks, elementwise
from tinygrad_astro.kernels.cpu.target import get_num_threads, set_num_threads

EXPECTED = {
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.2 * x),
    "sigmoid": special.expit,
    "tanh": np.tanh,
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
}
NAMES = sorted(EXPECTED)
SHAPES = [(1, 1), (3, 5), (2, 3, 4, 7), (9, 1300), (41000, 1), (11, 5000)]


def activation(x, name):
    out = np.full_like(x, np.nan)
    elementwise.activation(out, x, name)
    return out


def bias_activation(x, bias, name):
    out = np.full_like(x, np.nan)
    elementwise.bias_activation(out, x, bias, name)
    return out


def activation_grad(g, y, name):
    out = np.full_like(g, np.nan)
    elementwise.activation_grad(out, g, y, name)
    return out


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_to_the_last_bits(rng, name, dtype):
    x = np.concatenate([rng.standard_normal(4000) * 2.0 ** rng.integers(-40, 4, 4000), [0, -0.0]])
    x = x.astype(dtype)
    expected = EXPECTED[name](x.astype(float))
    error = np.abs(activation(x, name) - expected)
    assert (error <= 4 * np.finfo(dtype).eps * np.abs(expected)).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_bias_goes_to_its_channel(rng, shape):
    x = rng.standard_normal(shape).astype(np.float32)
    bias = rng.standard_normal(shape[-1]).astype(np.float32)
    for name in ("linear", "relu", "tanh"):
        out = bias_activation(x, bias, name)
        assert np.allclose(out, EXPECTED[name]((x + bias).astype(float)), rtol=1e-6, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_slope_by_central_differences(rng, name):
    x = rng.standard_normal(500) * 3
    g, h = rng.standard_normal(500), 1e-6
    slope = (EXPECTED[name](x + h) - EXPECTED[name](x - h)) / (2 * h)
    assert np.allclose(activation_grad(g, EXPECTED[name](x), name), g * slope, atol=1e-8)


def test_slope_at_the_kink():
    """Zero for relu, the lower slope for leaky_relu, one for elu, as torch has it."""
    zero, one = np.zeros(1), np.ones(1)
    slopes = [activation_grad(one, zero, n)[0] for n in ("relu", "leaky_relu", "elu", "linear")]
    assert slopes == [0, 0.2, 1, 1]


@pytest.mark.parametrize("name", NAMES)
def test_special_values(name):
    """NaN stays, infinities go to their limits, and a closed relu lets no NaN gradient through."""
    limits = {
        "linear": [-np.inf, np.inf],
        "relu": [0, np.inf],
        "leaky_relu": [-np.inf, np.inf],
        "sigmoid": [0, 1],
        "tanh": [-1, 1],
        "elu": [-1, np.inf],
    }[name]
    # Long enough for the vector loop, with each value also in its remainder.
    for dtype in (np.float32, np.float64):
        x = np.tile(np.array([np.nan, -np.inf, np.inf], dtype), 41)
        out = activation(x, name)
        assert np.isnan(out[0::3]).all()
        assert (out[1::3] == limits[0]).all() and (out[2::3] == limits[1]).all()
    closed = activation_grad(np.full(9, np.nan), np.zeros(9), "relu")
    assert (closed == 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_slopes_at_the_infinities_are_their_limits(name):
    below = {"linear": 1, "leaky_relu": 0.2}.get(name, 0)
    above = 0 if name in ("sigmoid", "tanh") else 1
    for dtype in (np.float32, np.float64):
        y = activation(np.tile(np.array([-np.inf, np.inf], dtype), 41), name)
        slope = activation_grad(np.full_like(y, 3), y, name)
        np.testing.assert_array_equal(slope, np.tile(np.array([below, above], dtype) * 3, 41))
        through = activation_grad(np.full(9, 3.0, dtype), np.full(9, np.nan, dtype), name)
        assert (np.isnan(through) if name in ("sigmoid", "tanh") else through == 3).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_bias_grad(rng, shape):
    g = rng.standard_normal(shape).astype(np.float32).reshape(-1, shape[-1])
    out = np.full(shape[-1], np.nan, np.float32)
    elementwise.bias_grad(out, g)
    expected = g.sum(axis=0, dtype=float)
    assert np.allclose(out, expected, rtol=1e-6, atol=1e-6 * np.sqrt(len(g)))


def test_bias_grad_is_summed_in_float64():
    """A bright row among 100,000 faint ones, which a sum in float32 would lose."""
    g = np.full((100001, 1), 1e-4, np.float32)
    g[0] = 1e5
    out = np.empty(1, np.float32)
    elementwise.bias_grad(out, g)
    assert out[0] == np.float32(1e5 + 100000 * np.float64(np.float32(1e-4)))


def test_empty_batch():
    assert activation(np.empty((0, 3)), "relu").shape == (0, 3)
    out = np.full(3, np.nan)
    elementwise.bias_grad(out, np.empty((0, 3)))
    assert (out == 0).all()


@pytest.mark.peer
@pytest.mark.parametrize("name", ["relu", "sigmoid", "tanh", "elu"])
def test_against_torch(rng, name):
    torch = pytest.importorskip("torch")
    x, g = rng.standard_normal((2, 300)).astype(np.float32) * 4
    inputs = torch.tensor(x, requires_grad=True)
    peer = getattr(torch.nn.functional, name)(inputs)
    peer.backward(torch.tensor(g))
    y = activation(x, name)
    assert np.allclose(y, peer.detach(), rtol=1e-6, atol=1e-7)
    assert np.allclose(activation_grad(g, y, name), inputs.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["relu", "sigmoid", "tanh", "elu"])
def test_bits_depend_neither_on_threads_nor_on_position(rng, monkeypatch, name):
    x, g = rng.standard_normal((2, 60000, 3)).astype(np.float32)
    bias = rng.standard_normal(3).astype(np.float32)

    def everything(x, g):
        y = bias_activation(x, bias, name)
        total = np.empty(3, np.float32)
        elementwise.bias_grad(total, g)
        return y, activation_grad(g, y, name), total

    before = get_num_threads()
    expected = everything(x, g)
    try:
        set_num_threads(1)
        assert all(map(np.array_equal, everything(x, g), expected))
    finally:
        set_num_threads(before)
    for start, stop in ((0, 1), (7, 900), (59001, 60000)):
        y, slope, _ = everything(x[start:stop], g[start:stop])
        assert np.array_equal(y, expected[0][start:stop])
        assert np.array_equal(slope, expected[1][start:stop])
    monkeypatch.setattr(chunks, "SERIAL", 1 << 60)
    assert all(map(np.array_equal, everything(x, g), expected))
