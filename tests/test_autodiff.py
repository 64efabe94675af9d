"""grad, value_and_grad, hvp, jacobian: against formulas, dense matrices and each other."""

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro import ops


def test_every_derivative_of_a_polynomial():
    f, expected = (lambda x: x**4), [16.0, 32.0, 48.0, 48.0, 24.0, 0.0]
    for value in expected:
        assert float(f(ta.tensor(2.0))) == value
        f = ta.grad(f)


def test_value_and_grad_gives_both_untracked():
    value, gradient = ta.value_and_grad(lambda x: (x * x).sum())([1.0, 2.0])
    assert float(value) == 5.0 and not value.requires_grad and not gradient.requires_grad
    np.testing.assert_array_equal(gradient.numpy(), [2.0, 4.0])


@pytest.mark.parametrize(
    "argnums, expected", [(0, 12.0), (1, 9.0), (-1, 9.0), ((1, 0), (9.0, 12.0))]
)
def test_argnums_picks_the_arguments(argnums, expected):
    got = ta.grad(lambda x, y: x * x * y, argnums)(ta.tensor(3.0), ta.tensor(2.0))
    assert (tuple(map(float, got)) if isinstance(got, tuple) else float(got)) == expected


def test_other_arguments_may_be_anything():
    def f(x, names, *, power):
        return ops.sum(x**power) * len(names)

    np.testing.assert_array_equal(ta.grad(f)([1.0, 2.0], ["a", "b"], power=2).numpy(), [4.0, 8.0])


def test_python_numbers_and_numpy_arrays_are_arguments():
    assert float(ta.grad(lambda x: x * x)(3.0)) == 6.0
    made = ta.grad(lambda x: (x * x).sum())(np.array([1.0, 2.0]))
    assert made.dtype == np.float64


def test_jacobian_of_a_vector_function(rng):
    a, x = rng.standard_normal((3, 4)), rng.standard_normal(4)
    made = ta.jacobian(lambda x: ops.tanh(ops.matmul(a, x)))(x).numpy()
    np.testing.assert_allclose(made, (1 - np.tanh(a @ x) ** 2)[:, None] * a, rtol=1e-10)


def test_jacobian_has_the_output_axes_before_the_input_axes(rng):
    x = rng.standard_normal((2, 3))
    made = ta.jacobian(lambda x: ops.transpose(x) * 2.0)(x).numpy()
    assert made.shape == (3, 2, 2, 3)
    for i, j, k, m in np.ndindex(*made.shape):
        assert made[i, j, k, m] == (2.0 if (j, i) == (k, m) else 0.0)


def test_jacobian_of_nothing_is_empty():
    assert ta.jacobian(lambda x: x[:0])([1.0, 2.0]).shape == (0, 2)


def test_jacobian_of_a_later_argument():
    x, y = ta.tensor([1.0, 2.0]), ta.tensor([3.0, 4.0])
    for argnums in (1, -1):
        made = ta.jacobian(lambda x, y: x * y, argnums)(x, y).numpy()
        np.testing.assert_array_equal(made, np.diag([1.0, 2.0]))


def test_hvp_is_the_dense_hessian_times_v(rng):
    x, v = rng.standard_normal((2, 6))

    def f(x):
        return ops.logsumexp(ops.sin(x) * x) + ops.prod(x[:3])

    hessian = ta.jacobian(ta.grad(f))(x).numpy()
    np.testing.assert_allclose(hessian, hessian.T, atol=1e-12)
    np.testing.assert_allclose(ta.hvp(f, x, v).numpy(), hessian @ v, rtol=1e-9)


def test_hvp_inside_grad():
    """f = x^4, v constant: d/dx (12 x^2 v) = 24 x v."""
    made = ta.grad(lambda x: ta.hvp(lambda y: (y**4).sum(), x, ta.tensor([2.0])).sum())
    np.testing.assert_allclose(made(ta.tensor([3.0])).numpy(), [144.0], rtol=1e-6)


def test_grad_of_a_gradient_norm_trains_the_outer_weight():
    """A gradient penalty: a leaf outside, derivatives inside, backward() over all."""
    w = ta.tensor([1.5], requires_grad=True)
    inner = ta.grad(lambda x: (w * x**3).sum())(ta.tensor([2.0]))  # 3 w x^2 = 12 w
    (inner * inner).sum().backward()
    np.testing.assert_allclose(w.grad.numpy(), [2 * 12 * 12 * 1.5])


def test_grad_inside_no_grad():
    with ta.no_grad():
        assert float(ta.grad(ta.grad(lambda x: x**3))(2.0)) == 12.0
        np.testing.assert_array_equal(ta.hvp(lambda x: (x**3).sum(), [1.0], [1.0]).numpy(), [6.0])


def test_jacobian_nests_in_grad():
    made = ta.grad(lambda x: (ta.jacobian(lambda y: y**3)(x) ** 2).sum())(ta.tensor([2.0]))
    np.testing.assert_allclose(made.numpy(), [36 * 8.0])  # (3 x^2)^2 = 9 x^4


@pytest.mark.parametrize(
    "make, error, text",
    [
        (lambda: ta.grad(lambda x: x * 2)([1.0, 2.0]), ValueError, r"shape \(2,\).*ta.jacobian"),
        (lambda: ta.grad(lambda x: x, 3)(1.0), ValueError, "argnums=3, but 1 positional"),
        (lambda: ta.grad(lambda x: x, (0, 1))(1.0), ValueError, "argnums=.0, 1., but 1"),
        (lambda: ta.grad(lambda x: x, (None,))(1.0), ValueError, "argnums"),
        (lambda: ta.jacobian(lambda x: x, 2)(1.0), ValueError, "argnums=2, but 1"),
        (lambda: ta.grad(lambda x: x)(3), TypeError, "int64"),
        (lambda: ta.grad(lambda x: 3.0)(1.0), TypeError, "returned float"),
        (lambda: ta.hvp(lambda x: x.sum(), [1.0], [1.0, 2.0]), ValueError, r"\(2,\), expected"),
    ],
)
def test_errors_say_what_came_and_what_was_expected(make, error, text):
    with pytest.raises(error, match=text):
        make()
