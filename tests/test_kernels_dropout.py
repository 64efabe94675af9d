"""Philox against its published vectors; masks, draws and streams as pure functions of the seed."""

import numpy as np
import pytest
from scipy import stats

from tinygrad_astro.kernels.cpu import chunks, dropout
from tinygrad_astro.kernels.cpu.target import get_num_threads, set_num_threads

ONES = 0xFFFFFFFF
SEED = 0xFEDCBA9876543210
# Random123's kat_vectors, philox4x32 with 10 rounds: counter, key, result.
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((ONES,) * 4, (ONES,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


def philox(counter, key):
    """Ten rounds in Python's own integers."""
    a, b, c, d = counter
    for k in range(10):
        k0, k1 = (key[0] + k * 0x9E3779B9) & ONES, (key[1] + k * 0xBB67AE85) & ONES
        p, q = 0xD2511F53 * a, 0xCD9E8D57 * c
        a, b, c, d = (q >> 32) ^ b ^ k0, q & ONES, (p >> 32) ^ d ^ k1, p & ONES
    return a, b, c, d


def bits(count, seed, offset=0):
    out = np.zeros(count, np.uint32)
    dropout.random_bits(out, seed, offset)
    return out


def dropped(x, rate, seed):
    out = np.full_like(x, np.nan)
    dropout.dropout(out, x, rate, seed)
    return out


@pytest.mark.parametrize("counter, key, expected", KNOWN)
def test_known_answers_compiled_and_as_plain_python(counter, key, expected):
    words = [np.uint64(w) for w in (*counter, *key)]
    assert tuple(dropout.philox4x32_10(*words)) == expected
    plain = getattr(dropout.philox4x32_10, "py_func", dropout.philox4x32_10)
    assert tuple(plain(*words)) == expected
    assert philox(counter, key) == expected


@pytest.mark.parametrize("offset", [0, 1, 4, 7, 4 * 2**32 - 6])
def test_words_of_the_stream(offset):
    """Also across the block where the counter's second word begins to count."""
    out = bits(21, SEED, offset)
    for i, word in enumerate(out.tolist()):
        block, part = divmod(offset + i, 4)
        counter = (block & ONES, block >> 32, 0, 0)
        assert word == philox(counter, (SEED & ONES, SEED >> 32))[part]


def test_stream_has_no_seams():
    whole = bits(50000, SEED)
    assert np.array_equal(whole[12345:], bits(50000 - 12345, SEED, 12345))
    assert np.array_equal(whole[:10], bits(10, np.uint64(SEED)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.999])
def test_dropout_element_by_element(rng, dtype, rate):
    x = rng.standard_normal((3, 11)).astype(dtype)
    out = dropped(x, rate, SEED).ravel()
    for i, value in enumerate(x.ravel()):
        words = philox((i // 8, 0, 0, 0), (SEED & ONES, SEED >> 32))
        draw = (words[i % 8 // 2] >> (16 * (i % 2))) & 0xFFFF
        expected = value * dtype(1 / (1 - rate)) if draw >= round(rate * 65536) else 0
        assert out[i] == expected


def test_share_kept_is_binomial():
    count, rate = 400000, 0.3
    kept = np.count_nonzero(dropped(np.ones(count, np.float32), rate, 5))
    assert stats.binomtest(kept, count, 1 - rate).pvalue > 1e-3


def test_masks_of_neighbours_and_of_seeds_are_independent():
    x = np.ones(200000, np.float32)
    a, b = dropped(x, 0.5, 1) > 0, dropped(x, 0.5, 2) > 0
    for u, v in ((a, b), (a[1:], a[:-1]), (a[8:], a[:-8])):
        assert abs(np.corrcoef(u, v)[0, 1]) < 4 / np.sqrt(u.size)


def test_dropped_nan_is_gone_and_kept_nan_stays():
    mask = dropped(np.ones(1000), 0.5, 3) > 0
    out = dropped(np.full(1000, np.nan), 0.5, 3)
    assert (out[~mask] == 0).all() and np.isnan(out[mask]).all()


def test_mask_does_not_depend_on_shape_type_size_or_threads(monkeypatch):
    x = np.ones((70, 1000), np.float32)
    expected = dropped(x, 0.4, SEED) > 0
    assert np.array_equal(dropped(x.astype(np.float64), 0.4, SEED) > 0, expected)
    assert np.array_equal(dropped(x[:1], 0.4, SEED) > 0, expected[:1])
    before = get_num_threads()
    try:
        set_num_threads(1)
        assert np.array_equal(dropped(x, 0.4, SEED) > 0, expected)
    finally:
        set_num_threads(before)
    monkeypatch.setattr(chunks, "SERIAL", 1 << 60)
    assert np.array_equal(dropped(x.ravel(), 0.4, SEED) > 0, expected.ravel())


@pytest.mark.parametrize("dtype, width", [(np.float32, 1), (np.float64, 2)])
def test_uniform(dtype, width):
    out = np.full(20001, np.nan, dtype)
    dropout.uniform(out, SEED, 0)
    assert out.min() >= 0 and out.max() < 1
    assert stats.kstest(out.astype(float), "uniform").pvalue > 1e-3
    words = bits(20001 * width, SEED).astype(float).reshape(-1, width)
    assert np.abs(out - words[:, 0] * 2.0**-32).max() < 2.0**-23
    later = np.full(10001, np.nan, dtype)
    dropout.uniform(later, SEED, 10000)
    assert np.array_equal(later, out[10000:])


def test_largest_word_stays_below_one():
    """2**32 - 1 would round up to 1 in float32, were its low bits not cut off first."""
    out = np.empty(1 << 20, np.float32)
    dropout.uniform(out, 1, 0)
    assert out.max() < 1 and bits(1 << 20, 1).max() > 2**32 - 2**14


@pytest.mark.parametrize("count", [1, 2, 40001])
def test_normal(count):
    single, double = np.full(count, np.nan, np.float32), np.full(count, np.nan)
    dropout.normal(single, SEED)
    dropout.normal(double, SEED)
    assert np.array_equal(single, double.astype(np.float32))
    assert np.isfinite(double).all()
    if count > 2:
        assert stats.kstest(double, "norm").pvalue > 1e-3
        assert abs(np.corrcoef(double[:-1:2], double[1::2])[0, 1]) < 4 / np.sqrt(count / 2)
        assert stats.kstest(np.hypot(double[:-1:2], double[1::2]), "rayleigh").pvalue > 1e-3
