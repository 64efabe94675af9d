"""Explicit SIMD in Numba: a vector of floats as a type that kernels load, store and reckon with.

LLVM gives up on vectorising loops with many unknown strides, so the kernels say what they want.
`load(a, i)` reads the vector that starts at element i of the flat array `a`, and vectors add,
subtract and multiply lane by lane, so that a kernel reads like the mathematics:

    store(out, i, splat(scale) * (load(x, i) - load(y, i)))

A vector has as many lanes as the processor's registers hold: 16, 8 or 4 of float32, half as many
of float64. TINYGRAD_ASTRO_SIMD=scalar (or 4, 8, 16) forces a number, to test the others' code.
"""

import functools
import operator
import os
import platform

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, lower_builtin, models, register_model, type_callable

from .llvm import address, call_llvm, copy_to_lanes, first_lanes, masked_store
from .target import inline


@functools.cache
def float32_lanes() -> int:
    """Count the float32 numbers in one register of the processor that kernels are compiled for."""
    forced = os.environ.get("TINYGRAD_ASTRO_SIMD", "")
    if forced:
        lanes = {"scalar": 1, "4": 4, "8": 8, "16": 16}.get(forced)
        if lanes is None:
            raise ValueError(
                f"TINYGRAD_ASTRO_SIMD is {forced!r}, expected 'scalar', '4', '8' or '16'; "
                "unset it to use what the processor has"
            )
        return lanes
    features = llvmlite.binding.get_host_cpu_features()
    return 16 if features.get("avx512f") else 8 if features.get("avx") else 4


def registers() -> int:
    """Count the vector registers: 32 with AVX-512 and on ARM, 16 elsewhere."""
    return 32 if float32_lanes() == 16 or platform.machine() in ("aarch64", "arm64") else 16


def lanes_of(dtype) -> int:
    """Count the lanes of a vector of `dtype`, a Numba float type."""
    return max(1, float32_lanes() * 32 // dtype.bitwidth)


class Vector(types.Type):
    """As many floats of one kind as a register holds, or of their doubles after `widen`."""

    def __init__(self, dtype, lanes=None):
        self.dtype = dtype
        self.lanes = lanes or lanes_of(dtype)
        super().__init__(name=f"Vector({dtype}, {self.lanes})")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, vector):
        element = manager.lookup(vector.dtype).get_value_type()
        super().__init__(manager, vector, ir.VectorType(element, vector.lanes))


@intrinsic
def lanes(typing, array):
    """Count the lanes of a vector loaded from `array`: a constant in compiled code."""
    count = lanes_of(array.dtype)
    return types.intp(array), lambda context, *_: context.get_constant(types.intp, count)


@intrinsic
def load(typing, array, index):
    """Read the vector that starts at element `index` of a flat array."""
    vector = Vector(array.dtype)

    def build(context, builder, signature, args):
        pointer = address(context, builder, array, *args, context.get_value_type(vector))
        return builder.load(pointer, align=array.dtype.bitwidth // 8)

    return vector(array, types.intp), build


@intrinsic
def store(typing, array, index, vector):
    """Write a vector to a flat array from element `index` on."""

    def build(context, builder, signature, args):
        pointer = address(context, builder, array, *args[:2], args[2].type)
        builder.store(args[2], pointer, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), build


@intrinsic
def prefetch(typing, array, index):
    """Ask for the line of element `index`, which may lie beyond the end, before it is read."""

    def build(context, builder, signature, args):
        place = address(context, builder, array, *args, ir.IntType(8))
        numbers = [ir.IntType(32)(number) for number in (0, 3, 1)]  # to read, to keep, data
        kind = ir.FunctionType(ir.VoidType(), [place.type, *(n.type for n in numbers)])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [place, *numbers])
        return context.get_dummy_value()

    return types.void(array, types.intp), build


@intrinsic
def store_first(typing, array, index, vector, count):
    """Write the first `count` lanes of a vector; all of them where it has fewer."""

    def build(context, builder, signature, args):
        pointer = address(context, builder, array, *args[:2], args[2].type)
        masked_store(builder, args[2], pointer, first_lanes(builder, args[3], vector.lanes))
        return context.get_dummy_value()

    return types.void(array, types.intp, vector, types.intp), build


