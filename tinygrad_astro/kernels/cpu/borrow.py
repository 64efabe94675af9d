"""Arrays without their owner, for the inside of a task: nobody counts who refers to them.

Numba adds one to an array's count of references with a locked instruction wherever a function gets
it, and takes one off in the end. Over the arrays of one small product that is 0.2 microseconds,
more than the product itself takes. Whoever launches the tasks keeps the owners alive.
"""

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


@intrinsic
def borrowed(typing, values):
    """Give a tuple of arrays, numbers and tuples of such with no array knowing its owner."""

    def without_owner(context, builder, kind, value):
        if isinstance(kind, types.BaseTuple):
            parts = cgutils.unpack_tuple(builder, value, len(kind))
            pairs = zip(kind, parts, strict=True)
            made = [without_owner(context, builder, *pair) for pair in pairs]
            return context.make_tuple(builder, kind, made)
        if not isinstance(kind, types.Array):
            return value
        array = context.make_array(kind)(context, builder, value)
        array.meminfo = cgutils.get_null_value(array.meminfo.type)
        return array._getvalue()

    def build(context, builder, signature, args):
        return without_owner(context, builder, values, args[0])

    return values(values), build
