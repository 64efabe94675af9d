"""Batch normalisation against NumPy in long double, finite differences and torch; bits, NaN."""

import numpy as np
import pytest

from tinygrad_astro.kernels.cpu import chunks, norm
from tinygrad_astro.kernels.cpu.target import get_num_threads, set_num_threads

# One row, one channel, rows that fill no tile, channels beyond a tile, several chunks.
SHAPES = [(1, 3), (7, 1), (130, 5), (40, 700), (70000, 1), (1500, 33)]


def moments(x):
    mean, var = np.full((2, x.shape[1]), np.nan, x.dtype)
    norm.moments(mean, var, x)
    return mean, var


def normalize(x, mean, inv_std, gamma, beta, activation="linear"):
    out = np.full_like(x, np.nan)
    norm.batch_norm(out, x, mean, inv_std, gamma, beta, activation)
    return out


def gradients(g, x, mean, inv_std, gamma, beta=None, activation="linear"):
    sums, out = np.full((2, x.shape[1]), np.nan, x.dtype), np.full_like(x, np.nan)
    beta = np.zeros_like(gamma) if beta is None else beta
    norm.batch_norm_sums(sums, g, x, mean, inv_std, gamma, beta, activation)
    norm.batch_norm_input_grad(out, g, x, mean, inv_std, gamma, beta, activation, sums)
    return sums, out


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 3e-7), (np.float64, 1e-13)])
def test_moments_of_bright_faint_channels(rng, shape, dtype, tolerance):
    """A level 300 times the scatter, where sums of squares in float32 would lose the variance."""
    x = (rng.standard_normal(shape) + 300 * rng.standard_normal(shape[1])).astype(dtype)
    exact = x.astype(np.longdouble)
    mean, var = moments(x)
    assert np.allclose(mean, exact.mean(axis=0).astype(float), rtol=tolerance)
    assert np.allclose(var, exact.var(axis=0).astype(float), rtol=tolerance, atol=0)


def test_moments_of_a_constant_are_exact():
    mean, var = moments(np.full((100000, 3), 12345.678, np.float32))
    assert (mean == np.float32(12345.678)).all() and (var == 0).all()


def test_moments_without_rows_are_nan():
    mean, var = moments(np.empty((0, 4)))
    assert np.isnan(mean).all() and np.isnan(var).all()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 1e-5), (np.float64, 1e-12)])
def test_every_kernel_against_numpy(rng, shape, dtype, tolerance):
    x, g = rng.standard_normal((2, *shape)).astype(dtype)
    mean, gamma, beta = rng.standard_normal((3, shape[1])).astype(dtype)
    inv_std = rng.uniform(0.5, 2, shape[1]).astype(dtype)
    hat = (x.astype(float) - mean) * inv_std
    expected = hat * gamma + beta
    assert np.allclose(normalize(x, mean, inv_std, gamma, beta), expected, atol=tolerance)
    lit = normalize(x, mean, inv_std, gamma, beta, "relu")
    assert np.allclose(lit, np.maximum(expected, 0), atol=tolerance)
    sums, out = gradients(g, x, mean, inv_std, gamma)
    total, products = g.sum(axis=0, dtype=float), (g * hat).sum(axis=0)
    scale = np.sqrt(shape[0]) * tolerance
    assert np.allclose(sums, [total, products], rtol=tolerance, atol=scale)
    slope = gamma * inv_std * (g - total / shape[0] - hat * (products / shape[0]))
    assert np.allclose(out, slope, atol=10 * tolerance)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_relu_stops_the_gradient_where_its_output_is_zero(rng, shape, dtype):
    """As if g had been masked before: by the forward kernel's own output, bit by bit."""
    x, g = rng.standard_normal((2, *shape)).astype(dtype)
    mean, gamma, beta = rng.standard_normal((3, shape[1])).astype(dtype)
    inv_std = rng.uniform(0.5, 2, shape[1]).astype(dtype)
    lit = normalize(x, mean, inv_std, gamma, beta, "relu")
    masked = np.where(lit <= 0, 0, g).astype(dtype)
    found = gradients(g, x, mean, inv_std, gamma, beta, "relu")
    for ours, expected in zip(found, gradients(masked, x, mean, inv_std, gamma), strict=True):
        assert (ours == expected).all()


