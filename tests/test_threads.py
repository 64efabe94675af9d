"""Threads and forks: two trainings at once, modes per thread, the same bits on any core count."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro import ops


def together(*functions):
    """Run the functions in threads of their own, started at one moment; raise what they raise."""
    gate, errors = threading.Barrier(len(functions)), []

    def run(f):
        gate.wait()
        try:
            f()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(f,)) for f in functions]
    for t in threads:
        t.start()
    for t in threads:
        t.join(timeout=120)
        assert not t.is_alive(), "a thread hangs"
    if errors:
        raise errors[0]


def train(seed, steps=5):
    """Train a small convolutional net, large enough for the kernels to use all threads."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((4, 32, 36, 8)).astype(np.float32)
    leaf = [
        ta.tensor(rng.standard_normal(shape).astype(np.float32) * 0.1, requires_grad=True)
        for shape in ((3, 3, 8, 16), (16,), (16,), (16,), (2, 2, 8, 16), (8, 1))
    ]
    w, gamma, beta, bias, up, out = leaf
    for step in range(steps):
        h = ops.conv(x, w, padding="same")
        h = ops.batch_normalization(h, gamma, beta, activation="relu")
        h = ops.bias_activation(ops.max_pool(h, 2), bias, "tanh")
        h = ops.conv_transpose(ops.dropout(h, 0.3, seed + step), up, strides=2)
        h = ops.dense(ops.reshape(ops.average_pool(h, 2), (-1, 8)), out)
        (h * h).mean().backward()
        for p in leaf:
            p.data -= 0.1 * p.grad.numpy()
            p.grad = None
    return b"".join(p.data.tobytes() for p in leaf)


@pytest.fixture
def threads_restored():
    before = ta.get_num_threads()
    yield before
    ta.set_num_threads(before)


def test_two_threads_training_at_once_get_what_each_gets_alone():
    expected = [train(0), train(1)]
    got = [None, None]

    def one(seed):
        got[seed] = train(seed)

    together(lambda: one(0), lambda: one(1))
    assert got == expected


def test_the_same_bits_on_one_thread_or_many(threads_restored):
    results = set()
    for count in {1, min(2, threads_restored), threads_restored}:
        ta.set_num_threads(count)
        results.add(train(3, steps=20))
    assert len(results) == 1


BITS = """
import hashlib
import numpy as np
import tinygrad_astro as ta
from tinygrad_astro import layers
from tinygrad_astro.kernels.cpu import target

rng = np.random.default_rng(0)
x = rng.standard_normal((80, 32, 36, 8)).astype("float32")
y = rng.integers(0, 3, (80, 16, 18))
for count in (1, 2):
    ta.set_num_threads(count)
    ta.manual_seed(1)
    model = ta.Sequential([
        layers.Input((32, 36, 8)),
        layers.Conv2D(16, 3, padding="same"),
        layers.BatchNormalization(),
        layers.Activation("relu"),
        layers.MaxPooling2D(2),
        layers.Dropout(0.2),
        layers.Conv2DTranspose(8, 2, 2, activation="tanh"),
        layers.AveragePooling2D(2),
        layers.Dense(3),
    ])
    loss = ta.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(ta.optimizers.AdamW(0.01), loss)
    model.fit(x, y, batch_size=16, epochs=4, verbose=0)
    sha = hashlib.sha256(b"".join(w.tobytes() for w in model.get_weights()))
    print("bits", count, target._launched, sha.hexdigest())
"""


def test_a_model_has_the_same_bits_after_20_steps_on_1_and_2_threads():
    """Numba starts two threads even where there is one core."""
    done = subprocess.run(
        [sys.executable, "-c", BITS],
        env={**os.environ, "NUMBA_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    one, two = (line.split() for line in done.stdout.splitlines() if line.startswith("bits"))
    assert one[1:3] == ["1", "True"] and two[1:3] == ["2", "True"], done.stderr
    assert one[3] == two[3]


def test_the_number_of_threads_holds_in_every_python_thread(threads_restored):
    seen = []
    ta.set_num_threads(1)

    def look():
        import numba

        train(0, steps=1)
        seen.append((ta.get_num_threads(), numba.get_num_threads()))

    together(look)
    assert seen == [(1, 1)]


@pytest.mark.parametrize("count", [0, -1, 10_000, 1.0, "2", None])
def test_a_number_of_threads_that_is_none(count):
    with pytest.raises(ValueError, match="set_num_threads got .* expected an integer from 1 to"):
        ta.set_num_threads(count)


def test_modes_belong_to_their_thread():
    inside, outside, seen = threading.Event(), threading.Event(), []

    def silent():
        with ta.no_grad(), ta.detect_anomaly():
            inside.set()
            outside.wait(60)
            seen.append(ta.is_recording())

    def loud():
        inside.wait(60)
        x = ta.tensor([-1.0], requires_grad=True)
        y = ops.log(x)  # a NaN, but only the other thread looks for it
        seen.append(ta.is_recording() and y.requires_grad)
        outside.set()

    together(silent, loud)
    assert seen == [True, False]


def test_two_threads_recording_on_one_shared_leaf():
    """Each walks only its own tape; the births of records interleave."""
    shared = ta.tensor(np.ones(3), requires_grad=True)
    slopes = [None, None]

    def record(position, factor):
        def f(x):
            for _ in range(300):
                x = x * 1.0 + 0.0
            return (x * factor * shared).sum()

        slopes[position] = ta.grad(f)(np.ones(3)).numpy()

    together(lambda: record(0, 2.0), lambda: record(1, 5.0))
    np.testing.assert_array_equal(slopes[0], [2.0] * 3)
    np.testing.assert_array_equal(slopes[1], [5.0] * 3)


# ---- forks ---------------------------------------------------------------------------------------

FORK = """
import os, signal, sys, warnings
warnings.simplefilter("ignore")
import numpy as np
import tinygrad_astro as ta
from tinygrad_astro import ops

x = np.ones((4, 64, 64, 8), np.float32)
w = np.ones((3, 3, 8, 8), np.float32)
before = {before}
if before:
    expected = float(ops.conv(x, w).sum())
child = os.fork()
if child == 0:
    try:
        made = float(ops.conv(x, w).sum())
        print("result", made == 4 * 62 * 62 * 8 * 72, flush=True)
    except RuntimeError as error:
        print("error", error, flush=True)
    small = float(ops.relu(ta.tensor([-1.0, 2.0])).sum())
    print("small", small, flush=True)
    os._exit(0)
signal.alarm(60)
print("status", os.waitpid(child, 0)[1], flush=True)
if before:
    print("parent", float(ops.conv(x, w).sum()) == expected, flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("before", [True, False])
def test_a_forked_child_gets_an_error_or_the_right_result_and_never_dies(before):
    done = subprocess.run(
        [sys.executable, "-c", FORK.format(before=before)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    lines = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert done.returncode == 0 and lines["status"] == "0", done.stdout + done.stderr
    assert lines["small"] == "2.0"
    if before:
        assert "forked child" in lines["error"] and "spawn" in lines["error"]
        assert lines["parent"] == "True"
    else:
        assert lines["result"] == "True"
