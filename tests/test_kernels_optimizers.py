"""Optimiser steps against the formulas in NumPy, Keras and torch; bits, NaN, empty arrays."""

import numpy as np
import pytest

from tinygrad_astro.kernels.cpu import chunks, optimizers
from tinygrad_astro.kernels.cpu.target import get_num_threads, set_num_threads

SIZES = [0, 1, 37, 2500, 50001]
NONE = np.empty(0)


def flat(rng, count, arrays, dtype=np.float64):
    return rng.standard_normal((arrays, count)).astype(dtype)


@pytest.mark.parametrize("count", SIZES)
@pytest.mark.parametrize("momentum, nesterov", [(0.0, False), (0.9, False), (0.9, True)])
def test_sgd(rng, count, momentum, nesterov):
    w, g, v = flat(rng, count, 3)
    rate, decay = 0.05, 0.3
    expected_v = momentum * v - rate * g
    step = momentum * expected_v - rate * g if nesterov else expected_v
    expected_w = w - rate * decay * w + (step if momentum else -rate * g)
    velocity = v if momentum else NONE
    optimizers.sgd(w, g, velocity, rate, momentum, nesterov, decay)
    assert np.allclose(w, expected_w, rtol=1e-12)
    assert not momentum or np.allclose(v, expected_v, rtol=1e-12)


@pytest.mark.parametrize("count", SIZES)
@pytest.mark.parametrize(
    "momentum, centered", [(0.0, False), (0.8, False), (0.0, True), (0.8, True)]
)
def test_rmsprop(rng, count, momentum, centered):
    w, g, s, a, v = flat(rng, count, 5)
    s, rate, rho, epsilon = s * s + 30, 0.02, 0.9, 1e-3
    expected_s = rho * s + (1 - rho) * g**2
    expected_a = rho * a + (1 - rho) * g
    spread = expected_s - (expected_a**2 if centered else 0) + epsilon
    step = rate * g / np.sqrt(spread)
    expected_v = momentum * v + step
    expected_w = w - (expected_v if momentum else step)
    mean_gradient, velocity = a if centered else NONE, v if momentum else NONE
    optimizers.rmsprop(w, g, s, mean_gradient, velocity, rate, rho, momentum, epsilon, centered)
    assert np.allclose(w, expected_w, rtol=1e-12) and np.allclose(s, expected_s, rtol=1e-12)
    assert not centered or np.allclose(a, expected_a, rtol=1e-12)
    assert not momentum or np.allclose(v, expected_v, rtol=1e-12)


@pytest.mark.parametrize("count", SIZES)
@pytest.mark.parametrize("step, decay", [(1, 0.0), (1000, 0.1)])
def test_adam(rng, count, step, decay):
    w, g, m, v = flat(rng, count, 4)
    v, rate, b1, b2, epsilon = v * v, 0.01, 0.9, 0.999, 1e-4
    expected_m = b1 * m + (1 - b1) * g
    expected_v = b2 * v + (1 - b2) * g**2
    alpha = rate * np.sqrt(1 - b2**step) / (1 - b1**step)
    expected_w = (1 - rate * decay) * w - alpha * expected_m / (np.sqrt(expected_v) + epsilon)
    optimizers.adam(w, g, m, v, rate, b1, b2, epsilon, step, decay)
    assert np.allclose(w, expected_w, rtol=1e-12)
    assert np.allclose(m, expected_m, rtol=1e-12) and np.allclose(v, expected_v, rtol=1e-12)


def run(name, w, gradients):
    state = np.zeros((3, w.size), w.dtype)
    for step, g in enumerate(gradients, start=1):
        if name == "SGD":
            optimizers.sgd(w, g, state[0], 0.01, 0.9, True, 0.004)
        elif name == "RMSprop":
            optimizers.rmsprop(w, g, *state, 0.01, 0.9, 0.5, 1e-7, True)
        else:
            optimizers.adam(w, g, *state[:2], 0.01, 0.9, 0.999, 1e-7, step, 0.004)
    return w


@pytest.mark.peer
@pytest.mark.parametrize("name", ["SGD", "RMSprop", "AdamW"])
def test_ten_steps_against_keras(rng, keras, name):
    arguments = {
        "SGD": {"momentum": 0.9, "nesterov": True, "weight_decay": 0.004},
        "RMSprop": {"momentum": 0.5, "centered": True},
        "AdamW": {"weight_decay": 0.004},
    }[name]
    start, gradients = flat(rng, 50, 1, np.float32)[0], flat(rng, 50, 10, np.float32)
    peer, weight = getattr(keras.optimizers, name)(0.01, **arguments), keras.Variable(start)
    for g in gradients:
        peer.apply([keras.ops.convert_to_tensor(g)], [weight])
    ours = run(name, start.copy(), gradients)
    assert np.allclose(ours, weight.value.detach().numpy(), rtol=2e-5, atol=2e-6)


@pytest.mark.peer
def test_adamw_against_torch_where_the_formulas_meet(rng):
    """Torch adds epsilon after the bias correction: with epsilon 0 the two are one formula."""
    torch = pytest.importorskip("torch")
    start, gradients = flat(rng, 50, 1)[0], flat(rng, 50, 10)
    weight = torch.tensor(start.copy(), requires_grad=True)
    peer = torch.optim.AdamW([weight], lr=0.01, eps=0.0, weight_decay=0.1)
    w, state = start.copy(), np.zeros((2, 50))
    for step, g in enumerate(gradients, start=1):
        weight.grad = torch.tensor(g)
        peer.step()
        optimizers.adam(w, g, *state, 0.01, 0.9, 0.999, 0.0, step, 0.1)
    assert np.allclose(w, weight.detach(), rtol=1e-10)


@pytest.mark.parametrize("count", SIZES)
@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 1e-12), (np.float64, 1e-12)])
def test_squared_norm_is_summed_in_float64(rng, count, dtype, tolerance):
    (x,) = flat(rng, count, 1, dtype)
    out = optimizers.squared_norm(x)
    assert isinstance(out, float)
    assert np.isclose(out, np.square(x.astype(float)).sum(), rtol=tolerance)


def test_nan_touches_its_own_weight_only(rng):
    for name in ("SGD", "RMSprop", "AdamW"):
        gradients = flat(rng, 40, 3, np.float32)
        gradients[1, 7] = np.nan
        assert np.flatnonzero(np.isnan(run(name, np.ones(40, np.float32), gradients))).tolist() == [
            7
        ]
    assert np.isnan(optimizers.squared_norm(gradients[1]))


@pytest.mark.parametrize("name", ["SGD", "RMSprop", "AdamW"])
def test_same_bits_on_one_thread_or_many(rng, monkeypatch, name):
    start, gradients = flat(rng, 70001, 1, np.float32)[0], flat(rng, 70001, 3, np.float32)
    before = get_num_threads()
    expected, norm = run(name, start.copy(), gradients), optimizers.squared_norm(start)
    try:
        set_num_threads(1)
        assert np.array_equal(run(name, start.copy(), gradients), expected)
        assert optimizers.squared_norm(start) == norm
    finally:
        set_num_threads(before)
    monkeypatch.setattr(chunks, "SERIAL", 1 << 60)
    assert np.array_equal(run(name, start.copy(), gradients), expected)
    assert optimizers.squared_norm(start) == norm
