"""LLVM instructions on vectors, as the intrinsics of simd.py and of the inner loops write them."""

from llvmlite import ir
from numba.core import cgutils


def address(context, builder, array_type, array, index, pointee=None):
    """Point to element `index` of a flat array, as to a `pointee` that starts there."""
    data = context.make_array(array_type)(context, builder, array).data
    element = builder.gep(data, [index])
    return builder.bitcast(element, pointee.as_pointer()) if pointee else element


def copy_to_lanes(builder, scalar, lanes):
    """Write the LLVM for a vector of `lanes` copies of one number."""
    vector = ir.VectorType(scalar.type, lanes)
    one = builder.insert_element(vector(ir.Undefined), scalar, ir.IntType(32)(0))
    zeros = ir.VectorType(ir.IntType(32), lanes)([0] * lanes)
    return builder.shuffle_vector(one, vector(ir.Undefined), zeros)


def first_lanes(builder, count, lanes):
    """Write the LLVM for the mask of the lanes with a number below `count`."""
    numbers = ir.VectorType(count.type, lanes)(list(range(lanes)))
    return builder.icmp_signed("<", numbers, copy_to_lanes(builder, count, lanes))


def call_llvm(builder, name, vector, result, arguments):
    """Call the LLVM intrinsic `name` in the variant for `vector`, such as v16f32."""
    bits = 32 if vector.element == ir.FloatType() else 64
    full = name.format(f"v{vector.count}f{bits}")
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, full), arguments)


def finish_vector(builder, value, factor, level, least):
    """Write the LLVM for max(factor * value + level, least), where a NaN stays a NaN."""
    value = call_llvm(builder, "llvm.fmuladd.{}", value.type, value.type, [factor, value, level])
    return builder.select(builder.fcmp_ordered(">", least, value), least, value)


def masked_store(builder, value, pointer, mask):
    """Write the LLVM that stores the lanes of `value` chosen by `mask` and touches no others."""
    arguments = [value, pointer, ir.IntType(32)(4), mask]
    call_llvm(builder, "llvm.masked.store.{}.p0", value.type, ir.VoidType(), arguments)


def store_past(builder, value, pointer):
    """Write the LLVM that stores a vector past the caches, to the start of a cache line."""
    width = 32 if value.type.element == ir.FloatType() else 64
    line = builder.store(value, pointer, align=value.type.count * width // 8)
    line.set_metadata("nontemporal", builder.module.add_metadata([ir.IntType(32)(1)]))
