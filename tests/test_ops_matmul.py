"""Products that sum over an axis: plain loops, adjoints, derivatives, dtypes, layouts, errors."""

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro import ops
from tinygrad_astro.testing import check_adjoint, check_grads

RNG = np.random.default_rng(8)
A = RNG.standard_normal


def loops(x, y):
    """Multiply two matrices, one number at a time."""
    out = np.zeros((x.shape[0], y.shape[1]))
    for i, j, k in np.ndindex(*out.shape, x.shape[1]):
        out[i, j] += float(x[i, k]) * float(y[k, j])
    return out


GRADS = {
    "matmul": (ops.matmul, A((3, 4)), A((4, 2))),
    "matmul of stacks": (ops.matmul, A((2, 1, 3, 4)), A((5, 4, 2))),
    "vector @ matrix": (ops.matmul, A(4), A((4, 2))),
    "matrix @ vector": (ops.matmul, A((3, 4)), A(4)),
    "stack @ vector": (ops.matmul, A((2, 3, 4)), A(4)),
    "vector @ vector": (ops.matmul, A(4), A(4)),
    "tensordot": (lambda x, y: ops.tensordot(x, y, ([0, 1], [1, 0])), A((3, 4)), A((4, 3))),
    "tensordot of one axis": (lambda x, y: ops.tensordot(x, y, (1, 0)), A((3, 4)), A((4, 3))),
    "outer product": (lambda x, y: ops.tensordot(x, y, 0), A(3), A(2)),
    "dense": (ops.dense, A((3, 4)), A((4, 2))),
    "dense of one row": (ops.dense, A((1, 4)), A((4, 1))),
    "einsum": (lambda x, y: ops.einsum("ij,jk->k", x, y), A((3, 4)), A((4, 2))),
    "einsum to one value": (lambda x, y: ops.einsum("ij,ij->", x, y), A((3, 4)), A((3, 4))),
    "einsum of three": (
        lambda x, y, z: ops.einsum("ij,jk,kl->il", x, y, z), A((2, 3)), A((3, 2)), A((2, 2)),
    ),
    "einsum of one": (lambda x: ops.einsum("ijk->ki", x) ** 2, A((2, 3, 2))),
    "einsum with an axis to sum alone": (lambda x, y: ops.einsum("ij,k->i", x, y), A((3, 4)), A(2)),
    "einsum, result implied": (lambda x, y: ops.einsum("ij, jk", x, y), A((3, 4)), A((4, 2))),
    "einsum in batches": (
        lambda x, y: ops.einsum("bij,bkj->bik", x, y), A((2, 3, 4)), A((2, 2, 4)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GRADS)
def test_first_and_second_derivatives(name):
    f, *args = GRADS[name]
    check_grads(f, *args)


@pytest.mark.parametrize("name", [n for n, (_, *args) in GRADS.items() if len(args) > 1])
def test_adjoints_in_each_argument(name):
    f, *args = GRADS[name]
    for position, x in enumerate(args):
        others = args[:position], args[position + 1 :]
        check_adjoint(lambda x, f=f, o=others: f(*o[0], x, *o[1]), x)


@pytest.mark.parametrize("product", [ops.matmul, ops.dense, lambda x, y: ops.tensordot(x, y, 1)])
@pytest.mark.parametrize("m, k, n", [(1, 1, 1), (3, 5, 2), (17, 9, 33)])
def test_values_by_loops(product, m, k, n):
    x, y = A((m, k)), A((k, n))
    np.testing.assert_allclose(product(x, y).numpy(), loops(x, y), atol=1e-13)


def test_einsum_by_loops():
    x, y = A((2, 3, 4)), A((4, 3))
    expected = np.zeros((4, 2))
    for i, j, k in np.ndindex(2, 3, 4):
        expected[k, i] += x[i, j, k] * y[k, j]
    np.testing.assert_allclose(ops.einsum("ijk,kj->ki", x, y).numpy(), expected, atol=1e-13)


@pytest.mark.parametrize("name", GRADS)
def test_a_product_to_one_value_has_no_axes(name):
    f, *args = GRADS[name]
    made = f(*args)
    if "one value" in name or name == "vector @ vector":
        assert made.shape == ()
    assert made.data.flags.c_contiguous


def test_empty_sides():
    assert ops.matmul(np.ones((0, 3)), np.ones((3, 2))).shape == (0, 2)
    for product in (ops.matmul, ops.dense):
        np.testing.assert_array_equal(product(np.ones((2, 0)), np.ones((0, 3))).numpy(), 0.0)
        check_grads(product, np.ones((0, 3)), A((3, 2)))


def test_dtypes_meet_in_the_first_float_of_dense():
    x, w = np.ones((2, 3), np.float32), np.ones((3, 2))
    assert ops.dense(x, w).dtype == np.float32
    assert ops.dense(x.astype(int), w).dtype == np.float64
    assert ops.dense(x.astype(int), w.astype(int)).dtype == np.float32
    leaf = ta.tensor(w, requires_grad=True)
    ops.dense(x, leaf).sum().backward()
    assert leaf.grad.dtype == np.float64
    assert ops.matmul(x, w).dtype == np.float64


def test_operands_in_any_memory_layout():
    x, w = A((8, 6))[::2, ::-1].T, A((2, 4)).T
    np.testing.assert_allclose(ops.dense(x, w).numpy(), loops(x, w), atol=1e-13)
    check_adjoint(lambda x: ops.dense(ops.transpose(x), w), x.T)


@pytest.mark.parametrize(
    "make, text",
    [
        (lambda: ops.matmul(2.0, np.ones(2)), "needs axes.*use multiply"),
        (lambda: ops.matmul(np.ones((2, 3)), np.ones((2, 3))), r"sums over 3 of \(2, 3\) and 2"),
        (lambda: ops.matmul(np.ones((2, 1, 3)), np.ones((3, 3, 1))), "do not broadcast"),
        (lambda: ops.dense(np.ones((3, 4)), np.ones((5, 2))), r"shapes \(3, 4\) and \(5, 2\)"),
        (lambda: ops.dense(np.ones((2, 3, 4)), np.ones((4, 2))), "expected .M, K. and .K, N."),
        (lambda: ops.tensordot(np.ones((2, 3)), np.ones((2, 3)), 1), "sizes differ"),
        (lambda: ops.tensordot(np.ones((2, 3)), np.ones((2, 3)), 3), "out of range"),
        (lambda: ops.tensordot(np.ones((2, 3)), np.ones((2, 3)), ([5], [0])), "axis=5"),
        (lambda: ops.einsum("ij->i", np.ones(3)), "'ij' does not name each axis"),
        (lambda: ops.einsum("ii->i", np.ones((3, 3))), "'ii' does not name"),
        (lambda: ops.einsum("...i->i", np.ones((3, 3))), "name every axis"),
        (lambda: ops.einsum("ij,jk->ik", np.ones((3, 3))), "names 2 operands, got 1"),
        (lambda: ops.einsum("ij,jk->ik", np.ones((3, 2)), np.ones((3, 2))), "'j' is 2 and 3"),
        (lambda: ops.einsum("ij->z", np.ones((3, 2))), "unknown letters"),
        (lambda: ops.einsum("ij->ii", np.ones((3, 2))), "unknown letters"),
    ],
)
def test_errors(make, text):
    with pytest.raises(ValueError, match=text):
        make()
