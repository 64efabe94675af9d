"""vjp and jvp: against differences and algebra, nested in every way that is easy to get wrong."""

import gc

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro import ops


def numeric(f, x, v, step=1e-6):
    """Directional derivative of a NumPy function by central differences."""
    return (f(x + step * v) - f(x - step * v)) / (2 * step)


def test_vjp_gives_the_transposed_jacobian_product(rng):
    a, x, u = rng.standard_normal((3, 4)), rng.standard_normal(4), rng.standard_normal(3)
    out, pullback = ta.vjp(lambda x: ops.sin(ops.matmul(a, x)), x)
    np.testing.assert_allclose(out.numpy(), np.sin(a @ x))
    (gradient,) = pullback(u)
    np.testing.assert_allclose(gradient.numpy(), a.T @ (np.cos(a @ x) * u), rtol=1e-12)
    again = pullback(2.0 * u)[0].numpy()
    np.testing.assert_allclose(again, 2.0 * gradient.numpy(), rtol=1e-12)
    assert not out.requires_grad and not gradient.requires_grad


def test_jvp_gives_the_jacobian_product(rng):
    a, x, v = rng.standard_normal((3, 4)), rng.standard_normal(4), rng.standard_normal(4)
    out, tangent = ta.jvp(lambda x: ops.exp(ops.matmul(a, x)), x, v)
    np.testing.assert_allclose(out.numpy(), np.exp(a @ x))
    np.testing.assert_allclose(tangent.numpy(), numeric(lambda x: np.exp(a @ x), x, v), rtol=1e-7)
    assert not tangent.requires_grad


def test_jvp_of_several_arguments(rng):
    x, y, v, w = rng.standard_normal((4, 5))
    _, tangent = ta.jvp(lambda x, y: x * ops.sin(y), (x, y), (v, w))
    np.testing.assert_allclose(tangent.numpy(), v * np.sin(y) + x * np.cos(y) * w, rtol=1e-12)


def test_jvp_at_an_infinite_value_is_not_spoilt_by_zero_times_infinity():
    out, tangent = ta.jvp(ops.exp, np.array([1000.0, 0.0]), np.array([0.0, 1.0]))
    assert np.isinf(out.numpy()[0]) and tangent.numpy()[1] == 1.0


def test_an_argument_that_is_not_used_has_gradient_zero_even_where_it_is_infinite():
    pullback = ta.vjp(lambda x, y: y * 2.0, np.array([np.inf, np.nan]), np.array([1.0]))[1]
    unused, used = pullback([1.0])
    np.testing.assert_array_equal(unused.numpy(), [0.0, 0.0])
    np.testing.assert_array_equal(used.numpy(), [2.0])


def test_one_array_given_twice_is_two_arguments():
    x = ta.tensor([3.0])
    first, second = ta.vjp(lambda a, b: a * a * b, x, x)[1]([1.0])
    assert (float(first), float(second)) == (18.0, 9.0)


def test_the_identity_and_a_constant():
    x = ta.tensor([1.0, 2.0])
    np.testing.assert_array_equal(ta.vjp(lambda x: x, x)[1]([3.0, 4.0])[0].numpy(), [3.0, 4.0])
    np.testing.assert_array_equal(
        ta.vjp(lambda x: ta.tensor([5.0]), x)[1]([1.0])[0].numpy(), [0, 0]
    )


def test_pullback_without_a_cotangent_starts_from_one():
    assert float(ta.vjp(lambda x: x * x, 3.0)[1]()[0]) == 6.0


# ---- nesting -------------------------------------------------------------------------------------


def test_perturbations_are_not_confused():
    """d/dx (x d/dy (x + y)) is 1; a tape that mixes its levels says 2 (Siskind & Pearlmutter)."""
    for at in (1.0, 3.0):
        outer = ta.grad(lambda x: x * ta.grad(lambda y: x + y)(x))
        assert float(outer(ta.tensor(at))) == 1.0


def test_an_inner_derivative_stays_on_the_tape_of_the_outer_variable():
    """The inner argument is no function of x; only the closure is."""
    inner = ta.grad(lambda x: ta.grad(lambda y: x * x * y)(1.0))  # d/dx x^2
    assert float(inner(3.0)) == 6.0
    pushed = ta.grad(lambda x: ta.jvp(lambda y: x * x * y, 1.0, 5.0)[1])  # d/dx 5 x^2
    assert float(pushed(3.0)) == 30.0
    through = ta.jvp(lambda x: ta.jvp(lambda y: x * x * y, 1.0, 5.0)[1], 3.0, 1.0)[1]
    assert float(through) == 30.0


def test_a_derivative_that_uses_derivatives_inside_comes_back_untracked():
    value, gradient = ta.value_and_grad(lambda x: ta.grad(lambda y: y**3)(x) * x)(2.0)
    assert (float(value), float(gradient)) == (24.0, 36.0)
    assert not value.requires_grad and not gradient.requires_grad


def test_an_error_in_the_function_does_not_leave_its_variable_tracked():
    seen = []

    def failing(x):
        seen.append(x)
        raise KeyError("mine")

    with pytest.raises(KeyError):
        ta.grad(failing)(1.0)
    assert not ta.grad(lambda y: y * seen[0])(2.0).requires_grad


def test_closure_over_an_outer_variable_keeps_its_gradient():
    x = ta.tensor([0.5, 1.5], requires_grad=True)
    w = ta.tensor([2.0, 3.0], requires_grad=True)
    out, pullback = ta.vjp(lambda x: (w * x * x).sum(), x)
    assert out.requires_grad
    (gradient,) = pullback(1.0)  # 2 w x
    gradient.sum().backward()
    np.testing.assert_allclose(w.grad.numpy(), [1.0, 3.0])
    np.testing.assert_allclose(x.grad.numpy(), [4.0, 6.0])


