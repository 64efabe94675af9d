"""Random numbers from a counter: element i of a stream depends on the seed and i alone.

Philox-4x32-10, Salmon et al. 2011 (SC11), section 3.3: key = the seed's two 32-bit words,
counter = the block number, four words of 32 bits per block. The same bits as on the CPU.
"""

import numpy as np

from ..live import Live
from .target import D, T, U, cuda, device, kernel, math

M0, M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
W0, W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
LOW, S32 = np.uint64(0xFFFFFFFF), np.uint64(32)
L = np.uint64


@device
def philox4x32_10(c0, c1, c2, c3, k0, k1):
    """Ten rounds of Philox on 32-bit words held in uint64."""
    c0, c1, c2, c3, k0, k1 = L(c0), L(c1), L(c2), L(c3), L(k0), L(k1)
    for _ in range(10):
        p0, p1 = M0 * c0, M1 * c2
        c0, c1, c2, c3 = (p1 >> S32) ^ c1 ^ k0, p1 & LOW, (p0 >> S32) ^ c3 ^ k1, p0 & LOW
        k0, k1 = (k0 + W0) & LOW, (k1 + W1) & LOW
    return c0, c1, c2, c3


@device
def word(i, k0, k1):
    """Word i of the stream: word i % 4 of block i // 4."""
    block, part = L(i) // L(4), L(i) % L(4)
    w0, w1, w2, w3 = philox4x32_10(block & LOW, block >> S32, 0, 0, k0, k1)
    if part < L(2):
        return w0 if part == L(0) else w1
    return w2 if part == L(2) else w3


@kernel("u* u u? u? uint64", dtypes=("float32",))
def _random_bits(out, count, k0, k1, offset):
    i = U(cuda.grid(1))
    if i < count:
        out[i] = word(L(offset) + L(i), k0, k1)


@kernel("T* u u? u? uint64 u")
def _uniform(out, count, k0, k1, offset, double):
    i = U(cuda.grid(1))
    if i >= count:
        return
    if double:
        at = L(2) * (L(offset) + L(i))
        high, low = word(at, k0, k1) >> L(5), word(at + L(1), k0, k1) >> L(6)
        out[i] = (D(high) * D(67108864.0) + D(low)) * D(2.0**-53)
    else:
        out[i] = T(word(L(offset) + L(i), k0, k1) >> L(8)) * T(2.0**-24)


@kernel("T* u u? u?")
def _normal(out, count, k0, k1):
    """Box & Muller 1958: cosine for even i, sine for odd."""
    i = U(cuda.grid(1))
    if i >= count:
        return
    pair = L(2) * (L(i) // L(2))
    radius = math.sqrt(D(-2.0) * math.log((D(word(pair, k0, k1)) + D(1)) * D(2.0**-32)))
    angle = D(word(pair + L(1), k0, k1)) * D(2.0 * np.pi * 2.0**-32)
    out[i] = radius * (math.cos(angle) if L(i) == pair else math.sin(angle))


@kernel("T* T* u u u? u? T")
def _dropout(out, x, count, threshold, k0, k1, scale):
    """One thread per block of eight draws: draw i is the 16-bit half i % 8, low half first."""
    block = U(cuda.grid(1))
    i = U(block * U(8))
    if i >= count:
        return
    words = philox4x32_10(block, 0, 0, 0, k0, k1)
    for k in range(4):
        for half in range(2):
            draw = (words[k] >> L(16 * half)) & L(0xFFFF)
            if i < count:
                out[i] = x[i] * scale if draw >= L(threshold) else T(0)
            i = U(i + U(1))


def random_bits(out, seed, offset):
    """out[i] = word offset + i of the seed's stream: word j is word j % 4 of block j // 4."""
    _random_bits(out.size, out, out.size, *_key(seed), offset)


def uniform(out, seed, offset):
    """out[i] uniform in [0, 1): 24 bits of word i in float32, 53 bits of two words in float64."""
    double = int(out.dtype == np.float64)
    _uniform(out.size, out, out.size, *_key(seed), offset, double, dtype=out.dtype)


def normal(out, seed):
    """out[i] standard normal: Box & Muller 1958 on words 2 (i // 2) and 2 (i // 2) + 1."""
    _normal(out.size, out, out.size, *_key(seed), dtype=out.dtype)


def dropout(out, x, rate, seed):
    """out[i] = x[i] / (1 - rate) where draw i >= round(65536 rate), else 0, whatever x[i] is."""
    threshold = round(rate * 65536)
    scale = 1.0 / (1.0 - rate) if rate < 1 else 0.0
    arguments = out, x, out.size, threshold, *_key(seed), scale
    _dropout(-(-out.size // 8), *arguments, dtype=out.dtype)


def _key(seed):
    """Split the seed in two words; in a recorded step, both are new at every replay."""
    seed = seed if isinstance(seed, Live) else int(seed)
    return seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF
