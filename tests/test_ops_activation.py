"""Activations: formulas in plain Python, slopes at the kinks, fused equal to composed, peers."""

import math

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro import ops
from tinygrad_astro.testing import check_grads

RNG = np.random.default_rng(3)
A = RNG.standard_normal
NAN, INF = math.nan, math.inf


def _sigmoid(x):
    return 1 / (1 + math.exp(-x)) if x > 0 else math.exp(x) / (1 + math.exp(x))


def _softplus(x):
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


PLAIN = {
    "relu": lambda x: max(x, 0.0),
    "sigmoid": _sigmoid,
    "tanh": math.tanh,
    "elu": lambda x: x if x > 0 else math.expm1(x),
    "leaky_relu": lambda x: x if x > 0 else 0.2 * x,
    "softplus": _softplus,
    "silu": lambda x: x * _sigmoid(x),
    "gelu": lambda x: x / 2 * (1 + math.erf(x / math.sqrt(2))),
    "log_sigmoid": lambda x: -_softplus(-x),
    "hard_sigmoid": lambda x: min(max(x / 6 + 0.5, 0.0), 1.0),
    "softsign": lambda x: x / (1 + abs(x)),
    "linear": lambda x: x,
}


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("dtype, tolerance", [(np.float64, 1e-14), (np.float32, 1e-6)])
def test_values_follow_the_formula(name, dtype, tolerance):
    x = np.array([-80.0, -3.0, -0.5, -1e-9, 0.0, 1e-9, 0.5, 3.0, 80.0], dtype)
    made = getattr(ops, name)(x).numpy()
    assert made.dtype == dtype
    expected = [PLAIN[name](float(v)) for v in x]
    np.testing.assert_allclose(made, expected, rtol=20 * tolerance, atol=tolerance)


@pytest.mark.parametrize("name", PLAIN)
def test_nan_and_infinity(name):
    limits = {"relu": (0, INF), "sigmoid": (0, 1), "tanh": (-1, 1), "elu": (-1, INF),
              "leaky_relu": (-INF, INF), "softplus": (0, INF), "log_sigmoid": (-INF, 0),
              "hard_sigmoid": (0, 1), "linear": (-INF, INF)}  # fmt: skip
    assert np.isnan(getattr(ops, name)(np.array([NAN, 1.0])).numpy()).tolist() == [True, False]
    if name in limits:
        made = getattr(ops, name)(np.array([-INF, INF])).numpy()
        np.testing.assert_array_equal(made, limits[name])


GRADS = {
    "relu": lambda x: ops.relu(x) * x,
    "sigmoid": ops.sigmoid,
    "tanh": ops.tanh,
    "elu": lambda x: ops.elu(x) * x,
    "elu of another alpha": lambda x: ops.elu(x, 0.5) * x,
    "leaky_relu": lambda x: ops.leaky_relu(x, 0.3) * x,
    "softplus": ops.softplus,
    "silu": ops.silu,
    "gelu": ops.gelu,
    "gelu by tanh": lambda x: ops.gelu(x, approximate=True),
    "log_sigmoid": ops.log_sigmoid,
    "hard_sigmoid": lambda x: ops.hard_sigmoid(x) * x,
    "softsign": ops.softsign,
}


@pytest.mark.parametrize("name", GRADS)
def test_first_and_second_derivatives(name):
    check_grads(GRADS[name], A(7))


def test_derivatives_of_prelu_in_both_arguments():
    check_grads(lambda x, alpha: ops.prelu(x, alpha) * x, A((3, 4)), A(4))
    x, alpha = np.array([[-2.0, 3.0]]), np.array([0.5, 0.25])
    np.testing.assert_array_equal(ops.prelu(x, alpha).numpy(), [[-1.0, 3.0]])


@pytest.mark.parametrize(
    "name, slope",
    [("relu", 0.0), ("sigmoid", 0.25), ("tanh", 1.0), ("elu", 1.0), ("leaky_relu", 0.2),
     ("softplus", 0.5), ("silu", 0.5), ("gelu", 0.5), ("log_sigmoid", 0.5),
     ("hard_sigmoid", 1 / 6), ("softsign", 1.0), ("linear", 1.0)],
)  # fmt: skip
def test_slope_at_zero_where_zero_biases_start(name, slope):
    assert float(ta.grad(getattr(ops, name))(0.0)) == pytest.approx(slope)


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "softplus", "elu", "log_sigmoid", "silu"])
@pytest.mark.parametrize("x", [-1e4, 1e4])
def test_slopes_far_out_are_finite(name, x):
    assert np.isfinite(float(ta.grad(getattr(ops, name))(x)))