def test_gradients_against_finite_differences(rng):
    x, g = rng.standard_normal((2, 6, 3))
    gamma, beta, epsilon, h = rng.uniform(0.5, 2, 3), rng.standard_normal(3), 1e-3, 1e-6

    def loss(x, gamma, beta):
        inv_std = 1 / np.sqrt(x.var(axis=0) + epsilon)
        return np.vdot(normalize(x, x.mean(axis=0), inv_std, gamma, beta), g)

    mean, var = moments(x)
    sums, out = gradients(g, x, mean, 1 / np.sqrt(var + epsilon), gamma)
    for index in np.ndindex(x.shape):
        d = np.zeros_like(x)
        d[index] = h
        slope = (loss(x + d, gamma, beta) - loss(x - d, gamma, beta)) / (2 * h)
        assert np.isclose(out[index], slope, rtol=1e-6, atol=1e-8)
    for c in range(3):
        d = np.zeros(3)
        d[c] = h
        wrt_beta = (loss(x, gamma, beta + d) - loss(x, gamma, beta - d)) / (2 * h)
        wrt_gamma = (loss(x, gamma + d, beta) - loss(x, gamma - d, beta)) / (2 * h)
        assert np.allclose(sums[:, c], [wrt_beta, wrt_gamma], rtol=1e-6)


@pytest.mark.peer
def test_against_torch(rng):
    torch = pytest.importorskip("torch")
    x, g = rng.standard_normal((2, 500, 6)).astype(np.float32)
    gamma, beta = rng.standard_normal((2, 6)).astype(np.float32)
    inputs = [torch.tensor(a, requires_grad=True) for a in (x, gamma, beta)]
    peer = torch.nn.functional.batch_norm(
        inputs[0], None, None, inputs[1], inputs[2], training=True, eps=1e-3
    )
    peer.backward(torch.tensor(g))
    mean, var = moments(x)
    inv_std = (1 / np.sqrt(var + 1e-3)).astype(np.float32)
    assert np.allclose(normalize(x, mean, inv_std, gamma, beta), peer.detach(), atol=1e-5)
    sums, out = gradients(g, x, mean, inv_std, gamma)
    for ours, theirs in zip((out, sums[1], sums[0]), inputs, strict=True):
        assert np.allclose(ours, theirs.grad, rtol=1e-4, atol=1e-4)


def test_nan_stays_in_its_channel(rng):
    x, g = rng.standard_normal((2, 50, 4))
    x[17, 2] = np.nan
    mean, var = moments(x)
    assert np.isnan([mean[2], var[2]]).all() and np.isfinite(np.delete([mean, var], 2, 1)).all()
    ones, zeros = np.ones(4), np.zeros(4)
    out = normalize(x, zeros, ones, ones, zeros, "relu")
    assert np.argwhere(np.isnan(out)).tolist() == [[17, 2]]
    sums, out = gradients(g, x, zeros, ones, ones)
    assert np.argwhere(np.isnan(sums)).tolist() == [[1, 2]]


def test_same_bits_on_one_thread_or_many(rng, monkeypatch):
    x, g = rng.standard_normal((2, 9000, 7)).astype(np.float32)
    gamma, beta = rng.standard_normal((2, 7)).astype(np.float32)

    def everything():
        mean, var = moments(x)
        out = normalize(x, mean, var, gamma, beta, "relu")
        return [a.tobytes() for a in (mean, var, out, *gradients(g, x, mean, var, gamma))]

    before = get_num_threads()
    parallel = everything()
    try:
        set_num_threads(1)
        assert everything() == parallel
    finally:
        set_num_threads(before)
    monkeypatch.setattr(chunks, "SERIAL", 1 << 60)
    assert everything() == parallel


def test_a_row_has_the_same_bits_wherever_it_stands(rng):
    """Tiles of any size must agree at inference."""
    x = rng.standard_normal((9000, 7)).astype(np.float32)
    mean, inv_std, gamma, beta = rng.standard_normal((4, 7)).astype(np.float32)
    whole = normalize(x, mean, inv_std, gamma, beta, "relu")
    for start, stop in ((0, 1), (5, 700), (8001, 9000)):
        piece = normalize(x[start:stop], mean, inv_std, gamma, beta, "relu")
        assert np.array_equal(piece, whole[start:stop])


@pytest.mark.parametrize("channels", [3, 16])
def test_moments_where_the_first_rows_are_far_from_the_others(rng, channels):
    """The sums go by differences from the mean of the first rows: how much may that cost?"""
    for rows in (1, 40, 300):
        x = rng.standard_normal((5000, channels)).astype(np.float32)
        x[:rows] += 1e5
        mean, var = moments(x)
        exact = x.astype(np.longdouble)
        assert np.allclose(mean, exact.mean(axis=0).astype(float), rtol=2e-6)
        assert np.allclose(var, exact.var(axis=0).astype(float), rtol=2e-6)
