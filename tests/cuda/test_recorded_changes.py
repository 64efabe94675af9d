"""What changes between steps reaches recorded ones; what cannot be recorded runs and says so."""

import gc
import warnings
import weakref

import numpy as np
import pytest
from steps import close, data, dense, graphs, rows, trained

import tinygrad_astro as ta
from tinygrad_astro import layers, losses, optimizers
from tinygrad_astro.training import recorded


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
    for device, jit in (("cuda", "auto"), ("cuda", False), ("cpu", False)):
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


def test_batches_of_ever_new_shapes_run_kernel_by_kernel(rng, monkeypatch):
    monkeypatch.setattr(recorded, "MOST", 2)
    x, y = rows(rng, 6)
    found = []
    for jit in (True, False):
        model = compiled(jit)
        found.append([steps(model, x[:n], y[:n], 2) for n in (3, 4, 5, 6, 3)])
        assert jit is False or len(graphs(model)) == 2
    close(*found, 1e-6)


def test_recordings_that_no_longer_hold_let_go_of_their_memory(rng, simulated):
    x, y = rows(rng)
    model = compiled(True)
    steps(model, x, y)
    (graph,) = graphs(model)
    seen, pool = weakref.ref(graph), weakref.ref(model.objective.recorded.pool)
    del graph
    gc.disable()
    try:
        freeze(model)
        thaw(model)
        other_clip(model)
        steps(model, x, y, 1)
        assert seen() is None and pool() is None
    finally:
        gc.enable()


class Scaled(layers.Layer):
    """A layer whose attributes have names that training uses elsewhere."""

    state = loss = history = 1.0

    def call(self, inputs):
        return inputs * (self.state * self.loss * self.history)


@pytest.mark.parametrize("name", ["state", "loss", "history"])
def test_attributes_of_layers_are_looked_at_whatever_their_name(rng, name):
    x, y = rows(rng)
    found = []
    for jit in (True, False):
        model = compiled(jit, lambda: ta.Sequential([*dense().layers, Scaled()]))
        model.layers[0].set_weights([np.full((5, 1), 0.1), np.zeros(1)])
        steps(model, x, y)
        setattr(model.layers[-1], name, 0.3)
        found.append([steps(model, x, y)])
    close(*found, 1e-5)