@intrinsic
def transpose(typing, to, i, to_row, array, j, row):
    """Write column k of the square of vectors array[j + k * row] as a vector, to[i + k * to_row].

    Halves change places, then quarters within halves, and so on: a number of lane l and vector k
    moves by one bit of l and k at a time.
    """
    n, count = types.intp, lanes_of(array.dtype)

    def build(context, builder, signature, args):
        kinds, element = signature.args, context.get_value_type(array.dtype)
        vector, mask = ir.VectorType(element, count), ir.VectorType(ir.IntType(32), count)

        def at(base, first, step, k):
            place = builder.add(args[first], builder.mul(args[step], step_type(k)))
            return address(context, builder, kinds[base], args[base], place, vector)

        step_type = args[2].type
        align = array.dtype.bitwidth // 8
        v = [builder.load(at(3, 4, 5, k), align=align) for k in range(count)]
        bit = count // 2
        while bit:
            low = mask([l if not l & bit else count + l - bit for l in range(count)])
            high = mask([l + bit if not l & bit else count + l for l in range(count)])
            for k in range(count):
                if not k & bit:
                    pair = v[k], v[k + bit]
                    v[k] = builder.shuffle_vector(*pair, low)
                    v[k + bit] = builder.shuffle_vector(*pair, high)
            bit //= 2
        for k in range(count):
            builder.store(v[k], at(0, 1, 2, k), align=align)
        return context.get_dummy_value()

    return types.void(to, n, n, array, n, n), build


@intrinsic
def splat(typing, number):
    """Copy one number into every lane."""
    vector = Vector(number)

    def build(context, builder, signature, args):
        return copy_to_lanes(builder, args[0], vector.lanes)

    return vector(number), build


@intrinsic
def multiply_add(typing, left, right, total):
    """left * right + total in each lane, rounded once where the processor can."""

    def build(context, builder, signature, args):
        return call_llvm(builder, "llvm.fmuladd.{}", args[0].type, args[0].type, args)

    return left(left, right, total), build


@intrinsic
def choose(typing, left, right, least, other):
    """Take `least` in the lanes with left <= right, and `other` elsewhere, as at a NaN."""

    def build(context, builder, signature, args):
        left, right, least, other = args
        return builder.select(builder.fcmp_ordered("<=", left, right), least, other)

    return left(left, right, least, other), build


@intrinsic
def widen(typing, vector):
    """Give the lanes of a vector as float64."""
    wide = Vector(types.float64, vector.lanes)

    def build(context, builder, signature, args):
        kind = context.get_value_type(wide)
        return args[0] if args[0].type == kind else builder.fpext(args[0], kind)

    return wide(vector), build


@intrinsic
def add_to(typing, array, index, vector):
    """array[index : index + lanes] += vector, for a vector of any number of lanes."""

    def build(context, builder, signature, args):
        align, pointer = (
            array.dtype.bitwidth // 8,
            address(context, builder, array, *args[:2], args[2].type),
        )
        total = builder.fadd(builder.load(pointer, align=align), args[2])
        builder.store(total, pointer, align=align)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), build


def _lane_by_lane(symbol, instruction):
    """Let compiled code apply a Python operator to two vectors of one kind.

    Nothing allows LLVM to fuse them: it would choose differently from one compilation to the next.
    """

    @type_callable(symbol)
    def typer(context):
        return lambda left, right: left if isinstance(left, Vector) and left == right else None

    @lower_builtin(symbol, Vector, Vector)
    def build(context, builder, signature, args):
        return getattr(builder, instruction)(*args)


_lane_by_lane(operator.add, "fadd")
_lane_by_lane(operator.sub, "fsub")
_lane_by_lane(operator.mul, "fmul")


# Loops count vectors: a range with a step would first divide by it.


@inline
def copy(to, i, source, j, count):
    """to[i : i + count] = source[j : j + count]."""
    size = lanes(to)
    for v in range(count // size):
        store(to, i + v * size, load(source, j + v * size))
    for k in range(count // size * size, count):
        to[i + k] = source[j + k]


@inline
def clear(to, i, count):
    """to[i : i + count] = 0."""
    size = lanes(to)
    zero = splat(to.dtype.type(0))
    for v in range(count // size):
        store(to, i + v * size, zero)
    for k in range(count // size * size, count):
        to[i + k] = 0
