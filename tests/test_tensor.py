"""Tensors among arrays of NumPy and others: operators, conversions, and what is refused."""

import copy
import operator

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro import ops


def tracked(values=(1.0, 2.0)):
    return ta.tensor(np.asarray(values, np.float64), requires_grad=True)


# ---- making --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data, options, dtype",
    [
        (1.5, {}, np.float32),
        ([1.0, 2.0], {}, np.float32),
        ([1, 2], {}, np.int64),
        ([1, 2], {"requires_grad": True}, np.float32),
        (np.ones(2), {}, np.float64),
        (np.ones(2), {"dtype": "float32"}, np.float32),
        (np.ones(2, ">f4"), {}, np.float32),
        (np.arange(2, dtype=">i2"), {"requires_grad": True}, np.float32),
        (np.arange(2, dtype=np.uint16), {}, np.uint16),
        (np.ones(2), {"dtype": ">f8"}, np.float64),
        ([True, False], {}, np.bool_),
        (ta.tensor([1.0]), {"dtype": np.float64}, np.float64),
    ],
)
def test_dtype_of_a_new_tensor(data, options, dtype):
    made = ta.tensor(data, **options)
    assert made.dtype == dtype and made.dtype.isnative
    assert made.requires_grad == options.get("requires_grad", False)
    expected = data.numpy() if isinstance(data, ta.Tensor) else data
    np.testing.assert_array_equal(made.numpy() if not made.requires_grad else made.data, expected)


def test_attributes():
    t = ta.tensor(np.zeros((2, 3, 4), np.float32))
    assert (t.shape, t.ndim, t.size, t.dtype, t.device) == ((2, 3, 4), 3, 24, np.float32, "cpu")
    assert t.T.shape == (4, 3, 2) and len(t) == 2 and t.grad is None


def test_a_tracked_tensor_has_memory_of_its_own():
    """An optimiser writes into it, and what the user writes elsewhere must not spoil gradients."""
    data = np.ones(2)
    leaf = ta.tensor(data, requires_grad=True)
    loss = (leaf * leaf).sum()
    data[0] = 7.0
    loss.backward()
    np.testing.assert_array_equal(leaf.grad.numpy(), [2.0, 2.0])
    twin = ta.tensor(leaf, requires_grad=True)
    assert not np.shares_memory(twin.data, leaf.data)


@pytest.mark.parametrize(
    "make, error, text",
    [
        (lambda: ta.tensor([[1.0], [1.0, 2.0]]), TypeError, "ragged"),
        (lambda: ta.tensor(["a"]), TypeError, "dtype <U1"),
        (lambda: ta.tensor([1j]), TypeError, "complex128"),
        (lambda: ta.tensor([1.0], dtype="float16"), TypeError, "float16; expected float32"),
        (lambda: ta.tensor(ta.tensor([1.0]), dtype=complex), TypeError, "complex128"),
        (lambda: ta.tensor(np.ma.masked_equal([1.0, 2.0], 1.0)), TypeError, "lose its mask"),
        (lambda: ta.tensor([1.0], device="tpu"), ValueError, "device='tpu'"),
        (lambda: ta.tensor([1.0]).astype(complex), TypeError, "complex128"),
        (lambda: ta.tensor([tracked()[0], 1.0]), TypeError, "leave the tape"),
    ],
)
def test_what_cannot_be_a_tensor(make, error, text):
    with pytest.raises(error, match=text):
        make()


# ---- operators -----------------------------------------------------------------------------------

BINARY = "add sub mul truediv pow mod eq ne lt le gt ge".split()


