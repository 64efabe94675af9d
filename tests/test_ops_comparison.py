"""Comparisons, bits, choices: values as NumPy, ties and NaN as specified, gradients to one side."""

import operator

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro import ops
from tinygrad_astro.testing import check_adjoint, check_grads

RNG = np.random.default_rng(2)
A = RNG.standard_normal
NAN = np.nan

GRADS = {
    "maximum": (ops.maximum, A(5), A(5)),
    "minimum": (ops.minimum, A((3, 5)), A(5)),
    "clip": (lambda x: ops.clip(x, -0.5, 0.5) * x, A(9)),
    "clip below only": (lambda x: ops.clip(x, 0.1, None) * x, A(9)),
    "clip at tensors": (lambda x, a: ops.clip(x, a, a + 0.5) * x, A(9), np.array(-0.3)),
    "where": (lambda x, y: ops.where(x > 0, x * y, y * y), A(6), A(6)),
    "where of a wide condition": (
        lambda x, y: ops.where(np.array([[True], [False]]), x, y) ** 2, A(3), A((1, 3)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GRADS)
def test_first_and_second_derivatives(name):
    f, *args = GRADS[name]
    check_grads(f, *args)


def test_a_choice_is_linear_in_what_it_chooses():
    mask = A((3, 4)) > 0
    check_adjoint(lambda x: ops.where(mask, x, 0.0), A((3, 4)))
    check_adjoint(lambda x: ops.where(mask, 2.0 * x, x[:1]), A((3, 4)))


@pytest.mark.parametrize("name", "equal not_equal less less_equal greater greater_equal".split())
def test_comparisons_have_values_and_no_gradient(name):
    compare = getattr(
        operator,
        dict(equal="eq", not_equal="ne", less="lt", less_equal="le", greater="gt").get(name, "ge"),
    )
    values = [-1.0, 0.0, 1.0, np.inf, NAN]
    made = getattr(ops, name)(np.array(values)[:, None], ta.tensor(values, requires_grad=True))
    assert made.dtype == bool and not made.requires_grad
    expected = [[compare(a, b) for b in values] for a in values]
    np.testing.assert_array_equal(made.numpy(), expected)


def test_logic_and_bits():
    a, b = np.array([True, True, False, False]), np.array([True, False, True, False])
    np.testing.assert_array_equal(ops.logical_and(a, b).numpy(), [True, False, False, False])
    np.testing.assert_array_equal(ops.logical_or(a, b).numpy(), [True, True, True, False])
    np.testing.assert_array_equal(ops.logical_not(a).numpy(), [False, False, True, True])
    flags = np.array([5, 2], np.uint8)
    np.testing.assert_array_equal(ops.bitwise_and(flags, np.uint8(4)).numpy(), [4, 0])
    np.testing.assert_array_equal(ops.bitwise_or(flags, np.uint8(1)).numpy(), [5, 3])
    np.testing.assert_array_equal(ops.invert(flags).numpy(), [250, 253])


def test_nan_and_infinity_are_found():
    x = np.array([1.0, NAN, np.inf, -np.inf])
    np.testing.assert_array_equal(ops.isnan(x).numpy(), [False, True, False, False])
    np.testing.assert_array_equal(ops.isfinite(x).numpy(), [True, False, False, False])


@pytest.mark.parametrize("name, pick", [("maximum", max), ("minimum", min)])
def test_extrema_of_two_with_nan_on_either_side(name, pick):
    x, y = np.array([1.0, 2.0, NAN, 1.0, NAN]), np.array([2.0, 1.0, 1.0, NAN, NAN])
    made = getattr(ops, name)(x, y).numpy()
    np.testing.assert_array_equal(made, [pick(1.0, 2.0), pick(2.0, 1.0), NAN, NAN, NAN])


@pytest.mark.parametrize("name", ["maximum", "minimum"])
def test_a_tie_gives_the_whole_gradient_to_the_first(name):
    x, y = ta.grad(lambda x, y: getattr(ops, name)(x, y).sum(), (0, 1))([3.0], [3.0])
    assert (float(x), float(y)) == (1.0, 0.0)


def test_clip_values_and_nan():
    x = np.array([-2.0, -0.5, 0.3, 2.0, NAN])
    np.testing.assert_array_equal(ops.clip(x, -0.5, 0.5).numpy(), [-0.5, -0.5, 0.3, 0.5, NAN])
    np.testing.assert_array_equal(ops.clip(x, None, 0.0).numpy(), [-2.0, -0.5, 0.0, 0.0, NAN])
    np.testing.assert_array_equal(ops.clip(x, None, None).numpy(), x)
    slope = ta.grad(lambda x: ops.clip(x, -0.5, 0.5).sum())(x[:4]).numpy()
    np.testing.assert_array_equal(slope, [0.0, 1.0, 1.0, 0.0])


def test_the_value_not_chosen_reaches_neither_value_nor_gradient():
    x = np.array([0.0, 4.0])
    f = lambda x: ops.where(x > 0, ops.log(ops.where(x > 0, x, 1.0)), 0.0).sum()  # noqa: E731
    value, slope = ta.value_and_grad(f)(x)
    assert float(value) == pytest.approx(np.log(4.0))
    np.testing.assert_array_equal(slope.numpy(), [0.0, 0.25])


def test_where_on_a_tracked_condition_has_no_gradient_to_it():
    c, x = ta.tensor([0.0, 1.0], requires_grad=True), ta.tensor([1.0, 2.0], requires_grad=True)
    ops.where(c, x, x * 3.0).sum().backward()
    assert c.grad is None
    np.testing.assert_array_equal(x.grad.numpy(), [3.0, 1.0])


def test_likes():
    t = ta.tensor(np.full((2, 3), 7.0, np.float32), requires_grad=True)
    for made, value in ((ops.zeros_like(t), 0.0), (ops.ones_like(t), 1.0)):
        assert made.dtype == np.float32 and not made.requires_grad
        np.testing.assert_array_equal(made.numpy(), np.full((2, 3), value))


def test_integers_compare_with_floats():
    assert ops.less(ta.tensor([1, 2]), 1.5).numpy().tolist() == [True, False]
    assert ops.where([True, False], ta.tensor([1, 2]), 0.5).numpy().tolist() == [1.0, 0.5]
