"""Winograd's transforms: their matrices derived from points, and LLVM code that applies them.

m outputs of a filter with r taps are m coefficients of a product of polynomials, and the values at
n = m + r - 1 points fix it. With the matrices below, for one axis,

    y = A (G w * B d),    A (m, n), G (n, r), B (n, n),

where * multiplies point by point: n multiplications instead of m * r. Two axes apply each matrix
on both sides. The transposes of A and G serve the weight gradient, w' = G' (B d * A' y').
(Winograd 1980; Lavin & Gray 2016, arXiv:1509.09308, equations 5 to 8; the matrices are Toom and
Cook's.)
"""

import functools

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .llvm import address, call_llvm, copy_to_lanes, finish_vector, store_past
from .simd import lanes_of

# The finite points, 0 and pairs of opposites; infinity is the last of the 6 or 8. Relative errors
# of outputs in float32, 64 channels: 0.8e-6 with 2/3 and 3/2, 1.9e-6 with the textbook's 1 and 2;
# 2.7e-6 with the eight.
_POINTS = {6: (0, 2 / 3, -2 / 3, 3 / 2, -3 / 2), 8: (0, 1 / 2, -1 / 2, 1, -1, 2, -2)}

# The number of points and the taps r of each scheme; it makes m = n + 1 - r outputs.
SCHEMES = (6, 3), (8, 3), (8, 4), (8, 5)


@functools.cache
def matrices(points, r):
    """Derive A, G and B. Row x of B has the coefficients of prod (z - y) over the points y != x."""
    finite, m = _POINTS[points], points + 1 - r
    others = [[y for y in finite if y != x] for x in finite]
    a, g, b = np.zeros((m, points)), np.zeros((points, r)), np.zeros((points, points))
    for k, x in enumerate(finite):
        a[:, k] = [x**i for i in range(m)]
        g[k] = [x**i for i in range(r)] / np.prod([x - y for y in others[k]])
        b[k, : points - 1] = np.poly(others[k])[::-1]
    a[-1, -1] = g[-1, -1] = 1
    b[-1] = np.poly(finite)[::-1]
    return a, g, b


def _sum(builder, factors, values):
    """Write the LLVM for the sum of factor * value, leaving out zeros."""
    terms = [(f, v) for f, v in zip(factors, values, strict=True) if abs(f) > 1e-12]
    vector, total = values[0].type, None
    for factor, value in sorted(terms, key=lambda term: abs(term[0]) != 1):
        constant = vector([float(np.float32(factor))] * vector.count)
        if total is None:
            total = value if factor == 1 else builder.fmul(constant, value)
        elif abs(factor) == 1:
            total = (builder.fadd if factor > 0 else builder.fsub)(total, value)
        else:
            total = call_llvm(builder, "llvm.fmuladd.{}", vector, vector, [constant, value, total])
    return total


