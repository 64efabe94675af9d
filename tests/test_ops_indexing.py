"""Picking values by index: NumPy's results, repeated indices, transposes, clear errors."""

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro import ops
from tinygrad_astro.testing import check_adjoint, check_grads

RNG = np.random.default_rng(7)
A = RNG.standard_normal
MASK = np.array([[True, False, True], [False, False, True], [True, True, False]])

KEYS = {
    "integer": 1,
    "last": -1,
    "slice": (slice(1, None), slice(None, None, -1)),
    "step": (slice(None, None, 2), 0),
    "new axis": (None, slice(None), None),
    "ellipsis": (..., 1),
    "list": [0, 2],
    "a value picked three times": [0, 0, 0, 1],
    "two lists": ([0, 2, 0], [1, 1, 1]),
    "list beside a slice": (slice(0, 2), [1, 1, 0]),
    "matrix of indices": (np.array([[0, 2], [2, 1]]),),
    "mask": MASK,
    "mask of rows": np.array([True, False, True]),
    "nothing": slice(0, 0),
    "empty list": [],
}


@pytest.mark.parametrize("name", KEYS)
def test_values_adjoint_and_derivatives(name):
    key, x = KEYS[name], A((3, 3))
    np.testing.assert_array_equal(ops.getitem(x, key).numpy(), x[key])
    check_adjoint(lambda x: x[key], x)
    check_grads(lambda x: x[key] ** 2, x)


def test_repeated_indices_add_up():
    slope = ta.grad(lambda x: x[[0, 0, 2]].sum())(np.ones(3)).numpy()
    np.testing.assert_array_equal(slope, [2.0, 0.0, 1.0])


@pytest.mark.parametrize("axis", [0, 1, -1, None])
def test_take_is_numpys(axis):
    x, indices = A((3, 4)), np.array([[2, 0], [1, 1]])
    np.testing.assert_array_equal(ops.take(x, indices, axis).numpy(), np.take(x, indices, axis))
    check_adjoint(lambda x: ops.take(x, indices, axis), x)
    check_grads(lambda x: ops.take(x, ta.tensor(indices), axis) ** 2, x)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_take_along_axis_is_numpys(axis):
    x = A((3, 4))
    indices = RNG.integers(-3, 3, (3, 4))
    made = ops.take_along_axis(x, indices, axis).numpy()
    np.testing.assert_array_equal(made, np.take_along_axis(x, indices, axis))
    check_adjoint(lambda x: ops.take_along_axis(x, indices, axis), x)
    check_grads(lambda x: ops.take_along_axis(x, indices, axis=axis) ** 2, x)


def test_take_along_axis_broadcasts_either_side():
    x = A((3, 4))
    for values, indices in ((x, np.array([[1, 1, 0]])), (x[:1], np.array([[1], [0], [2]]))):
        made = ops.take_along_axis(values, indices, 1).numpy()
        np.testing.assert_array_equal(made, np.take_along_axis(values, indices, 1))
        check_adjoint(lambda v, i=indices: ops.take_along_axis(v, i, 1), values)


def test_take_nothing():
    assert ops.take(np.ones((3, 2)), [], 0).shape == (0, 2)


def test_one_hot():
    made = ops.one_hot([[0, 2], [1, 1]], 3)
    assert made.dtype == np.float32
    expected = [[[1, 0, 0], [0, 0, 1]], [[0, 1, 0], [0, 1, 0]]]
    np.testing.assert_array_equal(made.numpy(), expected)
    np.testing.assert_array_equal(ops.one_hot(ta.tensor([1.0]), 2).numpy(), [[0, 1]])
    np.testing.assert_array_equal(ops.one_hot(np.array([1], ">i2"), 2, float).numpy(), [[0, 1]])
    assert ops.one_hot(np.empty(0, int), 3).shape == (0, 3)


@pytest.mark.parametrize(
    "make, error, text",
    [
        (lambda: ops.getitem(np.ones(3), 1.0), IndexError, "index of type float"),
        (lambda: ops.getitem(np.ones(3), [0.5]), IndexError, "index of type float64"),
        (lambda: ops.getitem(np.ones(3), 3), IndexError, "out of bounds"),
        (lambda: ops.take(np.ones(3), [0.5]), IndexError, "float64"),
        (lambda: ops.take(np.ones(3), [3]), IndexError, "out of bounds"),
        (lambda: ops.take(np.ones(3), [0], 1), ValueError, "axis=1 is out of range"),
        (lambda: ops.take_along_axis(np.ones((2, 2)), [0], 0), ValueError, "expected as many axes"),
        (lambda: ops.take_along_axis(np.ones(2), [0.5], 0), IndexError, "expected integers"),
        (lambda: ops.take_along_axis(np.ones(2), [5], 0), IndexError, "out of bounds"),
        (lambda: ops.take_along_axis(np.ones((3, 2)), np.zeros((2, 1), int), 1), ValueError,
         "do not broadcast"),
        (lambda: ops.one_hot([0, 3], 3), ValueError, "run from 0 to 3, expected 0 to 2"),
        (lambda: ops.one_hot([0], 2.5), ValueError, "num_classes=2.5, expected an integer"),
        (lambda: ops.one_hot([-1], 3), ValueError, "run from -1"),
        (lambda: ops.one_hot([0.5], 3), ValueError, "whole numbers"),
        (lambda: ops.one_hot([np.nan], 3), ValueError, "NaN"),
        (lambda: ops.one_hot(["galaxy"], 3), ValueError, "dtype <U6, expected integers"),
    ],
)  # fmt: skip
def test_errors(make, error, text):
    with pytest.raises(error, match=text):
        make()
