"""Dense and the layers that rearrange, against NumPy."""

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro import layers


def test_dense_is_a_matrix_product_over_the_last_axis(rng):
    x = rng.standard_normal((2, 3, 4, 5))
    layer = layers.Dense(6, "tanh", dtype="float64")
    layer.build((None, 3, 4, 5))
    layer.set_weights([rng.standard_normal((5, 6)), rng.standard_normal(6)])
    kernel, bias = layer.get_weights()
    np.testing.assert_allclose(layer(x).numpy(), np.tanh(x @ kernel + bias), rtol=1e-12)
    assert layer.compute_output_shape((None, None, 4, 5)) == (None, None, 4, 6)
    assert layer.multiply_adds((None, 3, 4, 5), (None, 3, 4, 6)) == 12 * 30
    assert layers.Dense(6, use_bias=False, input_shape=(5,)).input_shape_given == (5,)


def test_dense_gradients(rng):
    layer = layers.Dense(3, "sigmoid", dtype="float64")
    layer.build((None, 4))

    def f(x, kernel, bias):
        layer.kernel, layer.bias = kernel, bias
        return ta.ops.sum(layer.call(x) * layer.call(x))

    points = rng.standard_normal((2, 4)), rng.standard_normal((4, 3)), rng.standard_normal(3)
    ta.testing.check_grads(f, *points, order=2)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (layers.Flatten(), lambda x: x.reshape(2, -1)),
        (layers.Reshape((4, -1)), lambda x: x.reshape(2, 4, 15)),
        (layers.Reshape((5, 12)), lambda x: x.reshape(2, 5, 12)),
        (layers.Permute((2, 3, 1)), lambda x: x.transpose(0, 2, 3, 1)),
        (layers.Rescaling(2.0, -1.0), lambda x: 2 * x - 1),
        (layers.Rescaling(0.5), lambda x: x / 2),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_rearranging(layer, expected, rng):
    x = rng.standard_normal((2, 3, 4, 5)).astype("float32")
    found = layer(x).numpy()
    np.testing.assert_allclose(found, expected(x), rtol=1e-6)
    assert layer.compute_output_shape((None, 3, 4, 5)) == (None, *found.shape[1:])
    assert type(layer).from_config(layer.get_config()).get_config() == layer.get_config()


def test_repeat_vector():
    found = layers.RepeatVector(3)([[1.0, 2.0]]).numpy()
    np.testing.assert_array_equal(found, [[[1, 2], [1, 2], [1, 2]]])
    assert layers.RepeatVector(3).compute_output_shape((None, 2)) == (None, 3, 2)


def test_unknown_sizes_stay_unknown():
    assert layers.Flatten().compute_output_shape((None, None, 3)) == (None, None)
    assert layers.Reshape((-1, 3)).compute_output_shape((None, None, 3)) == (None, None, 3)


def test_an_empty_batch_passes():
    assert layers.Flatten()(np.ones((0, 3, 4))).shape == (0, 12)
    assert layers.Reshape((-1,))(np.ones((0, 3, 4))).shape == (0, 12)
    assert layers.Dense(2)(np.ones((0, 3))).shape == (0, 2)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: layers.Reshape((5, 5))(np.ones((2, 12))), r"12 values per example, .* do not fit"),
        (lambda: layers.Reshape((-1, -1)), "at most one of them -1"),
        (lambda: layers.Reshape((0, 4)), "expected positive sizes"),
        (lambda: layers.Permute((1, 3)), r"dims=\(1, 3\), expected each of 1 to 2 once"),
        (lambda: layers.Permute((2, 1))(np.ones((2, 3))), "expected 3 axes"),
        (lambda: layers.RepeatVector(0), "n=0, expected an integer of at least 1"),
        (lambda: layers.RepeatVector(2)(np.ones((2, 3, 4))), r"expected 2 axes \(N, C\)"),
        (lambda: layers.Dense(2)(np.ones(3)), r"input of 1 axes, expected .* x\[None\]"),
    ],
)
def test_errors_name_what_was_received_and_expected(call, text):
    with pytest.raises(ValueError, match=text):
        call()


def test_dense_built_for_another_size_says_so():
    layer = layers.Dense(2, name="d")
    layer(np.ones((1, 3)))
    with pytest.raises(ValueError, match="'d' got 4 channels .* but it was built for 3"):
        layer(np.ones((1, 4)))
