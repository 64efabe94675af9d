"""Merging layers, as classes and as functions, on tensors, shapes and symbols."""

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro import layers

A, B, C = np.random.default_rng(1).standard_normal((3, 2, 4, 4, 3)).astype("float32")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Add", A + B + C),
        ("Multiply", A * B * C),
        ("Average", (A + B + C) / 3),
        ("Maximum", np.maximum(np.maximum(A, B), C)),
        ("Minimum", np.minimum(np.minimum(A, B), C)),
        ("Concatenate", np.concatenate([A, B, C], -1)),
    ],
)
def test_values(name, expected):
    np.testing.assert_allclose(getattr(layers, name)()([A, B, C]).numpy(), expected, rtol=1e-6)
    function = getattr(layers, name.lower())
    np.testing.assert_allclose(function([A, B, C]).numpy(), expected, rtol=1e-6)
    shapes = [(None, 4, 4, 3)] * 3
    assert getattr(layers, name)().compute_output_shape(shapes)[1:] == expected.shape[1:]


def test_subtract_and_concatenate_along_height():
    np.testing.assert_array_equal(layers.subtract([A, B]).numpy(), A - B)
    joined = layers.concatenate([A, B[:, :2]], axis=1)
    np.testing.assert_array_equal(joined.numpy(), np.concatenate([A, B[:, :2]], 1))


def test_broadcasting_and_unknown_sizes():
    weights = A[:, :1, :1]
    np.testing.assert_array_equal(layers.multiply([A, weights]).numpy(), A * weights)
    shape = layers.Multiply().compute_output_shape([(None, None, 4, 3), (None, 1, 1, 3)])
    assert shape == (None, None, 4, 3)
    assert layers.Add().compute_output_shape([(None, None, 3), (None, 5, 3)]) == (None, 5, 3)
    shape = layers.Concatenate().compute_output_shape([(None, None, 3), (None, 5, 2)])
    assert shape == (None, 5, 5)
    shape = layers.Concatenate(axis=1).compute_output_shape([(None, None, 3), (None, 5, 3)])
    assert shape == (None, None, 3)


@pytest.mark.parametrize("name", ["Add", "Multiply", "Average", "Maximum", "Concatenate"])
def test_gradients(name, rng):
    layer = getattr(layers, name)()
    points = rng.standard_normal((2, 2, 3))
    ta.testing.check_grads(lambda x, y: ta.ops.sum(ta.ops.sin(layer([x, y]))), *points, order=2)


def test_operators_on_symbols():
    x, y = layers.Input((3,)), layers.Input((3,))
    results = [x + y, x - y, x * y, x + 1.0, 1.0 + x, x - 1.0, 1.0 - x, 2.0 * x, x / 2.0, -x]
    model = ta.Model([x, y], results)
    a, b = np.array([[1.0, 2.0, 3.0]]), np.array([[4.0, 5.0, 7.0]])
    expected = [a + b, a - b, a * b, a + 1, 1 + a, a - 1, 1 - a, 2 * a, a / 2, -a]
    for found, right in zip(model([a, b]), expected, strict=True):
        np.testing.assert_allclose(found.numpy(), right, rtol=1e-6)
    with pytest.raises(TypeError, match="can be divided by a number only"):
        x / y


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: layers.Add()(A),
            r"got a Tensor, expected a list of at least one tensors: Add\(\)",
        ),
        (lambda: layers.Add()([]), "got a list of 0"),
        (lambda: layers.Subtract()([A, B, C]), "got a list of 3, expected a list of 2"),
        (
            lambda: layers.Concatenate()([A, B[:, :3]]),
            "differ in another axis than -1; crop or pad",
        ),
        (lambda: layers.Concatenate()([A, A[0]]), "differ in another axis"),
        (lambda: layers.Concatenate(axis=0)([A, B]), "axis=0 for inputs of 4 axes, batch first"),
        (lambda: layers.Concatenate(axis=7)([A, B]), "axis=7"),
        (
            lambda: layers.Add().compute_output_shape([(None, 4, 3), (None, 5, 3)]),
            r"\(None, 4, 3\) and \(None, 5, 3\), expected the same shape, or 1",
        ),
    ],
)
def test_errors_name_what_was_received_and_expected(call, text):
    with pytest.raises(ValueError, match=text):
        call()
