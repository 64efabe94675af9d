"""Predictions that are recorded on the CPU are the model's, to the last bit, whatever changes.

`model(x, training=False)`, which is never recorded, is the check.
"""

import copy
import pickle
import threading

import numpy as np
import pytest
from test_public_layers import ROWS
from test_training_recorded import Counting, Reading, Scaler, dense, images, network, own_op, same

import tinygrad_astro as ta
from tinygrad_astro import layers
from tinygrad_astro.kernels import recorded
from tinygrad_astro.layers.structure import leaves, map_leaves
from tinygrad_astro.training import inference, recordable


def programs(model):
    """List the programs that a model's predictions were recorded as."""
    return [e.graph for e in model._recorded_predictions.entries.values() if e.graph is not None]


def by_layers(model, x):
    with ta.no_grad():
        return [leaf.numpy() for leaf in leaves(model(x, training=False))]


def check(model, x, count=1):
    """Predict thrice: by layers, at the recording, and replayed."""
    for _ in range(3):
        assert same(leaves(model.predict_on_batch(x)), by_layers(model, x))
    assert len(programs(model)) == count


def draw_weights(model, rng):
    model.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in model.get_weights()])


@pytest.mark.parametrize("name", [n for n in ROWS if n != "MaxUnpooling2D"])
def test_every_layer_reads_its_weights_anew(rng, name):
    """What a layer computes of its weights alone must not stay what it was at the recording."""
    shapes = ROWS[name][1]
    shapes = shapes if isinstance(shapes[0], tuple) else (shapes,)
    inputs = [ta.Input(s[1:]) for s in shapes]
    hidden = [layers.Dense(s[-1])(x) for s, x in zip(shapes, inputs, strict=True)]
    config = {k: v for k, v in ROWS[name][0].get_config().items() if k not in ("name", "dtype")}
    tried = type(ROWS[name][0]).from_config(config)
    model = ta.Model(inputs, tried(hidden if len(hidden) > 1 else hidden[0]))
    x = [rng.standard_normal((4, *s[1:])).astype(np.float32) for s in shapes]
    check(model, x)
    draw_weights(model, rng)
    check(model, x)


def test_weights_that_stay_what_they_were_are_caught(rng, monkeypatch):
    def unaware(function, inputs, program, weights):
        return recorded.Recorded(function, inputs, program)

    monkeypatch.setattr(inference, "Recorded", unaware)
    model, (x, _) = network(), images(rng)
    check(model, x)
    draw_weights(model, rng)
    with pytest.raises(AssertionError):
        check(model, x)


UNETS = {"transpose": {}, "upsample": dict(up="upsample"), "unpool": dict(up="unpool")}
UNETS["masked"] = dict(masked=True)


@pytest.mark.parametrize("name", UNETS)
def test_unets_are_recorded_one_program_per_shape(rng, name):
    model = ta.models.unet((None, None, 1), 2, filters=2, depth=1, **UNETS[name])
    for count, shape in enumerate([(2, 8, 8, 1), (1, 8, 8, 1), (1, 11, 9, 1)], start=1):
        x = rng.standard_normal(shape).astype(np.float32)
        check(model, [x, np.ones_like(x)] if name == "masked" else x, count)


def test_training_goes_on_in_between(rng):
    model, (x, y) = network(), images(rng)
    model.compile("adam", ta.losses.SparseCategoricalCrossentropy(from_logits=True))
    for _ in range(4):
        model.fit(x, y, batch_size=7, validation_data=(x, y), verbose=0)
        assert same([model.predict(x, batch_size=14, verbose=0)], by_layers(model, x))
    assert len(programs(model)) == 2  # of 14, and of 7 in validation


def drop(model):
    model.layers[0].activation = ta.activations.relu


def load(model):
    model.set_weights([w + 1 for w in model.get_weights()])


def epsilon(model):
    model.layers[1].epsilon = 0.5


@pytest.mark.parametrize("change", [drop, load, epsilon])
def test_changes_reach_the_recorded_ones(rng, change):
    model, (x, _) = network(), images(rng)
    check(model, x)
    before = model.predict_on_batch(x)
    change(model)
    check(model, x)
    assert not np.array_equal(before, model.predict_on_batch(x))


