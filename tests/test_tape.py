"""The tape: one visit per record, memory that is let go, errors that name the user's line."""

import gc
import inspect
import sys
import tracemalloc
import weakref

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro import ops

FLOATS = (np.float32, np.float64)


def leaf(values, dtype=np.float64):
    return ta.tensor(np.asarray(values, dtype), requires_grad=True)


def here(offset=0):
    """Give file:line of the caller, as the messages write it."""
    frame = inspect.currentframe().f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno + offset}"


# ---- values and gradients ------------------------------------------------------------------------


def test_the_numbers_of_micrograds_readme():
    """The expression of micrograd's README, whose three numbers are printed there."""
    a, b = leaf(-4.0), leaf(2.0)
    c, d = a + b, a * b + b**3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + ops.relu(b + a)
    d += 3 * d + ops.relu(b - a)
    e = c - d
    f = e**2
    g = f / 2.0
    g += 10.0 / f
    g.backward()
    assert float(g) == pytest.approx(24.70408163265306)
    assert float(a.grad) == pytest.approx(138.83381924198252)
    assert float(b.grad) == pytest.approx(645.5772594752186)


def counting_add():
    """Make an addition that counts the calls of its rules."""
    calls = []

    def rule(g, out, x, y):
        calls.append(1)
        return g

    return ta.primitive(rule, rule, keeps="")(lambda x, y: x + y), calls


def test_a_diamond_is_visited_once_per_record_not_once_per_path():
    plus, calls = counting_add()
    a = leaf(1.0)
    b = a
    for _ in range(20):
        b = plus(b, b)
    b.backward()
    assert float(a.grad) == 2.0**20
    assert len(calls) == 40  # by paths it would be two million


def test_shared_intermediate_gets_the_sum_of_both_branches():
    a = leaf(3.0)
    b = a + a
    c = b + b
    (c * b).backward()  # 4a * 2a
    assert float(a.grad) == pytest.approx(16 * 3.0)


def test_a_chain_of_20000_records_needs_no_recursion():
    plus, calls = counting_add()
    x = leaf(1.0)
    y = x
    for _ in range(20_000):
        y = plus(y, 0.5)
    y.backward()
    assert float(y) == 10_001.0 and float(x.grad) == 1.0
    assert len(calls) == 20_000


def test_dropping_a_chain_of_100000_records_does_not_overflow_the_stack():
    y = leaf(1.0)
    for _ in range(100_000):
        y = y + 0.5
    del y


def test_a_second_root_of_the_same_leaf_adds_to_its_gradient():
    x = leaf([1.0, 2.0])
    (x * 3.0).sum().backward()
    (x * x).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [5.0, 7.0])
    x.grad = None
    x.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [1.0, 1.0])


def test_backward_of_a_leaf_is_the_cotangent():
    x = leaf([1.0, 2.0])
    x.backward([3.0, 4.0])
    np.testing.assert_array_equal(x.grad.numpy(), [3.0, 4.0])


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("other", FLOATS)
def test_a_gradient_has_the_shape_and_dtype_of_its_parameter(dtype, other):
    w = leaf(np.ones((1, 3)), dtype)
    x = np.full((4, 3), 2.0, other)
    (w * x).sum().backward()
    assert w.grad.dtype == dtype and w.grad.shape == (1, 3)
    np.testing.assert_array_equal(w.grad.numpy(), np.full((1, 3), 8.0))


@pytest.mark.parametrize("cotangent", [np.ones((1, 2, 2, 1)), np.ones((1, 2, 2, 1), int)])
def test_a_cotangent_of_another_dtype_is_converted(cotangent):
    w = leaf(np.ones((3, 3, 1, 1)), np.float32)
    ops.conv(np.ones((1, 4, 4, 1), np.float32), w).backward(cotangent)
    assert w.grad.dtype == np.float32
    np.testing.assert_array_equal(w.grad.numpy(), np.full((3, 3, 1, 1), 4.0))


def test_gradients_share_no_memory_with_each_other_or_the_cotangent():
    a, b, g = leaf([1.0, 2.0]), leaf([3.0, 4.0]), np.array([1.0, 1.0])
    (a + b).backward(g)
    a.grad[0] = 7.0
    np.testing.assert_array_equal(b.grad.numpy(), [1.0, 1.0])
    np.testing.assert_array_equal(g, [1.0, 1.0])


