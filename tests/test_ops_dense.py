"""The dense layer as one primitive: against the ops that it is made of, NumPy and differences."""

import numpy as np
import pytest

from tinygrad_astro import ops
from tinygrad_astro.testing import check_grads

NAMES = ["linear", "relu", "sigmoid", "tanh", "elu", "leaky_relu"]


def draw(rng, dtype=np.float64):
    shapes = (5, 4), (4, 3), (3,)
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


@pytest.mark.parametrize("name", NAMES)
def test_one_primitive_equals_product_bias_and_activation(rng, name):
    x, w, bias = draw(rng)
    apart = ops.bias_activation(ops.dense(x, w), bias, name)
    np.testing.assert_array_equal(ops.dense(x, w, bias, name).numpy(), apart.numpy())
    if name == "relu":
        np.testing.assert_allclose(apart.numpy(), np.maximum(x @ w + bias, 0), atol=1e-14)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_of_both_orders(rng, name):
    check_grads(lambda x, w, bias: ops.dense(x, w, bias, name), *draw(rng), order=2)


def test_the_bias_takes_the_dtype_of_the_product(rng):
    x, w, bias = draw(rng)
    assert ops.dense(x.astype(np.float32), w.astype(np.float32), bias).dtype == np.float32


@pytest.mark.parametrize("bias, name", [(np.ones(4), "linear"), (np.ones((1, 3)), "relu")])
def test_a_bias_that_does_not_fit_is_named(rng, bias, name):
    x, w, _ = draw(rng)
    with pytest.raises(ValueError, match=r"bias of shape .* expected \(3,\)"):
        ops.dense(x, w, bias, name)


def test_an_activation_that_is_not_fused_is_named(rng):
    with pytest.raises(ValueError, match="'softmax'.*'relu'"):
        ops.dense(*draw(rng), "softmax")
