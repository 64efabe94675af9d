"""Pooling and its reverse: loops, ties, NaN, padding that never counts, adjoints, derivatives."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import pool as loops
from scipy import ndimage

import tinygrad_astro as ta
from tinygrad_astro import ops, shapes
from tinygrad_astro.testing import check_adjoint, check_grads

RNG = np.random.default_rng(10)
A = RNG.standard_normal

# inputs, arguments: H != W throughout
CASES = {
    "side by side": ((2, 4, 6, 2), dict(pool_size=2)),
    "remainder left over": ((1, 7, 5, 2), dict(pool_size=2)),
    "overlapping": ((1, 5, 6, 1), dict(pool_size=3, strides=1)),
    "strides and same": ((2, 5, 6, 2), dict(pool_size=3, strides=2, padding="same")),
    "same with an even window": ((1, 5, 4, 1), dict(pool_size=2, strides=1, padding="same")),
    "gaps": ((1, 7, 8, 1), dict(pool_size=2, strides=3)),
    "unequal axes": ((1, 6, 5, 1), dict(pool_size=(3, 2), strides=(1, 2))),
    "padded unevenly": ((1, 5, 4, 1), dict(pool_size=3, strides=2, padding=((1, 0), (0, 2)))),
    "one pixel": ((1, 1, 1, 1), dict(pool_size=1)),
    "spectrum": ((2, 7, 3), dict(pool_size=2)),
    "spectrum, same": ((2, 7, 3), dict(pool_size=3, strides=2, padding="same")),
    "empty batch": ((0, 4, 6, 2), dict(pool_size=2)),
}


def by_loops(x, reduce, fill, pool_size, strides=None, padding="valid"):
    """Pool with plain loops over the padded image."""
    _, window, strides, pads = shapes.pool(x.shape, pool_size, strides, padding)
    if x.ndim == 3:
        one = loops(x[:, None], (1, *window), (1, *strides), ((0, 0), *pads), reduce, fill)
        return one[:, 0]
    return loops(x, window, strides, pads, reduce, fill)


POOLS = {
    "max_pool": (np.max, -np.inf),
    "sum_pool": (np.sum, 0.0),
    "average_pool": (np.nanmean, np.nan),  # padding is not counted
    "l2_pool": (lambda w, axis: np.sqrt((w**2).sum(axis=axis)), 0.0),
}


@pytest.mark.parametrize("op", POOLS)
@pytest.mark.parametrize("name", CASES)
def test_values_by_loops(op, name):
    shape, arguments = CASES[name]
    x = A(shape) - 3.0  # mostly negative: padding must not win a maximum
    made = getattr(ops, op)(x, **arguments).numpy()
    np.testing.assert_allclose(made, by_loops(x, *POOLS[op], **arguments), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("op", ["sum_pool", "average_pool"])
@pytest.mark.parametrize("name", CASES)
def test_adjoints(op, name):
    shape, arguments = CASES[name]
    check_adjoint(lambda x: getattr(ops, op)(x, **arguments), A(shape))


@pytest.mark.parametrize("op", POOLS)
@pytest.mark.parametrize("name", ["strides and same", "spectrum", "padded unevenly", "empty batch"])
def test_first_and_second_derivatives(op, name):
    shape, arguments = CASES[name]
    check_grads(lambda x: getattr(ops, op)(x, **arguments) ** 2, A(shape))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.data())
def test_any_geometry(data):
    rank = data.draw(st.sampled_from([1, 2]))
    window = tuple(data.draw(st.integers(1, 3)) for _ in range(rank))
    strides = tuple(data.draw(st.integers(1, 4)) for _ in range(rank))
    numeric = tuple(
        (data.draw(st.integers(0, k - 1)), data.draw(st.integers(0, k - 1))) for k in window
    )
    padding = data.draw(st.sampled_from(["valid", "same", numeric]))
    sizes = [data.draw(st.integers(k, 9)) for k in window]
    x = A((data.draw(st.integers(1, 2)), *sizes, data.draw(st.integers(1, 3))))
    for op, (reduce, fill) in POOLS.items():
        made = getattr(ops, op)(x, window, strides, padding).numpy()
        np.testing.assert_allclose(made, by_loops(x, reduce, fill, window, strides, padding))
    check_adjoint(lambda x: ops.average_pool(x, window, strides, padding), x)
    indices = ops.max_pool(x, window, strides, padding, return_indices=True)[1].numpy()
    check_adjoint(lambda g: ops.max_unpool(g, indices, sizes), A(indices.shape))


def test_scipys_maximum_filter():
    x = A((7, 8))
    made = ops.max_pool(x[None, ..., None], 3, 1, "same").numpy()[0, ..., 0]
    np.testing.assert_array_equal(made, ndimage.maximum_filter(x, 3, mode="constant", cval=-np.inf))
    made = ops.average_pool(x[None, ..., None], 3, 1).numpy()[0, ..., 0]
    np.testing.assert_allclose(made, ndimage.uniform_filter(x, 3)[1:-1, 1:-1])


# ---- ties, NaN, infinities, zeros ----------------------------------------------------------------


def test_a_tie_counts_for_the_first_pixel_in_reading_order():
    x = np.zeros((1, 4, 4, 1))
    x[0, 3, 2:, 0] = 5.0
    _, indices = ops.max_pool(x, 2, return_indices=True)
    assert indices.numpy()[0, ..., 0].tolist() == [[0, 2], [8, 14]]
    slope = ta.grad(lambda x: ops.max_pool(x, 2).sum())(x).numpy()[0, ..., 0]
    assert np.argwhere(slope).tolist() == [[0, 0], [0, 2], [2, 0], [3, 2]]
    assert slope.sum() == 4.0


def test_a_nan_wins_its_window_and_the_first_nan_is_the_index():
    x = np.zeros((1, 2, 4, 1), np.float32)
    x[0, 0, 1], x[0, 1, 0], x[0, 0, 3] = np.nan, np.nan, np.inf
    made, indices = ops.max_pool(x, 2, return_indices=True)
    np.testing.assert_array_equal(made.numpy().ravel(), [np.nan, np.inf])
    np.testing.assert_array_equal(indices.numpy().ravel(), [1, 3])
    for op in ("sum_pool", "average_pool", "l2_pool"):
        assert np.isnan(getattr(ops, op)(x, 2).numpy().ravel()).tolist() == [True, False]


def test_a_window_of_minus_infinities_inside_padding():
    x = np.full((1, 2, 2, 1), -np.inf)
    made, indices = ops.max_pool(x, 3, 2, "same", return_indices=True)
    assert np.isneginf(made.numpy()).all() and indices.numpy().item() == 0


def test_l2_pooling_of_zeros_has_slope_zero_not_nan():
    """Behind relu whole windows are zero, and NaN there would end the training."""
    x = np.zeros((1, 2, 4, 1))
    x[0, 0, 2] = 3.0
    x[0, 1, 3] = 4.0
    slope = ta.grad(lambda x: ops.l2_pool(x, 2).sum())(x).numpy()[0, ..., 0]
    np.testing.assert_allclose(slope, [[0, 0, 0.6, 0], [0, 0, 0, 0.8]])


# ---- and back ------------------------------------------------------------------------------------


def test_unpooling_puts_values_back_where_they_came_from():
    x = A((2, 4, 6, 3))
    pooled, indices = ops.max_pool(x, 2, return_indices=True)
    back = ops.max_unpool(pooled, indices, (4, 6)).numpy()
    for n, i, j, c in np.ndindex(*x.shape):
        window = x[n, i // 2 * 2 : i // 2 * 2 + 2, j // 2 * 2 : j // 2 * 2 + 2, c]
        assert back[n, i, j, c] == (x[n, i, j, c] if x[n, i, j, c] == window.max() else 0.0)


def test_unpooling_is_linear_differentiable_and_adds_overlaps():
    _, indices = ops.max_pool(A((1, 5, 4, 2)), 3, 1, return_indices=True)
    check_adjoint(lambda g: ops.max_unpool(g, indices, (5, 4)), A(indices.shape))
    check_grads(lambda g: ops.max_unpool(g, indices, (5, 4)) ** 2, A(indices.shape))
    same = np.zeros((1, 2, 1), int)
    np.testing.assert_array_equal(
        ops.max_unpool([[[1.0], [2.0]]], same, 3).numpy(), [[[3.0], [0.0], [0.0]]]
    )


@pytest.mark.parametrize("size", [2, (2, 3), (1, 4)])
def test_nearest_copies_each_pixel_into_its_window(size):
    x = A((2, 3, 2, 2))
    tall, wide = (size, size) if isinstance(size, int) else size
    expected = x.repeat(tall, 1).repeat(wide, 2)
    np.testing.assert_array_equal(ops.upsample(x, size).numpy(), expected)
    check_adjoint(lambda x: ops.upsample(x, size), x)
    check_grads(lambda x: ops.upsample(x, size) ** 2, x)


def test_nearest_of_labels_keeps_integers():
    made = ops.upsample(np.array([[[1], [7]]], np.int16), 2)
    assert made.dtype == np.int16 and made.numpy().ravel().tolist() == [1, 1, 7, 7]


def bilinear_by_loops(x, f):
    """Interpolate a spectrum between pixel centres, values at the border held."""
    n, out = len(x), []
    for i in range(n * f):
        at = min(max((i + 0.5) / f - 0.5, 0.0), n - 1.0)
        low = int(at)
        high = min(low + 1, n - 1)
        out.append((1 - at + low) * x[low] + (at - low) * x[high])
    return out


@pytest.mark.parametrize("n, f", [(1, 3), (4, 2), (3, 3), (5, 4)])
def test_bilinear_by_loops(n, f):
    x = A((1, n, 1))
    made = ops.upsample(x, f, "bilinear").numpy().ravel()
    np.testing.assert_allclose(made, bilinear_by_loops(x.ravel(), f), atol=1e-14)
    check_adjoint(lambda x: ops.upsample(x, f, "bilinear"), x)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("f, reached", [(2, [1, 2, 3, 4]), (3, [2, 3, 4, 5, 6])])
def test_bilinear_takes_no_part_of_a_bad_neighbour(bad, f, reached):
    """At a border, and on a pixel's centre, the neighbour weighs 0: a NaN times 0 is a NaN."""
    x = np.array([[[1.0], [bad], [3.0]]])
    made = ops.upsample(x, f, "bilinear").numpy().ravel()
    assert np.flatnonzero(~np.isfinite(made)).tolist() == reached
    if np.isinf(bad):
        assert (made[reached] == bad).all()


