"""Every public op in one table: derivatives of both orders, adjoints, where a NaN goes.

Values are compared with other implementations in the files of the families. A new op without a row
here fails `test_every_public_op_has_a_row`.
"""

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro import ops
from tinygrad_astro.testing import check_adjoint, check_grads

RNG = np.random.default_rng(12)
A = RNG.standard_normal
IMAGE = A((2, 4, 5, 2))
MASK = A((3, 4)) > 0
WHERE = np.array([[[[3], [2]], [[8], [11]]]])  # of 2x2 maxima in 4x4


def P(*shape):
    return RNG.uniform(0.5, 2.0, shape)


def row(*args, call=lambda op, *args: op(*args), linear=False):
    """Say how to call an op on which arrays, and whether it is linear in each alone."""
    return call, args, linear


def with_options(*options, linear=False, **named):
    """A row for an op of one array, here of shape (3, 4)."""
    return row(A((3, 4)), call=lambda op, x: op(x, *options, **named), linear=linear)


SMOOTH = {
    "abs": row(A(5)), "add": row(A((3, 4)), A(4)), "arcsinh": row(A(5)), "arctan": row(A(5)),
    "astype": with_options(np.float64, linear=True),
    "average_pool": row(IMAGE, call=lambda op, x: op(x, 2), linear=True),
    "batch_normalization": row(IMAGE, P(2), A(2)),
    "bias_activation": row(A((3, 4)), A(4), call=lambda op, x, b: op(x, b, "tanh")),
    "broadcast_to": with_options((2, 3, 4), linear=True), "clip": with_options(-0.5, 0.5),
    "concatenate": row(A((3, 4)), A((2, 4)), call=lambda op, x, y: op([x, y])),
    "conv": row(IMAGE, A((2, 3, 2, 2)), linear=True),
    "conv_transpose": row(IMAGE, A((2, 3, 3, 2)), call=lambda op, x, w: op(x, w, 2), linear=True),
    "cos": row(A(5)), "cumsum": with_options(1, linear=True),
    "dense": row(A((3, 4)), A((4, 2)), linear=True), "divide": row(A((3, 4)), P(4)),
    "dropout": with_options(0.4, 3, linear=True),
    "einsum": row(A((3, 4)), A((4, 2)), call=lambda op, *a: op("ij,jk->ki", *a), linear=True),
    "elu": row(A(5)), "erf": row(A(5)), "exp": row(A(5)),
    "expand_dims": with_options(1, linear=True), "expm1": row(A(5)),
    "flip": with_options(0, linear=True), "gelu": row(A(5)),
    "getitem": with_options(([0, 0, 2], slice(1, None)), linear=True), "hard_sigmoid": row(A(5)),
    "l2_pool": row(IMAGE, call=lambda op, x: op(x, 2)), "leaky_relu": row(A(5)),
    "linear": row(A(5), linear=True), "log": row(P(5)), "log1p": row(P(5)),
    "log_sigmoid": row(A(5)), "log_softmax": with_options(), "logsumexp": with_options(1),
    "matmul": row(A((2, 3, 4)), A((4, 2)), linear=True), "max": with_options(1),
    "max_pool": row(IMAGE, call=lambda op, x: op(x, 2)),
    "max_unpool": row(A((1, 2, 2, 1)), call=lambda op, x: op(x, WHERE, (4, 4)), linear=True),
    "maximum": row(A((3, 4)), A(4)), "mean": with_options(0, linear=True), "min": with_options(1),
    "minimum": row(A((3, 4)), A(4)), "mod": row(np.array([0.7, -2.2]), np.array([0.5, 0.6])),
    "moveaxis": with_options(0, 1, linear=True), "multiply": row(A((3, 4)), A(4), linear=True),
    "negative": row(A(5), linear=True), "pad": with_options(1, linear=True),
    "power": row(P(3, 4), A(4)), "prelu": row(A((3, 4)), A(4)), "prod": with_options(1),
    "relu": row(A(5)), "repeat": with_options(2, 0, linear=True),
    "reshape": with_options((2, 6), linear=True), "roll": with_options(1, 1, linear=True),
    "sigmoid": row(A(5)), "silu": row(A(5)), "sin": row(A(5)), "softmax": with_options(),
    "softplus": row(A(5)), "softsign": row(A(5)),
    "split": row(A((3, 4)), call=lambda op, x: op(x, 2, 1)[1], linear=True),
    "sqrt": row(P(5)), "square": row(A(5)), "squeeze": row(A((3, 1)), linear=True),
    "stack": row(A((3, 4)), A((3, 4)), call=lambda op, x, y: op([x, y], 1)),
    "std": with_options(1), "subtract": row(A((3, 4)), A(4)),
    "sum": with_options(0, linear=True),
    "sum_pool": row(IMAGE, call=lambda op, x: op(x, 3, 1), linear=True),
    "swapaxes": with_options(0, 1, linear=True), "take": with_options([2, 2, 0], 1, linear=True),
    "take_along_axis": with_options(np.array([[1, 1], [0, 3], [2, 0]]), 1, linear=True),
    "tanh": row(A(5)),
    "tensordot": row(A((3, 4)), A((4, 2)), call=lambda op, x, y: op(x, y, 1), linear=True),
    "tile": with_options((2, 1), linear=True), "transpose": with_options(linear=True),
    "upsample": row(IMAGE, call=lambda op, x: op(x, 2, "bilinear"), linear=True),
    "var": with_options(0),
    "where": row(A((3, 4)), A(4), call=lambda op, x, y: op(MASK, x, y)),
}  # fmt: skip

