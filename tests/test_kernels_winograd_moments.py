"""Moments of a convolution's output, found while it is written, against NumPy's of that output."""

import numpy as np
import pytest

from tinygrad_astro.kernels.cpu import conv, norm
from tinygrad_astro.kernels.cpu.conv_choice import scheme_for
from tinygrad_astro.kernels.cpu.target import get_num_threads, set_num_threads

PADS = (1, 1), (1, 1)


def convolved(x, w, stride=1, **last):
    rows, columns = ((n - 1) // stride + 1 for n in x.shape[1:3])
    out = np.full((len(x), rows, columns, w.shape[3]), np.nan, x.dtype)
    mean, variance = np.full((2, w.shape[3]), np.nan, x.dtype)
    plain = (stride, stride), PADS, (1, 1), 1
    conv.conv(out, x, w, *plain, moments=(mean, variance), **last)
    return out, mean, variance


def passes(monkeypatch):
    """Count the passes over outputs that moments alone take."""
    seen, kernel = [], norm.moments
    monkeypatch.setattr(norm, "moments", lambda *arrays: (seen.append(1), kernel(*arrays)))
    return seen


# Whole and cut tiles, channels that fill no vector, all tiles at once or panels, and strides; the
# last two sum directly, the moments in a pass of their own.
CASES = {
    "tiles": ((2, 24, 30, 16), 16, 1),
    "edges": ((3, 33, 31, 20), 37, 1),
    "panels": ((4, 8, 8, 256), 256, 1),
    "one column": ((1, 40, 1, 64), 64, 1),
    "strided": ((2, 9, 9, 4), 4, 2),
    "small": ((1, 2, 2, 1), 3, 1),
}


@pytest.mark.parametrize("level", [0.0, 300.0])
@pytest.mark.parametrize("case", CASES)
def test_moments_of_what_is_written(rng, monkeypatch, case, level):
    """A level far above the scatter, where sums of squares would lose the variance."""
    shape, columns, stride = CASES[case]
    x = rng.standard_normal(shape).astype(np.float32)
    w = (rng.standard_normal((3, 3, shape[3], columns)) / shape[3]).astype(np.float32)
    bias = (level * rng.standard_normal(columns)).astype(np.float32)
    counted = passes(monkeypatch)
    for activation in ("linear", "relu", "tanh"):
        out, mean, variance = convolved(x, w, stride, bias=bias, activation=activation)
        exact = out.reshape(-1, columns).astype(np.longdouble)
        scatter = exact.std(axis=0).astype(float)
        assert (np.abs(mean - exact.mean(axis=0)) <= 1e-6 * (scatter + np.abs(mean))).all()
        np.testing.assert_allclose(variance, exact.var(axis=0).astype(float), rtol=2e-6, atol=1e-12)
    if case in ("tiles", "edges", "panels"):
        assert len(counted) == 1, "only tanh comes after the sums"
    if case in ("strided", "small"):
        assert len(counted) == 3


def test_a_constant_has_no_variance():
    """Windows reach over the edge: only a bias makes the outputs of zeros equal."""
    x, w = np.zeros((2, 24, 24, 16), np.float32), np.ones((3, 3, 16, 16), np.float32)
    _, mean, variance = convolved(x, w, bias=np.full(16, 12345.678, np.float32))
    assert (mean == np.float32(12345.678)).all() and (variance == 0).all()


def test_nan_and_outliers(rng):
    x = rng.standard_normal((2, 24, 24, 16)).astype(np.float32)
    w = rng.standard_normal((3, 3, 16, 16)).astype(np.float32)
    w[..., 3] = np.nan
    _, mean, variance = convolved(x, w)
    assert np.flatnonzero(np.isnan(mean)).tolist() == [3]
    assert np.flatnonzero(np.isnan(variance)).tolist() == [3]
    w[..., 3], x[0, :2, :2] = 1.0, 1e5  # sums go by differences from these first numbers
    out, mean, variance = convolved(x, w)
    exact = out.reshape(-1, 16).astype(np.longdouble)
    assert (np.abs(mean - exact.mean(axis=0)) <= 1e-6 * exact.std(axis=0)).all()
    np.testing.assert_allclose(variance, exact.var(axis=0).astype(float), rtol=2e-6)


@pytest.mark.parametrize("case", ["tiles", "edges", "panels"])
def test_same_bits_on_one_thread_or_many(rng, case):
    shape, columns, _ = CASES[case]
    x = rng.standard_normal(shape).astype(np.float32)
    w = rng.standard_normal((3, 3, shape[3], columns)).astype(np.float32)
    before = get_num_threads()
    many = [a.tobytes() for a in convolved(x, w)]
    try:
        set_num_threads(1)
        assert [a.tobytes() for a in convolved(x, w)] == many
    finally:
        set_num_threads(before)


def test_the_cases_take_tiles_or_do_not():
    from tinygrad_astro.kernels.cpu.conv_tables import describe_forward

    for case, (shape, columns, stride) in CASES.items():
        out = shape[0], *((n - 1) // stride + 1 for n in shape[1:3]), columns
        shapes = shape, (3, 3, shape[3], columns), out
        scheme = scheme_for(describe_forward, shapes, (stride, stride), PADS, (1, 1), 1, 16)
        if case in ("tiles", "edges", "panels"):
            assert scheme is not None, case
        if case in ("strided", "small"):
            assert scheme is None, case