def _tree(builder, values):
    """Write the LLVM for a sum of pairs of pairs, where no addition waits for all others."""
    while len(values) > 1:
        pairs = zip(values[::2], values[1::2], strict=False)
        values = [builder.fadd(*pair) for pair in pairs] + values[len(values) // 2 * 2 :]
    return values[0]


def _apply(builder, matrix, values):
    """Write the LLVM for matrix @ values. Opposite points share their even and their odd terms."""
    rows, columns = matrix.shape
    if rows >= columns:  # a row for each point: opposites differ by the sign of their odd columns
        results = [_sum(builder, matrix[0], values)]
        for k in range(1, rows - 1, 2):
            even = _sum(builder, matrix[k, ::2], values[::2])
            odd = _sum(builder, matrix[k, 1::2], values[1::2])
            results += [builder.fadd(even, odd), builder.fsub(even, odd)]
        return [*results, _sum(builder, matrix[-1], values)]
    pairs = [values[k : k + 2] for k in range(1, columns - 1, 2)]
    both = [[builder.fadd(*pair) for pair in pairs], [builder.fsub(*pair) for pair in pairs]]
    return [
        _sum(builder, [row[0], *row[1:-1:2], row[-1]], [values[0], *both[i % 2], values[-1]])
        for i, row in enumerate(matrix)
    ]


def _two_axes(module, name, matrix, element, size, finished, past):
    """Write the function out = matrix @ a @ matrix', for a and out with any distances.

    With `finished`, the function takes a factor, a level and a floor besides, and writes
    y = max(factor * out + level, floor). Where it is `wanted`, it writes to `seen` the first y and
    the sums of y - first and of their squares.
    """
    if name in module.globals:
        return module.globals[name]
    index, vector, (rows, columns) = ir.IntType(64), ir.VectorType(element, size), matrix.shape
    pointer = element.as_pointer()
    arguments = [pointer, index, index] * 2
    arguments += [pointer, pointer, element, pointer, ir.IntType(1)] * finished
    kind = ir.FunctionType(ir.VoidType(), arguments)
    function = ir.Function(module, kind, name)
    function.linkage = "linkonce_odr"
    function.attributes.add("noinline")
    out, out_row, out_column, a, a_row, a_column, *last = function.args
    builder = ir.IRBuilder(function.append_basic_block())
    if finished:
        places = [builder.bitcast(place, vector.as_pointer()) for place in last[:2]]
        finish = [builder.load(place, align=4) for place in places]
        finish.append(copy_to_lanes(builder, last[2], size))
        seen, wanted = last[3:]
        sums = [builder.alloca(vector) for _ in range(3)]
        for place in sums:
            builder.store(vector([0.0] * size), place, align=4)
    half = builder.bitcast(builder.alloca(ir.ArrayType(vector, rows * columns)), pointer)

    def vectors(base, first, step, count):
        places = [builder.add(first, builder.mul(step, index(k))) for k in range(count)]
        return [builder.bitcast(builder.gep(base, [p]), vector.as_pointer()) for p in places]

    def add_moments(values, is_first):
        first, total, squares = (builder.load(place, align=4) for place in sums)
        first = builder.select(is_first, values[0], first)
        values = [builder.fsub(value, first) for value in values]
        total = builder.fadd(total, _tree(builder, values))
        products = [builder.fmul(value, value) for value in values]
        squares = builder.fadd(squares, _tree(builder, products))
        for place, value in zip(sums, (first, total, squares), strict=True):
            builder.store(value, place, align=4)

    def line(source, target, past=False, number=None):
        values = _apply(builder, matrix, [builder.load(place, align=4) for place in source])
        if number is not None:
            values = [finish_vector(builder, value, *finish) for value in values]
            with builder.if_then(wanted):
                add_moments(values, builder.icmp_signed("==", number, index(0)))
        for place, value in zip(target, values, strict=True):
            if past:
                store_past(builder, value, place)
            else:
                builder.store(value, place, align=4)

    with cgutils.for_range(builder, index(columns)) as loop:
        source = vectors(a, builder.mul(loop.index, a_column), a_row, columns)
        first = builder.mul(loop.index, index(size))
        line(source, vectors(half, first, index(columns * size), rows))
    with cgutils.for_range(builder, index(rows)) as loop:
        source = vectors(half, builder.mul(loop.index, index(columns * size)), index(size), columns)
        target = vectors(out, builder.mul(loop.index, out_row), out_column, rows)
        line(source, target, past, loop.index if finished else None)
    if finished:
        with builder.if_then(wanted):
            places = vectors(seen, index(0), index(size), 3)
            for place, value in zip(places, sums, strict=True):
                builder.store(builder.load(value, align=4), place, align=4)
    builder.ret_void()
    return function


def _write_transform(kind, choose, typed, context, builder, args, past=False):
    """Write the call of the function of a scheme, the first of the arguments."""
    scheme, o, i, out_row, out_column, b, j, row, column, *last = args
    to, source = (address(context, builder, *pair) for pair in ((typed[1], o, i), (typed[5], b, j)))
    if last:
        array, *places, floor, seen, place, wanted = last
        last = [address(context, builder, typed[9], array, place) for place in places]
        last += [floor, address(context, builder, typed[13], seen, place), wanted]
    element, size = context.get_value_type(typed[1].dtype), lanes_of(typed[1].dtype)
    end = builder.append_basic_block("transformed")
    choice = builder.switch(scheme, end)
    for number, (points, r) in enumerate(SCHEMES):
        case = builder.append_basic_block(f"scheme_{number}")
        choice.add_case(number, case)
        builder.position_at_end(case)
        name = f"winograd_{kind}_{points}_{r}"
        matrix = choose(*matrices(points, r))
        function = _two_axes(builder.module, name, matrix, element, size, bool(last), past)
        builder.call(function, [to, out_row, out_column, source, row, column, *last])
        builder.branch(end)
    builder.position_at_end(end)
    return context.get_dummy_value()


def _transform(kind, choose):
    """Make the intrinsic that applies the matrix chosen from A, G and B to both axes."""

    @intrinsic
    def transform(typing, scheme, out, i, out_row, out_column, a, j, row, column):
        n = types.intp

        def build(context, builder, signature, args):
            return _write_transform(kind, choose, signature.args, context, builder, args)

        return types.void(n, out, n, n, n, a, n, n, n), build

    return transform


def _finished_transform(kind, choose, past):
    """Make the intrinsic that takes factors and levels, a floor, and a place for sums besides."""

    @intrinsic
    def transform(
        typing, scheme, out, i, out_row, out_column, a, j, row, column, finish, f, g, floor,
        seen, s, wanted,
    ):  # fmt: skip
        n = types.intp

        def build(context, builder, signature, args):
            return _write_transform(kind, choose, signature.args, context, builder, args, past)

        last = finish, n, n, out.dtype, seen, n, types.boolean
        return types.void(n, out, n, n, n, a, n, n, n, *last), build

    return transform


# Each of these is called as f(scheme, out, i, out_row, out_column, a, j, row, column): from vectors
# a[j + k * row + l * column] to vectors out[i + k * out_row + l * out_column].
transform_window = _transform("window", lambda a, g, b: b)
transform_weights = _transform("weights", lambda a, g, b: g)
transform_output_grad = _transform("output_grad", lambda a, g, b: a.T)
transform_weight_grad = _transform("weight_grad", lambda a, g, b: g.T)
# These go on with (finish, f, g, floor): max(finish[f : ] * result + finish[g : ], floor); and with
# (seen, s, wanted): where the sums of these go, see `_two_axes`.
transform_outputs = _finished_transform("outputs", lambda a, g, b: a, past=False)
transform_outputs_past = _finished_transform("outputs_past", lambda a, g, b: a, past=True)
