"""Batch norm taken along by the convolution before it: against the layers one by one."""

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro import layers
from tinygrad_astro.kernels.cpu import norm
from tinygrad_astro.models.folding import foldable


@pytest.fixture
def normalized(monkeypatch):
    """Count the passes of batch norm alone."""
    passes, kernel = [], norm.batch_norm

    def counted(out, *arguments):
        passes.append(out.shape)
        kernel(out, *arguments)

    monkeypatch.setattr(norm, "batch_norm", counted)
    return passes


def stirred(model, rng):
    """Give all weights, the moving statistics too, values that matter."""
    model.set_weights([w + rng.uniform(0.1, 0.5, w.shape) for w in model.get_weights()])
    return model


CONVOLUTIONS = {
    "plain": ((9, 8, 3), layers.Conv2D, dict(filters=5, kernel_size=3, use_bias=False)),
    "biased": ((9, 8, 3), layers.Conv2D, dict(filters=5, kernel_size=3, strides=2)),
    "Winograd": ((20, 22, 16), layers.Conv2D, dict(filters=18, kernel_size=3, padding="same")),
    "groups": ((9, 8, 4), layers.Conv2D, dict(filters=6, kernel_size=3, groups=2)),
    "depthwise": ((9, 8, 4), layers.Conv2D, dict(filters=4, kernel_size=3, groups=4)),
    "spectrum": ((30, 2), layers.Conv1D, dict(filters=7, kernel_size=5, padding="causal")),
}
NORMS = {
    "relu": dict(activation="relu"),
    "linear": {},
    "softplus": dict(activation="softplus"),
    "no gamma": dict(scale=False, activation="tanh"),
    "no beta": dict(center=False, epsilon=0.1),
}


@pytest.mark.parametrize("conv", CONVOLUTIONS)
@pytest.mark.parametrize("name", NORMS)
def test_a_prediction_is_what_the_layers_give(rng, normalized, conv, name):
    shape, kind, arguments = CONVOLUTIONS[conv]
    model = ta.Sequential(
        [ta.Input(shape), kind(**arguments), layers.BatchNormalization(**NORMS[name])]
    )
    stirred(model, rng)
    x = rng.standard_normal((3, *shape)).astype(np.float32)
    expected = model(x, training=False).numpy()
    assert len(normalized) == 1
    found = model.predict(x, verbose=0)
    assert len(normalized) == 1, "batch norm made a pass of its own"
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-5)
    model.set_weights([w * 1.5 for w in model.get_weights()])
    later = model.predict(x, verbose=0)
    assert np.abs(later - found).max() > 0.01, "weights of an earlier prediction"
    np.testing.assert_allclose(later, model(x, training=False).numpy(), rtol=2e-5, atol=2e-5)


def test_a_unet_predicts_without_passes_of_batch_norm(rng, normalized):
    model = stirred(ta.models.unet((16, 16, 2), 3, filters=4, depth=2), rng)
    x = rng.standard_normal((2, 16, 16, 2)).astype(np.float32)
    found = model.predict(x, verbose=0)
    assert not normalized
    np.testing.assert_allclose(found, model(x, training=False).numpy(), rtol=1e-4, atol=1e-4)
    assert len(normalized) == 10


def test_exact_precision_folds_nothing(rng, normalized):
    model = stirred(ta.models.unet((16, 16, 2), 3, filters=4, depth=1), rng)
    x = rng.standard_normal((2, 16, 16, 2)).astype(np.float32)
    with ta.precision("exact"):
        found, expected = model.predict(x, verbose=0), model(x, training=False).numpy()
    assert len(normalized) == 12 and found.tobytes() == expected.tobytes()


def test_what_somebody_else_reads_is_computed(rng):
    x = inputs = ta.Input((9, 8, 3))
    seen = layers.Conv2D(4, 3, name="seen")(x)
    twice = layers.Conv2D(4, 3, name="twice")(x)
    active = layers.Conv2D(4, 3, activation="relu", name="active")(x)
    once = layers.Conv2D(4, 3, name="once")(x)
    alone = [layers.BatchNormalization()(part) for part in (seen, twice, active, once)]
    total = layers.Add()([*alone, twice])
    model = stirred(ta.Model(inputs, [total, seen]), rng)
    folds = foldable(model.graph.nodes, [total, seen])
    assert {node.layer.name for node in folds} == {"once", "active"}  # a relu is looked for later
    x = rng.standard_normal((2, 9, 8, 3)).astype(np.float32)
    for found, expected in zip(model.predict(x, verbose=0), model(x, training=False), strict=True):
        np.testing.assert_allclose(found, expected.numpy(), rtol=1e-5, atol=1e-5)


def test_training_goes_through_the_layers(rng, normalized):
    layer = layers.BatchNormalization()
    model = ta.Sequential([ta.Input((9, 8, 3)), layers.Conv2D(4, 3), layer])
    x = rng.standard_normal((6, 9, 8, 3)).astype(np.float32)
    with ta.no_grad():
        out = model(x, training=True).numpy()
    assert len(normalized) == 1 and abs(out.mean()) < 1e-5
    assert layer.moving_mean.numpy().any()


@pytest.mark.parametrize("kinds", [("float32", "float32"), ("float64", "float64")])
@pytest.mark.parametrize("mixed", [("float32", "float64"), ("float64", "float32")])
def test_dtypes_are_those_of_the_layers(rng, kinds, mixed):
    """Kernels trust their arrays to be of one kind: other widths would be read as rubbish."""
    x = rng.standard_normal((2, 9, 8, 3))
    for first, second in (kinds, mixed):
        inputs = ta.Input((9, 8, 3))
        conv = layers.Conv2D(4, 3, dtype=first)(inputs)
        model = ta.Model(inputs, layers.BatchNormalization(dtype=second)(conv))
        stirred(model, rng)
        for given in (x, x.astype(np.float32), ta.tensor(x), ta.tensor(x.astype(np.float32))):
            expected = model(given, training=False).numpy()
            with ta.no_grad():
                found = model(given, training=False).numpy()
            assert found.dtype == expected.dtype
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_what_is_put_between_later_counts(rng):
    x = rng.standard_normal((2, 9, 8, 3)).astype(np.float32)
    model = ta.Sequential([ta.Input((9, 8, 3)), layers.Conv2D(4, 3), layers.BatchNormalization()])
    stirred(model, rng)
    before = model.predict(x, verbose=0)
    conv = model.layers[0]
    conv.activation = ta.activations.relu
    found, expected = model.predict(x, verbose=0), model(x, training=False).numpy()
    assert np.abs(found - before).max() > 0.1
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    conv.activation, plain = ta.activations.linear, conv.call
    conv.call = lambda inputs: plain(inputs) * 2.0
    found, expected = model.predict(x, verbose=0), model(x, training=False).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert np.abs(found - before).max() > 0.1