def test_bilinear_in_two_axes_and_of_integers():
    check_grads(lambda x: ops.upsample(x, (2, 3), "bilinear") ** 2, A((1, 3, 2, 2)))
    made = ops.upsample(np.array([[[0], [4]]]), 2, "bilinear")
    np.testing.assert_array_equal(made.numpy().ravel(), np.float32([0.0, 1.0, 3.0, 4.0]))


# ---- nasty input ---------------------------------------------------------------------------------


@pytest.mark.parametrize("op", POOLS)
@pytest.mark.parametrize("dtype", [">f4", ">i2", np.uint16])
def test_dtypes_of_files(op, dtype):
    x = RNG.integers(0, 9, (1, 4, 6, 2)).astype(dtype)
    made = getattr(ops, op)(x, 2)
    assert made.dtype == np.float32
    np.testing.assert_allclose(made.numpy(), by_loops(x.astype(float), *POOLS[op], 2), rtol=1e-6)


@pytest.mark.parametrize("op", POOLS)
def test_memory_layouts_do_not_matter(op):
    x = A((2, 3, 8, 12)).transpose(0, 2, 3, 1)[:, ::2, ::-2]
    made = getattr(ops, op)(x, 2).numpy()
    np.testing.assert_allclose(made, by_loops(x, *POOLS[op], 2), rtol=1e-13)
    _, pullback = ta.vjp(lambda x: getattr(ops, op)(x, 2), x)
    g = A((2, 3, 2, 3)).transpose(0, 2, 1, 3)
    np.testing.assert_array_equal(pullback(g)[0].numpy(), pullback(g.copy())[0].numpy())


