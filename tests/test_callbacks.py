import csv
import warnings

import numba
import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro import callbacks, layers, models, optimizers, schedules, training
from tinygrad_astro.callbacks.callback_list import CallbackList

HOOKS = [name for name in dir(callbacks.Callback) if name.startswith("on_")]


@pytest.fixture
def data(rng):
    x = rng.normal(size=(20, 2)).astype("f")
    return x, x @ [1.0, -2.0]


def line(rate=0.05, **compiled):
    stack = [layers.Input((2,)), layers.Dense(1, kernel_initializer="zeros")]
    model = models.Sequential(stack)
    model.compile(**(dict(optimizer=optimizers.SGD(rate), loss="mse") | compiled))
    return model


class Script(callbacks.Callback):
    """Replaces logs by given values, one list per name: what other callbacks then see."""

    def __init__(self, **values):
        super().__init__()
        self.values = values

    def on_epoch_end(self, epoch, logs=None):
        logs.update({name: values[epoch] for name, values in self.values.items()})


def follow(callback, epochs, rate=0.05, **values):
    """Train with scripted logs; give the model and the history."""
    model, x = line(rate), np.ones((4, 2))
    model.fit(x, x[:, 0], epochs=epochs, callbacks=[Script(**values), callback], verbose=0)
    return model, model.history


def recorder(base, seen):
    """Make a callback that notes its hooks, epochs and batches, and the names of the logs."""

    def hook(name):
        def note(self, *args, logs=None):
            *counts, given = args if logs is None else (*args, logs)
            seen.append((name, counts, sorted(given)))

        return note

    names = [n for n in HOOKS if n not in ("on_batch_begin", "on_batch_end")]
    return type("Recorder", (base,), {name: hook(name) for name in names})()


@pytest.mark.peer
def test_hooks_come_in_the_order_of_keras_with_the_same_logs(keras, data):
    x, y = data
    ours, theirs = [], []
    options = dict(epochs=2, batch_size=8, validation_split=0.2, verbose=0, shuffle=False)
    model = line(metrics=["mae"])
    model.fit(x, y, callbacks=[recorder(callbacks.Callback, ours)], **options)
    model.predict(x, batch_size=8, verbose=0, callbacks=[recorder(callbacks.Callback, ours)])
    peer = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    peer.compile("sgd", "mse", metrics=["mae"])
    peer.fit(x, y, callbacks=[recorder(keras.callbacks.Callback, theirs)], **options)
    with warnings.catch_warnings():  # PyTorch's tensors are not ready for NumPy 2
        warnings.simplefilter("ignore", DeprecationWarning)
        peer.predict(
            x, batch_size=8, verbose=0, callbacks=[recorder(keras.callbacks.Callback, theirs)]
        )
    assert ours == theirs


def test_batch_hooks_see_the_running_loss(data):
    x, y = data
    seen = []
    note = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(logs))
    history = line().fit(x, y, batch_size=8, callbacks=[note], verbose=0).history
    assert len(seen) == 3 and seen[-1]["loss"] == history["loss"][0]


def test_lambda_callback_calls_what_it_was_given_and_refuses_other_names(data):
    x, y = data
    seen = []
    callback = callbacks.LambdaCallback(
        on_train_begin=lambda logs: seen.append("begin"),
        on_epoch_end=lambda epoch, logs: seen.append(epoch),
        on_test_batch_end=lambda batch, logs: seen.append("test"),
    )
    line().fit(x, y, epochs=2, validation_data=(x, y), callbacks=callback, verbose=0)
    assert seen == ["begin", "test", 0, "test", 1]
    with pytest.raises(TypeError, match="'on_epoch_stop'"):
        callbacks.LambdaCallback(on_epoch_stop=print)


