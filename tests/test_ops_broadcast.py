"""reshape, sum and broadcasting: the family whose members are each other's transposes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_astro as ta
from tinygrad_astro import ops
from tinygrad_astro.ops.broadcast import sum_to
from tinygrad_astro.testing import check_adjoint, check_grads

QUICK = settings(max_examples=60, deadline=None, derandomize=True)
RNG = np.random.default_rng(4)
A = RNG.standard_normal

LINEAR = {
    "reshape": (lambda x: ops.reshape(x, (4, 6)), (2, 3, 4)),
    "reshape to one axis": (lambda x: ops.reshape(x, -1), (2, 3)),
    "sum": (ops.sum, (2, 3)),
    "sum of one axis": (lambda x: ops.sum(x, 1), (2, 3, 4)),
    "sum of axes, kept": (lambda x: ops.sum(x, (0, -1), keepdims=True), (2, 3, 4)),
    "sum of no axis": (lambda x: ops.sum(x, ()), (2, 3)),
    "broadcast": (lambda x: ops.broadcast_to(x, (5, 2, 3)), (2, 1)),
    "broadcast of a single value": (lambda x: ops.broadcast_to(x, (2, 3)), ()),
    "sum_to": (lambda x: sum_to(x, (3, 1)), (2, 3, 4)),
    "sum of an empty axis": (lambda x: ops.sum(x, 0), (0, 3)),
}


@pytest.mark.parametrize("name", LINEAR)
def test_adjoints(name):
    f, shape = LINEAR[name]
    check_adjoint(f, A(shape))


@pytest.mark.parametrize("name", LINEAR)
def test_first_and_second_derivatives(name):
    f, shape = LINEAR[name]
    check_grads(lambda x: f(x * x), A(shape))


@QUICK
@given(st.data())
def test_sum_is_a_plain_loop(data):
    shape = tuple(data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=4)))
    axes = data.draw(st.sets(st.integers(0, len(shape) - 1)))
    keepdims = data.draw(st.booleans())
    x = np.random.default_rng(0).standard_normal(shape)
    expected = np.zeros([1 if a in axes else n for a, n in enumerate(shape)])
    for index in np.ndindex(*shape):
        expected[tuple(0 if a in axes else i for a, i in enumerate(index))] += x[index]
    made = ops.sum(x, tuple(axes), keepdims=keepdims).numpy()
    wanted = expected if keepdims else expected.squeeze(tuple(axes))
    assert made.shape == wanted.shape
    np.testing.assert_allclose(made, wanted, atol=1e-13)


@QUICK
@given(st.data())
def test_gradients_come_back_in_the_parameters_shape(data):
    """No broadcasting surprises: (1,), (3, 1), () and missing axes all get their own shape back."""
    shape = tuple(data.draw(st.lists(st.integers(1, 3), max_size=3)))
    drop = data.draw(st.integers(0, len(shape)))
    narrow = tuple(1 if data.draw(st.booleans()) else n for n in shape[drop:])
    x, w = ta.tensor(np.ones(shape), requires_grad=True), ta.tensor(np.ones(narrow))
    w.requires_grad = True
    (x * w).sum().backward()
    assert x.grad.shape == shape and w.grad.shape == narrow
    np.testing.assert_array_equal(w.grad.numpy(), np.full(narrow, x.size / max(w.size, 1)))


def test_broadcasting_costs_no_memory():
    wide = ops.broadcast_to(ta.tensor(np.ones((1, 3))), (1000, 3))
    assert wide.data.strides[0] == 0


def test_sums_keep_float32_and_widen_integers():
    assert ops.sum(np.ones(3, np.float32)).dtype == np.float32
    total = ops.sum(np.full(3, 200, np.uint8))
    assert int(total) == 600


def test_reshape_to_the_same_shape_is_free():
    t = ta.tensor([1.0])
    assert ops.reshape(t, (1,)) is t


@pytest.mark.parametrize(
    "make, error, text",
    [
        (lambda: ops.reshape(np.ones(6), (4, 2)), ValueError, r"\(6,\) \(6 values\) into \(4, 2\)"),
        (lambda: ops.reshape(np.ones(6), (-1, 4)), ValueError, "cannot reshape"),
        (lambda: ops.reshape(np.ones(6), (-1, -1)), ValueError, "at most one size may be -1"),
        (lambda: ops.reshape(np.ones(6), (-2, -3)), ValueError, "cannot reshape"),
        (lambda: ops.reshape(np.ones((0, 3)), (0, -1)), ValueError, "cannot reshape"),
        (lambda: ops.reshape(np.ones(6), (1.5, 4)), TypeError, r"shape=\(1.5, 4\), expected int"),
        (lambda: ops.sum(np.ones((2, 2)), 2), ValueError, "axis=2 is out of range"),
        (lambda: ops.broadcast_to(np.ones((2, 3)), (3,)), ValueError, r"cannot broadcast \(2, 3\)"),
        (lambda: ops.broadcast_to(np.ones((2, 3)), (2, 1)), ValueError, "a size would shrink"),
        (lambda: ops.broadcast_to(np.ones(2), (3,)), ValueError, "do not broadcast"),
    ],
)
def test_errors(make, error, text):
    with pytest.raises(error, match=text):
        make()
