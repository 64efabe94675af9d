"""Moving values about: NumPy's results, transposes to the last bit, derivatives, clear errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_astro as ta
from tinygrad_astro import ops
from tinygrad_astro.testing import check_adjoint, check_grads

QUICK = settings(max_examples=60, deadline=None, derandomize=True)
RNG = np.random.default_rng(6)
A = RNG.standard_normal

# f on tensors, the same on arrays, shape
LINEAR = {
    "transpose": (ops.transpose, np.transpose, (2, 3, 4)),
    "transpose axes": (
        lambda x: ops.transpose(x, (1, -1, 0)), lambda x: np.transpose(x, (1, 2, 0)), (2, 3, 4),
    ),
    "swapaxes": (lambda x: ops.swapaxes(x, 0, -1), lambda x: np.swapaxes(x, 0, -1), (2, 3, 4)),
    "moveaxis": (lambda x: ops.moveaxis(x, 0, -1), lambda x: np.moveaxis(x, 0, -1), (2, 3, 4)),
    "moveaxis of two": (
        lambda x: ops.moveaxis(x, (0, 2), (-1, 0)),
        lambda x: np.moveaxis(x, (0, 2), (-1, 0)), (2, 3, 4),
    ),
    "expand_dims": (lambda x: ops.expand_dims(x, 1), lambda x: np.expand_dims(x, 1), (2, 3)),
    "expand_dims at the end": (
        lambda x: ops.expand_dims(x, -1), lambda x: np.expand_dims(x, -1), (2, 3),
    ),
    "squeeze": (ops.squeeze, np.squeeze, (2, 1, 3, 1)),
    "squeeze one": (lambda x: ops.squeeze(x, 1), lambda x: np.squeeze(x, 1), (2, 1, 3, 1)),
    "concatenate": (
        lambda x: ops.concatenate([x, 2.0 * x[:1]], 0),
        lambda x: np.concatenate([x, 2.0 * x[:1]], 0), (2, 3),
    ),
    "concatenate channels": (
        lambda x: ops.concatenate([x, x, x], -1), lambda x: np.concatenate([x, x, x], -1), (2, 3),
    ),
    "stack": (lambda x: ops.stack([x, -x], 1), lambda x: np.stack([x, -x], 1), (2, 3)),
    "stack last": (lambda x: ops.stack([x, x], -1), lambda x: np.stack([x, x], -1), (2, 3)),
    "split": (lambda x: ops.split(x, 3, 1)[1], lambda x: np.split(x, 3, 1)[1], (2, 6)),
    "split at": (lambda x: ops.split(x, [1, 4], 1)[1], lambda x: np.split(x, [1, 4], 1)[1], (2, 6)),
    "repeat": (lambda x: ops.repeat(x, 2, 0), lambda x: np.repeat(x, 2, 0), (2, 3)),
    "repeat none": (lambda x: ops.repeat(x, 0, 1), lambda x: np.repeat(x, 0, 1), (2, 3)),
    "tile": (lambda x: ops.tile(x, (2, 1, 2)), lambda x: np.tile(x, (2, 1, 2)), (2, 3)),
    "tile one number": (lambda x: ops.tile(x, 3), lambda x: np.tile(x, 3), (2, 3)),
    "flip": (lambda x: ops.flip(x, 0), lambda x: np.flip(x, 0), (3, 2)),
    "flip all": (ops.flip, np.flip, (3, 2)),
    "roll": (lambda x: ops.roll(x, 1, 1), lambda x: np.roll(x, 1, 1), (3, 4)),
    "roll back": (lambda x: ops.roll(x, -7, 0), lambda x: np.roll(x, -7, 0), (3, 4)),
    "roll by nothing": (lambda x: ops.roll(x, 4, 1), lambda x: np.roll(x, 4, 1), (3, 4)),
    "pad": (lambda x: ops.pad(x, ((1, 2), (0, 1))), lambda x: np.pad(x, ((1, 2), (0, 1))), (2, 3)),
    "pad all": (lambda x: ops.pad(x, 2), lambda x: np.pad(x, 2), (2, 3)),
    "reflect": (lambda x: ops.pad(x, 2, "reflect"), lambda x: np.pad(x, 2, "reflect"), (3, 4)),
    "edge": (lambda x: ops.pad(x, (1, 3), "edge"), lambda x: np.pad(x, (1, 3), "edge"), (3, 2)),
    "wrap": (lambda x: ops.pad(x, 5, "wrap"), lambda x: np.pad(x, 5, "wrap"), (3, 2)),
}  # fmt: skip


@pytest.mark.parametrize("name", LINEAR)
def test_values_are_numpys(name):
    f, theirs, shape = LINEAR[name]
    x = A(shape)
    np.testing.assert_array_equal(f(ta.tensor(x)).numpy(), theirs(x))


@pytest.mark.parametrize("name", LINEAR)
def test_adjoints(name):
    f, _, shape = LINEAR[name]
    check_adjoint(f, A(shape))


@pytest.mark.parametrize("name", LINEAR)
def test_first_and_second_derivatives(name):
    f, _, shape = LINEAR[name]
    check_grads(lambda x: f(x * x), A(shape))


def test_transposed_axes_one_by_one():
    x = A((2, 3, 4))
    made = ops.transpose(x, (1, 2, 0)).numpy()
    for i, j, k in np.ndindex(2, 3, 4):
        assert made[j, k, i] == x[i, j, k]


@QUICK
@given(st.data())
def test_concatenate_then_split_gives_the_parts_back(data):
    axis = data.draw(st.integers(-2, 1))
    sizes = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=4))
    shapes = [(n, 2) if axis % 2 == 0 else (2, n) for n in sizes]
    parts = [np.random.default_rng(i).standard_normal(s) for i, s in enumerate(shapes)]
    joined = ops.concatenate(parts, axis)
    np.testing.assert_array_equal(joined.numpy(), np.concatenate(parts, axis))
    for made, part in zip(ops.split(joined, np.cumsum(sizes)[:-1].tolist(), axis), parts):
        np.testing.assert_array_equal(made.numpy(), part)


def test_concatenated_gradients_go_to_their_own_parts():
    x, y = ta.tensor(A((2, 2)), requires_grad=True), ta.tensor(A((3, 2)), requires_grad=True)
    weights = np.arange(10.0).reshape(5, 2)
    (ops.concatenate([x, np.ones((0, 2)), y], 0) * weights).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), weights[:2])
    np.testing.assert_array_equal(y.grad.numpy(), weights[2:])


def test_stacking_a_tensor_on_itself_adds_its_gradients():
    check_grads(lambda x, y: ops.concatenate([x, y * x[:1], x], 0) ** 2, A((2, 3)), A((2, 3)))


def test_padding_with_a_value_and_with_nan():
    x = np.ones((2, 2))
    for value in (3.0, np.nan):
        made = ops.pad(x, ((0, 1), (1, 0)), constant_values=value).numpy()
        np.testing.assert_array_equal(made, np.pad(x, ((0, 1), (1, 0)), constant_values=value))
    check_grads(lambda x: ops.pad(x, 1, constant_values=2.0) ** 2, x)


def test_a_nan_in_the_image_is_not_spread_by_padding():
    x = np.array([[np.nan, 1.0]])
    assert np.isnan(ops.pad(x, 1, constant_values=5.0).numpy()).sum() == 1


@QUICK
@given(
    st.integers(1, 5),
    st.integers(0, 6),
    st.integers(0, 6),
    st.sampled_from(["edge", "wrap", "reflect"]),
)
def test_padding_modes_are_numpys(n, before, after, mode):
    x = np.random.default_rng(n).standard_normal((n, 2))
    width = ((before, after), (0, 0))
    if mode == "reflect" and max(before, after) >= n and before + after:
        with pytest.raises(ValueError, match="needs more than"):
            ops.pad(x, width, mode)
        return
    np.testing.assert_array_equal(ops.pad(x, width, mode).numpy(), np.pad(x, width, mode))
    check_adjoint(lambda x: ops.pad(x, width, mode), x)


@pytest.mark.parametrize(
    "make, text",
    [
        (lambda: ops.transpose(np.ones((2, 3)), (0,)), "is not an order of the 2 axes"),
        (lambda: ops.transpose(np.ones((2, 3)), (0, 0)), "twice"),
        (lambda: ops.swapaxes(np.ones((2, 3)), 0, 2), "axis=2 is out of range"),
        (lambda: ops.moveaxis(np.ones((2, 3)), 2, 0), "axis=2 is out of range"),
        (lambda: ops.moveaxis(np.ones((2, 3)), 0, -3), "axis=-3 is out of range"),
        (lambda: ops.moveaxis(np.ones((2, 3)), (0, 1), 0), "as many places"),
        (lambda: ops.expand_dims(np.ones((2, 3)), 4), "axis=4 is out of range"),
        (lambda: ops.squeeze(np.ones((2, 1)), 0), r"not of size 1 in shape \(2, 1\)"),
        (lambda: ops.concatenate([]), "empty list"),
        (lambda: ops.concatenate([np.ones((2, 3)), np.ones((2, 4))]), "crop or pad"),
        (lambda: ops.concatenate([np.ones((2, 3)), np.ones(3)]), "differ"),
        (lambda: ops.concatenate([np.ones(2), np.ones(3)], axis=None), "expected one integer"),
        (lambda: ops.concatenate([1.0, 2.0]), "axis=0 is out of range"),
        (lambda: ops.stack([]), "one shape"),
        (lambda: ops.stack([np.ones(2), np.ones(3)]), r"one shape, got \[\(2,\), \(3,\)\]"),
        (lambda: ops.stack([np.ones(2)], axis=3), "axis=3 is out of range"),
        (lambda: ops.split(np.ones(5), 2), "5 along axis 0 is not 2 equal parts"),
        (lambda: ops.split(np.ones(5), 0), "not 0 equal parts"),
        (lambda: ops.split(np.ones(5), -5), "not -5 equal parts"),
        (lambda: ops.repeat(np.ones(2), [1, 2], 0), r"repeats=\[1, 2\]: expected an integer"),
        (lambda: ops.repeat(np.ones(2), -1, 0), "repeats=-1"),
        (lambda: ops.roll(np.ones((2, 2)), (1, 1), (0, 1)), "expected one integer"),
        (lambda: ops.roll(np.ones((2, 2)), 0.5, 0), "shift=0.5"),
        (lambda: ops.flip(np.ones(2), 1), "axis=1 is out of range"),
        (lambda: ops.pad(np.ones(2), -1), "at least 0"),
        (lambda: ops.pad(np.ones(2), 0.5), "pairs of integers"),
        (lambda: ops.pad(np.ones(2), ((1, 1), (1, 1))), r"expected 1 pairs"),
        (lambda: ops.pad(np.ones(2), 1, "symmetric"), "mode='symmetric'"),
        (lambda: ops.pad(np.ones(2), 2, "reflect"), "needs more than 2 pixels"),
        (lambda: ops.pad(np.ones((0, 2)), ((1, 1), (0, 0)), "edge"), "empty axis"),
    ],
)
def test_errors(make, text):
    with pytest.raises(ValueError, match=text):
        make()
