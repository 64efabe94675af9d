"""Reductions along axes: plain loops, ties and NaN as specified, and derivatives of both orders."""

import numpy as np
import pytest
from scipy import special

import tinygrad_astro as ta
from tinygrad_astro import ops
from tinygrad_astro.testing import check_adjoint, check_grads

RNG = np.random.default_rng(5)
A = RNG.standard_normal
NAN, INF = np.nan, np.inf

GRADS = {
    "mean": (lambda x: ops.mean(x, (0, 2), True) ** 2, A((3, 4, 2))),
    "var": (lambda x: ops.var(x, 0), A((5, 2))),
    "var of all": (ops.var, A((5, 2))),
    "std": (lambda x: ops.std(x, 1, keepdims=True), A((2, 5))),
    "max": (lambda x: ops.max(x, 1) ** 2, A((5, 3))),
    "max of two axes": (lambda x: ops.max(x, (0, 2)) ** 2, A((2, 3, 3))),
    "min of all": (lambda x: ops.min(x) ** 2, A((5, 3))),
    "prod": (lambda x: ops.prod(x, 1), A((2, 5))),
    "prod of zeros": (ops.prod, np.array([1.0, 0.0, 2.0, 0.0])),
    "prod of two axes, kept": (lambda x: ops.prod(x, (0, 2), keepdims=True), A((2, 3, 3))),
    "prod of one": (lambda x: ops.prod(x, 0) * x[0], A((1, 3))),
    "prod of none": (lambda x: ops.prod(x, 0) + 0.0 * x.sum(), A((0, 3))),
    "cumsum": (lambda x: ops.cumsum(x, 1) ** 2, A((2, 5))),
    "cumsum of all": (lambda x: ops.cumsum(x) ** 2, A((2, 3))),
    "logsumexp": (lambda x: ops.logsumexp(x, 1), A((2, 5))),
    "logsumexp of all": (lambda x: ops.logsumexp(x, keepdims=True), A((2, 3))),
    "softmax": (lambda x: ops.softmax(x, 1), A((2, 5))),
    "softmax of two axes": (lambda x: ops.softmax(x, (0, 2)), A((2, 2, 3))),
    "log_softmax": (lambda x: ops.log_softmax(x, 0), A((4, 2))),
}


@pytest.mark.parametrize("name", GRADS)
def test_first_and_second_derivatives(name):
    f, x = GRADS[name]
    check_grads(f, x)


@pytest.mark.parametrize(
    "f", [lambda x: ops.mean(x, 1), ops.mean, lambda x: ops.cumsum(x, 0), ops.cumsum]
)
def test_adjoints(f):
    check_adjoint(f, A((4, 3)))


def columns(x):
    """Give each column of an (N, C) array as a list of Python floats."""
    return [[float(v) for v in column] for column in x.T]


@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_values_from_python_lists(n):
    x = A((n, 3))
    for name, plain in {
        "mean": lambda c: sum(c) / n,
        "var": lambda c: sum((v - sum(c) / n) ** 2 for v in c) / n,
        "std": lambda c: (sum((v - sum(c) / n) ** 2 for v in c) / n) ** 0.5,
        "max": max,
        "min": min,
        "prod": lambda c: float(np.prod(np.array(c, object))),
        "argmax": lambda c: c.index(max(c)),
        "argmin": lambda c: c.index(min(c)),
    }.items():
        made = getattr(ops, name)(x, axis=0).numpy()
        np.testing.assert_allclose(made, [plain(c) for c in columns(x)], rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2), (0, 1, 2)])
@pytest.mark.parametrize("keepdims", [False, True])
def test_axes_and_kept_dimensions_are_numpys(axis, keepdims):
    x = A((2, 3, 4))
    for name in "sum mean var std max min prod".split():
        expected = getattr(np, name)(x, axis=axis, keepdims=keepdims)
        made = getattr(ops, name)(x, axis=axis, keepdims=keepdims).numpy()
        assert made.shape == expected.shape
        np.testing.assert_allclose(made, expected, rtol=1e-12, atol=1e-14)
    expected = special.logsumexp(x, axis=axis, keepdims=keepdims)
    made = ops.logsumexp(x, axis, keepdims).numpy()
    assert made.shape == expected.shape
    np.testing.assert_allclose(made, expected, rtol=1e-12)


@pytest.mark.parametrize("name, choose", [("max", "argmax"), ("min", "argmin")])
def test_ties_give_the_gradient_to_the_first(name, choose):
    x = np.array([[2.0, 2.0, 2.0], [1.0, 3.0, 3.0]])
    slope = ta.grad(lambda x: getattr(ops, name)(x, 1).sum())(x).numpy()
    picks = getattr(ops, choose)(x, 1).numpy()
    assert picks.tolist() == [0, 1 if name == "max" else 0]
    expected = np.zeros((2, 3))
    expected[[0, 1], picks] = 1.0
    np.testing.assert_array_equal(slope, expected)


