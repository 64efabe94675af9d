"""Moments found by a convolution for the batch norm after it: when, and for nobody else."""

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro import layers, ops
from tinygrad_astro.kernels.cpu import norm
from tinygrad_astro.ops import ahead


@pytest.fixture
def passes(monkeypatch):
    """Count the passes that moments alone take."""
    seen, kernel = [], norm.moments
    monkeypatch.setattr(norm, "moments", lambda *arrays: (seen.append(1), kernel(*arrays)))
    return seen


@pytest.fixture
def x(rng):
    return ta.tensor(rng.standard_normal((2, 24, 24, 16)).astype(np.float32))


def kernel(rng):
    return ta.tensor(rng.standard_normal((3, 3, 16, 16)).astype(np.float32) / 12)


def test_they_are_those_of_the_output_once(rng, x, passes):
    w = kernel(rng)
    with ahead.moments_wanted():
        y = ops.conv(x, w, padding="same")
    found = ops.moments(y)
    assert not passes
    again = ops.moments(y)
    assert len(passes) == 1
    for ours, expected, axis in zip(found, again, (np.mean, np.var), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(ours, axis(y.numpy(), axis=(0, 1, 2)), rtol=1e-4, atol=1e-5)


def test_another_array_does_not_get_them(rng, x, passes):
    w = kernel(rng)
    with ahead.moments_wanted():
        y = ops.conv(x, w, padding="same")
    for other in (y * 2.0, ops.reshape(y, (-1, 16))):
        with ahead.moments_wanted():
            ops.conv(x, w, padding="same")
        mean, _ = ops.moments(other)
        np.testing.assert_allclose(
            mean, other.numpy().reshape(-1, 16).mean(axis=0), rtol=1e-4, atol=1e-5
        )
    assert len(passes) == 2


def test_nobody_asks_outside_of_the_block(rng, x, passes):
    with ahead.moments_wanted():
        pass
    assert ahead.room(np.zeros((2, 3))) is None
    ops.moments(ops.conv(x, kernel(rng), padding="same"))
    assert len(passes) == 1


def unfused(layer, x):
    """Batch norm as the paper writes it, on tensors."""
    mean = ops.mean(x, axis=(0, 1, 2))
    variance = ops.mean(ops.square(x - mean), axis=(0, 1, 2))
    hat = (x - mean) / ops.sqrt(variance + layer.epsilon)
    return ops.relu(hat * layer.gamma + layer.beta)


def test_a_model_in_training_takes_them_along(rng, x, passes):
    conv = layers.Conv2D(16, 3, padding="same", use_bias=False)
    batch = layers.BatchNormalization(activation="relu")
    model = ta.Sequential([ta.Input((24, 24, 16)), conv, batch])
    u = rng.standard_normal((2, 24, 24, 16)).astype(np.float32)

    value = ops.sum(model(x, training=True) * u)
    assert not passes
    value.backward()
    found = conv.kernel.grad.numpy(), batch.gamma.grad.numpy(), batch.beta.grad.numpy()
    for weight in (conv.kernel, batch.gamma, batch.beta):
        weight.grad = None
    expected = ops.sum(unfused(batch, conv(x)) * u)
    expected.backward()
    assert np.isclose(value.item(), expected.item(), rtol=1e-4)
    peers = conv.kernel.grad.numpy(), batch.gamma.grad.numpy(), batch.beta.grad.numpy()
    for ours, theirs in zip(found, peers, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3 * np.abs(theirs).max())
    outputs = conv(x).numpy()
    np.testing.assert_allclose(
        batch.moving_variance.numpy(), 0.99 + 0.01 * outputs.var(axis=(0, 1, 2)), rtol=1e-4
    )


def test_frozen_batch_norm_and_exact_precision_ask_for_none(rng, x, passes, monkeypatch):
    conv, batch = layers.Conv2D(16, 3, padding="same"), layers.BatchNormalization()
    model = ta.Sequential([ta.Input((24, 24, 16)), conv, batch])
    asked, room = [], ahead.room
    monkeypatch.setattr(ahead, "room", lambda out: asked.append(room(out)))
    batch.trainable = False
    model(x, training=True)
    batch.trainable = True
    with ta.precision("exact"):
        model(x, training=True)
    assert asked == [None, None] and len(passes) == 1
