"""Recorded training is training: the same weights and losses as kernel by kernel and on the CPU.

Every test of equality has planted faults beside it that it must catch: a rate, a seed, a count or a
divisor that stays what it was at the recording.
"""

import functools

import numpy as np
import pytest
from steps import close, data, dense, graphs, rows, trained

import tinygrad_astro as ta
from tinygrad_astro import layers, losses, optimizers
from tinygrad_astro.kernels import live


@pytest.fixture(scope="module")
def expected():
    """Give the data, and what eager training on cuda makes of them."""
    x, y = data(np.random.default_rng(0))
    return x, y, trained("cuda", False, x, y)


def test_recorded_training_is_training(expected):
    """Adam with a schedule and clipping, batch norm, dropout; 3 full batches and one of 2."""
    x, y, (_, losses_, weights) = expected
    model, found, ends = trained("cuda", "auto", x, y)
    assert len(graphs(model)) == 2 and model.optimizer.iterations == 8
    close(found, losses_, 1e-6)
    close(ends, weights, 1e-5, 1e-7)
    _, found, ends = trained("cpu", True, x, y)
    close(found, losses_, 1e-5)
    close(ends, weights)


def source(compute):
    """Name what a number of a recorded step is."""
    named = {"_next_seed": "seed", "Optimizer._rate": "rate", "Optimizer.iterations": "count"}
    named["RecordedSteps.record.<locals>.divisor"] = "divisor"
    return named.get(compute.__qualname__.removesuffix(".<locals>.<lambda>"))


@pytest.fixture
def frozen(monkeypatch):
    """Give the function that plants a fault: one kind of number stays what it was at first."""
    real, met = live.Recording.number, []

    def plant(name):
        def number(self, compute, key=None):
            if source(compute) == name:
                met.append(name)
                compute = functools.cache(compute)
            return real(self, compute, key)

        monkeypatch.setattr(live.Recording, "number", number)
        return met

    return plant


@pytest.mark.parametrize("name", ["seed", "rate", "count"])
def test_a_number_that_stays_what_it_was_is_caught(expected, frozen, name):
    x, y, (_, losses_, weights) = expected
    met = frozen(name)
    _, _, ends = trained("cuda", True, x, y)
    assert met
    with pytest.raises(AssertionError):
        close(ends, weights, 1e-5, 1e-7)


def compare(x, y, devices=("cuda", "cpu"), **kwargs):
    """Train recorded, eagerly, and on the CPU; all must end alike. Gives the recorded model."""
    model, found, ends = trained("cuda", True, x, y, **kwargs)
    for device in devices:
        _, expected, weights = trained(device, False, x, y, **kwargs)
        close(found, expected, 1e-5, 1e-6)
        close(ends, weights)
    return model


def test_divisors_follow_masks_and_weights(rng, frozen):
    x, y = rows(rng, 12, 2)
    keep, weight = rng.random((12, 2)) > 0.4, rng.random(12).astype(np.float32)
    y[~keep] = np.nan
    make = functools.partial(dense, 2)
    options = dict(make=make, mask=keep, sample_weight=weight, optimizer=optimizers.SGD)
    for loss in (losses.MeanSquaredError(), losses.Huber(reduction="mean_with_sample_weight")):
        model = compare(x, y, loss=loss, **options)
        assert len(graphs(model)) == 1
    met = frozen("divisor")
    with pytest.raises(AssertionError):
        compare(x, y, ("cuda",), loss=losses.MeanSquaredError(), **options)
    assert met


def test_classes_that_weigh_and_labels_that_are_ignored(rng):
    x, y = rows(rng, 12)[0], rng.integers(0, 3, 12)
    y[::4] = 255
    loss = losses.SparseCategoricalCrossentropy(ignore_index=255)
    make = functools.partial(dense, 3, "softmax")
    compare(x, y, loss=loss, make=make, class_weight={0: 2.0, 2: 0.5}, optimizer=optimizers.SGD)


