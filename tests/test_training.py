import gc
import sys
import threading
import tracemalloc
import warnings

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro import layers, losses, metrics, models, optimizers, training
from tinygrad_astro.data.batches import Batches
from tinygrad_astro.training.feed import ArrayFeed, Batch, IterableFeed


def classifier(seed=0, **compiled):
    """Build a small classifier whose weights depend on the seed alone."""
    ta.manual_seed(seed)
    stack = [layers.Input((6,)), layers.Dense(8, "relu"), layers.Dense(3, "softmax")]
    model = models.Sequential(stack)
    options = dict(optimizer=optimizers.SGD(0.2), loss="sparse_categorical_crossentropy")
    model.compile(**(options | compiled))
    return model


def line(**compiled):
    """Build y = w x + b, from w = b = 0."""
    model = models.Sequential([layers.Input((1,)), layers.Dense(1, kernel_initializer="zeros")])
    model.compile(**(dict(optimizer=optimizers.SGD(0.1), loss="mse") | compiled))
    return model


def two_ends(seed=0, **compiled):
    """Build a model with two inputs and two outputs."""
    ta.manual_seed(seed)
    a, b = layers.Input((2,), name="a"), layers.Input((3,), name="b")
    joined = layers.Concatenate()([a, b])
    size = layers.Dense(1, name="size")(joined)
    kind = layers.Dense(2, name="kind")(joined)
    model = models.Model([a, b], [size, kind], name="two_ends")
    model.compile(**compiled)
    return model


def samples(rng, n=50):
    x = rng.normal(size=(n, 6)).astype("f")
    return x, (x[:, 0] > 0).astype(int) + (x[:, 1] > 0.3)


def test_fit_equals_gradient_descent_written_out(rng):
    x, noise = rng.normal(size=(2, 23))
    y = 2 * x + 1 + 0.1 * noise
    model = line()
    ta.manual_seed(5)
    history = model.fit(x[:, None], y, batch_size=5, epochs=3, verbose=0)
    ta.manual_seed(5)
    feed = ArrayFeed(Batch(x), 5, seed=ta.random.next_seed())
    w = b = 0.0
    for epoch in range(3):
        total = 0.0
        for start in range(0, 23, 5):
            chosen = feed.order(epoch)[start : start + 5]
            error = w * x[chosen] + b - y[chosen]
            total += np.sum(error**2)
            w, b = w - 0.1 * np.mean(2 * error * x[chosen]), b - 0.1 * np.mean(2 * error)
        assert history.history["loss"][epoch] == pytest.approx(total / 23, rel=1e-5)
    np.testing.assert_allclose([v.item() for v in model.get_weights()], [w, b], rtol=1e-5)


@pytest.mark.peer
@pytest.mark.parametrize("weighted", [False, True])
def test_fit_evaluate_and_predict_equal_keras(weighted, keras, rng):
    x, y = samples(rng)
    names = dict(metrics=["accuracy"], weighted_metrics=["accuracy"] if weighted else None)
    extra = {"class_weight": {0: 1.0, 1: 2.0, 2: 3.0}} if weighted else {}
    ours = classifier(**names)
    stack = [keras.Input((6,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(3, "softmax")]
    theirs = keras.Sequential(stack)
    theirs.set_weights(ours.get_weights())
    theirs.compile(keras.optimizers.SGD(0.2), "sparse_categorical_crossentropy", **names)
    options = dict(batch_size=8, epochs=3, shuffle=False, verbose=0, validation_split=0.3, **extra)
    found, expected = ours.fit(x, y, **options), theirs.fit(x, y, **options)
    assert set(found.history) == set(expected.history) and found.epoch == expected.epoch
    for name, values in found.history.items():
        np.testing.assert_allclose(values, expected.history[name], rtol=1e-4)
    scores = theirs.evaluate(x, y, verbose=0)[:2]
    np.testing.assert_allclose(training.evaluate(ours, x, y, verbose=0)[:2], scores, rtol=1e-4)
    outputs = theirs(x).detach().numpy()
    np.testing.assert_allclose(ours.predict(x, verbose=0), outputs, rtol=1e-3, atol=1e-5)


def test_the_same_seed_gives_the_same_bits(rng):
    x, y = samples(rng)
    found = []
    for _ in range(2):
        model = classifier(3, optimizer="adam")
        model.fit(x, y, batch_size=8, epochs=4, verbose=0)
        found.append(model.get_weights())
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)


def test_two_threads_train_two_models(rng):
    x, y = samples(rng)
    options = dict(batch_size=8, epochs=3, verbose=0, shuffle=False)
    alone = classifier(1)
    alone.fit(x, y, **options)
    together = [classifier(1) for _ in range(2)]
    threads = [threading.Thread(target=m.fit, args=(x, y), kwargs=options) for m in together]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for model in together:
        for a, b in zip(model.get_weights(), alone.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("form", ["list", "dict"])
def test_several_inputs_and_outputs_by_place_or_name(form, rng):
    xs = {"a": rng.normal(size=(12, 2)).astype("f"), "b": rng.normal(size=(12, 3)).astype("f")}
    ys = {"size": rng.normal(size=12), "kind": rng.integers(0, 2, 12)}
    spec = dict(
        loss={"size": "mse", "kind": losses.SparseCategoricalCrossentropy(from_logits=True)},
        loss_weights={"size": 1.0, "kind": 0.5},
        metrics={"kind": ["accuracy"], "size": "mae"},
    )
    if form == "list":
        spec = {key: [value["size"], value["kind"]] for key, value in spec.items()}
    model = two_ends(optimizer="sgd", **spec)
    x, y = (xs, ys) if form == "dict" else (list(xs.values()), list(ys.values()))
    logs = training.evaluate(model, x, y, return_dict=True, verbose=0)
    size, kind = model.predict(x, verbose=0)
    log_p = kind - np.log(np.exp(kind).sum(axis=1, keepdims=True))
    entropy = -log_p[np.arange(12), ys["kind"]].mean()
    square = np.mean((size[:, 0] - ys["size"]) ** 2)
    expected = {
        "loss": square + 0.5 * entropy,
        "size_loss": square,
        "kind_loss": entropy,
        "size_mae": np.abs(size[:, 0] - ys["size"]).mean(),
        "kind_accuracy": np.mean(kind.argmax(axis=1) == ys["kind"]),
    }
    assert logs == pytest.approx(expected, rel=1e-5)
    history = model.fit(x, y, epochs=2, batch_size=5, validation_split=0.25, verbose=0)
    assert set(history.history) == set(expected) | {f"val_{name}" for name in expected}
    step = training.train_on_batch(model, x, y)
    assert len(step) == 5 and training.test_on_batch(model, x, y)[0] < step[0]


def test_batches_generators_and_arrays_train_alike(rng):
    x, y = samples(rng, 24)
    options = dict(epochs=3, verbose=0)
    expected = classifier()
    expected.fit(x, y, batch_size=8, shuffle=False, **options)

    def forever():
        while True:
            for k in range(0, 24, 8):
                yield x[k : k + 8], y[k : k + 8]

    class Again:
        def __iter__(self):
            for k in range(0, 24, 8):
                yield x[k : k + 8], y[k : k + 8]

    batches = [(x[k : k + 8], y[k : k + 8]) for k in range(0, 24, 8)]
    sources = {
        "generator": (forever(), dict(steps_per_epoch=3)),
        "iterable": (Again(), {}),
        "iterable, steps given": (Again(), dict(steps_per_epoch=3)),
        "batches": (Batches(x, y, batch_size=8, shuffle=False), {}),
        "one short generator": (iter(batches * 3), dict(steps_per_epoch=3)),
        "tensors": (ta.tensor(x), dict(y=ta.tensor(y), batch_size=8, shuffle=False)),
        "big-endian": (x.astype(">f4"), dict(y=y.astype(">i2"), batch_size=8, shuffle=False)),
    }
    for source, extra in sources.values():
        model = classifier()
        model.fit(source, **extra, **options)
        for a, b in zip(model.get_weights(), expected.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
    assert training.evaluate(expected, Again(), verbose=0) == pytest.approx(
        training.evaluate(expected, x, y, verbose=0, batch_size=8)
    )
    np.testing.assert_array_equal(
        expected.predict(Again(), verbose=0), expected.predict(x, batch_size=8, verbose=0)
    )


def test_arrays_are_shuffled_anew_in_every_pass_and_each_sample_comes_once():
    feed = ArrayFeed(Batch(np.arange(10)), batch_size=4, seed=7)
    passes = [np.concatenate([b.x for b in feed.batches(e)]) for e in range(3)]
    for found in passes:
        np.testing.assert_array_equal(np.sort(found), np.arange(10))
    assert not np.array_equal(passes[0], passes[1])
    again = ArrayFeed(Batch(np.arange(10)), batch_size=4, seed=7)
    np.testing.assert_array_equal(np.concatenate([b.x for b in again.batches(2)]), passes[2])


@pytest.mark.parametrize("steps", [None, 2, 5])
def test_batches_after_a_skip_are_those_that_would_have_come(steps):
    def feeds():
        yield ArrayFeed(Batch(np.arange(10)), 3, steps, seed=7)
        yield IterableFeed(Batches(np.arange(10), batch_size=3, seed=7), steps, 3)
        if steps:
            yield IterableFeed(iter([np.arange(k, k + 3) for k in range(30)]), steps, 3)

    for whole, resumed in zip(feeds(), feeds(), strict=True):
        epochs = [[b.x.tolist() for b in whole.batches(e)] for e in range(3)]
        assert resumed.first().x.ndim == 1
        assert [b.x.tolist() for b in resumed.batches(1, skip=1)] == epochs[1][1:]
        assert [b.x.tolist() for b in resumed.batches(2)] == epochs[2]


def test_epochs_shorter_than_a_pass_go_on_where_the_last_ended():
    feed = ArrayFeed(Batch(np.arange(6)), batch_size=2, steps=2)
    found = [[b.x.tolist() for b in feed.batches(e)] for e in range(3)]
    assert found == [[[0, 1], [2, 3]], [[4, 5], [0, 1]], [[2, 3], [4, 5]]]


def test_running_out_of_data_warns_and_ends_the_epoch(rng):
    x, y = samples(rng, 8)
    with pytest.warns(UserWarning, match="ran out after 1 batches"):
        history = classifier().fit(iter([(x, y)]), steps_per_epoch=3, verbose=0)
    assert len(history.history["loss"]) == 1


def test_masked_labels_weigh_nothing_in_loss_and_metrics(rng):
    x, y = rng.normal(size=(12, 1)), rng.normal(size=12)
    kept = rng.random(12) > 0.3
    dirty = np.where(kept, y, np.nan)
    options = dict(epochs=2, batch_size=12, shuffle=False, verbose=0)
    part, masked = line(metrics=["mae"]), line(metrics=["mae"])
    expected = part.fit(x[kept], y[kept], **options).history
    found = masked.fit(x, dirty, mask=kept, **options).history
    for name in ("loss", "mae"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5)
    np.testing.assert_allclose(masked.get_weights()[0], part.get_weights()[0], rtol=1e-5)
    zero = line()
    zero.fit(x, dirty, sample_weight=kept * 1.0, **options)
    assert np.isfinite(zero.get_weights()[0]).all()
    scores = training.evaluate(masked, x, dirty, mask=kept, verbose=0)
    plain = training.evaluate(masked, x[kept], y[kept], verbose=0)
    assert scores == pytest.approx(plain, rel=1e-5)
    held_out = (x, dirty, None, kept)
    history = line().fit(x[kept], y[kept], validation_data=held_out, **options).history
    assert np.isfinite(history["val_loss"]).all()


def test_what_the_loss_ignores_metrics_ignore_too(rng):
    x, y = samples(rng, 30)
    marked = np.where(rng.random(30) > 0.5, y, 255)
    loss = losses.SparseCategoricalCrossentropy(ignore_index=255)
    model = classifier(loss=loss, metrics=["accuracy", metrics.MeanIoU(3)])
    kept = marked != 255
    found = training.evaluate(model, x, marked, verbose=0)
    plain = classifier(metrics=["accuracy", metrics.MeanIoU(3)])
    expected = training.evaluate(plain, x[kept], y[kept], verbose=0)
    assert found == pytest.approx(expected, rel=1e-5)


def test_class_weights_in_fit_equal_weights_of_the_samples(rng):
    x, y = samples(rng)
    options = dict(batch_size=8, epochs=2, verbose=0, shuffle=False)
    by_class, by_sample = classifier(), classifier()
    by_class.fit(x, y, class_weight={0: 3.0, 2: 0.5}, **options)
    by_sample.fit(x, y, sample_weight=np.array([3.0, 1.0, 0.5])[y], **options)
    for a, b in zip(by_class.get_weights(), by_sample.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def test_class_weights_per_pixel_reach_weighted_metrics(rng):
    x, y = rng.normal(size=(6, 4, 4, 1)), rng.integers(0, 2, (6, 4, 4))
    table = np.array([1.0, 3.0])
    for loss in (losses.SparseCategoricalCrossentropy(True), losses.Dice(from_logits=True)):
        model = models.Sequential([layers.Input((4, 4, 1)), layers.Conv2D(2, 1)])
        model.compile(optimizers.SGD(0.0), loss, weighted_metrics=["sparse_categorical_accuracy"])
        by_class = model.fit(x, y, class_weight=table, epochs=1, verbose=0).history
        by_pixel = model.fit(x, y, sample_weight=table[y], epochs=1, verbose=0).history
        for name, values in by_class.items():
            np.testing.assert_allclose(values, by_pixel[name], rtol=1e-6)


def test_steps_on_single_batches(rng):
    x, y = samples(rng)
    model = classifier(metrics=["accuracy"])
    before = training.test_on_batch(model, x, y)
    assert before == training.train_on_batch(model, x, y)
    after = training.test_on_batch(model, x, y, return_dict=True)
    assert after["loss"] < before[0] and set(after) == {"loss", "accuracy"}
    p = training.predict_on_batch(model, x)
    assert after["accuracy"] == np.mean(p.argmax(axis=1) == y)
    alone = classifier()
    assert isinstance(training.train_on_batch(alone, x, y), float)
    weighted = training.test_on_batch(model, x, y, sample_weight=np.full(50, 0.5))
    assert weighted[0] == pytest.approx(after["loss"] / 2, rel=1e-6)


def test_a_model_is_built_from_the_first_data(rng):
    x, y = samples(rng)
    model = models.Sequential([layers.Dense(3, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x, y, verbose=0)
    assert model.count_params() == 6 * 3 + 3


def test_epochs_count_from_the_initial_one_and_validation_has_its_turn(rng):
    x, y = samples(rng)
    history = classifier().fit(
        x, y, epochs=5, initial_epoch=2, validation_freq=2, validation_data=(x, y), verbose=0
    )
    assert history.epoch == [2, 3, 4]
    assert len(history.history["loss"]) == 3 and len(history.history["val_loss"]) == 1
    assert classifier().fit(x, y, epochs=0, verbose=0).history == {}


def test_frozen_weights_stay(rng):
    x, y = samples(rng)
    model = classifier()
    model.layers[0].trainable = False
    model.compile(optimizers.SGD(0.5), "sparse_categorical_crossentropy")
    before = model.get_weights()
    model.fit(x, y, verbose=0)
    after = model.get_weights()
    np.testing.assert_array_equal(before[0], after[0])
    assert (before[2] != after[2]).any()


def test_no_gradient_is_left_behind(rng):
    x, y = samples(rng)
    model = classifier()
    training.train_on_batch(model, x, y)
    assert all(w.grad is None for w in model.trainable_weights)


class Untouchable(layers.Layer):
    """A layer that must not be reached."""

    def call(self, inputs):
        raise AssertionError("computed before the data were checked")

    def compute_output_shape(self, input_shape):
        return input_shape


def untouchable():
    model = models.Sequential([layers.Input((1,)), Untouchable()])
    model.compile("sgd", "mse")
    return model


ONE, TEN = np.ones((10, 1)), np.ones(10)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (dict(x=ONE, y=np.ones(9)), ValueError, "samples differ: x: 10, y: 9"),
        (dict(x=ONE, y=TEN, sample_weight=np.ones(4)), ValueError, "sample_weight: 4"),
        (dict(x=ONE[:0], y=TEN[:0]), ValueError, "no samples: x is empty"),
        (dict(x=ONE, y=np.full(10, np.nan)), ValueError, r"y holds 10 .* nan at \(0,\); pass mask"),
        (dict(x=ONE, y=np.where(TEN > 0, np.inf, 0)), ValueError, "first inf"),
        (dict(x=ONE, y=np.array(["a"] * 10)), TypeError, "y: cannot make a tensor of dtype <U1"),
        (dict(x=np.array([None] * 10), y=TEN), TypeError, "x: .*dtype object"),
        (dict(x=[[1.0], [1.0, 2.0]], y=TEN), TypeError, "x: .*ragged"),
        (dict(x=5, y=TEN), TypeError, "x is a int, expected arrays"),
        (dict(x="data.fits", y=TEN), TypeError, "x is a str"),
        (dict(x=np.float64(3), y=TEN), ValueError, "single number"),
        (dict(x=ONE, y=TEN, batch_size=0), ValueError, "batch_size=0"),
        (dict(x=ONE, y=TEN, batch_size=2.5), ValueError, "batch_size=2.5"),
        (dict(x=ONE, y=TEN, steps_per_epoch=0), ValueError, "steps_per_epoch=0"),
        (dict(x=ONE, y=TEN, epochs=-1), ValueError, "epochs=-1"),
        (dict(x=ONE, y=TEN, epochs=2.5), ValueError, "epochs=2.5"),
        (dict(x=ONE, y=TEN, validation_freq=0), ValueError, "validation_freq=0"),
        (dict(x=ONE, y=TEN, validation_split=1.5), ValueError, "validation_split=1.5"),
        (dict(x=ONE, y=TEN, validation_split=0.99), ValueError, "leaves 0 .* 10 for validation"),
        (dict(x=ONE, y=TEN, validation_data=(ONE,)), ValueError, "validation_data has 1 parts"),
        (dict(x=ONE, y=TEN, validation_data=(ONE, TEN[:3])), ValueError, "y: 3"),
        (dict(x=iter([]), y=TEN), ValueError, "batches of its own .* y must not be given"),
        (dict(x=iter([])), ValueError, "there are no batches"),
        (dict(x=iter([(ONE, TEN)]), epochs=2), ValueError, "generator can be read once"),
        (dict(x=iter([(ONE, TEN)]), validation_split=0.5), ValueError, "needs arrays to cut"),
        (dict(x=iter([(1, 2, 3, 4, 5)])), ValueError, "a batch has 5 parts"),
        (dict(x=Batches(ONE, TEN), batch_size=3), ValueError, "batch_size must not be given"),
        (dict(x=ONE, y=TEN, verbose=3), ValueError, "verbose=3"),
        (dict(x=ONE, y=TEN, verbose="loud"), ValueError, "verbose='loud'"),
        (dict(x=ONE, y=TEN, callbacks=[print]), TypeError, "callbacks holds"),
        (dict(x=ONE, y=TEN, epoch=3), TypeError, "epoch"),
    ],
)
def test_bad_input_is_named_before_anything_is_computed(call, error, text):
    with pytest.raises(error, match=text):
        training.fit(untouchable(), **({"verbose": 0} | call))


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: training.fit(models.Sequential(), ONE, TEN), RuntimeError, "not compiled"),
        (lambda: training.evaluate(models.Sequential(), ONE), RuntimeError, "not compiled"),
        (lambda: line(loss="msee"), ValueError, "unknown loss 'msee'"),
        (lambda: line(metrics=["acc", "auk"]), ValueError, "unknown metric 'auk'"),
        (lambda: line(optimizer="adem"), ValueError, "unknown optimizer 'adem'"),
        (lambda: line(loss=None).fit(ONE, TEN, verbose=0), ValueError, "no loss"),
        (lambda: line(loss={"a": "mse"}).fit(ONE, TEN, verbose=0), ValueError, r"keys \['a'\]"),
        (lambda: line().fit(ONE, verbose=0), ValueError, "has a loss but got no labels"),
        (lambda: line().predict(ONE[:0], verbose=0), ValueError, "x is empty"),
        (lambda: training.predict(line(), ONE, steps=0), ValueError, "steps=0"),
        (
            lambda: line().fit(ONE, TEN, class_weight={0: 1}, verbose=0),
            TypeError,
            "class_weight needs a loss on classes",
        ),
        (
            lambda: two_ends(optimizer="sgd", loss=["mse"]).fit(
                [np.ones((4, 2)), np.ones((4, 3))], [np.ones(4), np.ones((4, 2))], verbose=0
            ),
            ValueError,
            r"loss has 1 entries, expected one for each of the outputs \['size', 'kind'\]",
        ),
        (
            lambda: two_ends(optimizer="sgd", loss="mse").fit(
                [np.ones((4, 2)), np.ones((4, 3))], {"size": np.ones(4)}, verbose=0
            ),
            ValueError,
            r"data has the keys \['size'\]",
        ),
        (
            lambda: two_ends(optimizer="sgd", loss="mse").fit(
                [np.ones((4, 2)), np.ones((4, 3))], [np.ones(4)] * 3, verbose=0
            ),
            ValueError,
            "got 3 arrays for 2 outputs",
        ),
    ],
)
def test_errors_say_what_to_do(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_labels_out_of_range_are_named_by_fit(rng):
    x, y = samples(rng)
    with pytest.raises(ValueError, match="label 3 .* from 0 to 2"):
        classifier().fit(x, y + 1, verbose=0)


@pytest.fixture
def one_thread():
    """Leave the other cores alone: tiny kernels on several threads mostly wait for each other."""
    before = ta.get_num_threads()
    ta.set_num_threads(1)
    yield
    ta.set_num_threads(before)


def test_memory_does_not_grow_over_ten_thousand_steps(one_thread):
    model = line(metrics=["mae"])

    def blocks_after(count):
        x = np.broadcast_to(1.0, (count, 1))
        model.fit(x, x, batch_size=1, shuffle=False, verbose=0)
        gc.collect()
        return sys.getallocatedblocks()

    blocks_after(500)
    before = blocks_after(500)
    assert blocks_after(10_000) - before < 500
    tracemalloc.start()
    blocks_after(100)
    bytes_before = tracemalloc.get_traced_memory()[0]
    blocks_after(500)
    assert tracemalloc.get_traced_memory()[0] - bytes_before < 50_000
    tracemalloc.stop()


def test_the_data_are_let_go_after_training():
    x = np.ones((4, 1))
    before = sys.getrefcount(x)
    model = line()
    model.fit(x, x, verbose=0)
    assert sys.getrefcount(x) == before and model.history.epoch == [0]


SCRIPT = """
rate = keras.optimizers.schedules.CosineDecay(0.01, 50, warmup_target=0.05, warmup_steps=5)
model = keras.Sequential([
    keras.Input((6,)),
    keras.layers.Dense(8, activation="relu"),
    keras.layers.Dropout(0.1),
    keras.layers.Dense(3),
])
model.compile(
    optimizer=keras.optimizers.AdamW(learning_rate=rate, weight_decay=1e-4, global_clipnorm=1.0),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(k=2, name="top2")],
)
stop = keras.callbacks.EarlyStopping(monitor="val_loss", patience=2, restore_best_weights=True)
note = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(sorted(logs)))
history = model.fit(
    x, y, batch_size=8, epochs=4, validation_split=0.2, callbacks=[stop, note], verbose=0
)
scores = model.evaluate(x, y, verbose=0)
outputs = model.predict(x[:3], verbose=0)
"""


@pytest.mark.peer
def test_a_keras_script_runs_after_its_import_is_changed(keras, rng):
    x, y = samples(rng)
    spaces = []
    for module in (ta, keras):
        space = {"keras": module, "x": x, "y": y, "seen": []}
        with warnings.catch_warnings():  # PyTorch's tensors are not ready for NumPy 2
            warnings.simplefilter("ignore", DeprecationWarning)
            exec(SCRIPT, space)
        spaces.append(space)
    ours, theirs = spaces
    assert ours["history"].history.keys() == theirs["history"].history.keys()
    assert ours["seen"][0] == theirs["seen"][0]
    assert len(ours["scores"]) == len(theirs["scores"])
    assert ours["outputs"].shape == theirs["outputs"].shape


def test_a_unet_learns_pixels_under_a_mask(rng):
    image = rng.normal(size=(4, 16, 16, 1)).astype("f")
    labels = (image[..., 0] > 0).astype(int)
    labels[:, :3] = 255
    model = models.unet((16, 16, 1), 2, filters=4, depth=1)
    loss = losses.SparseCategoricalCrossentropy(from_logits=True, ignore_index=255)
    model.compile(optimizers.Adam(0.03), loss, metrics=["accuracy"])
    history = model.fit(image, labels, batch_size=2, epochs=12, verbose=0).history
    assert history["loss"][-1] < 0.6 * history["loss"][0] and history["accuracy"][-1] > 0.8


def test_a_step_gives_the_losses_of_all_outputs(rng):
    model = models.Model(
        given := layers.Input((4,)), [layers.Dense(1)(given), layers.Dense(2, name="b")(given)]
    )
    model.compile("sgd", ["mse", "mae"], loss_weights=[1.0, 3.0])
    x = rng.standard_normal((6, 4))
    y = [rng.standard_normal((6, 1)), rng.standard_normal((6, 2))]
    first, second = model(x, training=False)
    expected = np.square(first.numpy() - y[0]).mean(), np.abs(second.numpy() - y[1]).mean()
    for step in (model.test_on_batch, model.train_on_batch):
        for _ in range(2 if step == model.test_on_batch else 1):
            total, *parts = step(x, y)
            np.testing.assert_allclose(parts, expected, rtol=1e-5)
            np.testing.assert_allclose(total, expected[0] + 3 * expected[1], rtol=1e-5)