@pytest.mark.parametrize(
    "make, text",
    [
        (lambda: ops.max_pool(np.ones((4, 4)), 2), r"\(4, 4\), expected \(N, L, C\)"),
        (lambda: ops.max_pool(np.ones((1, 4, 4, 1)), 5), "pooling window does not fit"),
        (lambda: ops.max_pool(np.ones((1, 4, 4, 1)), 2, padding=2), "wholly outside"),
        (lambda: ops.max_pool(np.ones((1, 4, 4, 1)), 0), "pool_size=0"),
        (lambda: ops.max_pool(np.ones((1, 4, 4, 1)), 2, strides=(1, 2, 3)), "strides"),
        (lambda: ops.sum_pool(np.ones((1, 4, 4, 1)), 2, padding="causal"), "one axis"),
        (lambda: ops.upsample(np.ones((1, 4, 1)), 2, "cubic"), "interpolation='cubic'"),
        (lambda: ops.upsample(np.ones((1, 4, 1)), 0), "size=0"),
        (lambda: ops.max_unpool(np.ones((1, 2, 1)), np.zeros((1, 3, 1), int), 4), "same shape"),
        (lambda: ops.max_unpool(np.ones((1, 2, 1)), np.zeros((1, 2, 1)), 4), "expected integers"),
        (lambda: ops.max_unpool(np.ones((1, 2, 1)), np.full((1, 2, 1), 4), 4),
         "run from 4 to 4, but output_size=.4,. has only 4 pixels"),
        (lambda: ops.max_unpool(np.ones((1, 2, 1)), np.full((1, 2, 1), -1), 4), "run from -1"),
    ],
)  # fmt: skip
def test_errors(make, text):
    with pytest.raises(ValueError, match=text):
        make()