@pytest.mark.parametrize("f", [ops.sum, lambda x: (x.T * np.ones((3, 2))).sum(), lambda x: x[1, 1]])
def test_gradients_are_contiguous_and_writable(f):
    """The optimisers scale them in place; a broadcast or transposed view would not do."""
    x = leaf(np.ones((2, 3)))
    f(x).backward()
    assert x.grad.data.flags.c_contiguous and x.grad.data.flags.writeable
    x.grad[0] = 5.0


def test_scalars_take_the_dtype_of_the_tensor_beside_them():
    t = ta.tensor([1.0, 2.0])
    for scalar in (2, 2.0, np.float64(2.0), np.int64(2), True, np.float32(2.0)):
        for made in (
            t * scalar,
            scalar * t,
            t + scalar,
            scalar / t,
            t**scalar,
            ops.maximum(t, scalar),
        ):
            assert made.dtype == np.float32, scalar
    assert (t * np.ones(2)).dtype == np.float64  # an array has a dtype of its own
    assert (ta.tensor([1, 2]) * 0.5).dtype == np.float32


# ---- memory --------------------------------------------------------------------------------------


def test_activations_are_released_while_the_pass_goes_back():
    """When the oldest rule runs, every activation born after it must be gone."""
    alive = []
    kept = []

    def rule(g, out, x):
        alive.append(sum(ref() is not None for ref in kept))
        return g

    first = ta.primitive(rule, keeps="")(lambda x: x * 1.0)
    y = first(leaf(np.ones(1000)))
    for _ in range(10):
        y = ops.exp(y * 0.1)
        kept.append(weakref.ref(y.data))
    loss = y.sum()
    del y
    assert all(ref() is not None for ref in kept)
    loss.backward()
    assert alive == [0]


def test_the_peak_of_a_deep_pass_does_not_hold_all_activations_twice():
    x = leaf(np.ones(100_000))
    y = x
    for _ in range(10):
        y = ops.exp(y * 0.1)
    loss = y.sum()
    del y
    tracemalloc.start()
    loss.backward()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * 800_000  # a few gradients at a time, never ten


def test_dropping_the_result_frees_the_tape_without_the_garbage_collector():
    x = leaf(np.ones(10))
    gc.disable()
    try:
        middle = ops.exp(x)
        ref = weakref.ref(middle.data)
        out = ops.sum(middle * middle)
        del middle
        assert ref() is not None
        del out
        assert ref() is None
    finally:
        gc.enable()


def test_values_that_no_rule_reads_are_freed_in_the_forward_pass():
    x = leaf(np.ones(10))
    middle = x + 1.0
    ref = weakref.ref(middle.data)
    out = (middle + 1.0).sum()
    del middle
    assert ref() is None
    out.backward()
    np.testing.assert_array_equal(x.grad.numpy(), np.ones(10))


def test_10000_steps_do_not_grow():
    w, b = leaf(np.full((2, 3), 0.1)), leaf(np.zeros(3))
    x = np.ones((4, 2))

    def step():
        out = ops.bias_activation(ops.matmul(x, w), b, "tanh")
        (out * out).mean().backward()
        for p in (w, b):
            p.data -= 0.01 * p.grad.numpy()
            p.grad = None

    for _ in range(100):
        step()
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(10_000):
        step()
    gc.collect()
    assert sys.getallocatedblocks() - before < 200


# ---- modes ---------------------------------------------------------------------------------------


def test_no_grad_records_nothing_and_comes_back_after_an_error():
    x = leaf(2.0)
    with ta.no_grad():
        assert not ta.is_recording()
        assert not (x * x).requires_grad
        with ta.no_grad():
            pass
        assert not ta.is_recording()
    with pytest.raises(ZeroDivisionError), ta.no_grad():
        _ = 1 / 0
    assert ta.is_recording() and (x * x).requires_grad

    @ta.no_grad()
    def frozen(x):
        return x * x

    assert not frozen(x).requires_grad and not frozen(x).requires_grad


