"""Random numbers from a counter: element i of a stream depends on the seed and i alone.

Philox-4x32-10, Salmon et al. 2011 (SC11), section 3.3: key = the seed's two 32-bit words,
counter = the block number, four words of 32 bits per block. No state, so a mask is made again in
the backward pass instead of being kept, and every device and number of threads gives the same bits.
"""

import numpy as np
from numba import prange

from .chunks import CHUNK, launch
from .target import inline, parallel, serial

M0, M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
W0, W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
LOW, S32 = np.uint64(0xFFFFFFFF), np.uint64(32)
# Blocks made at a time: their words fill 8 KiB, a part of the first-level cache.
BLOCKS = 512


@inline
def philox4x32_10(c0, c1, c2, c3, k0, k1):
    """Ten rounds of Philox on 32-bit words held in uint64; plain Python as `.py_func`."""
    c0, c1, c2, c3 = np.uint64(c0), np.uint64(c1), np.uint64(c2), np.uint64(c3)
    k0, k1 = np.uint64(k0), np.uint64(k1)
    for _ in range(10):
        p0, p1 = M0 * c0, M1 * c2
        c0, c1, c2, c3 = (p1 >> S32) ^ c1 ^ k0, p1 & LOW, (p0 >> S32) ^ c3 ^ k1, p0 & LOW
        k0, k1 = (k0 + W0) & LOW, (k1 + W1) & LOW
    return c0, c1, c2, c3


def random_bits(out, seed, offset):
    """out[i] = word offset + i of the seed's stream: word j is word j % 4 of block j // 4."""
    arguments = out, *_key(seed), offset
    launch(_random_bits, _random_bits_parallel, arguments, out.size, CHUNK, out.size)


def _key(seed):
    seed = int(seed)
    return seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF


def uniform(out, seed, offset):
    """out[i] uniform in [0, 1): 24 bits of word i in float32, 53 bits of two words in float64."""
    width = 1 if out.dtype == np.float32 else 2
    for start in range(0, out.size, CHUNK):
        piece = out[start : start + CHUNK]
        words = np.empty((piece.size, width), np.uint32)
        random_bits(words.reshape(-1), seed, width * (offset + start))
        if width == 1:
            np.multiply(words[:, 0] >> np.uint32(8), np.float32(2.0**-24), out=piece)
        else:
            high = (words[:, 0] >> np.uint32(5)).astype(np.float64)
            np.multiply(high * 2.0**26 + (words[:, 1] >> np.uint32(6)), 2.0**-53, out=piece)


def normal(out, seed):
    """out[i] standard normal: Box & Muller 1958 on words 2 (i // 2) and 2 (i // 2) + 1.

    The same draws in float32 and float64; the largest is sqrt(64 ln 2) = 6.7.
    """
    for start in range(0, out.size, CHUNK):
        piece = out[start : start + CHUNK]
        words = np.empty((piece.size + 1) // 2 * 2, np.uint32)
        random_bits(words, seed, start)
        radius = np.sqrt(-2.0 * np.log((words[0::2] + 1.0) * 2.0**-32))
        angle = words[1::2] * (2.0 * np.pi * 2.0**-32)
        piece[0::2] = radius * np.cos(angle)
        piece[1::2] = (radius * np.sin(angle))[: piece.size // 2]


def dropout(out, x, rate, seed):
    """out[i] = x[i] / (1 - rate) where draw i >= round(65536 rate), else 0, whatever x[i] is.

    Draw i is the 16-bit half i % 8 of block i // 8: half 0 is the low half of word 0, half 1 its
    high half, and so on. Each thread owns some elements.
    """
    threshold = round(rate * 65536)
    scale = 1.0 / (1.0 - rate) if rate < 1 else 0.0
    arguments = out.reshape(-1), x.reshape(-1), threshold, scale, *_key(seed)
    launch(_dropout, _dropout_parallel, arguments, out.size, CHUNK, out.size)


@inline
def _fill(words, first, k0, k1):
    """Write the words of the blocks from number `first` on."""
    zero = np.uint64(0)
    for b in range(words.size // 4):
        counter = np.uint64(first) + np.uint64(b)
        w0, w1, w2, w3 = philox4x32_10(counter & LOW, counter >> S32, zero, zero, k0, k1)
        words[4 * b] = w0
        words[4 * b + 1] = w1
        words[4 * b + 2] = w2
        words[4 * b + 3] = w3


@parallel
def _random_bits_parallel(out, k0, k1, offset, count, step):
    for k in prange((count + step - 1) // step):
        _random_bits(out, k0, k1, offset, k * step, min(count, (k + 1) * step))


@serial
def _random_bits(out, k0, k1, offset, start, stop):
    words = np.empty(4 * BLOCKS, np.uint32)
    while start < stop:
        block, skip = (offset + start) // 4, (offset + start) % 4
        _fill(words, block, np.uint64(k0), np.uint64(k1))
        piece = out[start : min(stop, start + words.size - skip)]
        for i in range(piece.size):
            piece[i] = words[skip + i]
        start += piece.size


@parallel
def _dropout_parallel(out, x, threshold, scale, k0, k1, count, step):
    for k in prange((count + step - 1) // step):
        _dropout(out, x, threshold, scale, k0, k1, k * step, min(count, (k + 1) * step))


@serial
def _dropout(out, x, threshold, scale, k0, k1, start, stop):
    words = np.empty(4 * BLOCKS, np.uint32)
    draws = words.view(np.uint16)
    least, factor, zero = np.uint32(threshold), out.dtype.type(scale), out.dtype.type(0)
    for first in range(start, stop, 8 * BLOCKS):
        last = min(stop, first + 8 * BLOCKS)
        y, source = out[first:last], x[first:last]
        _fill(words[: (y.size + 7) // 8 * 4], first // 8, np.uint64(k0), np.uint64(k1))
        for i in range(y.size):
            y[i] = source[i] * factor if np.uint32(draws[i]) >= least else zero
