"""Recorded training is training: the same weights and losses as kernel by kernel and on the CPU.

Every test of equality has planted faults beside it that it must catch: a rate, a seed, a count or a
divisor that stays what it was at the recording.
"""

import functools
import warnings

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro import layers, losses, optimizers
from tinygrad_astro.kernels import live
from tinygrad_astro.training import recorded


def network(dropout=0.4):
    ta.manual_seed(5)
    return ta.Sequential(
        [
            ta.Input((6, 6, 2)),
            layers.Conv2D(3, 3, padding="same", use_bias=False),  # its gradient would be noise
            layers.BatchNormalization(momentum=0.5, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(dropout),
            layers.Dense(3),
        ]
    )


def data(rng, n=14):
    return rng.standard_normal((n, 6, 6, 2)).astype(np.float32), rng.integers(0, 3, n)


def schedule():
    return optimizers.schedules.ExponentialDecay(0.05, 2, 0.5)


def trained(device, jit, x, y, optimizer=None, loss=None, make=network, epochs=2, **kwargs):
    """Train from a fixed start; give (model, losses by epoch, weights)."""
    model = make()
    optimizer = optimizer() if optimizer else optimizers.Adam(schedule(), global_clipnorm=0.5)
    loss = loss or losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, jit_compile=jit)
    model.to(device)
    ta.manual_seed(9)
    history = model.fit(x, y, batch_size=4, epochs=epochs, verbose=0, **kwargs)
    return model, history.history["loss"], model.get_weights()


def graphs(model):
    """List the graphs that a model's steps were recorded as."""
    steps = model.objective.recorded
    return [e.graph for e in steps.entries.values() if e.graph is not None] if steps else []


def close(found, expected, rtol=1e-4, atol=1e-5):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)


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
    if compute.__name__ == "_next_seed":
        return "seed"
    if "divisor" in compute.__qualname__:
        return "divisor"
    names = compute.__code__.co_names
    return "rate" if "learning_rate" in names else "count" if "iterations" in names else None


@pytest.fixture
def frozen(monkeypatch):
    """Give the function that plants a fault: one kind of number stays what it was at first."""
    real, met = live.Recording.number, []

    def plant(name):
        def number(self, compute):
            if source(compute) == name:
                met.append(name)
                compute = functools.cache(compute)
            return real(self, compute)

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


def dense(outputs=1, activation=None):
    ta.manual_seed(3)
    return ta.Sequential([ta.Input((5,)), layers.Dense(outputs, activation=activation)])


def rows(rng, n=9, outputs=1):
    return tuple(rng.standard_normal((n, k)).astype(np.float32) for k in (5, outputs))


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


# ---- what a recording must not outlive -----------------------------------------------------------


def steps(model, x, y, n=3):
    """Make steps on one batch; give the losses."""
    return [float(model.train_on_batch(x, y)) for _ in range(n)]


def compiled(jit, make=dense, optimizer=None):
    model = make()
    model.compile(optimizer or optimizers.SGD(0.05, momentum=0.9), "mse", jit_compile=jit)
    return model.to("cuda")


def freeze(model):
    model.layers[0].trainable = False


def load(model):
    model.set_weights([w * 0 + 0.5 for w in model.get_weights()])


def away(model):
    model.to("cpu")
    model.to("cuda")


def other_rate(model):
    model.optimizer.learning_rate = 0.5


def other_clip(model):
    model.optimizer.clipnorm = 0.01


def drop_more(model):
    model.layers[1].rate = 0.9


def compile_again(model):
    model.compile("adam", "mae", jit_compile=model.objective.jit_compile)


def thaw(model):
    freeze(model)
    model.layers[0].trainable = True


def deep():
    ta.manual_seed(3)
    parts = layers.Dense(3, activation="tanh"), layers.Dropout(0.3), layers.Dense(1)
    return ta.Sequential([ta.Input((5,)), *parts])


CHANGES = [freeze, thaw, load, away, other_rate, other_clip, drop_more, compile_again]


@pytest.mark.parametrize("change", CHANGES)
def test_changes_between_steps_reach_the_recorded_ones(rng, change):
    x, y = rows(rng)
    found = []
    for jit in (True, False):
        model = compiled(jit, deep)
        ta.manual_seed(1)
        before = steps(model, x, y)
        change(model)
        found.append((before + steps(model, x, y), *model.get_weights()))
        assert jit is False or len(graphs(model)) == 1
    close(*found, 1e-5, 1e-6)


@pytest.mark.parametrize("change", [freeze, away, other_clip, drop_more])
def test_a_recording_that_outlives_a_change_is_caught(rng, change, monkeypatch):
    monkeypatch.setattr(recorded, "same", lambda now, before: bool(before))
    with pytest.raises(AssertionError):
        test_changes_between_steps_reach_the_recorded_ones(rng, change)


def test_saving_and_loading_between_steps(rng, tmp_path):
    x, y = rows(rng)
    model, other = compiled(True), compiled(True)
    steps(model, x, y)
    model.save_weights(tmp_path / "w.safetensors")
    state = model.optimizer.get_state()
    expected = steps(model, x, y)
    steps(other, 2 * x, y)
    other.load_weights(tmp_path / "w.safetensors")
    other.optimizer.set_state(state)
    close([steps(other, x, y)], [expected], 1e-6)
    assert other.optimizer.iterations == model.optimizer.iterations == 6