def test_early_stopping_waits_for_its_patience_and_restores_the_best():
    kept = {}

    class Keep(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            kept[epoch] = self.model.get_weights()

    losses = [5.0, 3.0, 4.0, 3.0, 3.5, 1.0]
    stop = callbacks.EarlyStopping("val_loss", patience=3, restore_best_weights=True)
    model, x = line(), np.ones((4, 2))
    scripted = Script(val_loss=losses)
    model.fit(x, x[:, 0], epochs=6, callbacks=[Keep(), scripted, stop], verbose=0)
    assert model.history.epoch == [0, 1, 2, 3, 4] and stop.stopped_epoch == 4
    np.testing.assert_array_equal(model.get_weights()[0], kept[1][0])


@pytest.mark.parametrize(
    ("options", "values", "epochs"),
    [
        (dict(patience=2), [1.0, 2.0, 2.0, 0.0], 3),
        (dict(patience=2, mode="max"), [1.0, 2.0, 2.0, 1.0, 9.0], 4),
        (dict(patience=1, min_delta=0.5), [5.0, 4.8, 4.4, 4.0, 3.0], 2),
        (dict(patience=1, start_from_epoch=3), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 5),
        (dict(patience=2, baseline=0.5), [3.0, 2.0, 1.0, 1.1, 0.8], 4),
    ],
)
def test_early_stopping_counts_as_keras_does(options, values, epochs):
    _, history = follow(callbacks.EarlyStopping("val_x", **({"mode": "min"} | options)),
                        len(values), val_x=values)  # fmt: skip
    assert len(history.epoch) == epochs


def test_reduce_lr_on_plateau_lowers_the_rate_waits_and_stops_at_the_floor():
    plateau = callbacks.ReduceLROnPlateau(
        "val_loss", factor=0.1, patience=2, cooldown=1, min_lr=1e-3, min_delta=0.0
    )
    values = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5]
    _, history = follow(plateau, len(values), rate=0.1, val_loss=values)
    rates = history.history["learning_rate"]
    # Two epochs of waiting, one of cooling down; each log holds the rate that the epoch used.
    np.testing.assert_allclose(rates, [0.1, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001, 0.001, 0.001])


