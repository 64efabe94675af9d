import os
import pickle
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import safetensors.numpy

import tinygrad_astro as ta
from tinygrad_astro import callbacks, checkpoints, layers, models, optimizers, schedules
from tinygrad_astro.checkpoints import CheckpointError, State
from tinygrad_astro.data.batches import Batches


def network(units=8, optimizer=None):
    """Build a model in which everything that must be resumed takes part: dropout, batch norm."""
    ta.manual_seed(11)
    model = models.Sequential(
        [
            layers.Input((4,)),
            layers.Dense(units, "relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.3),
            layers.Dense(3, "softmax"),
        ]
    )
    rate = schedules.CosineDecay(0.01, 40)
    model.compile(
        optimizer or optimizers.Adam(rate),
        "sparse_categorical_crossentropy",
        metrics=["accuracy", "sparse_categorical_accuracy"],
    )
    return model


def samples():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(22, 4)).astype("f")
    return x, (x[:, 0] > 0).astype(int) + (x[:, 1] > 0)


class Cut(callbacks.Callback):
    """Ends the process, as it were, after so many steps in all."""

    def __init__(self, after):
        super().__init__()
        self.left = after

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt


def train(path, source, after=10**6, save_freq=1, **compiled):
    """Train for 3 epochs, from the backup if there is one; a cut gives None."""
    model = network(**compiled)
    x, y = samples()
    options = dict(epochs=3, verbose=0, validation_data=(x, y))
    stop = callbacks.EarlyStopping("loss", patience=2, restore_best_weights=True)
    plateau = callbacks.ReduceLROnPlateau("val_loss", patience=1) if compiled else None
    backup = callbacks.BackupAndRestore(path, save_freq=save_freq)
    options["callbacks"] = [stop, plateau, backup, Cut(after)]
    if source == "arrays":
        options |= dict(y=y, batch_size=5)
    elif source == "long epochs":
        options |= dict(y=y, batch_size=5, steps_per_epoch=7)
    elif source == "stream":
        x = Batches(x, y, batch_size=5)
    else:
        parts = [(x[k::4], y[k::4]) for k in range(4)]
        x, options["steps_per_epoch"] = (parts[k % 4] for k in range(99)), 5
    try:
        history = model.fit(x, **options)
    except KeyboardInterrupt:
        return None
    return model.get_weights(), history.history, model.optimizer.get_state()


def same(a, b):
    """Assert that two runs ended alike, bit by bit."""
    for x, y in zip(a[0], b[0], strict=True):
        np.testing.assert_array_equal(x, y)
    assert a[1] == b[1]
    for name, value in a[2].items():
        np.testing.assert_array_equal(value, b[2][name])


@pytest.mark.parametrize("save_freq", [1, 4, "epoch"])
@pytest.mark.parametrize("source", ["arrays", "long epochs", "stream", "generator"])
def test_a_run_cut_anywhere_and_resumed_ends_bit_by_bit_the_same(source, save_freq, tmp_path):
    whole = train(tmp_path / "whole.safetensors", source)
    for cuts in ([4, 0, 3], [13]):
        path = tmp_path / "cut.safetensors"
        for after in cuts:
            assert train(path, source, after, save_freq) is None
        same(train(path, source, save_freq=save_freq), whole)
        assert not path.exists()


def test_a_rate_lowered_on_a_plateau_is_resumed(tmp_path):
    rate = 0.01
    whole = train(tmp_path / "a.safetensors", "arrays", optimizer=optimizers.Adam(rate))
    for after in (7, 11):
        path = tmp_path / "b.safetensors"
        assert train(path, "arrays", after, optimizer=optimizers.Adam(rate)) is None
        same(train(path, "arrays", optimizer=optimizers.Adam(rate)), whole)


