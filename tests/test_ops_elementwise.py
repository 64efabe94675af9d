"""Arithmetic and functions of each element: values one number at a time, and all derivatives."""

import math

import numpy as np
import pytest
from scipy import special

import tinygrad_astro as ta
from tinygrad_astro import ops
from tinygrad_astro.testing import check_adjoint, check_grads

RNG = np.random.default_rng(1)
A = RNG.standard_normal  # any sign
NAN, INF = math.nan, math.inf


def P(*shape):  # positive, away from 0
    return RNG.uniform(0.5, 2.0, shape)


GRADS = {
    "add": (ops.add, A((3, 4)), A(4)),
    "subtract": (ops.subtract, A((3, 1)), A((3, 4))),
    "multiply": (ops.multiply, A((3, 4)), A((3, 1))),
    "divide": (ops.divide, A((3, 4)), P(4)),
    "mod": (ops.mod, np.array([0.7, -2.2, 5.1]), np.array([0.5, 0.6, -0.9])),
    "power": (ops.power, P(3, 4), A(4)),
    "x**3": (lambda x: x**3, A(5)),
    "x**2": (lambda x: x**2, A(5)),
    "x**1": (lambda x: x**1, A(5)),
    "x**0": (lambda x: x**0 * x, A(5)),
    "x**-1.5": (lambda x: x**-1.5, P(5)),
    "2**x": (lambda x: 2.0**x, A(5)),
    "power at zero": (lambda x: x**3 + x**2, np.array([0.0, 1.0])),
    "negative": (ops.negative, A(5)),
    "abs": (lambda x: ops.abs(x) * x, A(5)),
    "exp": (ops.exp, A(5)),
    "expm1": (ops.expm1, A(5)),
    "log": (ops.log, P(5)),
    "log1p": (ops.log1p, P(5)),
    "sqrt": (ops.sqrt, P(5)),
    "square": (ops.square, A(5)),
    "sin": (ops.sin, A(5)),
    "cos": (ops.cos, A(5)),
    "arcsinh": (ops.arcsinh, A(5)),
    "arctan": (ops.arctan, A(5)),
    "erf": (ops.erf, A(5)),
    "a value used twice": (lambda x: x * x + x / (x * x + 1.0), A(5)),
    "single value": (lambda x: ops.exp(x) * x, np.array(0.3)),
    "empty": (lambda x: ops.exp(x) * x, np.empty((0, 3))),
}


@pytest.mark.parametrize("name", GRADS)
def test_first_and_second_derivatives(name):
    f, *args = GRADS[name]
    check_grads(f, *args)


@pytest.mark.parametrize(
    "f",
    [
        ops.negative,
        lambda x: ops.add(x, x),
        lambda x: ops.subtract(ops.multiply(x, [[2.0], [3.0], [0.0]]), x),
        lambda x: ops.divide(x, 3.0),
    ],
)
def test_linear_ops_are_their_own_transposes_transposed(f):
    check_adjoint(f, A((3, 4)))


def plain(function, *arrays):
    """Apply a function of Python floats to each element, one at a time."""
    arrays = np.broadcast_arrays(*arrays)
    out = np.empty(arrays[0].shape)
    for index in np.ndindex(*out.shape):
        out[index] = function(*(float(a[index]) for a in arrays))
    return out


VALUES = {
    "add": (lambda x, y: x + y, A((3, 1)), A(4)),
    "subtract": (lambda x, y: x - y, A((3, 1)), A(4)),
    "multiply": (lambda x, y: x * y, A((3, 1)), A(4)),
    "divide": (lambda x, y: x / y, A((3, 1)), P(4)),
    "mod": (lambda x, y: x % y, A((3, 1)) * 5, P(4)),
    "power": (math.pow, P(3, 1), A(4)),
    "negative": (lambda x: -x, A(4)),
    "abs": (abs, A(4)),
    "sign": (lambda x: (x > 0) - (x < 0), np.array([-2.0, 0.0, 3.0])),
    "floor": (math.floor, A(4) * 5),
    "exp": (math.exp, A(4)),
    "expm1": (math.expm1, A(4) * 1e-8),
    "log": (math.log, P(4)),
    "log1p": (math.log1p, P(4) * 1e-8),
    "sqrt": (math.sqrt, P(4)),
    "square": (lambda x: x * x, A(4)),
    "sin": (math.sin, A(4)),
    "cos": (math.cos, A(4)),
    "arcsinh": (math.asinh, A(4)),
    "arctan": (math.atan, A(4)),
    "erf": (math.erf, A(4)),
}


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("dtype, rtol", [(np.float64, 1e-14), (np.float32, 2e-6)])
def test_values_one_number_at_a_time(name, dtype, rtol):
    function, *args = VALUES[name]
    args = [a.astype(dtype) for a in args]
    made = getattr(ops, name)(*args).numpy()
    assert made.dtype == dtype
    np.testing.assert_allclose(made, plain(function, *args), rtol=rtol, atol=rtol)


def test_erf_is_scipys(rng):
    x = rng.standard_normal((20, 30)) * 3
    np.testing.assert_allclose(ops.erf(x).numpy(), special.erf(x), rtol=1e-14)