def test_backward_records_nothing_unless_asked():
    x = leaf(3.0)
    (x**3).backward()
    assert not x.grad.requires_grad
    x.grad = None
    (x**3).backward(create_graph=True)
    first = x.grad
    x.grad = None
    first.backward(create_graph=True)
    second = x.grad
    x.grad = None
    second.backward()
    assert (float(first), float(second), float(x.grad)) == (27.0, 18.0, 6.0)
    assert ta.is_recording()


def test_create_graph_keeps_the_tape_for_another_pass():
    x = leaf([1.0, 2.0])
    y = (x * x).sum()
    y.backward(create_graph=True)
    y.backward()
    np.testing.assert_array_equal(x.grad.numpy(), [4.0, 8.0])


def test_untracked_inputs_leave_no_record():
    t = ta.tensor([1.0])
    assert (t * t).record is None and not (t * t).requires_grad
    assert (leaf([1.0]) > 0).record is None  # comparisons have no gradient


# ---- anomaly mode --------------------------------------------------------------------------------


def test_anomaly_mode_names_the_op_and_line_that_made_a_nan():
    x = leaf([1.0, -1.0])
    with ta.detect_anomaly(), pytest.raises(ta.AnomalyError) as caught:
        ops.log(x)
    line = here(-1)
    assert "log gave a NaN" in str(caught.value) and line in str(caught.value)
    assert np.isnan(ops.log(x).numpy()).any()  # outside the block it is a value like others


def test_anomaly_mode_names_an_untracked_op_too():
    with ta.detect_anomaly(), pytest.raises(ta.AnomalyError, match="sqrt gave a NaN") as caught:
        ops.sqrt(ta.tensor([-1.0]))
    assert here(-1) in str(caught.value)


def test_anomaly_mode_names_the_op_whose_gradient_is_nan():
    x = leaf([0.0, 1.0])
    with ta.detect_anomaly():
        root = ops.sqrt(x)
        line = here(-1)
        y = (root * 0.0).sum()
        with pytest.raises(ta.AnomalyError) as caught:
            y.backward()
    assert f"the gradient of sqrt gave a NaN; the op was recorded at {line}" in str(caught.value)


def test_anomaly_mode_lets_infinities_pass():
    with ta.detect_anomaly():
        made = ops.log(leaf([0.0, np.inf])) * 1.0
    np.testing.assert_array_equal(made.numpy(), [-np.inf, np.inf])


def test_the_reverse_pass_gives_nan_without_a_warning():
    x = leaf([0.0])
    (ops.sqrt(x) * 0.0).sum().backward()
    assert np.isnan(x.grad.numpy()).all()


# ---- errors --------------------------------------------------------------------------------------


def test_a_released_tape_says_so():
    x = leaf([1.0])
    y = ops.exp(x)
    line = here(-1)
    y.sum().backward()
    with pytest.raises(RuntimeError, match="released by an earlier backward") as caught:
        y.sum().backward()
    assert "exp" in str(caught.value) and line in str(caught.value)
    assert "create_graph=True" in str(caught.value)


@pytest.mark.parametrize(
    "make, error, text",
    [
        (lambda: ta.tensor([1.0]).backward(), ValueError, "not tracked"),
        (lambda: (leaf([1.0]) > 0).backward(), ValueError, "not tracked"),
        (lambda: (leaf([1.0, 2.0]) * 2).backward(), ValueError, r"shape \(2,\)"),
        (
            lambda: leaf([1.0]).sum().backward([1.0, 2.0]),
            ValueError,
            r"shape \(2,\).*expected.*\(\)",
        ),
        (lambda: setattr(leaf([1.0]) * 2, "requires_grad", True), ValueError, "detach"),
        (lambda: setattr(ta.tensor([1]), "requires_grad", True), TypeError, "int64"),
    ],
)
def test_misuse_is_named(make, error, text):
    with pytest.raises(error, match=text):
        make()


def test_requires_grad_can_be_switched_on_leaves():
    t = ta.tensor([1.0])
    t.requires_grad = True
    (t * 2.0).sum().backward()
    assert float(t.grad) == 2.0
    t.requires_grad = False
    assert not (t * 2.0).requires_grad


def failing(rule, **options):
    """Make an op named `twice` with this gradient rule."""

    def twice(x):
        return x * 2.0

    return ta.primitive(rule, **options)(twice)


