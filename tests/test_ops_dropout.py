"""Dropout and the counter-based draws: the same mask back and forth, statistics, seeds."""

import numpy as np
import pytest
from scipy import stats

import tinygrad_astro as ta
from tinygrad_astro import ops
from tinygrad_astro.testing import check_adjoint, check_grads


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_values_are_zero_or_scaled_and_the_mean_is_kept(rate):
    made = ops.dropout(np.ones(100_000), rate, seed=1).numpy()
    assert set(np.unique(made)) == {0.0, 1 / (1 - rate)}
    kept = np.count_nonzero(made)
    assert abs(kept - 100_000 * (1 - rate)) < 5 * np.sqrt(100_000 * rate * (1 - rate))


def test_the_gradient_passes_through_the_same_mask():
    x = np.arange(1.0, 41.0).reshape(5, 8)
    out, pullback = ta.vjp(lambda x: ops.dropout(x, 0.4, 3), x)
    slope = pullback(np.ones((5, 8)))[0].numpy()
    np.testing.assert_allclose(out.numpy(), x * slope)
    check_adjoint(lambda x: ops.dropout(x, 0.4, 3), x)
    check_grads(lambda x: ops.dropout(x, 0.4, 3) ** 2, x)


def test_the_mask_follows_from_the_seed_alone():
    x = np.ones(1000, np.float32)
    first = ops.dropout(x, 0.5, 7).numpy()
    np.testing.assert_array_equal(ops.dropout(x, 0.5, 7).numpy(), first)
    np.testing.assert_array_equal(ops.dropout(x.reshape(10, 100), 0.5, 7).numpy().ravel(), first)
    np.testing.assert_array_equal(ops.dropout(x.astype(float), 0.5, 7).numpy(), first)
    np.testing.assert_array_equal(ops.dropout(x[:333], 0.5, 7).numpy(), first[:333])
    np.testing.assert_array_equal(ops.dropout(x, 0.5, 7 + 2**64).numpy(), first)
    other = ops.dropout(x, 0.5, 8).numpy()
    agree = np.mean(other == first)
    assert 0.4 < agree < 0.6


@pytest.mark.parametrize("seed", [0, -1, 2**64 - 1, 2**70, np.int64(5)])
def test_any_integer_is_a_seed(seed):
    assert set(np.unique(ops.dropout(np.ones(64), 0.5, seed).numpy())) == {0.0, 2.0}


def test_a_higher_rate_drops_more_of_the_same():
    few, many = (ops.dropout(np.ones(500), r, 5).numpy() > 0 for r in (0.2, 0.6))
    assert many.sum() < few.sum() and not (many & ~few).any()


def test_rate_zero_changes_nothing_and_records_nothing():
    x = ta.tensor([1.0, 2.0], requires_grad=True)
    assert ops.dropout(x, 0, 1) is x


def test_a_dropped_nan_is_still_zero_in_the_mean():
    """What is dropped is replaced, not multiplied: a NaN under the mask does not come back."""
    x = np.full(64, np.nan)
    made = ops.dropout(x, 0.5, 2).numpy()
    kept = ops.dropout(np.ones(64), 0.5, 2).numpy() > 0
    np.testing.assert_array_equal(np.isnan(made), kept)


def test_any_layout_and_dtype():
    x = np.arange(24.0).reshape(4, 6)
    made = ops.dropout(x.T[::-1], 0.5, 9).numpy()
    np.testing.assert_array_equal(made, ops.dropout(x.T[::-1].copy(), 0.5, 9).numpy())
    assert ops.dropout(np.ones(4, ">i2"), 0.5, 1).dtype == np.float32
    assert ops.dropout(np.empty((0, 3)), 0.5, 1).shape == (0, 3)


@pytest.mark.parametrize("rate", [1.0, -0.1, np.nan, "half", None])
def test_a_rate_outside_its_range(rate):
    with pytest.raises(ValueError, match="expected a number in .0, 1"):
        ops.dropout(np.ones(3), rate, 1)


@pytest.mark.parametrize("seed", [1.5, "a", None])
def test_a_seed_that_is_no_integer(seed):
    with pytest.raises(TypeError, match="integer"):
        ops.dropout(np.ones(3), 0.5, seed)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_uniform_draws(dtype):
    made = ops.random_uniform((200, 100), 11, dtype).numpy()
    assert made.shape == (200, 100) and made.dtype == dtype
    assert 0.0 <= made.min() and made.max() < 1.0
    assert stats.kstest(made.ravel().astype(float), "uniform").pvalue > 1e-3
    np.testing.assert_array_equal(made, ops.random_uniform((200, 100), 11, dtype).numpy())
    assert not np.array_equal(made, ops.random_uniform((200, 100), 12, dtype).numpy())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_normal_draws(dtype):
    made = ops.random_normal((300, 101), 13, dtype).numpy()
    assert made.shape == (300, 101) and made.dtype == dtype
    assert np.isfinite(made).all()
    assert stats.kstest(made.ravel().astype(float), "norm").pvalue > 1e-3
    assert abs(np.corrcoef(made.ravel()[:-1], made.ravel()[1:])[0, 1]) < 0.03
    np.testing.assert_array_equal(made, ops.random_normal((300, 101), 13, dtype).numpy())


@pytest.mark.parametrize("draw", [ops.random_uniform, ops.random_normal])
@pytest.mark.parametrize("dtype", [int, np.float16])
def test_draws_of_another_dtype_are_refused(draw, dtype):
    with pytest.raises(TypeError, match="expected float32 or float64"):
        draw(3, 1, dtype)


def test_draws_of_a_single_number_and_of_none():
    assert ops.random_normal((), 1).shape == () and ops.random_uniform(3, 1).shape == (3,)
    assert ops.random_normal((0, 2), 1).shape == (0, 2)