def test_the_value_of_a_closure_leads_back_to_the_outer_variable():
    w = ta.tensor([2.0, 3.0], requires_grad=True)
    out, _ = ta.vjp(lambda x: (w * x).sum(), ta.tensor([5.0, 7.0]))
    out.backward()
    np.testing.assert_array_equal(w.grad.numpy(), [5.0, 7.0])


def test_a_function_that_gives_an_outer_leaf():
    w = ta.tensor([2.0], requires_grad=True)
    out, pullback = ta.vjp(lambda x: w, ta.tensor([1.0]))
    assert out is w
    np.testing.assert_array_equal(pullback([1.0])[0].numpy(), [0.0])


def test_the_pullback_is_linear_in_a_tracked_cotangent():
    u = ta.tensor([1.0, 2.0], requires_grad=True)
    pullback = ta.vjp(ops.sin, ta.tensor([0.0, 1.0]))[1]
    pullback(u)[0].sum().backward()
    np.testing.assert_allclose(u.grad.numpy(), np.cos([0.0, 1.0]), rtol=1e-6)


def test_forward_over_reverse_reverse_over_forward_and_reverse_over_reverse_agree(rng):
    x, v = rng.standard_normal((2, 5))

    def f(x):
        return ops.sum(ops.sin(x) * x * ops.cumsum(x))

    expected = ta.hvp(f, x, v).numpy()
    pushed = ta.jvp(ta.grad(f), x, v)[1].numpy()
    pulled = ta.grad(lambda x: ta.jvp(f, x, v)[1])(x).numpy()
    np.testing.assert_allclose(pushed, expected, rtol=1e-10)
    np.testing.assert_allclose(pulled, expected, rtol=1e-10)
    gradient = ta.grad(f)
    difference = numeric(lambda x: gradient(x).numpy(), x, v)
    np.testing.assert_allclose(expected, difference, rtol=1e-6)


def test_jvp_of_jvp_is_the_second_directional_derivative(rng):
    x, v = rng.standard_normal((2, 4))

    def slope(x):
        return ta.jvp(lambda y: y**3, x, v)[1]

    np.testing.assert_allclose(ta.jvp(slope, x, v)[1].numpy(), 6 * x * v * v, rtol=1e-12)


def test_jvp_with_tracked_tangents_and_primals():
    x = ta.tensor(2.0, requires_grad=True)
    v = ta.tensor(3.0, requires_grad=True)
    _, tangent = ta.jvp(lambda x: x**3, x, v)  # 3 x^2 v
    tangent.backward()
    assert (float(x.grad), float(v.grad)) == (36.0, 12.0)


def test_inside_no_grad_derivatives_work_and_nothing_leaks_out():
    w = ta.tensor([2.0], requires_grad=True)
    with ta.no_grad():
        out, pullback = ta.vjp(lambda x: w * x * x, ta.tensor([3.0]))
        (gradient,) = pullback([1.0])
        _, tangent = ta.jvp(lambda x: w * x * x, ta.tensor([3.0]), ta.tensor([1.0]))
        assert not ta.is_recording()
    assert float(gradient) == 12.0 == float(tangent)
    assert not (out.requires_grad or gradient.requires_grad or tangent.requires_grad)


def test_no_grad_inside_a_differentiated_function_is_respected():
    def f(x):
        with ta.no_grad():
            frozen = x * x
        return frozen * x

    assert float(ta.grad(f)(ta.tensor(3.0))) == 9.0


def test_a_pullback_whose_tape_was_released_says_so():
    w = ta.tensor([1.0], requires_grad=True)
    out, pullback = ta.vjp(lambda x: (x * w).sum(), ta.tensor([2.0]))
    out.backward()
    with pytest.raises(RuntimeError, match="released by an earlier backward"):
        pullback(1.0)


def test_derivatives_leave_no_cycles_behind():
    """What holds memory until the garbage collector comes holds too much of it."""
    w = ta.tensor([1.0, 2.0], requires_grad=True)
    x, v = np.ones(2), np.ones(2)

    def f(x):
        return ops.sum(ops.exp(x) * w)

    def all_kinds():
        f(w).backward()
        ta.grad(f)(x), ta.hvp(f, x, v), ta.jvp(f, x, v), ta.jacobian(lambda x: x * w)(x)
        ta.grad(lambda x: ta.grad(f)(x).sum())(x)

    all_kinds()
    gc.collect()
    gc.disable()
    try:
        all_kinds()
        assert gc.collect() == 0
    finally:
        gc.enable()


# ---- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make, error, text",
    [
        (lambda: ta.vjp(ops.exp, 3), TypeError, "argument 0 has dtype int64.*astype"),
        (lambda: ta.vjp(lambda x: None, 1.0), TypeError, "returned NoneType, expected one Tensor"),
        (lambda: ta.vjp(lambda x: (x, x), 1.0), TypeError, "returned tuple"),
        (lambda: ta.vjp(lambda x: x, [1.0, 2.0])[1]([1.0]), ValueError, r"\(1,\), expected"),
        (lambda: ta.vjp(lambda x: x, [1.0, 2.0])[1](), ValueError, "a gradient is needed"),
        (lambda: ta.jvp(ops.exp, [[1.0, 2.0]], [[1.0]]), ValueError, "tangents have shapes"),
        (lambda: ta.jvp(ops.exp, (1.0,), (1.0, 2.0)), ValueError, "tangents have shapes"),
    ],
)
def test_errors_say_what_came_and_what_was_expected(make, error, text):
    with pytest.raises(error, match=text):
        make()