# ---- peers ---------------------------------------------------------------------------------------


@pytest.mark.peer
@pytest.mark.parametrize("name", ["side by side", "strides and same", "overlapping", "spectrum"])
def test_keras(name, keras):
    shape, arguments = CASES[name]
    x = A(shape)
    size, strides = arguments["pool_size"], arguments.get("strides")
    padding = arguments.get("padding", "valid")
    # Averaging with "same", Keras on PyTorch repeats the edge; on TensorFlow it does as we do.
    for op in ("max_pool", "average_pool") if padding == "valid" else ("max_pool",):
        theirs = getattr(keras.ops, op)(x, size, strides, padding, data_format="channels_last")
        made = getattr(ops, op)(x, **arguments).numpy()
        np.testing.assert_allclose(made, np.asarray(theirs), rtol=1e-6)


@pytest.mark.peer
def test_torch_unpooling_and_bilinear():
    torch = pytest.importorskip("torch")
    functions = torch.nn.functional
    x = A((2, 4, 6, 3))
    t = torch.tensor(x).permute(0, 3, 1, 2)
    pooled, where = functions.max_pool2d(t, 2, return_indices=True)
    ours, indices = ops.max_pool(x, 2, return_indices=True)
    np.testing.assert_array_equal(indices.numpy(), where.permute(0, 2, 3, 1).numpy())
    theirs = functions.max_unpool2d(pooled, where, 2).permute(0, 2, 3, 1).numpy()
    np.testing.assert_array_equal(ops.max_unpool(ours, indices, (4, 6)).numpy(), theirs)
    theirs = functions.interpolate(t, scale_factor=(2, 3), mode="bilinear").permute(0, 2, 3, 1)
    np.testing.assert_allclose(ops.upsample(x, (2, 3), "bilinear").numpy(), theirs.numpy())