def test_nothing_is_recorded_twice(rng, monkeypatch):
    """Evaluation, other batches and new fits in between leave recordings as they are."""
    made, real = [], recorded.RecordedSteps.record
    count = lambda self, *args: made.append(1) or real(self, *args)  # noqa: E731
    monkeypatch.setattr(recorded.RecordedSteps, "record", count)
    x, y = data(rng, 10)
    model, _, _ = trained("cuda", True, x, y, epochs=3, validation_data=(x, y))
    model.fit(x, y, batch_size=4, epochs=2, verbose=0)
    model.evaluate(x, y, verbose=0)
    model.train_on_batch(x[:4], y[:4])
    assert len(made) == 2  # batches of 4 and of 2


def test_the_model_on_the_cpu_again(rng):
    x, y = rows(rng)
    model = compiled(True)
    steps(model, x, y)
    model.to("cpu")
    expected = compiled(False)
    steps(expected, x, y)
    close([steps(model, x, y)], [steps(expected, x, y)])


def test_gradients_and_anomalies_of_the_user_go_kernel_by_kernel(rng):
    x, y = rows(rng)
    model = compiled(True)
    steps(model, x, y)
    made = graphs(model)
    with ta.detect_anomaly():
        assert np.isfinite(steps(model, x, y, 1)).all()
    ((model(x) - 1.0) ** 2).mean().backward()  # left for the next step to add to
    steps(model, x, y, 1)
    assert graphs(model) == made and model.optimizer.iterations == 5


# ---- errors, and what cannot be recorded ---------------------------------------------------------


def test_wrong_labels_are_told_in_replays_too(rng):
    x, y = data(rng, 4)
    model, _, _ = trained("cuda", True, x, y, epochs=3)
    before = model.get_weights()
    assert len(graphs(model)) == 1
    with pytest.raises(ValueError, match="expected labels from 0 to 2"):
        model.train_on_batch(x, y + 2)
    close(model.get_weights(), before, 0, 0)
    weight = np.ones(4)
    for _ in range(2):
        model.train_on_batch(x, y, sample_weight=weight)
    assert len(graphs(model)) == 2
    with pytest.raises(ValueError, match="negative or not finite"):
        model.train_on_batch(x, y, sample_weight=-weight)


class Reading(layers.Layer):
    def call(self, inputs):
        return inputs * float(inputs.detach().max())


class OwnWay(losses.MeanSquaredError):
    def __call__(self, y_true, y_pred, sample_weight=None, mask=None):
        return super().__call__(y_true, y_pred, sample_weight, mask) * 2.0


def refusing(what):
    """Give a model whose steps cannot be recorded."""

    def make():
        ta.manual_seed(3)
        extra = [Reading()] if what == "a value was read" else []
        return ta.Sequential([ta.Input((5,)), layers.Dense(1), *extra])

    return make, OwnWay() if what == "a loss with" else losses.MeanSquaredError()


@pytest.mark.parametrize("what", ["a value was read", "a loss with"])
def test_what_cannot_be_recorded_runs_kernel_by_kernel_and_says_so_once(rng, what):
    x, y = rows(rng)
    make, loss = refusing(what)
    found = []
    for device, jit in (("cuda", "auto"), ("cuda", False), ("cpu", True)):
        model = make()
        model.compile(optimizers.SGD(0.01), loss, jit_compile=jit)
        model.to(device)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            found.append(steps(model, x, y, 4))
        assert len(said) == (jit == "auto")
        if said:
            assert f"run kernel by kernel.*{what}" and what in str(said[0].message)
            assert said[0].filename == __file__
    close(found[:2], found[1:])
    model = make()
    model.compile(optimizers.SGD(0.01), loss, jit_compile=True)
    model.to("cuda")
    steps(model, x, y, 1)
    weights = model.get_weights()
    with pytest.raises(RuntimeError, match=what):
        steps(model, x, y, 1)
    close(model.get_weights(), weights, 0, 0)
    assert all(w.grad is None for w in model.weights) and model.optimizer.iterations == 1


def test_what_jit_compile_may_be():
    for value in (True, False, "auto"):
        dense().compile("sgd", "mse", jit_compile=value)
    with pytest.raises(ValueError, match='jit_compile=3: expected True, False or "auto"'):
        dense().compile("sgd", "mse", jit_compile=3)


def test_graphs_of_one_model_share_memory(rng, simulated):
    """All but what they were given and give: the second needs hardly more than the first."""
    from tinygrad_astro.kernels.cuda.driver import card

    x, y = data(rng, 12)
    model, _, _ = trained("cuda", True, x, y, epochs=2)
    pool = model.objective.recorded.pool
    first, counted = pool.held, len(graphs(model))
    model.fit(x[:10], y[:10], batch_size=4, epochs=2, verbose=0)
    assert len(graphs(model)) == counted + 1 and pool.held < 1.5 * first
    assert card().pool is card().own_pool and not card().recording
