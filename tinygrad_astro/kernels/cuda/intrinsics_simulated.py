"""Stand-ins of the intrinsics for the simulator: the same names, in Python."""

import numpy as np

from .simulator import collective


def ld4(array, index):
    """Give elements index .. index + 3 as a tuple; the index must be a multiple of 4."""
    if index % 4:
        raise IndexError(f"a load of 16 bytes from element {index}, which is not aligned")
    return tuple(array[index + k] for k in range(4))


def st4(array, index, values):
    """Write a tuple of four to elements index .. index + 3."""
    if index % 4:
        raise IndexError(f"a store of 16 bytes to element {index}, which is not aligned")
    for k in range(4):
        array[index + k] = values[k]


def make_zeros(count):
    """Make the function that gives `count` zeros."""
    return lambda: (np.float32(0),) * count


def outer(total, a0, a1, b0, b1):
    """Add the outer product of (a0, a1) and (b0, b1), 8 by 8, to a tuple of 64."""
    product = np.outer(np.array(a0 + a1, np.float32), np.array(b0 + b1, np.float32))
    return tuple(np.array(total, np.float32) + product.reshape(-1))


def cp_async16(target, at, source, index, nbytes):
    """Copy 16 bytes at once: the simulator has no asynchrony, and cannot see a missing wait."""
    size = source.values.itemsize
    for k in range(16 // size):
        target[at + k] = source[index + k] if k * size < nbytes else source.values.dtype.type(0)


def cp_async_commit():
    """End a group of copies."""


def cp_async_wait_0():
    """Wait for all groups of copies."""


def cp_async_wait_1():
    """Wait for all groups of copies but the last."""


def make_ldmatrix(count, step):
    """Make the function that loads `count` fragments of 16 rows by 32 bytes."""

    def ldmatrix(array, index):
        size = array.values.itemsize
        per_row = 16 // size  # elements in 16 bytes

        def load(addresses):
            found = [[] for _ in range(32)]
            for m in range(count):
                for quarter in range(4):
                    for lane in range(32):
                        start = addresses[8 * quarter + lane // 4] + m * step
                        row = [array[start + e] for e in range(per_row)]
                        words = np.array(row, array.values.dtype).view(np.uint32)
                        found[lane].append(int(words[lane % 4]))
            return [tuple(f) for f in found]

        return collective(index, load)

    return ldmatrix


def _multiply(v, rows, columns, unpack, width):
    """Multiply tiles of 16 x width by width x 8: the layout of registers is PTX's for mma.sync."""
    lane = np.arange(32)
    g, t = lane // 4, lane % 4
    c = np.array([x[0] for x in v], np.float32)
    a, b = (np.array([x[i] for x in v], np.uint32) for i in (1, 2))
    per = width // 8  # numbers in a 32-bit register
    for m in range(rows):
        left = np.zeros((16, width), np.float32)
        for k, (row, half) in enumerate(((0, 0), (8, 0), (0, 1), (8, 1))):
            for e, value in enumerate(unpack(a[:, 4 * m + k])):
                left[g + row, per * t + e + half * 4 * per] = value
        for n in range(columns):
            right = np.zeros((width, 8), np.float32)
            for k in (0, 1):
                for e, value in enumerate(unpack(b[:, 2 * n + k])):
                    right[per * t + e + k * 4 * per, g] = value
            product = left @ right
            o = 4 * (m * columns + n)
            for k, (row, column) in enumerate(((0, 0), (0, 1), (8, 0), (8, 1))):
                c[:, o + k] += product[g + row, 2 * t + column]
    return [tuple(x) for x in c]


def _tf32(words):
    return [(words & np.uint32(0xFFFFE000)).view(np.float32)]


def _bf16(words):
    return [(words << np.uint32(16)).view(np.float32),
            (words & np.uint32(0xFFFF0000)).view(np.float32)]  # fmt: skip


def make_mma_tf32(rows, columns):
    """Make the tile product of TF32: ten bits of mantissa, the rest cut off."""
    return lambda total, a, b: collective(
        (total, a, b), lambda v: _multiply(v, rows, columns, _tf32, 8)
    )


def make_mma_bf16(rows, columns):
    """Make the tile product of bfloat16."""
    return lambda total, a, b: collective(
        (total, a, b), lambda v: _multiply(v, rows, columns, _bf16, 16)
    )


def bits(x):
    """The 32 bits of a float32."""
    return int(np.float32(x).view(np.uint32))


def number(x):
    """The float32 that has these 32 bits."""
    return np.uint32(x).view(np.float32)


def pack_bf16(low, high):
    """Round two float32 to bfloat16 (nearest, ties to even), `low` in the low half."""
    halves = []
    for value in (low, high):
        word = bits(value)
        rounded = (word + 0x7FFF + (word >> 16 & 1)) >> 16
        halves.append(0x7FC0 if value != value else rounded & 0xFFFF)
    return halves[0] | halves[1] << 16