@pytest.mark.peer
def test_plateau_and_early_stopping_equal_keras_on_the_same_logs(keras, rng):
    values = (rng.random(30) + np.linspace(1, 0, 30)).round(2).tolist()
    plateau = dict(factor=0.5, patience=3, cooldown=2, min_lr=0.002)
    _, ours = follow(callbacks.ReduceLROnPlateau("x", mode="min", **plateau), 30, 0.1, x=values)
    _, stopped = follow(callbacks.EarlyStopping("x", mode="min", patience=6), 30, 0.1, x=values)

    class Peer(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["x"] = values[epoch]

    found = []
    for callback in (
        keras.callbacks.ReduceLROnPlateau("x", mode="min", **plateau),
        keras.callbacks.EarlyStopping("x", mode="min", patience=6),
    ):
        peer = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        peer.compile(keras.optimizers.SGD(0.1), "mse")
        x = np.ones((4, 2))
        options = dict(epochs=30, verbose=0, callbacks=[Peer(), callback])
        with warnings.catch_warnings():  # PyTorch's tensors are not ready for NumPy 2
            warnings.simplefilter("ignore", DeprecationWarning)
            found.append(peer.fit(x, x[:, 0], **options))
    rates = found[0].history["learning_rate"]
    np.testing.assert_allclose(ours.history["learning_rate"], rates, rtol=1e-6)
    assert stopped.epoch == found[1].epoch


def test_learning_rate_scheduler_takes_both_kinds_of_functions(data):
    x, y = data
    for schedule in (lambda epoch, rate: rate / 2, lambda epoch: 0.05 / 2 ** (epoch + 1)):
        scheduler = callbacks.LearningRateScheduler(schedule, verbose=1)
        history = line().fit(x, y, epochs=3, callbacks=[scheduler], verbose=0).history
        np.testing.assert_allclose(history["learning_rate"], [0.025, 0.0125, 0.00625])


def test_csv_logger_writes_one_row_per_epoch(tmp_path, data):
    x, y = data
    path = tmp_path / "log.csv"
    model = line(metrics=["mae"])
    history = model.fit(x, y, epochs=2, callbacks=[callbacks.CSVLogger(path)], verbose=0).history
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert [float(row["mae"]) for row in rows] == history["mae"]
    more = callbacks.CSVLogger(path, append=True)
    model.fit(x, y, epochs=3, initial_epoch=2, callbacks=[more], verbose=0)
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    fresh = callbacks.CSVLogger(path, separator=";")
    model.fit(x, y, callbacks=[fresh], verbose=0)
    assert path.read_text().splitlines()[0] == "epoch;loss;mae"


def test_csv_logger_writes_na_for_what_is_missing_and_lists_of_arrays(tmp_path):
    path = tmp_path / "log.csv"
    logger = callbacks.CSVLogger(path)
    logger.on_epoch_end(0, {"loss": 1.0, "recall": np.array([0.5, 0.25])})
    logger.on_epoch_end(1, {"loss": 2.0})
    logger.close()
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert rows[0]["recall"] == "[0.5, 0.25]" and rows[1]["recall"] == "NA"


def test_terminate_on_nan_ends_the_run_or_raises(data, capsys):
    x, y = data
    options = dict(epochs=3, batch_size=4, verbose=0)
    model = line(rate=1e30)
    with np.errstate(all="ignore"):
        model.fit(x, y, callbacks=[callbacks.TerminateOnNaN()], **options)
        assert model.history.epoch == [0] and "training is ended" in capsys.readouterr().out
        with pytest.raises(RuntimeError, match="the loss is (inf|nan)"):
            line(1e30).fit(x, y, callbacks=[callbacks.TerminateOnNaN(raise_error=True)], **options)


def test_model_checkpoint_saves_every_epoch_or_only_the_best(tmp_path):
    every = callbacks.ModelCheckpoint(
        tmp_path / "all" / "{epoch:02d}-{val_loss:.1f}.safetensors", verbose=1
    )
    values = [3.0, 4.0, 2.0]
    follow(every, 3, val_loss=values)
    names = sorted(p.name for p in (tmp_path / "all").iterdir())
    assert names == ["01-3.0.safetensors", "02-4.0.safetensors", "03-2.0.safetensors"]
    best = callbacks.ModelCheckpoint(
        tmp_path / "best{epoch}.safetensors",
        save_best_only=True,
        initial_value_threshold=3.5,
    )
    model, _ = follow(best, 3, val_loss=values)
    assert sorted(p.name for p in tmp_path.glob("best*")) == [
        "best1.safetensors",
        "best3.safetensors",
    ]
    again = models.load_model(tmp_path / "best3.safetensors")
    for a, b in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_model_checkpoint_after_batches_and_of_weights_alone(tmp_path, data):
    x, y = data
    path = tmp_path / "w{epoch}-{batch}.safetensors"
    save = callbacks.ModelCheckpoint(path, save_freq=3, save_weights_only=True)
    model = line()
    model.fit(x, y, batch_size=5, epochs=2, callbacks=[save], verbose=0)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["w1-3.safetensors", "w2-2.safetensors"]
    model.load_weights(tmp_path / "w2-2.safetensors")


def test_best_values_survive_a_restart(tmp_path):
    first = callbacks.ModelCheckpoint(tmp_path / "m.safetensors", save_best_only=True)
    follow(first, 2, val_loss=[3.0, 2.0])
    second = callbacks.ModelCheckpoint(tmp_path / "m.safetensors", save_best_only=True)
    second.set_state(first.get_state())
    written = (tmp_path / "m.safetensors").stat().st_mtime_ns
    follow(second, 1, val_loss=[2.5])
    assert (tmp_path / "m.safetensors").stat().st_mtime_ns == written


def test_the_bar_shows_loss_metrics_and_kernels_that_compile(data, capsys):
    x, y = data

    @numba.njit
    def brand_new_kernel(a):
        return a + 1

    class Compile(callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            brand_new_kernel(1.0)

    model = line(metrics=["mae"])
    options = dict(epochs=2, batch_size=5, callbacks=[Compile()], verbose=1)
    history = model.fit(x, y, validation_data=(x, y), **options).history
    shown = capsys.readouterr().err
    assert "compiling brand_new_kernel (once)" in shown
    assert "Epoch 2/2: 100%" in shown and "4/4" in shown
    for name in ("loss", "mae", "val_loss"):
        assert f"{name}={history[name][-1]:.4g}" in shown
    model.evaluate(x, y, verbose=1)
    model.predict(x, verbose=1)
    shown = capsys.readouterr().err
    assert "Evaluating: 100%" in shown and "Predicting: 100%" in shown


def test_lines_show_each_epoch_and_say_once_that_kernels_compile(data, capsys):
    x, y = data
    model = line(metrics=["mae"])
    lines = callbacks.ProgressLines()
    history = model.fit(x, y, epochs=2, callbacks=[lines], verbose=2).history
    shown = capsys.readouterr().out.splitlines()
    assert [text.split(":")[0] for text in shown] == ["Epoch 1/2", "Epoch 2/2"]
    assert f"loss={history['loss'][1]:.4g}, mae={history['mae'][1]:.4g}" in shown[1]
    lines.compiling("conv")
    lines.compiling("pool")
    assert capsys.readouterr().out.count("compiling kernels (once") == 1
    model.evaluate(x, y, verbose=2)
    assert "Evaluation: loss=" in capsys.readouterr().out
    model.fit(x, y, verbose=0)
    assert capsys.readouterr().out == ""


def test_bars_and_files_are_closed_after_an_error(tmp_path, data):
    x, y = data

    class Fail(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    logger, bar = callbacks.CSVLogger(tmp_path / "log.csv"), callbacks.ProgressBar()
    with pytest.raises(KeyboardInterrupt):
        line().fit(x, y, epochs=3, callbacks=[Fail(), logger, bar], verbose=1)
    assert logger._file is None and bar._bar is None


def test_backup_is_called_last_wherever_it_stands(tmp_path):
    backup = callbacks.BackupAndRestore(tmp_path / "state.safetensors")
    listed = CallbackList([backup, callbacks.TerminateOnNaN()], None, verbose=0)
    assert listed.callbacks[-1] is backup
    own = callbacks.History()
    assert CallbackList(own, None, verbose=0).history is own


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: callbacks.EarlyStopping(mode="best"), ValueError, "mode='best'"),
        (lambda: callbacks.ReduceLROnPlateau(factor=1.0), ValueError, "factor=1.0"),
        (lambda: callbacks.ModelCheckpoint("m", save_freq="step"), ValueError, "save_freq='step'"),
        (lambda: callbacks.BackupAndRestore("m", save_freq=0), ValueError, "save_freq=0"),
        (
            lambda: follow(callbacks.EarlyStopping("sharpness"), 2, sharpness=[1.0, 2.0]),
            ValueError,
            "cannot tell whether a larger or a smaller 'sharpness'",
        ),
        (
            lambda: follow(callbacks.ModelCheckpoint("{fscore}.safetensors"), 1),
            ValueError,
            "has the field 'fscore', expected one of epoch, loss",
        ),
        (
            lambda: follow(callbacks.LearningRateScheduler(lambda e: "fast"), 1),
            ValueError,
            "learning_rate='fast'",
        ),
    ],
)
def test_bad_arguments_are_named(call, error, text):
    with pytest.raises(error, match=text):
        call()


