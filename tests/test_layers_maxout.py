"""Maxout: its count, its values piece by piece, ties, NaN, gradients."""

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro.layers import Maxout


def made(units, pieces, channels):
    layer = Maxout(units, pieces, bias_initializer="random_normal")
    layer.build((None, channels))
    return layer


@pytest.mark.parametrize("pieces", [1, 2, 3])
def test_values_and_count(pieces, rng):
    layer = made(4, pieces, 5)
    x = rng.standard_normal((2, 3, 5)).astype(np.float32)
    kernel, bias = layer.get_weights()
    each = [x @ kernel[:, p::pieces] + bias[p::pieces] for p in range(pieces)]
    np.testing.assert_allclose(layer(x).numpy(), np.max(each, axis=0), rtol=1e-5, atol=1e-6)
    assert layer.count_params() == (5 + 1) * 4 * pieces
    assert layer.compute_output_shape((None, 3, 5)) == (None, 3, 4)


def test_it_learns_the_absolute_value():
    layer = made(1, 2, 1)
    layer.set_weights([np.array([[1.0, -1.0]]), np.zeros(2)])
    x = np.linspace(-2, 2, 5)[:, None]
    np.testing.assert_allclose(layer(x).numpy(), np.abs(x))


def test_the_first_of_equal_pieces_gets_the_gradient_and_nan_stays():
    layer = made(1, 2, 1)
    layer.set_weights([np.array([[1.0, 1.0]]), np.zeros(2)])
    layer(np.ones((1, 1))).sum().backward()
    np.testing.assert_array_equal(layer.kernel.grad.numpy(), [[1, 0]])
    assert np.isnan(layer(np.full((1, 1), np.nan)).numpy()).all()


def test_gradients(rng):
    layer = Maxout(3, 2, dtype="float64")
    ta.testing.check_grads(layer, rng.standard_normal((4, 5)), order=2)


def test_it_is_saved_by_name(tmp_path, rng):
    model = ta.Sequential([ta.Input((5,)), Maxout(3, 4)])
    model.save(tmp_path / "maxout.safetensors")
    again = ta.models.load_model(tmp_path / "maxout.safetensors")
    x = rng.standard_normal((2, 5))
    np.testing.assert_array_equal(again(x).numpy(), model(x).numpy())


def test_no_pieces_are_refused():
    with pytest.raises(ValueError, match="pieces"):
        Maxout(3, 0)
