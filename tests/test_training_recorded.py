"""Steps that are recorded on the CPU are the same steps, to the last bit; others are left alone.

Equality with the tape is the check, and each kind of fault that would break it is planted once.
Steps on cuda are in tests/cuda.
"""

import copy
import functools
import pickle

import numpy as np
import pytest
from test_losses import NAMES, case
from test_public_layers import ROWS

import tinygrad_astro as ta
from tinygrad_astro import layers, losses, optimizers
from tinygrad_astro.kernels import live
from tinygrad_astro.training import recordable, recorded

RULES = {
    "sgd": lambda: optimizers.SGD(0.05),
    "nesterov": lambda: optimizers.SGD(0.05, momentum=0.9, nesterov=True, weight_decay=0.01),
    "rmsprop": lambda: optimizers.RMSprop(0.01, momentum=0.5, centered=True),
    "adam": lambda: optimizers.Adam(optimizers.schedules.ExponentialDecay(0.05, 2, 0.5)),
    "amsgrad": lambda: optimizers.Adam(0.05, amsgrad=True, weight_decay=0.1),
    "adamw": lambda: optimizers.AdamW(0.05, global_clipnorm=0.5),
    "clipnorm": lambda: optimizers.SGD(0.05, clipnorm=0.1),
    "clipvalue": lambda: optimizers.SGD(0.05, clipvalue=0.01),
}


def network():
    ta.manual_seed(5)
    return ta.Sequential(
        [
            ta.Input((6, 6, 2)),
            layers.Conv2D(3, 3, padding="same"),
            layers.BatchNormalization(activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.4),
            layers.Dense(3),
        ]
    )


def images(rng, n=14):
    return rng.standard_normal((n, 6, 6, 2)).astype(np.float32), rng.integers(0, 3, n)


def dense(outputs=1):
    ta.manual_seed(3)
    return ta.Sequential([ta.Input((5,)), layers.Dense(4, "tanh"), layers.Dense(outputs)])


def rows(rng, n=9, outputs=1):
    return tuple(rng.standard_normal((n, k)).astype(np.float32) for k in (5, outputs))


def programs(model):
    """List the programs that a model's steps were recorded as."""
    steps = model.objective.recorded
    return [e.graph for e in steps.entries.values() if e.graph is not None] if steps else []


def trained(jit, x, y, make=dense, optimizer=RULES["adam"], loss="mse", epochs=2, **kwargs):
    """Train from a fixed start; give (model, losses by epoch and weights)."""
    model = make()
    model.compile(optimizer(), loss, jit_compile=jit)
    ta.manual_seed(9)
    history = model.fit(x, y, batch_size=4, epochs=epochs, verbose=0, **kwargs)
    return model, [np.array(history.history["loss"]), *model.get_weights()]


def same(found, expected):
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(found, expected, strict=True))


def compare(x, y, count=1, **kwargs):
    """Train recorded by wish and by itself, and on the tape: all three end in the same bits."""
    expected = trained(False, x, y, **kwargs)[1]
    for jit in (True, "auto"):
        model, found = trained(jit, x, y, **kwargs)
        assert same(found, expected) and len(programs(model)) == count
    return model


sparse = losses.SparseCategoricalCrossentropy(from_logits=True)


@pytest.mark.parametrize("name", RULES)
def test_recorded_training_is_training(rng, name):
    """Convolution, batch norm, pooling, dropout; batches of 4 and a last one of 2."""
    model = compare(*images(rng), 2, make=network, optimizer=RULES[name], loss=sparse, epochs=3)
    assert model.optimizer.iterations == 12


