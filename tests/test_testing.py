"""The checkers must fail: every kind of wrong gradient is planted here, and must be caught."""

import re

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro import ops
from tinygrad_astro.testing import check_adjoint, check_grads, check_masked

X = np.linspace(0.3, 1.4, 6).reshape(2, 3)


def planted(rule, body=lambda x: x**3, **options):
    return ta.primitive(rule, **options)(body)


def right(g, out, x):
    return g * 3.0 * x * x


def test_right_rules_pass():
    check_grads(planted(right), X)
    check_grads(ops.sin, X)
    check_grads(lambda x, y: ops.matmul(x, y), X, X.T)
    check_adjoint(lambda x: ops.flip(x, 1), X)


# ---- wrong first derivatives ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "rule",
    [
        lambda g, out, x: g * 2.0 * x * x,  # a wrong factor
        lambda g, out, x: g * (3.0 + 1e-4) * x * x,  # a slightly wrong factor
        lambda g, out, x: -(g * 3.0 * x * x),  # a wrong sign
        lambda g, out, x: g * 3.0 * x * x + 0.01,  # not linear in the cotangent
        lambda g, out, x: 3.0 * x * x,  # the cotangent forgotten
        lambda g, out, x: g * np.nan,
        lambda g, out, x: ops.where(ops.greater(x, 1.0), g * 3.0 * x * x, g),
        lambda g, out, x: ops.flip(g * 3.0 * x * x, 1),
    ],
)
def test_a_wrong_rule_is_caught(rule):
    with pytest.raises(AssertionError, match="order 1"):
        check_grads(planted(rule), X, order=1)


def test_the_worst_element_is_named():
    wrong = np.ones((2, 3))
    wrong[1, 2] = 1.5
    with pytest.raises(AssertionError, match=r"argument 0 at index \(1, 2\) is .*finite") as caught:
        check_grads(planted(lambda g, out, x: g * 3.0 * x * x * wrong), X)
    analytic, numeric = re.search(r" is (\S+), .* give (\S+) ", str(caught.value)).groups()
    assert float(analytic) / float(numeric) == pytest.approx(1.5)


def test_a_missing_term_is_caught():
    """d(x sin x)/dx without the second half of the product rule."""
    half = planted(lambda g, out, x: g * ops.sin(x), lambda x: x * np.sin(x))
    with pytest.raises(AssertionError, match="argument 0 at index"):
        check_grads(half, X)


def test_a_wrong_second_argument_is_named():
    op = ta.primitive(lambda g, out, x, y: g * y, lambda g, out, x, y: g * y)(lambda x, y: x * y)
    with pytest.raises(AssertionError, match=r"argument 1 at index \(\d, \d\)"):
        check_grads(op, X, X + 1.0)


def test_one_wrong_element_among_ten_thousand_is_caught():
    """Elements are sampled; the random direction sees the rest."""
    wrong = np.ones(10_000)
    wrong[7_777] = 1.1
    with pytest.raises(AssertionError, match="order 1"):
        check_grads(
            planted(lambda g, out, x: g * 3.0 * x * x * wrong), np.full(10_000, 0.5), order=1
        )


def mutating(g, out, x):
    g.data *= 2.0
    return g * 1.5 * x * x


def test_a_rule_that_writes_into_its_cotangent_is_caught():
    with pytest.raises(AssertionError, match="changes its cotangent"):
        check_grads(planted(mutating), X, order=1)


def test_a_rule_with_a_memory_is_caught():
    calls = []

    def forgetful(g, out, x):
        calls.append(1)
        return g * 3.0 * x * x * (1.0 if len(calls) < 2 else 2.0)

    with pytest.raises(AssertionError, match="its own tape"):
        check_grads(planted(forgetful), X, order=1)


def test_a_missing_sum_over_a_broadcast_axis_is_caught():
    op = ta.primitive(
        lambda g, out, x, b: g, lambda g, out, x, b: g[0], keeps=""
    )(lambda x, b: x + b)  # fmt: skip
    with pytest.raises(AssertionError, match="argument 1"):
        check_grads(op, X, X[0])


# ---- wrong second derivatives --------------------------------------------------------------------


def detached(g, out, x):
    """The right first derivative, of which the tape sees nothing."""
    return g * (3.0 * x.detach() * x.detach())


def test_a_rule_that_leaves_the_tape_is_caught_at_order_2_only():
    check_grads(planted(detached), X, order=1)
    with pytest.raises(AssertionError, match="order 2"):
        check_grads(planted(detached), X, order=2)


def test_a_wrong_rule_of_the_rule_is_caught():
    square = planted(lambda g, out, x: g * x, lambda x: x * x)  # half of its slope
    outer = planted(lambda g, out, x: g * 3.0 * square(x))
    check_grads(outer, X, order=1)
    with pytest.raises(AssertionError, match="order 2"):
        check_grads(outer, X)


def test_a_fused_rule_that_treats_a_statistic_as_constant_is_caught():
    """x - mean(x) with the mean forgotten in the gradient: the classical batch norm mistake."""
    centre = planted(lambda g, out, x: g, lambda x: x - x.mean(0))
    with pytest.raises(AssertionError, match="order 1"):
        check_grads(centre, X)