FLAGS = np.array([True, False])
WITHOUT_GRADIENT = {
    name: row(A(5))
    for name in "all any argmax argmin floor isfinite isnan ones_like sign zeros_like".split()
}
WITHOUT_GRADIENT |= {
    name: row(A(5), A(5))
    for name in "equal greater greater_equal less less_equal not_equal".split()
}
WITHOUT_GRADIENT |= {
    name: row(A(2), call=lambda op, x: op(x > 0, FLAGS))
    for name in "bitwise_and bitwise_or logical_and logical_or".split()
}
WITHOUT_GRADIENT |= {
    name: row(A(2), call=lambda op, x: op(x > 0)) for name in ("invert", "logical_not")
}
WITHOUT_GRADIENT |= {
    "moments": row(A((3, 4)), call=lambda op, x: op(x)[0]),
    "one_hot": row(np.ones(2), call=lambda op, x: op(x, 3)),
    "random_normal": row(call=lambda op: op((2, 3), 1)),
    "random_uniform": row(call=lambda op: op((2, 3), 1)),
}


def left_out(names):
    """List the public names that have no row, and the rows of names that are not public."""
    return sorted(set(names) ^ (set(SMOOTH) | set(WITHOUT_GRADIENT)))


def test_every_public_op_has_a_row():
    assert left_out(ops.__all__) == [], "give each new op a row in SMOOTH or WITHOUT_GRADIENT"
    assert not set(SMOOTH) & set(WITHOUT_GRADIENT)
    public = {n for n in dir(ops) if callable(getattr(ops, n)) and not n.startswith("_")}
    assert public == set(ops.__all__)


def test_a_new_op_without_a_row_is_noticed():
    assert left_out([*ops.__all__, "convolve_backwards"]) == ["convolve_backwards"]
    assert left_out([n for n in ops.__all__ if n != "exp"]) == ["exp"]


def bound(name, table=SMOOTH):
    call, args, linear = table[name]
    return lambda *a: call(getattr(ops, name), *a), args, linear


@pytest.mark.parametrize("name", SMOOTH)
def test_first_and_second_derivatives(name):
    f, args, _ = bound(name)
    check_grads(lambda *a: ops.square(f(*a)), *args)


@pytest.mark.parametrize("name", [n for n, (*_, linear) in SMOOTH.items() if linear])
def test_adjoint_in_each_argument(name):
    f, args, _ = bound(name)
    for i, x in enumerate(args):
        check_adjoint(lambda x, i=i: f(*args[:i], x, *args[i + 1 :]), x)


@pytest.mark.parametrize("name", WITHOUT_GRADIENT)
def test_what_has_no_gradient_is_off_the_tape(name):
    f, args, _ = bound(name, WITHOUT_GRADIENT)
    made = f(*[ta.tensor(x, requires_grad=True) for x in args])
    assert not getattr(made, "requires_grad", False)


def reached(f, args, position, index):
    """Find the outputs that depend on one number, by moving it far up and down."""
    before, changed = f(*args).numpy(), False
    for step in (10.37, -10.37):
        moved = [np.array(a) for a in args]
        moved[position][index] += step
        changed = changed | (f(*moved).numpy() != before)
    return changed


@pytest.mark.parametrize("name", SMOOTH)
def test_a_nan_reaches_what_depends_on_it_and_nothing_else(name):
    f, args, _ = bound(name)
    # A transposed convolution multiplies its kernel by zeros around the input, so for NaN in the
    # kernel no such thing is promised; a network with NaN among its weights is lost anyway.
    for position, x in enumerate(args[:1] if name == "conv_transpose" else args):
        for index in list(np.ndindex(x.shape))[:: 1 + x.size // 8]:
            spoilt = [np.array(a) for a in args]
            spoilt[position][index] = np.nan
            found = np.isnan(f(*spoilt).numpy())
            np.testing.assert_array_equal(found, reached(f, args, position, index))
