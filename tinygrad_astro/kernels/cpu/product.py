"""The one inner loop of every convolution and matrix product, tiled to stay in registers.

A convolution multiplies the matrix of all windows of its input by the matrix of its weights. The
first never exists in memory: its element (t, s) is input number a_rows[t] + steps[s], where the
one table says where window t starts and the other where tap s lies in it. The weight gradient
swaps the two tables. Strides, dilation and transposition change the tables, never the loop.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .llvm import (
    address,
    call_llvm,
    copy_to_lanes,
    finish_vector,
    first_lanes,
    masked_store,
    store_past,
)
from .simd import lanes, lanes_of, registers
from .target import inline

# Rows of a tile by its width in vectors. rows * width sums, `width` weights and a factor must fit
# the registers (6 * 4 + 4 + 1 = 29 of 32; 6 * 2 + 2 + 1 = 15 of 16), and eight sums or more must be
# under way to hide the latency of a multiply-add. With AVX-512, all data in L1, against a peak
# of about 180 GFLOP/s: 145, 173, 172 and 175 GFLOP/s for 1, 2, 3 and 4 vectors.
ROWS = {1: 8, 2: 8, 3: 6, 4: 6} if registers() == 32 else {1: 8, 2: 6}
WIDEST = max(ROWS)

# How much of the reduction is done at once: 144 rows of four vectors are 36 KiB, about an L1.
# Sums of blocks also round less than one long sum.
BLOCK = 144


def _write_tile(function, rows, width, vector):
    """Write `function`: out[t, j] (+)= sum_s a[a_rows[t] + steps[s]] * b[s, j] for in tiles.

    With `finished`, max(factor[j] * that + level[j], floor) is written.

    The rows * width sums are values, not memory: each is a phi node of the loop over s, and LLVM
    keeps them in registers. A tile with fewer rows than it has room for repeats its last one, so
    that there is no second loop for the edge; every load comes before the first store, so that
    the repeated rows all write the same.
    """
    out, out_rows, a, a_rows, steps, b, gains, levels, *numbers, add, past, finished = function.args
    floor, count, depth, columns = numbers
    index, size, align = count.type, vector.count, 4 if vector.element == ir.FloatType() else 8
    blocks = "start", "tile", "loop", "end", "done"
    start, tile, loop, end, done = (function.append_basic_block(name) for name in blocks)

    def vector_at(base, offset):
        return builder.bitcast(builder.gep(base, [offset]), vector.as_pointer())

    def row_pointers(base, table):
        places = [builder.gep(table, [number]) for number in chosen]
        return [builder.gep(base, [builder.load(place)]) for place in places]

    def where(flag, values, change):
        """Give the rows of vectors that `change` makes of `values` if the flag is set, or these."""
        before = builder.block
        with builder.if_then(flag):
            changed, inside = change(values), builder.block
        made = [[builder.phi(vector) for _ in row] for row in values]
        for row, old, new in zip(made, values, changed, strict=True):
            for phi, *pair in zip(row, old, new, strict=True):
                phi.add_incoming(pair[0], before)
                phi.add_incoming(pair[1], inside)
        return made

    builder = ir.IRBuilder(start)
    last = builder.sub(count, index(1))
    mask = first_lanes(builder, builder.sub(columns, index((width - 1) * size)), size)
    builder.branch(tile)

    builder.position_at_end(tile)
    t = builder.phi(index)
    chosen = [builder.add(t, index(r)) for r in range(rows)]
    chosen = [builder.select(builder.icmp_signed("<", r, last), r, last) for r in chosen]
    factors, targets = row_pointers(a, a_rows), row_pointers(out, out_rows)
    builder.branch(loop)

    builder.position_at_end(loop)
    s = builder.phi(index)
    sums = [[builder.phi(vector) for _ in range(width)] for _ in range(rows)]
    step = builder.load(builder.gep(steps, [s]))
    panel = builder.gep(b, [builder.mul(s, index(width * size))])
    weights = [builder.load(vector_at(panel, index(v * size)), align=align) for v in range(width)]
    grown = []
    for r in range(rows):
        factor = copy_to_lanes(builder, builder.load(builder.gep(factors[r], [step])), size)
        terms = [[factor, weights[v], sums[r][v]] for v in range(width)]
        grown.append([call_llvm(builder, "llvm.fmuladd.{}", vector, vector, t) for t in terms])
    following = builder.add(s, index(1))
    builder.cbranch(builder.icmp_signed("<", following, depth), loop, end)
    zero = vector([0.0] * size)
    each = [(sums[r][v], zero, grown[r][v]) for r in range(rows) for v in range(width)]
    for phi, first, later in ((s, index(0), following), *each):
        phi.add_incoming(first, tile)
        phi.add_incoming(later, loop)

    builder.position_at_end(end)
    targets = [[vector_at(row, index(v * size)) for v in range(width)] for row in targets]

    def read(pointer, v):
        if v < width - 1:
            return builder.load(pointer, align=align)
        rest = [pointer, ir.IntType(32)(align), mask, vector([0.0] * size)]
        return call_llvm(builder, "llvm.masked.load.{}.p0", vector, vector, rest)

    def added(values):
        old = [[read(row[v], v) for v in range(width)] for row in targets]
        pairs = [zip(*both, strict=True) for both in zip(values, old, strict=True)]
        return [[builder.fadd(*pair) for pair in row] for row in pairs]

    def finish(values):
        least, bases = copy_to_lanes(builder, floor, size), (gains, levels)
        places = [[vector_at(base, index(v * size)) for v in range(width)] for base in bases]
        pairs = [[builder.load(place, align=align) for place in row] for row in places]
        pairs = list(zip(*pairs, strict=True))
        return [
            [finish_vector(builder, value, *pairs[v], least) for v, value in enumerate(row)]
            for row in values
        ]

    values = where(finished, where(add, grown, added), finish)
    with builder.if_else(past) as (passing, ordinary):
        with passing:
            for row, value in zip(targets, values, strict=True):
                for v in range(width):
                    store_past(builder, value[v], row[v])
        with ordinary:
            for row, value in zip(targets, values, strict=True):
                for v in range(width - 1):
                    builder.store(value[v], row[v], align=align)
                masked_store(builder, value[-1], row[-1], mask)
    following = builder.add(t, index(rows))
    t.add_incoming(index(0), start)
    t.add_incoming(following, builder.block)
    builder.cbranch(builder.icmp_signed("<", following, count), tile, done)
    ir.IRBuilder(done).ret_void()


def _tile_function(module, element, width, size):
    """Find the function for tiles `width` vectors wide in this module, or write it there."""
    rows, index = ROWS[width], ir.IntType(64)
    name = f"tile_{element}_{rows}x{width}x{size}"
    if name not in module.globals:
        numbers, table = element.as_pointer(), index.as_pointer()
        arguments = [numbers, table, numbers, table, table, *[numbers] * 3]
        arguments += [element, *[index] * 3, *[ir.IntType(1)] * 3]
        function = ir.Function(module, ir.FunctionType(ir.VoidType(), arguments), name)
        function.linkage = "linkonce_odr"
        function.attributes.add("noinline")
        _write_tile(function, rows, width, ir.VectorType(element, size))
    return module.globals[name]


@intrinsic
def _tiles(
    typing, width, out, i, out_rows, a, j, a_rows, steps, s, b, k, finish, f, g, floor, count,
    depth, columns, add, past, finished,
):  # fmt: skip
    """Compute tiles `width` vectors wide, from out[i], a[j], steps[s], b[k]... on."""
    n, flag = types.intp, types.boolean
    arrays = out, n, out_rows, a, n, a_rows, steps, n, b, n, finish, n, n

    def build(context, builder, signature, args):
        kinds = signature.args

        def at(array, offset=None):
            first = args[offset] if offset else context.get_constant(n, 0)
            return address(context, builder, kinds[array], args[array], first)

        numbers = at(1, 2), at(3), at(4, 5), at(6), at(7, 8), at(9, 10), at(11, 12), at(11, 13)
        element, size = context.get_value_type(out.dtype), lanes_of(out.dtype)
        end = builder.append_basic_block("tile_end")
        choice = builder.switch(args[0], end)
        for candidate in ROWS:
            case = builder.append_basic_block(f"tile_{candidate}")
            choice.add_case(candidate, case)
            builder.position_at_end(case)
            function = _tile_function(builder.module, element, candidate, size)
            builder.call(function, [*numbers, *args[14:]])
            builder.branch(end)
        builder.position_at_end(end)
        return context.get_dummy_value()

    return types.void(n, *arrays, out.dtype, n, n, n, flag, flag, flag), build


@inline
def product(out, out_first, out_rows, a, a_first, a_rows, steps, b, b_first, columns, add, past):
    """out[out_rows[t] + j] (+)= sum_s a[a_rows[t] + steps[s]] * b[s, j], from the given firsts on.

    `b` is cut into panels WIDEST vectors wide, each with its rows one after another; the last
    panel is as narrow as the columns allow, and whole vectors of it are readable. With `past`, sums
    go past the caches, as `may_pass` allows: of one block, in whole vectors.
    """
    finish = b, 0, False
    finished_product(
        out, out_first, out_rows, a, a_first, a_rows, steps, b, b_first, columns, add, past, finish
    )


@inline
def finished_product(
    out, out_first, out_rows, a, a_first, a_rows, steps, b, b_first, columns, add, past, finish
):  # fmt: skip
    """The same, and then max(factor[j] * out + level[j], floor), for `finish` as `finishing` gives.

    It comes with the first of its channels, and with whether this is the end of the sum.
    """
    size, rows, depth = lanes(out), len(a_rows), len(steps)
    numbers, channel, finished = finish
    level, floor = channel + len(numbers) // 2, numbers[-1]
    if depth == 0 and not add:
        for row in out_rows:
            for j in range(columns):
                out[out_first + row + j] = max(numbers[level + j], floor) if finished else 0
        return
    blocks = (depth + BLOCK - 1) // BLOCK
    block = (depth + blocks - 1) // max(1, blocks)
    for first in range(0, columns, WIDEST * size):
        width = min(WIDEST, (columns - first + size - 1) // size)
        for s in range(0, depth if rows else 0, max(1, block)):
            _tiles(
                width,
                out,
                out_first + first,
                out_rows,
                a,
                a_first,
                a_rows,
                steps,
                s,
                b,
                b_first + depth * first + s * width * size,
                numbers,
                channel + first,
                level + first,
                floor,
                rows,
                min(block, depth - s),
                columns - first,
                add or s > 0,
                past,
                finished and s + block >= depth,
            )