def test_a_forward_product_that_differs_from_the_pullback_is_caught():
    """The rule is right in value, but its dependence on the cotangent is hidden from the tape."""
    op = planted(lambda g, out, x: g.detach() * 3.0 * x * x)
    with pytest.raises(AssertionError, match="forward product"):
        check_grads(op, X, order=1)


# ---- adjoints ------------------------------------------------------------------------------------


def linear(transpose, body):
    return ta.primitive(transpose, keeps="")(body)


@pytest.mark.parametrize(
    "transpose, body",
    [
        (lambda g, out, x: g, lambda x: x[::-1].copy()),  # its own transpose forgotten
        (lambda g, out, x: g * (2.0 + 1e-9), lambda x: x * 2.0),
        (lambda g, out, x: ops.cumsum(g, 0), lambda x: np.cumsum(x, 0)),  # the wrong way round
        (lambda g, out, x: ops.pad(g, ((1, 0), (0, 0))), lambda x: x[:-1]),  # the wrong side
        (lambda g, out, x: ops.roll(g, 1, 0), lambda x: np.roll(x, 1, 0)),
        (lambda g, out, x: g * np.nan, lambda x: x),
    ],
)
def test_a_wrong_transpose_is_caught_with_its_worst_index(transpose, body):
    with pytest.raises(AssertionError, match=r"<f\(x\), g> = .*worst at index \(\d, \d\)"):
        check_adjoint(linear(transpose, body), np.random.default_rng(0).standard_normal((4, 3)))


def test_the_index_of_a_single_wrong_entry():
    wrong = np.ones((4, 3))
    wrong[2, 1] = 1.0001
    op = linear(lambda g, out, x: g * wrong, lambda x: x * 1.0)
    with pytest.raises(AssertionError, match=r"worst at index \(2, 1\)"):
        check_adjoint(op, np.ones((4, 3)))


def test_a_large_operator_is_checked_without_its_dense_matrix():
    op = linear(lambda g, out, x: g * 1.001, lambda x: x * 1.0)
    with pytest.raises(AssertionError, match="x is large"):
        check_adjoint(op, np.ones(1000))


@pytest.mark.parametrize("f", [ops.square, lambda x: x + 1.0, ops.relu, lambda x: ops.max(x, 0)])
def test_what_is_not_linear_is_named(f):
    with pytest.raises(AssertionError, match="not linear"):
        check_adjoint(f, X - 0.8)


def test_arguments_may_be_tensors_and_are_not_changed():
    x = ta.tensor(X)
    check_grads(ops.exp, x)
    check_adjoint(lambda x: x * 2.0, x)
    np.testing.assert_array_equal(x.numpy(), X)


def test_an_empty_argument_has_nothing_to_check():
    check_grads(lambda x: x * 2.0, np.empty((0, 3)))
    check_adjoint(lambda x: x * 2.0, np.empty((0, 3)))


def test_single_values_are_arguments_too():
    check_grads(lambda x, y: x * ops.exp(y), 0.5, np.array(1.5))
    check_adjoint(lambda x: x * 3.0, 0.5)
    with pytest.raises(AssertionError, match=r"argument 0 at index \(\)"):
        check_grads(planted(lambda g, out, x: g * x * x), 0.5)


def test_a_function_that_gives_no_tensor_is_a_mistake_of_the_caller():
    with pytest.raises(TypeError, match="expected one Tensor"):
        check_grads(lambda x: 1.0, X)


# ---- masked pixels that are seen -----------------------------------------------------------------

VALID = np.array([[1, 1, 0], [0, 1, 1]], bool)


def test_what_hides_masked_pixels_passes():
    scale = ta.tensor(2.0, requires_grad=True)
    check_masked(lambda x: ops.where(VALID, x, 0.0) * scale, X, VALID, [scale])
    assert scale.grad is None


@pytest.mark.parametrize(
    "leak, message",
    [
        (lambda x: x * VALID, "with nan in masked pixels, the output at index (0, 2) is nan"),
        (lambda x: x, "a masked pixel has the gradient"),
        (lambda x: ops.where(VALID, x, 0 * x.sum()), "the output at index (0, 2) is nan"),
        (
            planted(
                lambda g, out, x: ops.where(VALID, g, g * x * 0), lambda x: np.where(VALID, x, 0)
            ),
            "the gradient in x at index (0, 2) is nan",
        ),
        (
            planted(lambda g, out, x: ops.where(VALID, g, 1.0), lambda x: np.where(VALID, x, 0)),
            "a masked pixel has the gradient 1.0, not 0",
        ),
    ],
)
def test_a_masked_pixel_that_leaks_is_caught(leak, message):
    with pytest.raises(AssertionError, match=re.escape(message)):
        check_masked(leak, X, VALID)


def test_a_leak_into_the_gradient_of_a_weight_is_caught():
    """0 times NaN comes out of the sum that makes the gradient of a weight."""
    w = ta.tensor(np.ones((2, 3)), requires_grad=True)
    with pytest.raises(AssertionError, match=r"the gradient in weights\[0\] at index"):
        check_masked(lambda x: ops.where(VALID, x * w, 0.0), X, VALID, [w])


def test_nothing_masked_is_nothing_checked():
    with pytest.raises(ValueError, match="all 6 pixels are valid"):
        check_masked(lambda x: x, X, np.ones((2, 3), bool))