@pytest.mark.parametrize("name", [n for n in ROWS if n != "MaxUnpooling2D"])
def test_every_layer_can_be_recorded(rng, name):
    shapes = ROWS[name][1]
    shapes = shapes if isinstance(shapes[0], tuple) else (shapes,)
    found = []
    for jit in (True, "auto", False):
        ta.manual_seed(1)
        inputs = [ta.Input(s[1:]) for s in shapes]
        hidden = [layers.Dense(s[-1])(x) for s, x in zip(shapes, inputs, strict=True)]
        config = {k: v for k, v in ROWS[name][0].get_config().items() if k not in ("name", "dtype")}
        tried = type(ROWS[name][0]).from_config(config)
        last = layers.Flatten()(tried(hidden if len(hidden) > 1 else hidden[0]))
        model = ta.Model(inputs, layers.Dense(1)(last))
        model.compile("adam", "mse", jit_compile=jit)
        draw = np.random.default_rng(0).standard_normal
        for _ in range(4):
            model.train_on_batch([draw((4, *s[1:])) for s in shapes], draw((4, 1)))
        assert bool(programs(model)) == bool(jit)
        found.append(model.get_weights())
    assert same(found[0], found[2]) and same(found[1], found[2])


UNETS = {"transpose": {}, "upsample": dict(up="upsample"), "unpool": dict(up="unpool")}
UNETS["masked"] = dict(masked=True)


@pytest.mark.parametrize("name", UNETS)
def test_unets_are_recorded(rng, name):
    x, y = rng.standard_normal((8, 8, 8, 1)).astype(np.float32), rng.integers(0, 2, (8, 8, 8))
    if name == "masked":
        x = [x, (rng.random((8, 8, 8, 1)) > 0.2).astype(np.float32)]

    def make():
        ta.manual_seed(1)
        return ta.models.unet((8, 8, 1), 2, filters=2, depth=1, dropout=0.3, **UNETS[name])

    compare(x, y, make=make, loss=sparse)


@pytest.mark.parametrize("name", NAMES)
def test_every_loss_can_be_recorded(rng, name):
    loss, y_true, y_pred = case(name, rng)
    logits = y_pred.astype(np.float32)

    def make():
        model = ta.Sequential([ta.Input(logits.shape[1:]), layers.Rescaling(1.0), Scaled()])
        return model

    class Scaled(layers.PReLU):
        """Scales by a weight, and leaves what is positive alone."""

    Scaled.__module__ = layers.PReLU.__module__
    compare(logits, y_true, make=make, loss=loss, optimizer=RULES["sgd"], epochs=3)


def test_masks_weights_and_classes(rng):
    x, y = rows(rng, 12, 2)
    keep, weight = rng.random((12, 2)) > 0.4, rng.random(12).astype(np.float32)
    y[~keep] = np.nan
    make, options = functools.partial(dense, 2), dict(mask=keep, sample_weight=weight)
    for loss in (losses.MeanSquaredError(), losses.Huber(reduction="mean_with_sample_weight")):
        compare(x, y, make=make, loss=loss, **options)
    labels = rng.integers(0, 3, 12)
    labels[::4] = 255
    loss = losses.SparseCategoricalCrossentropy(from_logits=True, ignore_index=255)
    compare(x, labels, make=functools.partial(dense, 3), loss=loss, class_weight={0: 2.0, 2: 0.5})


def test_several_inputs_and_outputs(rng):
    x = {name: rng.standard_normal((12, 5)).astype(np.float32) for name in ("a", "b")}
    y = [rng.standard_normal((12, 1)).astype(np.float32), rng.integers(0, 3, 12)]
    logs = []
    for jit in ("auto", False):
        ta.manual_seed(4)
        inputs = {name: ta.Input((5,), name=name) for name in ("b", "a")}
        both = layers.Concatenate()(list(inputs.values()))
        outputs = [layers.Dense(1, name="one")(both), layers.Dense(3, name="two")(both)]
        model = ta.Model(inputs, outputs)
        model.compile("sgd", ["mse", sparse], [["mae"], ["accuracy"]], jit_compile=jit)
        ta.manual_seed(2)
        logs.append(model.fit(x, y, batch_size=4, epochs=2, verbose=0).history)
        assert len(programs(model)) == (jit == "auto")
    assert logs[0] == logs[1] and "two_loss" in logs[0]


class Stream:
    """Batches, over and over."""

    def __init__(self, batches):
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __iter__(self):
        return iter(self.batches)


