"""Array functions on the card against NumPy's, over dtypes, broadcasting, axes and keys."""

import numpy as np
import pytest


@pytest.fixture
def xp():
    from tinygrad_astro.kernels.cuda import namespace

    return namespace


def same(found, expected, rtol=2e-6):
    expected = np.asarray(expected)
    assert found.shape == expected.shape and found.dtype == expected.dtype
    np.testing.assert_allclose(found.copy_to_host(), expected, rtol=rtol, atol=rtol)


UNARY = (
    "negative abs sign square floor exp expm1 log log1p sqrt sin cos tanh arcsinh arctan isnan "
    "isfinite logical_not"
).split()


@pytest.mark.parametrize("name", UNARY)
def test_functions_of_one_array(xp, up, name):
    x = np.array([[-2.5, -1.0, -0.0], [0.0, 0.3, 4.0], [np.nan, np.inf, -np.inf]], np.float32)
    with np.errstate(all="ignore"):
        same(getattr(xp, name)(up(x)), getattr(np, name)(x))


BINARY = (
    "add subtract multiply true_divide power maximum minimum equal not_equal less less_equal "
    "greater greater_equal logical_and logical_or"
).split()
SHAPES = [((3, 4), (3, 4)), ((3, 4), (4,)), ((2, 1, 4), (3, 1)), ((2, 3, 4), ()), ((1, 3), (2, 1))]


@pytest.mark.parametrize("name", BINARY)
def test_functions_of_two_arrays_broadcast(xp, up, rng, name):
    for one, other in SHAPES:
        x = np.round(rng.standard_normal(one).astype(np.float32), 1)
        y = np.round(rng.standard_normal(other).astype(np.float32), 1)
        with np.errstate(all="ignore"):
            same(getattr(xp, name)(up(x), up(np.asarray(y))), getattr(np, name)(x, y), 1e-5)
    x[..., 0] = np.nan
    with np.errstate(all="ignore"):
        same(getattr(xp, name)(up(x), 2.0), getattr(np, name)(x, np.float32(2)), 1e-5)


@pytest.mark.parametrize("dtypes", [("int64", "int64"), ("int32", "float32"), ("bool", "bool")])
def test_dtypes_follow_numpy(xp, up, dtypes):
    x, y = (np.array([[0, 1, 1], [1, 0, 1]]).astype(d) for d in dtypes)
    for name in ("equal", "maximum", "logical_or"):
        same(getattr(xp, name)(up(x), up(y)), getattr(np, name)(x, y))
    if dtypes[0] != "int32":
        same(xp.bitwise_and(up(x), up(y)), x & y)
        same(xp.invert(up(x)), ~x)
    same(xp.where(up(x), up(y), y.dtype.type(0)), np.where(x, y, y.dtype.type(0)))
    for dtype in ("float64", "int32", "bool", "uint8"):
        same(up(x).astype(dtype), x.astype(dtype))


REDUCED = [((4,), 0), ((3, 4), None), ((2, 3, 4), 1), ((2, 3, 4), (0, 2)), ((700,), 0),
           ((2, 300), 1), ((300, 3), 0), ((5, 1), 1), ((), None)]  # fmt: skip


@pytest.mark.parametrize("shape, axis", REDUCED)
def test_reductions(xp, up, rng, shape, axis):
    x = np.asarray(rng.standard_normal(shape), np.float32)
    for keepdims in (False, True):
        for name in ("sum", "max", "min"):
            expected = getattr(np, name)(x, axis=axis, keepdims=keepdims)
            same(getattr(xp, name)(up(x), axis, keepdims), expected, 1e-5)
    if x.size > 3:
        x.reshape(-1)[2] = np.nan
        same(xp.max(up(x), axis), x.max(axis=axis))
        same(xp.add.reduce(up(x), axis=axis), np.add.reduce(x, axis=axis), 1e-5)


def test_sums_of_nothing_and_of_booleans(xp, up):
    same(xp.sum(up(np.empty((0, 3), np.float32)), 0), np.zeros(3, np.float32))
    same(up(np.array([True, False, True])).sum(), np.int64(2))
    assert bool(up(np.array([0.0, np.nan])).any()) and not up(np.array([1, 0])).all()
    with pytest.raises(ValueError, match="no value"):
        up(np.empty(0)).max()


@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_indices_of_extrema(xp, up, rng, name):
    x = np.round(rng.standard_normal((4, 5, 3)))
    for axis in (None, 0, 1, -1):
        same(getattr(xp, name)(up(x), axis), getattr(np, name)(x, axis=axis))
    x[1, 2:, 1] = np.nan
    same(getattr(xp, name)(up(x), 1), getattr(np, name)(x, axis=1))