def test_a_run_that_had_stopped_stays_stopped(tmp_path):
    path = tmp_path / "state.safetensors"
    x, y = samples()

    def run(*extra):
        model = network()
        backup = callbacks.BackupAndRestore(path, delete_checkpoint=False, verbose=1)
        stop = callbacks.EarlyStopping("accuracy", mode="min", patience=1)
        stop.baseline = -1.0
        model.fit(x, y, epochs=9, verbose=0, callbacks=[stop, backup, *extra])
        return model

    first, second = run(), run()
    assert len(first.history.epoch) < 9
    assert second.history.history == first.history.history
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_rows_of_a_log_are_not_doubled_by_a_resumed_run(tmp_path):
    path, log = tmp_path / "state.safetensors", tmp_path / "log.csv"
    x, y = samples()

    def run(*extra):
        backup = callbacks.BackupAndRestore(path, save_freq=2)
        logger = callbacks.CSVLogger(log)
        network().fit(x, y, epochs=4, verbose=0, callbacks=[logger, *extra, backup])

    class CutBeforeTheBackup(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(CutBeforeTheBackup())
    assert len(log.read_text().splitlines()) == 4
    run()
    rows = log.read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["epoch", "0", "1", "2", "3"]


def test_a_rate_set_per_epoch_is_set_once_in_an_epoch_that_is_resumed(tmp_path):
    path = tmp_path / "state.safetensors"
    x, y = samples()

    def run(*extra):
        model = network(optimizer=optimizers.SGD(1.0))
        halve = callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
        backup = callbacks.BackupAndRestore(path, save_freq=1)
        options = dict(epochs=2, batch_size=5, verbose=0)
        return model.fit(x, y, callbacks=[halve, *extra, backup], **options).history

    with pytest.raises(KeyboardInterrupt):
        run(Cut(3))
    assert run()["learning_rate"] == [0.5, 0.25]


def broken_files(folder):
    """Write one file of every kind that is no training state; give (name, what the error says)."""
    good = folder / "good.safetensors"
    checkpoints.write_state(good, State({"a": np.arange(1000)}, {"epoch": 1}))
    whole = good.read_bytes()
    contents = {
        "empty": (b"", "no training state"),
        "garbage": (bytes(range(256)) * 8, "no training state"),
        "cut off": (whole[:-100], "no training state"),
        "cut in the header": (whole[:40], "no training state"),
        "a pickle": (pickle.dumps({"epoch": 1}), "no training state"),
        "foreign": (safetensors.numpy.save({"a": np.ones(2)}), "of another program"),
        "a model": (
            safetensors.numpy.save({"a": np.ones(2)}, {"format": "tinygrad_astro.model"}),
            "tinygrad_astro.model",
        ),
        "from the future": (
            safetensors.numpy.save(
                {"a": np.ones(2)}, {"format": checkpoints.FORMAT, "version": "99"}
            ),
            "version is 99, this library reads 1",
        ),
        "without its text": (
            safetensors.numpy.save(
                {"a": np.ones(2)},
                {"format": checkpoints.FORMAT, "version": "1", "info": "{"},
            ),
            "no training state",
        ),
    }
    for name, (data, text) in contents.items():
        path = folder / name
        path.write_bytes(data)
        yield path, text


def test_what_is_no_training_state_gives_one_clear_error(tmp_path):
    for path, text in broken_files(tmp_path):
        with pytest.raises(CheckpointError, match=text) as caught:
            checkpoints.read_state(path)
        assert str(path) in str(caught.value) and "delete it to start anew" in str(caught.value)
    with pytest.raises(CheckpointError, match="no training state"):
        checkpoints.read_state(tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no training state"):
        checkpoints.read_state(tmp_path / "missing")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (dict(units=9), r"8 weights, .* \(4, 8\), here \(4, 9\)"),
        (dict(optimizer="sgd"), "written with Adam, the model has SGD"),
    ],
)
def test_the_state_of_another_model_or_optimizer_changes_nothing(change, text, tmp_path):
    path = tmp_path / "state.safetensors"
    assert train(path, "arrays", after=3) is None
    model = network(**change)
    before = model.get_weights()
    x, y = samples()
    with pytest.raises(CheckpointError, match=text):
        backup = callbacks.BackupAndRestore(path)
        model.fit(x, y, batch_size=5, verbose=0, callbacks=[backup])
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_state_within_an_epoch_of_other_data_is_refused(tmp_path):
    path = tmp_path / "state.safetensors"
    assert train(path, "arrays", after=3) is None
    x, y = samples()
    with pytest.raises(CheckpointError, match="epoch of 5 steps, the data now give 2"):
        backup = callbacks.BackupAndRestore(path)
        network().fit(x, y, batch_size=11, verbose=0, callbacks=[backup])


def test_a_state_in_which_parts_are_missing_is_refused(tmp_path):
    path = tmp_path / "state.safetensors"
    assert train(path, "arrays", after=3) is None
    state = checkpoints.read_state(path)
    del state.info["random"]
    checkpoints.write_state(path, state)
    with pytest.raises(CheckpointError, match="does not fit this run: 'random'"):
        train(path, "arrays")


SCRIPT = """
import sys
import numpy as np
sys.path.insert(0, sys.argv[1])
from test_checkpoints import callbacks, network, samples
x, y = samples()
model = network()
saved = [callbacks.BackupAndRestore(sys.argv[2], save_freq=1)] if sys.argv[2] else []
model.fit(x, y, batch_size=2, epochs=12, verbose=0, validation_split=0.1, callbacks=saved)
np.savez(sys.argv[3], *model.get_weights())
"""


def process(*arguments):
    folder = os.path.dirname(__file__)
    return subprocess.Popen([sys.executable, "-c", SCRIPT, folder, *map(str, arguments)])


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is of POSIX systems")
def test_a_process_killed_at_random_moments_ends_bit_by_bit_the_same(tmp_path):
    assert process("", tmp_path / "whole.npz").wait() == 0
    state, done = tmp_path / "state.safetensors", tmp_path / "killed.npz"
    rng = np.random.default_rng()
    kills = 0
    while not done.exists():
        running = process(state, done)
        before = state.stat().st_mtime_ns if state.exists() else 0
        while running.poll() is None and (not state.exists() or state.stat().st_mtime_ns == before):
            time.sleep(0.001)
        if kills < 5:
            time.sleep(rng.uniform(0, 0.15))
            running.send_signal(signal.SIGKILL)
            kills += running.wait() == -signal.SIGKILL
        assert running.wait() in (0, -signal.SIGKILL)
    assert kills >= 3
    whole, killed = np.load(tmp_path / "whole.npz"), np.load(done)
    for name in whole:
        np.testing.assert_array_equal(whole[name], killed[name])
