"""Joined, added and contiguous large arrays are NumPy's, bit by bit."""

import numpy as np
import pytest

from tinygrad_astro.kernels.cpu import rows

LARGE = (3, 64, 65, 24)  # above the size from which all threads work


def draw(shape=LARGE, dtype=np.float32):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(dtype)


VIEWS = {
    "whole": lambda x: x,
    "last channels": lambda x: x[..., 5:],
    "one channel": lambda x: x[..., 7:8],
    "some rows": lambda x: x[:, 3:50],
    "every other pixel": lambda x: x[:, :, ::2],
    "reversed": lambda x: x[..., ::-1],
    "turned": lambda x: x.transpose(0, 2, 1, 3),
    "repeated": lambda x: np.broadcast_to(x[:, :1], x.shape),
    "one image": lambda x: x[1],
    "flat": lambda x: x.reshape(-1),
}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_every_view(view, dtype):
    x = VIEWS[view](draw(dtype=dtype))
    y = VIEWS[view](draw()[::-1].astype(dtype))
    np.testing.assert_array_equal(rows.add(x, y), x + y)
    copy = rows.contiguous(x)
    np.testing.assert_array_equal(copy, x)
    assert copy.flags["C_CONTIGUOUS"] and copy.dtype == dtype
    assert (copy is x) == x.flags["C_CONTIGUOUS"]
    joined = rows.concatenate([x, y, x], x.ndim - 1)
    np.testing.assert_array_equal(joined, np.concatenate([x, y, x], -1))


def test_other_axes_dtypes_and_sizes():
    x = draw()
    np.testing.assert_array_equal(rows.concatenate([x, x], 1), np.concatenate([x, x], 1))
    mixed = rows.concatenate([x, x.astype(float)], 3)
    assert mixed.dtype == np.float64
    np.testing.assert_array_equal(mixed, np.concatenate([x, x.astype(float)], 3))
    np.testing.assert_array_equal(rows.add(x, x[0, 0, 0]), x + x[0, 0, 0])
    np.testing.assert_array_equal(rows.add(x[:1, :2], x[:1, :2]), 2 * x[:1, :2])
    np.testing.assert_array_equal(rows.add(np.float32(1) + x[0, 0, 0, 0], x), x[0, 0, 0, 0] + 1 + x)


def test_nan_and_infinity_go_through():
    x = draw()
    x[0, 0, 0, :3] = np.nan, np.inf, -np.inf
    np.testing.assert_array_equal(rows.add(x, x), x + x)
    np.testing.assert_array_equal(rows.concatenate([x, x], 3)[..., :24], x)