def test_running_sums(xp, up, rng):
    x = rng.standard_normal((2, 5, 3))
    for axis in range(3):
        same(xp.cumsum(up(x), axis), np.cumsum(x, axis))


KEYS = [
    np.s_[1], np.s_[-1, 2:, 0], np.s_[::-1, :, ::2], np.s_[None, ..., 1:3], np.s_[0:0], np.s_[...],
    np.s_[:, [2, 0, 2]], np.s_[np.array([[0, 1], [1, 1]])], np.s_[[0, 1], :, [3, -1]],
    np.s_[1, :, [0, 2]], np.s_[[0, 1], [2, 0], [1, 1]], np.s_[:, 1:, [0, 3]],
]  # fmt: skip


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_indexing(xp, up, rng, key):
    x = rng.standard_normal((2, 3, 4)).astype(np.float32)
    same(up(x)[key], x[key])
    y, value = up(x), rng.standard_normal(x[key].shape).astype(np.float32)
    expected = x.copy()
    expected[key] = value
    y[key] = up(value)
    same(y, expected)
    expected[key] = 7
    y[key] = 7
    same(y, expected)


def test_boolean_masks_and_device_indices(xp, up, rng):
    x = rng.standard_normal((3, 4))
    same(up(x)[up(x > 0)], x[x > 0])
    rows, columns = np.arange(3), np.array([1, -1, 0])
    same(up(x)[up(rows), up(columns)], x[rows, columns])
    with pytest.raises(IndexError, match="out of bounds"):
        up(x)[up(np.array([3]))]
    with pytest.raises(IndexError, match="out of bounds"):
        up(x)[:, 4]


def test_adding_at_repeated_indices(xp, up, rng):
    for key in (np.s_[[0, 1, 0, 0]], np.s_[:, [2, 2]], np.s_[[1, 1], :, [3, 3]]):
        x = rng.standard_normal((2, 3, 4))
        value, y = rng.standard_normal(x[key].shape), up(x)
        xp.add.at(y, key, up(value))
        np.add.at(x, key, value)
        same(y, x)


def test_taking_along_an_axis(xp, up, rng):
    x, index = rng.standard_normal((2, 3, 4)), rng.integers(0, 3, (2, 5, 4))
    same(xp.take_along_axis(up(x), up(index), 1), np.take_along_axis(x, index, 1))


def test_joining_transposing_broadcasting(xp, up, rng):
    x, y = rng.standard_normal((2, 3, 4)), rng.standard_normal((2, 1, 4))
    same(xp.concatenate([up(x), up(y)], 1), np.concatenate([x, y], 1))
    same(up(x).transpose((1, 2, 0)), x.transpose(1, 2, 0))
    same(xp.broadcast_to(up(y), (5, 2, 3, 4)), np.broadcast_to(y, (5, 2, 3, 4)))
    same(up(x).reshape(3, -1), x.reshape(3, -1))


def test_products(xp, up, rng):
    x, y = rng.standard_normal((2, 3, 4)), rng.standard_normal((5, 1, 4, 3))
    same(xp.matmul(up(x), up(y)), np.matmul(x, y))
    same(xp.matmul(up(x), up(y[0, 0])), np.matmul(x, y[0, 0]))
    for text, shapes in (
        ("ij,jk->ik", [(2, 3), (3, 4)]),
        ("bij,bkj->bik", [(2, 3, 4), (2, 5, 4)]),
        ("ij->j", [(2, 3)]),
        ("ij,k->kj", [(2, 3), (4,)]),
        ("a,ab,bc->c", [(2,), (2, 3), (3, 4)]),
    ):
        arrays = [rng.standard_normal(s) for s in shapes]
        same(xp.einsum(text, *map(up, arrays)), np.einsum(text, *arrays))


def test_numpy_functions_answer_for_the_card_or_refuse(up):
    x = up(np.array([1.0, 4.0]))
    same(np.sqrt(x), np.array([1.0, 2.0]))
    same(1.0 / x, np.array([1.0, 0.25]))
    with pytest.raises(TypeError, match="on cuda and one on cpu"):
        x + np.ones(2)
    with pytest.raises(TypeError, match="on cuda was used where"):
        np.asarray(x)
    with pytest.raises(TypeError, match="no CUDA kernel"):
        np.arccos(x)


def test_memory_is_used_again(up):
    from tinygrad_astro.kernels.cuda.blocks import bucket
    from tinygrad_astro.kernels.cuda.driver import card

    x = up(np.ones(1000, np.float32))
    block = x.memory.block
    del x
    held = card().pool.held
    y = up(np.zeros(999, np.float32))
    assert y.memory.block is block and card().pool.held == held
    assert [bucket(n) for n in (1, 513, 768, 769, 1025)] == [512, 768, 768, 1024, 1536]