def test_layouts_of_inputs_round_alike(rng):
    """A cube of bands seen with the bands last, cut-outs, steps back: sums as of a copy."""
    cube, y = rng.standard_normal((8, 3, 40, 40)).astype(np.float32), rng.random((8, 1))

    def make():
        ta.manual_seed(1)
        pooled = layers.GlobalAveragePooling2D()
        return ta.Sequential([ta.Input((None, None, 3)), pooled, layers.Dense(1)])

    wide = np.moveaxis(cube, 1, -1)
    for x in (wide, wide[:, 1:-1, ::2], wide[::-1]):
        compare(x, y, make=make)
    found = []
    for jit in (True, False):
        model = make()
        model.compile("sgd", "mse", jit_compile=jit)
        model.fit(Stream([(ta.tensor(wide), y)]), epochs=4, verbose=0)
        found.append(model.get_weights())
    assert same(*found)


class Kept(ta.metrics.Metric):
    """A metric of a user that keeps what it is given."""

    def reset_state(self):
        self.all = []

    def update(self, y_true, y_pred, sample_weight, mask):
        self.all.append(y_pred)

    def result(self):
        return float(np.std(self.all))


def test_predictions_that_a_metric_keeps_stay_what_they_were(rng):
    x, y = rows(rng, 12)
    found = []
    for jit in ("auto", False):
        model = dense()
        model.compile("sgd", "mse", [Kept()], jit_compile=jit)
        found.append(model.fit(x, y, batch_size=4, epochs=3, verbose=0).history["kept"])
    assert found[0] == found[1]


def test_gradients_of_inputs_go_by_the_tape(rng):
    x, y = rows(rng, 4)
    found = []
    for jit in (True, False):
        tracked = ta.tensor(x, requires_grad=True)
        model = dense()
        model.compile("sgd", "mse", jit_compile=jit)
        model.fit(Stream([(tracked, y)]), epochs=4, verbose=0)
        found.append([tracked.grad.numpy(), *model.get_weights()])
        assert not programs(model)
    assert same(*found)


def test_norms_round_alike(rng):
    """In double precision: square ** 0.5 does not always round as NumPy's root."""
    squares = [s for s in rng.random(20000) * 10 if s**0.5 != np.sqrt(s)]
    assert squares
    for s in squares:
        both = [optimizers.optimizer._scale(v, 0.1, np.dtype("f8")) for v in (s, np.array([s]))]
        assert both[0] == both[1]


# ---- planted faults ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["_next_seed", "_rate", "iterations", "divisor"])
def test_a_number_that_stays_what_it_was_is_caught(rng, name, monkeypatch):
    real, met = live.Recording.number, []

    def number(self, compute, key=None):
        if name in compute.__qualname__:
            met.append(name)
            compute = functools.cache(compute)
        return real(self, compute, key)

    monkeypatch.setattr(live.Recording, "number", number)
    mask = rng.random(14) > 0.5
    with pytest.raises(AssertionError):
        compare(*images(rng), 2, make=network, loss=sparse, epochs=3, mask=mask)
    assert met


def freeze(model):
    model.layers[0].trainable = False


def load(model):
    model.set_weights([w * 0 + 0.5 for w in model.get_weights()])


def other_rate(model):
    model.optimizer.learning_rate = 0.5


def other_clip(model):
    model.optimizer.clipnorm = 0.01


def drop_more(model):
    model.layers[4].rate = 0.9


def other_share(model):
    model.objective.outputs[0].share = 0.1


def compile_again(model):
    model.compile("adam", sparse, jit_compile=model.objective.jit_compile)


CHANGES = [freeze, load, other_rate, other_clip, drop_more, other_share, compile_again]


@pytest.mark.parametrize("change", CHANGES)
def test_changes_between_steps_reach_the_recorded_ones(rng, change):
    x, y = images(rng)
    found = []
    for jit in (True, False):
        model = network()
        model.compile("sgd", sparse, jit_compile=jit)
        ta.manual_seed(1)
        before = [model.train_on_batch(x, y) for _ in range(3)]
        change(model)
        after = [model.train_on_batch(x, y) for _ in range(3)]
        found.append([np.array(before + after), *model.get_weights()])
        assert len(programs(model)) == jit
    assert same(*found)


@pytest.mark.parametrize("change", [freeze, other_clip, drop_more])
def test_a_recording_that_outlives_a_change_is_caught(rng, change, monkeypatch):
    monkeypatch.setattr(recorded, "same", lambda now, before: bool(before))
    with pytest.raises(AssertionError):
        test_changes_between_steps_reach_the_recorded_ones(rng, change)