@pytest.mark.parametrize(
    "name, x, expected",
    [
        ("log", [0.0, -1.0, INF], [-INF, NAN, INF]),
        ("log1p", [-1.0, -2.0], [-INF, NAN]),
        ("sqrt", [-1.0, 0.0, INF], [NAN, 0.0, INF]),
        ("exp", [1000.0, -1000.0, -INF], [INF, 0.0, 0.0]),
        ("expm1", [1000.0, -INF], [INF, -1.0]),
        ("arctan", [INF, -INF], [np.pi / 2, -np.pi / 2]),
        ("erf", [INF, -INF], [1.0, -1.0]),
        ("arcsinh", [1e200, -INF], [math.asinh(1e200), -INF]),
        ("sign", [NAN, 0.0], [NAN, 0.0]),
        ("abs", [-INF, NAN], [INF, NAN]),
    ],
)
def test_edges_give_values_not_warnings(name, x, expected):
    np.testing.assert_allclose(getattr(ops, name)(np.array(x)).numpy(), expected, rtol=1e-15)


@pytest.mark.parametrize("name", [n for n, (_, *args) in VALUES.items() if len(args) == 1])
def test_nan_goes_through(name):
    assert np.isnan(getattr(ops, name)(np.array([NAN, 1.0])).numpy()).tolist() == [True, False]


def test_division_by_zero():
    made = ops.divide(np.array([1.0, -1.0, 0.0]), 0.0).numpy()
    np.testing.assert_array_equal(made, [INF, -INF, NAN])


def test_nan_times_zero_is_nan_and_where_is_the_way_to_mask():
    """The trap of masking by multiplication: a masked NaN spoils the sum and every gradient."""
    x = ta.tensor(np.array([1.0, NAN, 3.0]), requires_grad=True)
    mask = np.array([True, False, True])
    assert np.isnan(float((x * mask).sum().detach()))
    total = (ops.where(mask, x, 0.0) ** 2).sum()
    total.backward()
    assert float(total) == 10.0
    np.testing.assert_array_equal(x.grad.numpy(), [2.0, 0.0, 6.0])


def test_abs_and_sign_have_slope_zero_at_zero():
    assert float(ta.grad(ops.abs)(0.0)) == 0.0
    assert not ops.sign(ta.tensor([1.0], requires_grad=True)).requires_grad


def test_powers_at_zero_have_finite_slopes():
    for exponent, slope in ((2, 0.0), (1, 1.0), (0, 0.0), (3.0, 0.0)):
        assert float(ta.grad(lambda x, e=exponent: x**e)(0.0)) == slope
    as_array = ta.grad(lambda x: ops.power(x, np.array([2.0, 1.0, 0.0])).sum())
    np.testing.assert_array_equal(as_array(np.zeros(3)).numpy(), [0.0, 1.0, 0.0])


def test_power_of_a_negative_base():
    x = np.array([-2.0, -2.0])
    np.testing.assert_array_equal(ops.power(x, np.array([3.0, 0.5])).numpy(), [-8.0, NAN])
    slope = ta.grad(lambda y: ops.power(x, y).sum())(np.array([3.0, 2.0])).numpy()
    np.testing.assert_array_equal(slope, [0.0, 0.0])


@pytest.mark.parametrize("exponent", [2, 3, 2.0, np.int64(2)])
def test_integers_to_a_power_are_floats_whatever_the_power(exponent):
    made = ops.power(ta.tensor([2, 3]), exponent)
    assert made.dtype == np.float32
    np.testing.assert_array_equal(made.numpy(), np.array([2.0, 3.0]) ** float(exponent))


@pytest.mark.parametrize("name", ["exp", "log", "sqrt", "sin", "erf", "arcsinh", "divide"])
def test_integers_become_floats_in_functions(name):
    args = (np.array([1, 4]), np.array([2, 3]))[: 2 if name == "divide" else 1]
    made = getattr(ops, name)(*args)
    assert made.dtype == np.float32
    expected = getattr(ops, name)(*(a.astype(np.float32) for a in args))
    np.testing.assert_array_equal(made.numpy(), expected.numpy())


@pytest.mark.parametrize("dtype", [">f4", ">i2", np.uint16, np.int8, bool])
def test_files_dtypes_compute_beside_float32(dtype):
    x = np.array([0, 1, 1]).astype(dtype)
    made = ops.multiply(ta.tensor([0.5, 0.5, 0.5]), x)
    assert made.dtype == np.float32
    np.testing.assert_array_equal(made.numpy(), [0.0, 0.5, 0.5])


def test_strided_input():
    x = A((6, 8))[::2, ::-3].T
    np.testing.assert_allclose(ops.exp(x).numpy(), plain(math.exp, x), rtol=1e-14)
    check_grads(lambda x: ops.exp(ops.transpose(x)[::-1]), x)


def test_astype_is_differentiable_between_floats_only():
    x = ta.tensor([1.5, 2.5], requires_grad=True)
    wide = ops.astype(x, np.float64)
    assert wide.dtype == np.float64
    (wide * np.array([2.0, 3.0])).sum().backward()
    assert x.grad.dtype == np.float32
    np.testing.assert_array_equal(x.grad.numpy(), [2.0, 3.0])
    assert not ops.astype(x, int).requires_grad
    np.testing.assert_array_equal(ops.astype(x, int).numpy(), [1, 2])
    check_grads(lambda x: ops.astype(x, np.float64) * x, A(3))


def test_shapes_that_do_not_broadcast_are_named():
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(2,\) do not broadcast"):
        ops.add(np.ones((2, 3)), np.ones(2))
