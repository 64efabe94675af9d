"""Results that go past the caches: which may, the store that does it, and the fence after it.

An ordinary store reads its line from memory first, and drives another line out of the caches. A
result that is too large to stay there until it is read gains by doing without both.
"""

from numba import types
from numba.extending import intrinsic

from . import llvm
from .simd import lanes, store
from .target import inline

# Bytes from which on a result is more likely to be driven out of the caches than to be read there.
_LARGE = 4 << 20


@inline
def may_pass(out, step):
    """Tell whether to write a flat array past the caches, in vectors that start at whole `steps`.

    Only whole lines can, so the array has to start with one, and a step has to be some of them.
    """
    lined = out.ctypes.data % (lanes(out) * out.itemsize) == 0 and step % lanes(out) == 0
    return lined and out.size * out.itemsize >= _LARGE


@intrinsic
def store_past(typing, array, index, vector):
    """Write a vector to memory past the caches; see `may_pass` for when, and `fence` after it."""

    def build(context, builder, signature, args):
        place = llvm.address(context, builder, array, *args[:2], args[2].type)
        llvm.store_past(builder, args[2], place)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), build


@inline
def put(out, i, vector, past):
    """Write a vector past the caches or through them."""
    if past:
        store_past(out, i, vector)
    else:
        store(out, i, vector)


@intrinsic
def fence(typing):
    """Wait until all that `store_past` wrote is in memory, where other threads see it."""

    def build(context, builder, signature, args):
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), build