def test_overlap_losses_and_sums(rng):
    x, y = rows(rng, 8)[0], rng.integers(0, 2, (8, 3)).astype(np.float32)
    make = functools.partial(dense, 3, "sigmoid")
    weight = rng.random(8).astype(np.float32)
    for loss in (losses.Dice(axis=1), losses.Tversky(), losses.BinaryCrossentropy(reduction="sum")):
        compare(x, y, ("cuda",), loss=loss, make=make, sample_weight=weight, epochs=1)


def two_headed():
    ta.manual_seed(4)
    inputs = {name: ta.Input((5,), name=name) for name in ("b", "a")}
    both = layers.Concatenate()(list(inputs.values()))
    first, second = layers.Dense(1, name="one")(both), layers.Dense(3, name="two")(both)
    return ta.Model(inputs, [first, second])


def test_several_outputs_metrics_and_inputs_by_name(rng):
    x = {name: rng.standard_normal((12, 5)).astype(np.float32) for name in ("a", "b")}
    y = [rng.standard_normal((12, 1)).astype(np.float32), rng.integers(0, 3, 12)]
    logs = []
    for device, jit in (("cuda", True), ("cuda", False), ("cpu", "auto")):
        model = two_headed()
        sparse = losses.SparseCategoricalCrossentropy(from_logits=True)
        metrics = [["mae"], ["accuracy"]]
        model.compile("sgd", ["mse", sparse], metrics, [1.0, 0.5], metrics, jit_compile=jit)
        model.to(device)
        ta.manual_seed(2)
        weight = np.arange(1.0, 13.0, dtype=np.float32)
        history = model.fit(x, y, batch_size=4, epochs=2, verbose=0, sample_weight=weight)
        logs.append(history.history)
        if jit is True:
            assert len(graphs(model)) == 1
    assert set(logs[0]) == set(logs[1]) == set(logs[2]) and "two_loss" in logs[0]
    for name in logs[0]:
        close([logs[0][name]] * 2, [logs[1][name], logs[2][name]])


UNETS = {
    "transpose": dict(dropout=0.3),
    "upsample": dict(up="upsample"),
    "unpool": dict(up="unpool"),
    "masked": dict(masked=True),
}


@pytest.mark.parametrize("name", UNETS)
def test_unets_are_recorded(rng, name):
    x, y = rng.standard_normal((2, 8, 8, 1)).astype(np.float32), rng.integers(0, 2, (2, 8, 8))
    if name == "masked":
        x = [x, (rng.random((2, 8, 8, 1)) > 0.2).astype(np.float32)]
    found = []
    for jit in (True, False):
        ta.manual_seed(1)
        model = ta.models.unet((8, 8, 1), 2, filters=2, depth=1, **UNETS[name])
        loss = losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optimizers.SGD(0.1), loss, jit_compile=jit)
        model.to("cuda")
        found.append([model.train_on_batch(x, y) for _ in range(4)])
        assert len(graphs(model)) == jit
    close(*found, 1e-5)


LAYERS = {
    "global maximum": layers.GlobalMaxPooling2D,
    "maximum": lambda: layers.MaxPooling2D(3, strides=2, padding="same"),
    "l2": lambda: layers.L2Pooling2D(2),
    "norm": layers.LayerNormalization,
    "groups": lambda: layers.GroupNormalization(1),
    "separable": lambda: layers.SeparableConv2D(2, 3),
    "noise": lambda: layers.GaussianNoise(0.1),
    "channels": lambda: layers.SpatialDropout2D(0.5),
    "prelu": layers.PReLU,
    "softmax": layers.Softmax,
    "maxout": lambda: layers.Maxout(2),
    "up": lambda: layers.UpSampling2D(2, interpolation="bilinear"),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_are_recorded(rng, name):
    def make():
        ta.manual_seed(1)
        first, last = layers.Conv2D(2, 1), [layers.Flatten(), layers.Dense(1)]
        return ta.Sequential([ta.Input((4, 4, 2)), first, LAYERS[name](), *last])

    x, y = rng.standard_normal((8, 4, 4, 2)).astype(np.float32), rng.standard_normal((8, 1))
    loss = losses.MeanSquaredError()
    compare(x, y, ("cuda",), make=make, loss=loss, optimizer=optimizers.SGD, epochs=2)