@pytest.mark.parametrize("name", BINARY)
def test_binary_operators_agree_with_numpy_on_both_sides(name, rng):
    apply = getattr(operator, name)
    x, y = rng.uniform(0.5, 2.0, (3, 4)), rng.uniform(0.5, 2.0, 4)
    expected = apply(x, y)
    for left, right in (
        (ta.tensor(x), ta.tensor(y)),
        (ta.tensor(x), y),
        (x, ta.tensor(y)),
    ):
        made = apply(left, right)
        assert isinstance(made, ta.Tensor)
        np.testing.assert_allclose(made.numpy(), expected, rtol=1e-12)
    np.testing.assert_allclose(apply(ta.tensor(x), 1.5).numpy(), apply(x, 1.5), rtol=1e-12)
    np.testing.assert_allclose(apply(1.5, ta.tensor(x)).numpy(), apply(1.5, x), rtol=1e-12)
    assert apply(ta.tensor(x), 2).dtype == expected.dtype


def test_remainder_has_the_sign_of_the_divisor():
    x, y = np.array([5.5, -5.5, 5.5, -5.5]), np.array([2.0, 2.0, -2.0, -2.0])
    np.testing.assert_allclose((ta.tensor(x) % y).numpy(), np.mod(x, y))
    np.testing.assert_allclose((7.0 % ta.tensor(y)).numpy(), np.mod(7.0, y))


def test_matrix_product_on_both_sides(rng):
    x, y = rng.standard_normal((3, 4)), rng.standard_normal((4, 2))
    for made in (ta.tensor(x) @ ta.tensor(y), ta.tensor(x) @ y, x @ ta.tensor(y)):
        assert isinstance(made, ta.Tensor)
        np.testing.assert_allclose(made.numpy(), x @ y)


def test_unary_operators():
    t = ta.tensor([-1.0, 2.0])
    np.testing.assert_array_equal((-t).numpy(), [1.0, -2.0])
    np.testing.assert_array_equal((+t).numpy(), [-1.0, 2.0])
    np.testing.assert_array_equal(abs(t).numpy(), [1.0, 2.0])


def test_flags_are_bits_and_masks_are_booleans():
    flags = np.array([0, 1, 2, 3, 6], np.int32)
    t = ta.tensor(flags)
    np.testing.assert_array_equal(((t & 2) != 0).numpy(), (flags & 2) != 0)
    np.testing.assert_array_equal((2 | t).numpy(), flags | 2)
    np.testing.assert_array_equal((flags & t).numpy(), flags)
    np.testing.assert_array_equal((3 & t).numpy(), flags & 3)
    np.testing.assert_array_equal((~t).numpy(), ~flags)
    mask = ta.tensor([True, False, True])
    np.testing.assert_array_equal((mask & ~mask).numpy(), [False] * 3)
    np.testing.assert_array_equal((mask | np.array([False, False, True])).numpy(), mask.numpy())
    with pytest.raises(TypeError, match="bitwise_and"):
        ta.tensor([1.0]) & 1.0


def test_methods_agree_with_numpy(rng):
    x = rng.standard_normal((2, 3, 4))
    t = ta.tensor(x)
    for name in "sum mean var std max min prod argmax argmin cumsum".split():
        np.testing.assert_allclose(getattr(t, name)().numpy(), getattr(x, name)(), rtol=1e-12)
        made = getattr(t, name)(axis=1).numpy()
        np.testing.assert_allclose(made, getattr(x, name)(axis=1), rtol=1e-12)
    np.testing.assert_array_equal(t.clip(-0.5, 0.5).numpy(), x.clip(-0.5, 0.5))
    for shape in ((4, 6), ((4, 6),), (-1, 2)):
        np.testing.assert_array_equal(t.reshape(*shape).numpy(), x.reshape(*shape))
    np.testing.assert_array_equal(t.transpose().numpy(), x.transpose())
    for axes in ((2, 0, 1), ((2, 0, 1),)):
        np.testing.assert_array_equal(t.transpose(*axes).numpy(), x.transpose(*axes))
    np.testing.assert_array_equal(t.flatten().numpy(), x.ravel())
    np.testing.assert_array_equal(t[:1].squeeze(0).numpy(), x[0])
    assert t.astype(np.float32).dtype == np.float32 and t.astype(int).dtype == np.int64