@pytest.mark.parametrize(
    "callback",
    [
        callbacks.LearningRateScheduler(lambda epoch: 0.1),
        callbacks.ReduceLROnPlateau("x", mode="min", patience=1),
    ],
)
def test_a_rate_that_follows_a_schedule_is_not_overruled(callback):
    with pytest.raises(ValueError, match="follows a schedule .*ExponentialDecay"):
        follow(callback, 3, schedules.ExponentialDecay(0.1, 10, 0.9), x=[1.0, 1.0, 1.0])


def test_a_log_that_is_not_there_is_warned_about():
    with pytest.warns(UserWarning, match="watches 'val_loss', which is not available.*loss"):
        follow(callbacks.EarlyStopping(), 1)


def test_metrics_tell_which_way_is_better(data):
    x, y = data
    model = line(metrics=["mae", "r2_score"])
    model.fit(x, y, verbose=0)
    directions = [model.objective.direction(n) for n in ("val_mae", "r2_score", "loss", "other")]
    assert directions == ["down", "up", "down", None]


def test_a_predicted_batch_is_handed_to_callbacks(data):
    x, _ = data
    shapes = []
    note = callbacks.LambdaCallback(
        on_predict_batch_end=lambda batch, logs: shapes.append(logs["outputs"].shape)
    )
    training.predict(line(), x, batch_size=15, callbacks=[note], verbose=0)
    assert shapes == [(15, 1), (5, 1)]
    assert ta.callbacks.LambdaCallback is callbacks.LambdaCallback