@pytest.mark.parametrize(
    "rule, text",
    [
        (lambda g, out, x: 1 / 0, "ZeroDivisionError"),
        (lambda g, out, x: ops.reshape(g, (7,)), "cannot reshape"),
        (lambda g, out, x: g.sum(), r"a Tensor of shape \(\), expected .* \(2,\)"),
        (lambda g, out, x: g.numpy(), "a ndarray"),
        (lambda g, out, x: 2.0, "a float"),
        (lambda g, out: g, "positional argument"),
    ],
)
def test_an_error_in_a_rule_names_the_op_and_the_users_line(rule, text):
    y = failing(rule)(leaf([1.0, 2.0]))
    line = here(-1)
    with pytest.raises(ta.GradientError, match=text) as caught:
        y.sum().backward()
    assert "the gradient rule of twice" in str(caught.value)
    assert f"recorded at {line}" in str(caught.value)


def test_a_joint_rule_must_give_one_gradient_per_input():
    op = ta.primitive(joint=lambda g, out, x, wanted: [g, g])(lambda x: x * 2.0)
    with pytest.raises(ta.GradientError, match="2 gradients for 1 inputs"):
        op(leaf([1.0])).sum().backward()


def test_a_rule_that_reads_a_value_it_did_not_ask_to_keep_fails_clearly():
    op = failing(lambda g, out, x: g * x, keeps="")
    with pytest.raises(ta.GradientError, match="twice failed with TypeError"):
        op(ops.exp(leaf([1.0]))).sum().backward()


def test_an_error_inside_a_nested_derivative_names_the_inner_op():
    broken = failing(lambda g, out, x: 1 / 0)
    outer = failing(lambda g, out, x: ta.grad(lambda x: broken(x).sum())(x) * g)
    with pytest.raises(ta.GradientError, match="ZeroDivisionError"):
        outer(leaf([1.0])).sum().backward()


def test_the_line_is_the_users_even_where_ops_call_ops():
    out = ops.softplus(ops.mean(leaf(np.ones((3, 3))), axis=0)).sum()
    line = here(-1)
    node, seen = out.record, []
    while node is not None:
        seen.append(node.line)
        node = node.inputs[0].record
    assert len(seen) >= 4 and set(seen) == {line}


def test_a_package_whose_name_begins_like_ours_is_the_users():
    namespace = {"__name__": "tinygrad_astro_extras", "leaf": leaf}
    exec(compile("y = leaf([1.0]) * 2.0", "extras.py", "exec"), namespace)
    assert namespace["y"].record.line == "extras.py:1"


# ---- primitives ----------------------------------------------------------------------------------


def test_a_primitive_keeps_its_name_text_and_signature():
    assert ops.exp.__name__ == "exp" and "e**x" in ops.exp.__doc__
    assert list(inspect.signature(ops.add).parameters) == ["x", "y"]
    assert repr(ops.exp) == "<primitive exp>"


def test_a_primitive_works_as_a_method():
    class Holder(float):
        squared = ta.primitive(lambda g, out, x: g * x * 2.0)(lambda x: x * x)

    assert float(Holder(3.0).squared()) == 9.0
    assert Holder.squared.__name__ == "<lambda>"


def test_one_rule_serves_any_number_of_inputs():
    total = ta.primitive(lambda g, out, *xs: g, keeps="")(lambda *xs: sum(xs))
    a, b, c = leaf([1.0]), ta.tensor([2.0]), leaf([3.0])
    total(a, b, c).sum().backward()
    assert float(a.grad) == float(c.grad) == 1.0 and b.grad is None


def test_an_input_without_a_rule_gets_no_gradient():
    scaled = ta.primitive(lambda g, out, x, k: g * k, None)(lambda x, k: x * k)
    x, k = leaf([1.0]), leaf([2.0])
    scaled(x, k).sum().backward()
    assert float(x.grad) == 2.0 and k.grad is None


def test_a_record_lists_what_it_keeps():
    x = leaf([1.0, 2.0])
    product = (x + 1.0) * (x + 2.0)
    assert [k.shape for k in product.record.kept] == [(2,), (2,)]
    assert ops.sum(product).record.kept == []
    assert product.record.shape == (2,) and product.record.op is ops.multiply