@pytest.mark.parametrize("change", [drop, epsilon])
def test_a_recording_that_outlives_a_change_is_caught(rng, change, monkeypatch):
    monkeypatch.setattr(inference, "same", lambda now, before: bool(before))
    with pytest.raises(AssertionError):
        test_changes_reach_the_recorded_ones(rng, change)


def test_precision_reaches_the_recorded_ones(rng):
    model = ta.Sequential([ta.Input((16, 16, 16)), layers.Conv2D(16, 3, padding="same")])
    x = rng.standard_normal((2, 16, 16, 16)).astype(np.float32)
    check(model, x)
    with ta.precision("exact"):
        check(model, x)
        exact = model.predict_on_batch(x)
    assert not np.array_equal(exact, model.predict_on_batch(x))


def test_nests_and_layouts(rng):
    a, b = ta.Input((3,), name="a"), ta.Input((4, 2), name="b")
    sums = {"x": layers.Dense(2)(a), "y": [layers.Flatten()(b), layers.Add()([a, a])]}
    model = ta.Model({"a": a, "b": b}, sums)
    x = {"a": rng.random((5, 3)), "b": rng.random((4, 5, 2)).transpose(1, 0, 2)}
    found = [map_leaves(np.shape, model.predict_on_batch(x)) for _ in range(3)]
    assert found == [{"x": (5, 2), "y": [(5, 8), (5, 3)]}] * 3
    check(model, x)


def test_outputs_are_not_written_over(rng):
    model = dense()
    kept = []
    watch = ta.callbacks.LambdaCallback(on_predict_batch_end=lambda _, logs: kept.append(logs))
    model.predict(rng.random((20, 5)), batch_size=4, verbose=0, callbacks=[watch])
    values = [logs["outputs"].numpy() for logs in kept]
    assert len(programs(model)) == 1 and len({v.tobytes() for v in values}) == 5


OF_USERS = {
    "layer": lambda: Counting(),
    "values": lambda: Reading(),
    "activation": lambda: layers.Activation(lambda x: x * 2),
    "method": lambda: layers.Activation(Scaler().double),
    "primitive": lambda: layers.Activation(own_op),
}


@pytest.mark.parametrize("name", OF_USERS)
def test_parts_of_a_user_run_layer_by_layer(rng, name):
    model = ta.Sequential([ta.Input((5,)), layers.Dense(4), OF_USERS[name]()])
    before, x = Counting.calls, rng.random((2, 5))
    for _ in range(4):
        model.predict_on_batch(x)
    assert not programs(model)
    assert Counting.calls - before >= 4 or name != "layer"


def test_who_asks_for_none_gets_none(rng):
    model, x = dense(), rng.random((2, 5))
    model.compile("sgd", "mse", jit_compile=False)
    check(model, x, 0)
    with ta.detect_anomaly():
        model.compile("sgd", "mse")
        check(model, x, 0)
    check(model, x, 1)


def test_large_predictions_and_ever_new_shapes_run_layer_by_layer(rng, monkeypatch):
    monkeypatch.setattr(inference, "MOST", 2)
    model = dense()
    for n in range(1, 5):
        check(model, rng.random((n, 5)), min(n, 2))
    monkeypatch.setattr(recordable, "memory_stats", lambda: {"limit": 800})
    check(dense(), rng.random((64, 5)), 0)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copy_predicts_by_itself(rng, copied):
    model, (x, _) = network(), images(rng)
    check(model, x)
    other = copied(model)
    assert not programs(other)
    load(other)
    check(other, x)
    check(model, x)


def test_errors_are_told_by_layers(rng):
    model = dense()
    check(model, rng.random((3, 5)))
    for _ in range(3):
        with pytest.raises(ValueError, match="5"):
            model.predict_on_batch(rng.random((3, 6)))


def test_threads_share_a_model(rng):
    """Some record or replay, others run by layers meanwhile: all get their own answers."""
    model = network()
    xs = [images(rng, 6)[0] for _ in range(4)]
    expected = [by_layers(model, x)[0] for x in xs]
    wrong = []

    def work(i):
        for _ in range(50):
            if not np.array_equal(model.predict_on_batch(xs[i]), expected[i]):
                wrong.append(i)
            if i == 0:
                model._recorded_predictions.entries = {}  # recorded anew while others run

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
