"""The vector type by itself, and the kernels on it at every width, the scalar one included."""

import os
import subprocess
import sys

import numpy as np
import pytest

from tinygrad_astro.kernels.cpu.simd import (
    clear,
    copy,
    float32_lanes,
    lanes,
    load,
    multiply_add,
    splat,
    store,
    store_first,
    transpose,
)
from tinygrad_astro.kernels.cpu.target import serial


@serial
def _apply(out, x, y, count):
    size = lanes(x)
    a, b = load(x, 3), load(y, 1)
    store(out, 0, a + b)
    store(out, size, a - b)
    store(out, 2 * size, a * b)
    store(out, 3 * size, multiply_add(a, b, splat(x[0])))
    store_first(out, 4 * size, a, count)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_vectors_reckon_lane_by_lane(rng, dtype):
    size = float32_lanes() * 4 // np.dtype(dtype).itemsize
    x, y = rng.standard_normal((2, size + 4)).astype(dtype)
    a, b = x[3 : 3 + size], y[1 : 1 + size]
    for count in {0, 1, size // 2, size, size + 3}:
        out = np.full(5 * size, np.nan, dtype)
        _apply(out, x, y, count)
        found = out.reshape(5, size)
        for row, expected in zip(found, (a + b, a - b, a * b), strict=False):
            assert (row == expected).all()
        np.testing.assert_allclose(found[3], a * b + x[0], rtol=1e-5, atol=1e-6)
        written = min(count, size)
        assert (found[4, :written] == a[:written]).all() and np.isnan(found[4, written:]).all()


@serial
def _turn(to, source):
    transpose(to, 2, lanes(to) + 3, source, 1, lanes(to) + 5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_square_of_vectors_is_transposed(dtype):
    size = float32_lanes() * 4 // np.dtype(dtype).itemsize
    source, to = (
        np.arange(1 + size * (size + 5), dtype=dtype),
        np.zeros(2 + size * (size + 3), dtype),
    )
    _turn(to, source)
    square = source[1:].reshape(size, size + 5)[:, :size]
    written = to[2:].reshape(size, size + 3)
    assert (written[:, :size] == square.T).all() and (written[:, size:] == 0).all()


@serial
def _move(to, source, i, j, count):
    copy(to, i, source, j, count)
    clear(to, i + count, 5)


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 100])
def test_copy_and_clear_touch_what_they_should(rng, count):
    source, to = rng.standard_normal(130).astype(np.float32), np.full(130, 7, np.float32)
    _move(to, source, 9, 4, count)
    expected = np.full(130, 7, np.float32)
    expected[9 : 9 + count] = source[4 : 4 + count]
    expected[9 + count : 14 + count] = 0
    assert (to == expected).all()


# Direct sums, Winograd in three directions and the depthwise kernel, against sums over taps.
CHECK = """
import numpy as np
from tinygrad_astro.kernels.cpu import conv, winograd_tables
from tinygrad_astro.kernels.cpu.simd import float32_lanes
from tinygrad_astro.kernels.cpu.winograd import winograd
from tinygrad_astro.kernels.cpu.winograd_weight_tables import weight_grad
from tinygrad_astro.kernels.cpu.winograd_weights import winograd_weights

assert float32_lanes() == {lanes}
rng = np.random.default_rng(0)
x = rng.standard_normal((2, 14, 15, 6), dtype=np.float32)
w = rng.standard_normal((3, 3, 6, 10), dtype=np.float32)
g = rng.standard_normal((2, 12, 13, 10), dtype=np.float32)
taps = [(a, b, x[:, a : a + 12, b : b + 13]) for a in range(3) for b in range(3)]
out = sum(seen.astype(float) @ w[a, b] for a, b, seen in taps)
dw, dx = np.zeros(w.shape), np.zeros(x.shape)
for a, b, seen in taps:
    dw[a, b] = np.einsum("npqc,npqk->ck", seen.astype(float), g)
    dx[:, a : a + 12, b : b + 13] += g.astype(float) @ w[a, b].T

def check(found, expected, bound):
    assert np.linalg.norm(found - expected) <= bound * np.linalg.norm(expected)

plain = (1, 1), ((0, 0), (0, 0)), (1, 1), 1
for kind, bound in ((np.float32, 1e-6), (np.float64, 1e-14)):
    a, b, c = (np.full(s.shape, np.nan, kind) for s in (x, w, g))
    conv.conv(c, x.astype(kind), w.astype(kind), *plain)
    conv.conv_input_grad(a, g.astype(kind), w.astype(kind), *plain)
    conv.conv_weight_grad(b, x.astype(kind), g.astype(kind), *plain)
    check(c, out, bound), check(a, dx, bound), check(b, dw, bound)
tile = plain[:2] + (0, float32_lanes())
shapes = x.shape, w.shape, g.shape
a, b, c = (np.full(s.shape, np.nan, np.float32) for s in (x, w, g))
winograd(c, x, w, winograd_tables.forward(*shapes, *tile, 1))
winograd(a, g, w, winograd_tables.input_grad(*shapes[::-1], *tile, 1))
winograd_weights(b, x, g, weight_grad(*shapes, *tile))
check(c, out, 1e-5), check(a, dx, 1e-5), check(b, dw, 3e-5)
each = np.full((2, 12, 13, 6), np.nan, np.float32)
conv.conv(each, x, w[:, :, :1, :6].copy(), *plain[:3], 6)
check(each, sum(seen.astype(float) * w[a, b, 0, :6] for a, b, seen in taps), 1e-6)
print("right")
"""


@pytest.mark.slow
@pytest.mark.parametrize("name, count", [("scalar", 1), ("8", 8)])
def test_kernels_at_another_width(name, count):
    if name != "scalar" and count > float32_lanes():
        pytest.skip(f"this processor has vectors of {float32_lanes()} lanes only")
    done = subprocess.run(
        [sys.executable, "-c", CHECK.format(lanes=count)],
        env=os.environ | {"TINYGRAD_ASTRO_SIMD": name},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and done.stdout.strip() == "right", done.stderr


def test_an_unknown_width_is_named():
    done = subprocess.run(
        [sys.executable, "-c", "from tinygrad_astro.kernels.cpu import simd; simd.float32_lanes()"],
        env=os.environ | {"TINYGRAD_ASTRO_SIMD": "12"},
        capture_output=True,
        text=True,
    )
    assert "TINYGRAD_ASTRO_SIMD is '12', expected 'scalar'" in done.stderr
