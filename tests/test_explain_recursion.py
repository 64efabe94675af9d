"""The wrong answer is the one known from plain recursion; the right one is that of backward()."""

import numpy as np

import tinygrad_astro as ta
from tinygrad_astro import explain, ops
from tinygrad_astro.explain.tape_gradients import count_paths, first_visit, newest_first


def recursive_first_visit(out):
    """The mistake itself, as a beginner writes it."""
    grads = {}

    def visit(x, g):
        new = id(x.record or x) not in grads
        grads[id(x.record or x)] = grads.get(id(x.record or x), 0.0) + g.numpy()
        if new and x.record is not None:
            with ta.no_grad():
                pulled = x.record.op.pullback(x.record, g)
            for source, part in zip(x.record.inputs, pulled, strict=True):
                if part is not None:
                    visit(source, part)

    visit(out, ta.tensor(1.0, dtype=out.dtype))
    return grads


def diamond(rng):
    x = ta.tensor(rng.standard_normal(4), requires_grad=True)
    y = ops.sin(x) * x
    z = y * y + ops.exp(y * 0.1)
    return x, y, (z * y).sum()


def test_the_famous_example():
    a = ta.tensor(3.0, requires_grad=True)
    b = a + a
    c = b + b
    orders = explain.wrong_order(c)
    assert orders.right["a"] == 4.0 and orders.wrong["a"] == 2.0
    assert orders.right["b"] == orders.wrong["b"] == 2.0
    assert orders.differing == ["a"] and orders.paths == 3
    assert a.grad is None
    marked = [line for line in orders.table().splitlines() if line.endswith("<- wrong")]
    assert len(marked) == 1 and marked[0].split()[:5] == ["1", "leaf", "a", "4.0", "2.0"]
    assert "&lt;- wrong" in orders._repr_html_() and "1 of 3" in repr(orders)


def test_newest_first_is_what_backward_gives(rng):
    x, y, out = diamond(rng)
    found = newest_first(out)[x].numpy()
    again = newest_first(out)[x].numpy()
    out.backward()
    np.testing.assert_array_equal(found, x.grad.numpy())
    np.testing.assert_array_equal(again, found)


def test_first_visit_is_the_recursion_without_its_stack(rng):
    x, y, out = diamond(rng)
    found, expected = first_visit(out), recursive_first_visit(out)
    assert {id(node) for node in found} == set(expected)
    for node, g in found.items():
        np.testing.assert_allclose(g.numpy(), expected[id(node)], rtol=1e-12)
    assert not np.allclose(found[x].numpy(), newest_first(out)[x].numpy())


def test_a_tree_has_nothing_to_get_wrong():
    a, b = (ta.tensor(v, requires_grad=True) for v in (2.0, 5.0))
    orders = explain.wrong_order(ops.exp(a) * b)
    assert orders.differing == []
    assert "0 of 4 gradients are wrong" in orders.table()


def test_paths_double_and_long_tapes_do_not_end_in_a_recursion_error():
    x = y = ta.tensor(1.0, requires_grad=True)
    for _ in range(60):
        y = y + y
    assert count_paths(y) == 2**60 - 1
    z = x
    for _ in range(5000):
        z = z + 1.0
    assert first_visit(z)[x].item() == 1.0 and count_paths(z) == 5000


def test_only_what_a_gradient_reaches_is_compared():
    x = ta.tensor([1.0, 5.0], requires_grad=True)
    orders = explain.wrong_order((x * np.array([2.0, 3.0], "float32")).sum())
    assert set(orders.right) == {"x", 3, 4}