@pytest.mark.parametrize("name", ["any", "all"])
@pytest.mark.parametrize("axis", [None, 0, (0, 1)])
def test_any_and_all_are_numpys(name, axis):
    x = np.array([[0.0, 1.0, NAN], [0.0, 0.0, 2.0]])
    for values in (x, x > 0, x[:, 1:] > 0, x[:0]):
        made = getattr(ops, name)(values, axis)
        assert made.dtype == bool
        np.testing.assert_array_equal(made.numpy(), getattr(np, name)(values, axis=axis))
    assert not ops.any(ta.tensor(x, requires_grad=True)).requires_grad
    assert (ta.tensor(x) > 0).any() and not np.all(ta.tensor(x) > 0)


@pytest.mark.parametrize("name", ["max", "min"])
def test_nan_wins_and_the_first_nan_is_chosen(name):
    x = np.array([1.0, NAN, 5.0, NAN])
    assert np.isnan(float(getattr(ops, name)(x)))
    assert int(getattr(ops, "arg" + name)(x)) == 1
    slope = ta.grad(getattr(ops, name))(x).numpy()
    np.testing.assert_array_equal(slope, [0.0, 1.0, 0.0, 0.0])


def test_nan_spoils_what_is_summed_over_it_only():
    x = np.array([[1.0, NAN], [2.0, 3.0]])
    for name in "sum mean var std prod logsumexp".split():
        assert np.isnan(getattr(ops, name)(x, axis=0).numpy()).tolist() == [False, True], name
    assert np.isnan(ops.softmax(x).numpy()).tolist() == [[True, True], [False, False]]


def test_softmax_and_its_logarithm_do_not_overflow():
    x = np.array([[1000.0, 0.0, -1000.0], [-1e5, -1e5, -1e5]])
    np.testing.assert_allclose(ops.softmax(x).numpy(), special.softmax(x, -1))
    np.testing.assert_allclose(ops.log_softmax(x).numpy(), special.log_softmax(x, -1))
    assert float(ops.logsumexp(np.array([1000.0, 1000.0]))) == pytest.approx(1000 + np.log(2))
    x = A((3, 4)).astype(np.float32)
    np.testing.assert_allclose(ops.softmax(x, 0).numpy().sum(0), np.ones(4), rtol=1e-6)


def test_a_class_ruled_out_by_minus_infinity():
    x = np.array([0.0, -INF, 0.0])
    np.testing.assert_array_equal(ops.softmax(x).numpy(), [0.5, 0.0, 0.5])
    np.testing.assert_array_equal(ta.grad(lambda x: ops.logsumexp(x))(x).numpy(), [0.5, 0.0, 0.5])
    assert float(ops.logsumexp(np.array([-INF, -INF]))) == -INF


def test_empty_sets():
    assert np.isnan(ops.mean(np.empty((0, 2)), 0).numpy()).all()
    np.testing.assert_array_equal(ops.prod(np.empty((0, 2)), 0).numpy(), [1.0, 1.0])
    assert ops.max(np.empty((0, 2)), 1).shape == (0,)


def test_std_of_constants_has_no_finite_slope():
    assert not np.isfinite(ta.grad(ops.std)(np.ones(3)).numpy()).any()


@pytest.mark.parametrize("name", ["mean", "softmax", "log_softmax", "std"])
def test_integers_become_floats(name):
    x = np.array([[1, 2], [3, 5]])
    made = getattr(ops, name)(x)
    assert made.dtype == np.float32
    np.testing.assert_allclose(made.numpy(), getattr(ops, name)(x.astype(float)).numpy(), rtol=1e-6)


def test_cumsum_is_numpys_and_keeps_float32():
    x = A((3, 4)).astype(np.float32)
    np.testing.assert_array_equal(ops.cumsum(x, -1).numpy(), np.cumsum(x, -1))
    np.testing.assert_array_equal(ops.cumsum(x).numpy(), np.cumsum(x))


@pytest.mark.parametrize(
    "make, text",
    [
        (lambda: ops.max(np.empty((0, 2)), axis=0), "no value to choose from"),
        (lambda: ops.argmax(np.empty((0, 2))), "no value to choose from"),
        (lambda: ops.argmin(np.ones((2, 2)), axis=2), "axis=2 is out of range"),
        (lambda: ops.argmax(np.ones((2, 2)), axis=(0, 1)), "expected one integer"),
        (lambda: ops.mean(np.ones((2, 2)), axis=(0, 0)), "twice"),
        (lambda: ops.cumsum(np.ones((2, 2)), axis=(0, 1)), "expected one integer"),
        (lambda: ops.softmax(np.ones((2, 2)), axis=5), "axis=5 is out of range"),
    ],
)
def test_errors(make, text):
    with pytest.raises(ValueError, match=text):
        make()
