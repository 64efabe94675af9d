"""Which algorithm is taken: never Winograd where it is forbidden, and what the table says."""

import re

import numpy as np
import pytest

from tinygrad_astro.kernels.cpu import conv as kernels
from tinygrad_astro.kernels.cpu import conv_choice, conv_tables
from tinygrad_astro.kernels.precision import precision

ROW = re.compile(r"^\| (\d+), (\d+), (\d+), (\d+), (\d+)/(\d+) +\|(.*)\|$", re.M)


def scheme(n, c, h, k, size, stride=1, groups=1, dilation=1, lanes=16):
    pad = size // 2
    out = (h + 2 * pad - (size - 1) * dilation - 1) // stride + 1
    shapes = (n, h, h, c), (size, size, c // groups, k), (n, out, out, k)
    geometry = (stride, stride), ((pad, pad), (pad, pad)), (dilation, dilation), groups, lanes
    return conv_choice.scheme_for(conv_tables.describe_forward, shapes, *geometry)


def test_the_table_shows_what_is_taken():
    rows = ROW.findall(conv_choice.__doc__)
    assert len(rows) >= 11
    for row in rows:
        cells = [cell.strip() for cell in row[6].split("|")]
        starred = [i for i, cell in enumerate(cells) if cell.endswith("*")]
        taken = scheme(*map(int, row[:6]))
        assert starred == [0 if taken is None else taken + 1], row


@pytest.mark.parametrize(
    "geometry",
    [
        dict(n=4, c=64, h=64, k=64, size=1),
        dict(n=4, c=64, h=64, k=64, size=3, groups=4),
        dict(n=4, c=64, h=64, k=64, size=3, dilation=2),
        dict(n=4, c=1, h=128, k=32, size=3),
    ],
)
def test_direct_sums_where_winograd_does_not_apply_or_pay(geometry):
    assert scheme(**geometry) is None


def draw(dtype):
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 32, 32, 64)), rng.standard_normal((3, 3, 64, 64))
    return x.astype(dtype), w.astype(dtype)


def error(x, w):
    """Give the relative error of `conv` beside a float64 sum over taps."""
    out = np.empty((2, 30, 30, 64), x.dtype)
    kernels.conv(out, x, w, (1, 1), ((0, 0), (0, 0)), (1, 1), 1)
    taps = [x[:, a : a + 30, b : b + 30].astype(float) @ w[a, b] for a, b in np.ndindex(3, 3)]
    return np.linalg.norm(out - sum(taps)) / np.linalg.norm(sum(taps))


def test_exact_and_float64_sum_directly(monkeypatch):
    def refuse(*_):
        raise AssertionError("Winograd was taken")

    fast = error(*draw(np.float32))
    monkeypatch.setattr(kernels, "winograd", refuse)
    with pytest.raises(AssertionError, match="Winograd was taken"):
        error(*draw(np.float32))
    with precision("exact"):
        direct = error(*draw(np.float32))
    assert direct <= 1e-6 and direct < fast <= 1e-5
    assert error(*draw(np.float64)) <= 1e-14
