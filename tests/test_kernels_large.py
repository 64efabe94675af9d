"""Results of 4 MiB and more, which kernels write past the caches: the values, at any alignment."""

import numpy as np
import pytest

from tinygrad_astro.kernels.cpu import norm, rows
from tinygrad_astro.kernels.cpu.conv import conv, conv_input_grad
from tinygrad_astro.kernels.cpu.memory import empty
from tinygrad_astro.kernels.cpu.past import may_pass
from tinygrad_astro.kernels.cpu.simd import float32_lanes
from tinygrad_astro.kernels.cpu.target import serial

PIXELS = 1, 130, 131  # 17,030 pixels: 4.2 MiB of 64 channels


def unset(offset, shape):
    """Give an array of NaN that starts `offset` numbers behind the start of a cache line."""
    out = empty((int(np.prod(shape)) + 16,), np.float32)
    out[:] = np.nan
    return out[offset : offset + int(np.prod(shape))].reshape(shape)


@serial
def _may_pass(out, step):
    return may_pass(out, step)


def test_only_whole_lines_of_large_arrays_go_past():
    lanes, large, small = float32_lanes(), unset(0, (1 << 20,)), unset(0, (1 << 18,))
    assert _may_pass(large, 4 * lanes) and not _may_pass(small, 4 * lanes)
    if lanes > 1:
        assert not _may_pass(large, 4 * lanes + 1)
        assert not _may_pass(unset(1, (1 << 20,)), 4 * lanes)


@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("size, channels, error", [(1, 24, 1e-6), (3, 24, 1e-5), (5, 2, 1e-5)])
def test_convolutions(rng, offset, size, channels, error):
    """Direct sums in one block of the reduction, tiles of Winograd, and few channels."""
    x = rng.standard_normal((*PIXELS, channels), dtype=np.float32)
    w = rng.standard_normal((size, size, channels, 64), dtype=np.float32)
    pad, out = size // 2, unset(offset, (*PIXELS, 64))
    conv(out, x, w, (1, 1), ((pad, pad),) * 2, (1, 1), 1)
    padded = np.pad(x.astype(float), ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    exact = np.zeros(out.shape)
    for a, b in np.ndindex(size, size):
        exact += padded[:, a : a + PIXELS[1], b : b + PIXELS[2]] @ w[a, b].astype(float)
    assert np.linalg.norm(out - exact) <= error * np.linalg.norm(exact)


def test_the_phases_of_a_transposed_convolution(rng):
    g = rng.standard_normal((1, 65, 66, 8), dtype=np.float32)
    w = rng.standard_normal((2, 2, 64, 8), dtype=np.float32)
    out = unset(0, (1, 130, 132, 64))
    conv_input_grad(out, g, w, (2, 2), ((0, 0),) * 2, (1, 1), 1)
    for a, b in np.ndindex(2, 2):
        exact = g.astype(float) @ w[a, b].T.astype(float)
        error = np.linalg.norm(out[:, a::2, b::2] - exact)
        assert error <= 1e-6 * np.linalg.norm(exact)


@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("channels", [64, 65])
def test_batch_norm(rng, offset, channels):
    x, g = rng.standard_normal((2, 17030, channels), dtype=np.float32)
    gamma, beta = rng.standard_normal((2, channels), dtype=np.float32)
    mean, inv_std = x.mean(0), 1 / x.std(0)
    out, dx = unset(offset, x.shape), unset(offset, x.shape)
    norm.batch_norm(out, x, mean, inv_std, gamma, beta, "relu")
    hat = (x.astype(float) - mean) * inv_std
    np.testing.assert_allclose(out, np.maximum(hat * gamma + beta, 0), rtol=1e-5, atol=1e-5)
    sums = np.empty((2, channels), np.float32)
    norm.batch_norm_sums(sums, g, x, mean, inv_std, gamma, beta, "relu")
    norm.batch_norm_input_grad(dx, g, x, mean, inv_std, gamma, beta, "relu", sums)
    h = np.where(out > 0, g.astype(float), 0)
    total, slope = h.mean(0), (h * hat).mean(0)
    exact = gamma * inv_std * (h - total - hat * slope)
    np.testing.assert_allclose(dx, exact, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("channels", [32, 33])
def test_joins_sums_and_copies(rng, channels):
    x, y = rng.standard_normal((2, *PIXELS, 2 * channels), dtype=np.float32)
    np.testing.assert_array_equal(rows.concatenate([x, y], 3), np.concatenate([x, y], 3))
    np.testing.assert_array_equal(rows.add(x, y), x + y)
    part = x[..., channels:]
    np.testing.assert_array_equal(rows.contiguous(part), part)
    np.testing.assert_array_equal(rows.add(part, y[..., :channels]), part + y[..., :channels])