# ---- NumPy's functions ---------------------------------------------------------------------------

FUNCTIONS = {
    "np.exp": (lambda t: np.exp(t), lambda x: np.exp(x)),
    "ones * t": (lambda t: np.ones(3) * t, lambda x: x),
    "np.float64 * t": (lambda t: np.float64(2) * t, lambda x: 2 * x),
    "np.sum": (lambda t: np.sum(t), lambda x: x.sum()),
    "np.sum axis": (lambda t: np.sum(t * np.ones((2, 3)), axis=0), lambda x: 2 * x),
    "np.mean": (lambda t: np.mean(t), lambda x: x.mean()),
    "np.add.reduce": (lambda t: np.add.reduce(t), lambda x: x.sum()),
    "np.multiply.reduce": (lambda t: np.multiply.reduce(t), lambda x: x.prod()),
    "np.concatenate": (lambda t: np.concatenate([t, np.ones(1)]), lambda x: np.append(x, 1.0)),
    "np.stack": (lambda t: np.stack([t, t]), lambda x: np.stack([x, x])),
    "np.where": (lambda t: np.where(np.arange(3) > 0, t, 0.0), lambda x: [0, x[1], x[2]]),
    "np.maximum": (lambda t: np.maximum(t, 1.5), lambda x: np.maximum(x, 1.5)),
    "np.absolute": (lambda t: np.abs(-t), lambda x: x),
    "np.reciprocal": (lambda t: np.reciprocal(t), lambda x: 1 / x),
    "np.positive": (lambda t: np.positive(t), lambda x: x),
    "np.power": (lambda t: np.power(t, 3), lambda x: x**3),
    "np.matmul": (lambda t: np.matmul(np.eye(3), t), lambda x: x),
    "np.einsum": (lambda t: np.einsum("i,i->", t, t), lambda x: (x * x).sum()),
    "np.pad": (lambda t: np.pad(t, 1), lambda x: np.pad(x, 1)),
    "np.moveaxis": (lambda t: np.moveaxis(t.reshape(1, 3), 0, 1), lambda x: x[:, None]),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_numpy_functions_stay_on_the_tape(name):
    x = np.array([1.0, 2.0, 3.0])
    ours, theirs = FUNCTIONS[name]
    t = tracked(x)
    made = ours(t)
    assert isinstance(made, ta.Tensor) and made.requires_grad
    np.testing.assert_allclose(made.detach().numpy(), theirs(x), rtol=1e-12)
    made.sum().backward()
    assert t.grad is not None


def test_numpy_asks_for_shapes_without_leaving_the_tape():
    t = tracked(np.ones((2, 3)))
    assert (np.shape(t), np.ndim(t), np.size(t)) == ((2, 3), 2, 6)
    np.testing.assert_array_equal(np.zeros_like(t).numpy(), np.zeros((2, 3)))


@pytest.mark.parametrize(
    "make, text",
    [
        (lambda t: np.linalg.svd(t), "svd has no gradient rule.*numpy()"),
        (lambda t: np.arctan2(t, t), "arctan2 has no gradient rule"),
        (lambda t: np.add.accumulate(t), "add.accumulate"),
        (lambda t: np.add.at(t, [0], 1.0), "add.at"),
        (lambda t: np.median(t), "median"),
        (lambda t: np.asarray(t), "leave the tape.*detach"),
        (lambda t: np.array([t, t]), "leave the tape"),
        (lambda t: np.add(np.ones(2), t, out=np.ones(2)), r"np.add\(out=...\)"),
        (lambda t: np.add(np.ones(2), np.ones(2), out=t), r"np.add\(out=...\)"),
        (lambda t: np.sum(t, out=np.ones(())), r"np.sum\(out=...\)"),
        (lambda t: np.add(t, t, where=[True, False]), "add has no gradient rule"),
        (lambda t: np.sum(t, dtype=np.float32), "unexpected keyword argument 'dtype'"),
    ],
)
def test_what_has_no_gradient_is_refused_not_detached(make, text):
    with pytest.raises(TypeError, match=text):
        make(tracked(np.ones((2, 2))) if "svd" in text else tracked())


def test_an_array_cannot_be_added_to_in_place_with_a_tensor():
    total = np.zeros(2)
    with pytest.raises(TypeError, match="would write in place"):
        total += tracked()


# ---- out of the tape -----------------------------------------------------------------------------


def test_conversions_of_a_single_value():
    t = ta.tensor([[2.5]])
    assert (t.item(), float(t), int(t), bool(t)) == (2.5, 2.5, 2, True)
    assert float(tracked([3.0])) == 3.0
    assert f"{ta.tensor(2.5):.2f}" == "2.50" and f"{ta.tensor(2.5)}" == str(ta.tensor(2.5))
    assert [10, 20, 30][ta.tensor(1)] == 20


@pytest.mark.parametrize(
    "make, error, text",
    [
        (lambda: float(tracked()), ValueError, r"one value.*shape \(2,\)"),
        (lambda: bool(ta.tensor([1.0, 2.0]) > 0), ValueError, r"one value.*shape \(2,\)"),
        (lambda: f"{ta.tensor([1.0, 2.0]):.2f}", ValueError, "one value"),
        (lambda: len(ta.tensor(1.0)), TypeError, "no length"),
        (lambda: [1, 2][ta.tensor(1.0)], TypeError, "integer"),
        (lambda: ta.tensor([1.0]) + None, TypeError, "object"),
        (lambda: ta.tensor([1.0]) + "a", TypeError, "<U1"),
        (lambda: ta.tensor([1.0]) * 1j, TypeError, "complex"),
        (lambda: ta.tensor([1.0]).to("gpu"), ValueError, "device='gpu'"),
    ],
)
def test_conversions_that_make_no_sense(make, error, text):
    with pytest.raises(error, match=text):
        make()


def test_untracked_tensors_are_arrays_to_numpy():
    t = ta.tensor([1.0, 2.0])
    assert np.shares_memory(np.asarray(t), t.data)
    assert np.asarray(t, np.float64).dtype == np.float64
    copied = np.array(t, copy=True)
    copied[0] = 5.0
    assert float(t[0]) == 1.0
    np.testing.assert_array_equal([float(v) for v in t], [1.0, 2.0])
    np.testing.assert_array_equal(ta.tensor([ta.tensor(1.0), 2.0]).numpy(), [1.0, 2.0])


def test_values_on_the_tape_are_read_only():
    t = tracked()
    for view in (t.numpy(), (t * 2.0).numpy(), t.detach().numpy()):
        with pytest.raises(ValueError, match="read-only"):
            view[0] = 5.0
    kept = ta.tensor([3.0, 4.0])
    _ = t * kept  # the gradient with respect to t needs these values
    with pytest.raises(ValueError, match="read-only"):
        kept.numpy()[0] = 5.0
    free = ta.tensor([3.0, 4.0])
    free.numpy()[0] = 5.0
    assert float(free[0]) == 5.0


def test_writing_in_place_is_refused_on_the_tape_with_what_to_write_instead():
    t = tracked()
    kept = ta.tensor([3.0, 4.0])
    _ = t * kept
    for target in (t, t * 2.0, t.detach(), kept):
        with pytest.raises(TypeError, match="cannot be written in place.*ta.ops.where"):
            target[0] = 5.0
    np.testing.assert_array_equal(t.data, [1.0, 2.0])


def test_writing_a_tracked_value_anywhere_is_refused():
    free = ta.tensor([0.0, 0.0])
    with pytest.raises(TypeError, match="leave the tape silently"):
        free[0] = tracked()[0]
    free[0] = tracked().detach()[0]
    free[ta.tensor([False, True])] = ta.tensor(7.0)
    np.testing.assert_array_equal(free.numpy(), [1.0, 7.0])


def test_plus_equals_makes_a_new_tensor():
    t = tracked()
    before = t
    t += 1.0
    np.testing.assert_array_equal(before.data, [1.0, 2.0])
    assert t.requires_grad and t is not before


def test_moving_to_the_same_device_is_no_move():
    t = tracked()
    assert t.to("cpu") is t


def test_text_shows_values_shape_and_origin():
    assert repr(ta.tensor([1.0])) == "tensor([1.], shape=(1,), dtype=float32)"
    assert "requires_grad=True" in repr(tracked())
    assert "from=multiply" in repr(tracked() * 2.0)
    assert "..." in repr(ta.tensor(np.zeros(1000)))


def test_tensors_are_keys_and_can_be_copied():
    t = tracked()
    assert {t: 1}[t] == 1
    twin = copy.deepcopy(t)
    assert twin.requires_grad and not np.shares_memory(twin.data, t.data)
    np.testing.assert_array_equal(twin.data, t.data)


# ---- DLPack --------------------------------------------------------------------------------------


def test_dlpack_with_numpy_shares_memory_both_ways():
    data = np.arange(3.0, dtype=np.float32)
    t = ta.from_dlpack(data)
    assert np.shares_memory(t.data, data) and t.dtype == np.float32
    back = np.from_dlpack(t)
    assert np.shares_memory(back, data)


def test_dlpack_refuses_what_would_leave_the_tape_or_has_no_kernels():
    with pytest.raises(BufferError, match="detach"):
        np.from_dlpack(tracked())
    with pytest.raises(TypeError, match="float16"):
        ta.from_dlpack(np.ones(2, np.float16))


@pytest.mark.peer
def test_dlpack_with_torch_shares_memory_both_ways():
    torch = pytest.importorskip("torch")
    theirs = torch.arange(6.0).reshape(2, 3).T
    ours = ta.from_dlpack(theirs)
    assert ours.shape == (3, 2)
    theirs[0, 0] = 9.0
    assert float(ours[0, 0]) == 9.0
    np.testing.assert_array_equal(ta.tensor(theirs).numpy(), theirs.numpy())
    assert ta.tensor(theirs.double()).dtype == np.float64
    back = torch.from_dlpack(ta.tensor(np.ones(2)))
    assert back.dtype == torch.float64
    with pytest.raises(TypeError, match="bfloat16"):
        ta.tensor(torch.ones(2, dtype=torch.bfloat16))
    with pytest.raises(BufferError, match="gradient"):
        ta.tensor(torch.ones(2, requires_grad=True))


def test_indexing_agrees_with_numpy(rng):
    x = rng.standard_normal((3, 4, 5))
    t = ta.tensor(x)
    mask = x[:, :, 0] > 0
    for key in (
        0, -1, slice(1, None), (slice(None), 2), (..., 1), (None, 0),
        (slice(None, None, -2), 1, -1), [0, 2], ([0, 2], [1, 1]), (slice(None), [1, 1, 0]),
        mask, (0, x[0, :, 0] > 0), [],
        (np.array([[0, 1], [2, 0]]),), np.int64(1), True,
    ):  # fmt: skip
        np.testing.assert_array_equal(t[key].numpy(), x[key])
    np.testing.assert_array_equal(t[ta.tensor([2, 0])].numpy(), x[[2, 0]])
    np.testing.assert_array_equal(t[ta.tensor(mask)].numpy(), x[mask])


@pytest.mark.parametrize("key", [1.0, np.float64(1), np.array([0.5]), "a", 7, (0, 0, 0, 0)])
def test_indices_that_are_none(key):
    with pytest.raises(IndexError):
        ta.tensor(np.ones((2, 3)))[key]


def test_ops_is_the_table_that_tensor_uses():
    assert ta.Tensor.__add__ is ops.add