def test_log_sigmoid_does_not_round_to_log_0():
    assert float(ops.log_sigmoid(np.float64(-800.0))) == -800.0
    assert float(ops.log_sigmoid(np.array(40.0))) == pytest.approx(-math.exp(-40))


# ---- fused with the bias -------------------------------------------------------------------------

FUSED = ["linear", "relu", "sigmoid", "tanh", "elu", "leaky_relu"]


@pytest.mark.parametrize("name", FUSED)
@pytest.mark.parametrize("shape", [(3, 2, 5), (2, 4, 3, 1), (7,), (0, 4), (1, 600)])
def test_fused_equals_composed_in_value_and_gradients(name, shape):
    x, b, g = A(shape), A(shape[-1]), A(shape)

    def composed(x, b):
        return getattr(ops, name)(ops.add(x, b))

    out, pullback = ta.vjp(lambda x, b: ops.bias_activation(x, b, name), x, b)
    expected, reference = ta.vjp(composed, x, b)
    np.testing.assert_allclose(out.numpy(), expected.numpy(), rtol=1e-13, atol=1e-15)
    for made, wanted in zip(pullback(g), reference(g), strict=True):
        np.testing.assert_allclose(made.numpy(), wanted.numpy(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", FUSED)
def test_fused_derivatives_of_both_orders(name):
    check_grads(lambda x, b: ops.bias_activation(x, b, name) * x, A((3, 2, 4)), A(4))


def test_fused_nan_stays_in_its_place():
    x = np.ones((2, 3), np.float32)
    x[1, 2] = NAN
    for name in FUSED:
        made = ops.bias_activation(x, np.zeros(3, np.float32), name).numpy()
        assert np.isnan(made).sum() == 1 and np.isnan(made[1, 2])


def test_fused_input_in_any_memory_layout():
    x = A((4, 6, 5)).transpose(2, 0, 1)[:, ::2]
    b = A(6)
    made = ops.bias_activation(x, b, "relu").numpy()
    np.testing.assert_allclose(made, np.maximum(x + b, 0))


def test_fused_keeps_the_dtype_of_the_input():
    assert ops.bias_activation(np.ones((2, 3), np.float32), np.ones(3)).dtype == np.float32
    assert ops.bias_activation(np.ones((2, 3), int), np.ones(3)).dtype == np.float32


@pytest.mark.parametrize(
    "args, text",
    [
        ((np.ones((2, 3)), np.ones(2)), r"bias of shape \(2,\) .*expected \(3,\)"),
        ((np.ones((2, 3)), np.ones(3), "swish"), "fuses .*got 'swish'"),
        ((np.float64(1.0), np.float64(1.0)), "bias of shape"),
    ],
)
def test_errors(args, text):
    with pytest.raises(ValueError, match=text):
        ops.bias_activation(*args)


@pytest.mark.peer
@pytest.mark.parametrize("name", [*(n for n in PLAIN if n not in ("linear", "hard_sigmoid"))])
def test_torch(name):
    torch = pytest.importorskip("torch")
    functions = torch.nn.functional
    theirs = {
        "log_sigmoid": functions.logsigmoid,
        "leaky_relu": lambda t: functions.leaky_relu(t, 0.2),
        "tanh": torch.tanh,
        "sigmoid": torch.sigmoid,
    }.get(name) or getattr(functions, name)
    x = np.concatenate([A(50) * 3, [0.0]])
    t = torch.tensor(x, requires_grad=True)
    y = theirs(t)
    y.sum().backward()
    value, slope = ta.value_and_grad(lambda x: getattr(ops, name)(x).sum())(x)
    np.testing.assert_allclose(float(value), float(y.detach().sum()), rtol=1e-12)
    np.testing.assert_allclose(slope.numpy(), t.grad.numpy(), rtol=1e-10, atol=1e-13)


@pytest.mark.peer
@pytest.mark.parametrize("name", [n for n in PLAIN if n != "linear"])
def test_keras(name, keras):
    x = (A(40) * 3).astype(np.float32)
    theirs = np.asarray(getattr(keras.ops, name)(x))
    made = (ops.gelu(x, approximate=True) if name == "gelu" else getattr(ops, name)(x)).numpy()
    np.testing.assert_allclose(made, theirs, rtol=2e-5, atol=1e-6)
