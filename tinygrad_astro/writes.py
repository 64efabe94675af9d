"""Writes in place: a gradient is never taken through values that have been replaced since.

Records of the tape and writes are numbered by one count, so whether a value was written after an op
had used it is one comparison. Who writes says so by `written`: optimizers, `set_weights`, loading,
`t[...] = value`. A write is kept by the memory it went to, which all views of it share.

What a user writes into `t.data` himself passes through NumPy alone and cannot be seen without
reading every value again; that is done inside `ta.detect_anomaly()`, where records are sealed.
"""

import itertools
import weakref
import zlib

import numpy as np

from tinygrad_astro.kernels import live

count = itertools.count()
_last: dict[int, tuple[weakref.ref, int]] = {}


class Latest:
    """The number of the latest write; -1: there was none."""

    number = -1


latest = Latest()


def written(array) -> None:
    """Note that `array`, raw, has just been written in place; also after each replay of a graph."""
    owner = _owner(array)
    key = id(owner)
    latest.number = number = next(count)
    known = _last.get(key)
    # The entry goes with its memory, so that nothing else can inherit the address and the write.
    ref = known[0] if known else weakref.ref(owner, lambda _: _last.pop(key, None))
    _last[key] = ref, number
    if live.is_recording():
        live.do(lambda: written(array))


def _owner(array):
    if not isinstance(array, np.ndarray):
        return array.memory
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _values(record):
    """List (what it is, array) for all values that the rules of a record read."""
    found = [
        (f"input {i} of shape {x.shape}", x.data)
        for i, (x, kept) in enumerate(
            zip(record.inputs, record.op.kept(len(record.inputs)), strict=True)
        )
        if kept
    ]
    return found + ([] if record.out is None else [(f"value of shape {record.shape}", record.out)])


def refuse_replaced(record) -> None:
    """Raise if one of our own writers changed what the rules of `record` read.

    Raises
    ------
    RuntimeError
        Naming the op, the user's line that recorded it, and what to do.
    """
    for what, array in _values(record):
        if _last.get(id(_owner(array)), (None, -1))[1] > record.birth:
            raise _error(record, what, "by an optimizer step, set_weights, or t[...] = value")


def seal(record) -> None:
    """Keep checksums of what the rules of `record` read."""
    record.seal = [_checksum(array) for _, array in _values(record)]


def refuse_broken_seal(record) -> None:
    """Raise if anybody changed what the rules of a sealed record read.

    Raises
    ------
    RuntimeError
        As `refuse_replaced`.
    """
    for (what, array), sum_ in zip(_values(record), getattr(record, "seal", ()), strict=False):
        if _checksum(array) != sum_:
            raise _error(record, what, "through its array, such as w.data[...] = value")


def _checksum(array):
    host = array if isinstance(array, np.ndarray) else array.copy_to_host()
    return zlib.crc32(np.ascontiguousarray(host).reshape(-1).view(np.uint8))


def _error(record, what, how):
    return RuntimeError(
        f"{record.op.__name__}, recorded at {record.line}, has no gradient any more: its {what} "
        f"was written in place after the op had used it, {how}; call backward() before the write, "
        "or compute the loss again after it"
    )
