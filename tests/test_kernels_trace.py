"""What a recorded step on the CPU writes down: views, memory that is used again, refusals."""

import ast
import inspect

import numpy as np
import pytest

from tinygrad_astro.kernels import cpu, live, of, trace, xp
from tinygrad_astro.kernels.recorded import Recorded
from tinygrad_astro.kernels.trace import Program


def record(function, *inputs, limit=np.inf):
    return Recorded(lambda *arrays: [function(*arrays)], inputs, Program(limit))


def arrays(rng):
    return rng.standard_normal((2, 3, 4)), rng.standard_normal((3, 4))


FUNCTIONS = {
    "operators": lambda x, y: (-x * y + 2 / (1 + y**2) - (x > 0) * abs(x)) @ y.T,
    "views": lambda x, y: (x[:, 1:, ::2].reshape(2, 4) + y.T[:2].ravel()[:4]).transpose(),
    "functions": lambda x, y: np.concatenate([np.where(x > 0, x, y), np.maximum(x, y)], axis=1),
    "reductions": lambda x, y: np.add.reduce(x, axis=(0, 2)) + y.max(axis=1) + x.mean(),
    "transposed": lambda x, y: np.exp(y.T) * np.moveaxis(x, 1, 2),
    "namespace": lambda x, y: xp(x).full((3,), x[0, 0, 0] * 2, "f8") + xp(x).arange(3),
    "indices": lambda x, y: np.take_along_axis(x, np.argsort(x, axis=-1), -1),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_replays_give_what_numpy_gives(rng, name):
    function = FUNCTIONS[name]
    replay = record(function, *arrays(rng))
    for _ in range(2):
        given = arrays(rng)
        expected = function(*given)
        (found,) = replay(*given)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


def test_writes_in_place_are_repeated(rng):
    def function(x, y):
        total = xp(x).zeros((4,), np.float64)
        np.add.at(total, np.array([0, 3]), y[0, :2])
        total[1] = x[0, 0, 0]
        total *= 2
        return total

    replay = record(function, *arrays(rng))
    for _ in range(3):
        x, y = arrays(rng)
        expected = 2 * np.array([y[0, 0], x[0, 0, 0], 0, y[0, 1]])
        np.testing.assert_array_equal(replay(x, y)[0], expected)


def test_memory_that_nobody_holds_is_used_again(rng):
    def chain(x):
        for _ in range(10):
            x = x * 2
        return x

    x = rng.standard_normal(1000)
    replay = record(chain, x)
    assert replay.program.taken == 2 * x.nbytes and len(replay.program.lines) == 10
    np.testing.assert_array_equal(replay(x)[0], 1024 * x)
    with pytest.raises(live.NotRepeatable, match="more memory"):
        record(chain, x, limit=x.nbytes)


ASKED = {
    "float": lambda x: float(x[0]),
    "if": lambda x: x if x[0] > 0 else -x,
    "array": lambda x: np.asarray(x),
    "loop": lambda x: [v for v in x],
    "list": lambda x: x.tolist(),
    "other memory": lambda x: np.add(x, 1, out=np.empty(3)),
    "other memory in a kernel": lambda x: of(x).elementwise.activation(np.empty(3), x, "relu"),
    "limits": lambda x: x.astype(int).limits(),
    "sorting": lambda x: x.sort(),
    "out by position": lambda x: np.clip(x, -1, 1, x),
    "out of another": lambda x: np.cumsum(x, 0, None, xp(x).zeros(3, x.dtype)),
    "mask": lambda x: x[x > 0],
    "windows": lambda x: np.lib.stride_tricks.sliding_window_view(x, 2),
}


@pytest.mark.parametrize("name", ASKED)
def test_what_a_replay_would_not_repeat_is_refused(name):
    with pytest.raises(live.NotRepeatable, match="is recorded: a replay would not repeat it"):
        record(ASKED[name], given := np.array([3.0, 1.0, 2.0]))
    np.testing.assert_array_equal(given, [3, 1, 2])


def test_results_of_a_size_that_depends_on_values_are_refused():
    replay = record(lambda x: np.unique(x * 2), np.ones(3))
    np.testing.assert_array_equal(replay(np.ones(3))[0], [2])
    with pytest.raises(live.NotRepeatable, match="unique gave another number of values"):
        replay(np.arange(3.0))


def test_memory_of_other_layouts_is_counted_and_used_again(rng):
    def chain(x):
        for _ in range(10):
            x = x.transpose(2, 0, 1) * 2
        return x

    x = rng.standard_normal((3, 4, 5))
    replay = record(chain, x)
    assert replay.program.taken == 2 * x.nbytes
    (found,) = replay(x)
    np.testing.assert_array_equal(found, chain(x))
    assert found.strides == chain(x).strides and not found.flags["C_CONTIGUOUS"]


def test_recording_runs_no_kernel(rng):
    x = rng.standard_normal(5)

    def function(a):
        of(a).elementwise.activation(a, a, "relu")
        return a

    replay = record(function, x)
    np.testing.assert_array_equal(replay.inputs[0], x)
    np.testing.assert_array_equal(replay(x)[0], np.maximum(x, 0))


def giving(tree):
    """Name the public functions of a module that give a value."""
    for f in tree.body:
        if isinstance(f, ast.FunctionDef) and not f.name.startswith("_") and not f.decorator_list:
            if any(isinstance(n, ast.Return) and n.value is not None for n in ast.walk(f)):
                yield f.name


def test_kernels_that_give_values_are_known():
    known = {f.__name__ for f in trace.GIVING} | {"empty", "owns", "memory_stats"}
    sources = {name: inspect.getsource(getattr(cpu, name)) for name in cpu.__all__}
    met = {f for text in sources.values() for f in giving(ast.parse(text))}
    assert met == known, "give these a place in trace.GIVING"
    assert list(giving(ast.parse("def planted(x):\n    return x"))) == ["planted"]
