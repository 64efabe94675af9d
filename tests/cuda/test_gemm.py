"""The fast kernels against float64 loops, on sizes that leave rests in every direction."""

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro.kernels import cpu


@pytest.fixture
def gemm(gpu, monkeypatch):
    from tinygrad_astro.kernels.cuda import gemm

    monkeypatch.setattr(gemm, "LEAST", 0)
    monkeypatch.setattr(gemm, "SHARE", 8)
    monkeypatch.setattr(gemm, "BLOCKS", 2)
    return gemm


# x, w, strides, pads, dilation: M = 24 to 135 pixels, C in eights, K in fours
CASES = [
    ((1, 5, 6, 8), (3, 3, 8, 32), (1, 1), ((1, 1), (1, 1)), (1, 1)),
    ((3, 5, 9, 16), (2, 3, 16, 20), (1, 1), ((1, 0), (1, 1)), (1, 1)),
    ((1, 7, 8, 8), (3, 2, 8, 40), (2, 1), ((2, 0), (0, 1)), (1, 2)),
    ((2, 6, 5, 24), (2, 2, 24, 24), (2, 2), ((0, 0), (1, 1)), (1, 1)),
]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", ["conv", "conv_input_grad", "conv_weight_grad"])
def test_fp32_tiles(gemm, up, blank, rng, case, name):
    x_shape, w_shape, strides, pads, dilation = case
    geometry = strides, pads, dilation, 1
    if name == "conv_input_grad":
        w_shape = (*w_shape[:2], 16, 8 * (w_shape[3] // 8))
        x_shape = (*x_shape[:3], 16)
    x, w = (rng.standard_normal(s).astype(np.float32) for s in (x_shape, w_shape))
    sizes = [
        (n + sum(p) - (k - 1) * d - 1) // s + 1
        for n, p, k, d, s in zip(x_shape[1:3], pads, w_shape, dilation, strides)
    ]
    g = rng.standard_normal((x_shape[0], *sizes, w_shape[3])).astype(np.float32)
    shape, inputs = {
        "conv": (g.shape, (x, w)),
        "conv_input_grad": (x_shape, (g, w)),
        "conv_weight_grad": (w_shape, (x, g)),
    }[name]
    expected, out = np.empty(shape), blank(shape, np.float32)
    getattr(cpu.conv, name)(expected, *[a.astype(np.float64) for a in inputs], *geometry)
    done = getattr(gemm, name)(out, *map(up, inputs), *geometry)
    assert done or (name == "conv_input_grad" and strides != (1, 1) and dilation != (1, 1))
    if done:
        error = np.abs(out.copy_to_host() - expected).max() / np.abs(expected).max()
        assert error < 2e-6


def test_matmul_tiles(gemm, up, blank, rng):
    a, b = (rng.standard_normal(s).astype(np.float32) for s in ((130, 16), (16, 36)))
    out = blank((130, 36))
    assert gemm.matmul(out, up(a), up(b))
    np.testing.assert_allclose(out.copy_to_host(), a.astype(np.float64) @ b, atol=3e-6)


def test_a_nan_stays_in_its_windows(gemm, up, blank):
    x, w = np.zeros((1, 4, 4, 8), np.float32), np.ones((2, 2, 8, 16), np.float32)
    x[0, 0, 0, 5] = np.nan
    out = blank((1, 3, 3, 16))
    assert gemm.conv(out, up(x), up(w), (1, 1), ((0, 0), (0, 0)), (1, 1), 1)
    found = np.isnan(out.copy_to_host())
    assert found[0, 0, 0].all() and found.sum() == 16


def test_what_the_tiles_cannot_do_is_left_to_the_plain_kernels(gemm):
    assert not gemm.suits(np.float64, 8, 32, 100, 9, 1)
    assert not gemm.suits(np.float32, 3, 32, 100, 9, 1)
    assert not gemm.suits(np.float32, 8, 30, 100, 9, 1)
    assert not gemm.suits(np.float32, 8, 32, 100, 9, 2)


# Largest error of a sum of about a hundred products of unit variance, relative to the largest sum.
ERRORS = {"tf32": 2e-3, "3xtf32": 3e-6, "bf16": 2e-2}


@pytest.mark.parametrize("mode", ERRORS)
def test_tensor_cores(gemm, up, blank, rng, mode):
    x, w = (rng.standard_normal(s).astype(np.float32) for s in ((3, 6, 9, 16), (2, 3, 16, 68)))
    geometry = (2, 1), ((1, 0), (1, 1)), (1, 1), 1
    g = rng.standard_normal((3, 3, 9, 68)).astype(np.float32)
    for name, shape, inputs in (("conv", g.shape, (x, w)), ("conv_weight_grad", w.shape, (x, g))):
        expected, out = np.empty(shape), blank(shape, np.float32)
        getattr(cpu.conv, name)(expected, *[a.astype(np.float64) for a in inputs], *geometry)
        with ta.precision(mode):
            assert getattr(gemm, name)(out, *map(up, inputs), *geometry)
        error = np.abs(out.copy_to_host() - expected).max() / np.abs(expected).max()
        assert error < ERRORS[mode]
        assert mode == "3xtf32" or error > ERRORS[mode] / 50, "computed in a higher precision"


@pytest.mark.parametrize("mode", ERRORS)
def test_tensor_cores_keep_nan_and_infinity(gemm, up, blank, mode):
    x, w = np.zeros((1, 4, 4, 16), np.float32), np.ones((2, 2, 16, 16), np.float32)
    x[0, 0, 0, 5] = np.uint32(0x7FFFFFFF).view(np.float32)  # the GPU's own NaN: all bits set
    x[0, 3, 3, 2] = np.inf
    out = blank((1, 3, 3, 16))
    with ta.precision(mode):
        assert gemm.conv(out, up(x), up(w), (1, 1), ((0, 0), (0, 0)), (1, 1), 1)
    found = out.copy_to_host()
    assert np.isnan(found[0, 0, 0]).all() and np.isfinite(found[0, :2, 1:]).all()
    assert not np.isfinite(found[0, 2, 2]).any()


def test_exact_takes_the_plain_kernels(gemm):
    with ta.precision("exact"):
        assert not gemm.suits(np.float32, 8, 32, 100, 9, 1)
    with pytest.raises(ValueError, match="expected one of"):
        ta.precision("double")
    assert ta.current_precision() == "fp32"
