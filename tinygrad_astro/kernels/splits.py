"""Gradients of joins in a recorded program, written apart: a U-Net's skips, without the copy.

The gradient of joined feature maps is made as one image, of which some channels go one way and the
others another. Who reads every other line of memory waits as long as for all of it. A finished
program shows who reads what: where two halves have readers of their own, they are written as two
images, and a half that was only made contiguous stays where it is. Not a number changes.
"""

import numpy as np

from . import cpu
from .arguments import found, mapped

# What may read a half, and the arguments that do.
READERS = {cpu.rows.contiguous_into: (1,), cpu.rows.add_into: (1, 2)}

# Bytes of a gradient from which on it matters where it lies.
_LARGE = 1 << 20


def split_gradients(program, kept) -> None:
    """Write gradients as two halves where that serves; `kept` is what the host reads."""
    outside = {x.lease.number for x in kept if x.lease is not None}
    for i, (function, args, kwargs) in enumerate(program.lines):
        if function is not cpu.conv.conv_input_grad or len(args) > 7 or kwargs:
            continue
        whole, number = args[0], program.marks[i].get(id(args[0]))
        if number is None or number in outside or not _halves(whole):
            continue
        first, *readers = _lines_with(program, number)
        apart = all(_reads_a_half(program, k, number, whole) for k in readers)
        if first == i and readers and apart:
            _split(program, i, readers, number, outside)
    left = [k for k, line in enumerate(program.lines) if line[0] is not _nothing]
    program.lines = [program.lines[k] for k in left]
    program.marks = [program.marks[k] for k in left]


def _halves(whole):
    return whole.nbytes >= _LARGE and whole.shape[3] % 2 == 0 and whole.flags["C_CONTIGUOUS"]


def _lines_with(program, number):
    return [k for k, marks in enumerate(program.marks) if number in marks.values()]


def _arrays(program, k, number):
    """List the arrays of line k on the memory of a lease."""
    marks = program.marks[k]
    return [a for a in found(program.lines[k][1:], np.ndarray) if marks.get(id(a)) == number]


def _half_of(array, whole):
    """Tell which half of the channels an array is: 0, 1, or None for anything else."""
    half = whole.shape[3] // 2
    if array.shape != (*whole.shape[:3], half) or array.strides != whole.strides:
        return None
    apart = array.ctypes.data - whole.ctypes.data
    return {0: 0, half * whole.itemsize: 1}.get(apart)


def _reads_a_half(program, k, number, whole):
    function, args, _ = program.lines[k]
    read = [args[i] for i in READERS.get(function, ())]
    mine = _arrays(program, k, number)
    own = all(any(a is x for x in read) and _half_of(a, whole) is not None for a in mine)
    return own and not any(a is args[0] for a in mine)


def _split(program, i, readers, number, outside):
    """Let line i write two images, and the others read them."""
    _, (whole, *rest), _ = program.lines[i]
    halves = whole.reshape(-1).reshape(2, *whole.shape[:3], whole.shape[3] // 2)
    program.lines[i] = cpu.conv.conv_input_grad_apart, (halves, *rest), {}
    program.marks[i][id(halves)] = number
    images = halves[0], halves[1]
    for k in readers:
        for array in _arrays(program, k, number):
            _replace(program, k, array, images[_half_of(array, whole)], number)
    for k in readers:
        if program.lines[k][0] is cpu.rows.contiguous_into:
            _skip_copy(program, k, number, outside)


def _replace(program, k, array, other, number):
    """Put another array in the place of one in line k."""
    function, args, kwargs = program.lines[k]
    args, kwargs = mapped((args, kwargs), lambda x: other if x is array else x)
    program.lines[k] = function, args, kwargs
    program.marks[k].pop(id(array))
    program.marks[k][id(other)] = number


def _skip_copy(program, k, number, outside):
    """Let the readers of a copy read what line k copies, if it stays there for long enough."""
    copy, half = program.lines[k][1]
    name = program.marks[k].get(id(copy))
    lines = _lines_with(program, name)
    same = [
        i
        for i in _lines_with(program, number)
        if any(a is half for a in _arrays(program, i, number))
    ]
    if name is None or name in outside or lines[0] != k or same != [k]:
        return
    for i in lines[1:]:
        of_copy = _arrays(program, i, name)
        if not all(a.flags["C_CONTIGUOUS"] and a.size == copy.size for a in of_copy):
            return
    for i in range(k + 1, lines[-1] + 1):
        marks = program.marks[i]
        others = [a for a in found(program.lines[i][1:], np.ndarray) if id(a) in marks]
        others = [a for a in others if marks[id(a)] not in (number, name)]
        if any(np.may_share_memory(a, half) for a in others):
            return
    for i in lines[1:]:
        for array in _arrays(program, i, name):
            _replace(program, i, array, half.reshape(array.shape), number)
    program.lines[k] = _nothing, (), {}


def _nothing():
    """Hold the place of a line that is not needed any more."""