# ---- what is left alone --------------------------------------------------------------------------


class Counting(layers.Layer):
    """A layer of a user, which does what no recording would repeat."""

    calls = 0

    def call(self, inputs):
        Counting.calls += 1
        return inputs * (1 + 1 / Counting.calls)


class Reading(layers.Layer):
    """A layer of a user that looks at values."""

    def call(self, inputs):
        return inputs * (2.0 if float(inputs.sum()) > 0 else 1.0)


def own_loss(y_true, y_pred):
    return (y_true - y_pred) ** 2


@ta.primitive(lambda g, out, x: g * 2)
def own_op(x):
    return x * 2


@functools.wraps(ta.activations.relu)
def wrapped(x):
    return x * 2


class Scaler:
    def double(self, x):
        return x * 2


def of_users():
    inner = ta.Sequential([ta.Input((4,)), Counting()])
    return {
        "layer": ([Counting()], "mse"),
        "nested": ([inner], "mse"),
        "loss": ([], own_loss),
        "activation": ([layers.Activation(lambda x: x * 2)], "mse"),
        "method": ([layers.Activation(Scaler().double)], "mse"),
        "primitive": ([layers.Activation(own_op)], "mse"),
        "wrapped": ([layers.Activation(wrapped)], "mse"),
    }


@pytest.mark.parametrize("name", of_users())
def test_parts_of_a_user_are_not_recorded_unless_asked_for(rng, name):
    extra, loss = of_users()[name]
    x, y = rows(rng, 4)
    for jit in ("auto", True):
        first, last = layers.Dense(4), layers.Dense(1)
        model = ta.Sequential([ta.Input((5,)), first, *extra, last])
        model.compile("sgd", loss, jit_compile=jit)
        for _ in range(4):
            model.train_on_batch(x, y)
        assert len(programs(model)) == (jit is True)


def test_who_asks_for_a_value_cannot_be_recorded(rng):
    x, y = rows(rng, 4)
    model = ta.Sequential([ta.Input((5,)), layers.Dense(4), Reading()])
    model.compile("sgd", "mse", jit_compile=True)
    y = np.repeat(y, 4, 1)
    model.train_on_batch(x, y)
    before = model.get_weights()
    with pytest.raises(RuntimeError, match="the value.* is recorded: a replay would not repeat it"):
        model.train_on_batch(x, y)
    assert same(model.get_weights(), before)


def test_large_steps_are_left_alone(rng, monkeypatch):
    monkeypatch.setattr(recordable, "memory_stats", lambda: {"limit": 800})
    x, y = rows(rng, 64)
    model, _ = trained("auto", x, y)
    assert not programs(model) and all(e.alone for e in model.objective.recorded.entries.values())
    model, _ = trained(True, x, y)
    assert len(programs(model)) == 1


def test_gradients_and_anomalies_of_the_user_go_by_the_tape(rng):
    x, y = rows(rng)
    model, _ = trained(True, x[:4], y[:4])
    made = programs(model)
    with ta.detect_anomaly():
        assert np.isfinite(model.train_on_batch(x[:4], y[:4]))
    ((model(x) - 1.0) ** 2).mean().backward()  # left for the next step to add to
    model.train_on_batch(x[:4], y[:4])
    assert programs(model) == made and model.optimizer.iterations == 4


def test_wrong_labels_are_told_in_replays_too(rng):
    x, y = images(rng, 4)
    model, _ = trained(True, x, y, make=network, loss=sparse, epochs=3)
    before = model.get_weights()
    with pytest.raises(ValueError, match="expected labels from 0 to 2"):
        model.train_on_batch(x, y + 2)
    assert same(model.get_weights(), before)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copy_trains_on_by_itself(rng, copied):
    x, y = rows(rng, 4)
    model, _ = trained("auto", x, y, epochs=4)
    other = copied(model)
    assert programs(model) and not programs(other)
    before = model.get_weights()
    first = [other.train_on_batch(x, y) for _ in range(4)]
    assert same(model.get_weights(), before)
    assert first == [model.train_on_batch(x, y) for _ in range(4)]
    assert programs(other)
