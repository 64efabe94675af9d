"""Instructions that Numba has no name for: 16-byte access, tile products, asynchronous copies.

The only file that writes LLVM or PTX; `intrinsics_simulated` has the same names in Python. Tiles
travel as tuples, so that accumulators stay in registers: the intrinsics unroll in Python, and
nothing depends on LLVM's unroller.
"""

from llvmlite import ir

from .build import import_cuda

types, intrinsic = import_cuda().types, import_cuda().extending.intrinsic
_F32, _I16, _I32, _I64 = ir.FloatType(), ir.IntType(16), ir.IntType(32), ir.IntType(64)


def _address(context, builder, array_type, array, index_type, index, width=1):
    """Point at element `index`: without the fix-up of negative indices that Numba would add."""
    if isinstance(array_type, types.CPointer):
        base = array
    else:
        base = context.make_array(array_type)(context, builder, value=array).data
    if index_type.bitwidth < 64:
        extend = builder.sext if index_type.signed else builder.zext
        index = extend(index, _I64)
    pointer = builder.gep(base, [index], inbounds=True)
    if width > 1:
        vector = ir.VectorType(context.get_data_type(array_type.dtype), width)
        pointer = builder.bitcast(pointer, vector.as_pointer())
    return pointer


def _shared_address(context, builder, types_, values):
    """Give the 32-bit address within shared memory of values[0][values[1]]."""
    pointer = _address(context, builder, types_[0], values[0], types_[1], values[1])
    narrow = builder.addrspacecast(pointer, ir.PointerType(pointer.type.pointee, 3))
    return builder.ptrtoint(narrow, _I32)


def _unpacked(builder, value, kind):
    return [builder.extract_value(value, k) for k in range(kind.count)]


# ---- 16 bytes at once ----------------------------------------------------------------------------


@intrinsic
def ld4(typing, array, index):
    """Give elements index .. index + 3 as a tuple; the address must be a multiple of 16 bytes."""

    def generate(context, builder, signature, args):
        kinds = signature.args
        pointer = _address(context, builder, kinds[0], args[0], kinds[1], args[1], 4)
        vector = builder.load(pointer, align=16)
        parts = [builder.extract_element(vector, _I32(k)) for k in range(4)]
        return context.make_tuple(builder, signature.return_type, parts)

    return types.UniTuple(array.dtype, 4)(array, index), generate


@intrinsic
def st4(typing, array, index, values):
    """Write a tuple of four to elements index .. index + 3."""

    def generate(context, builder, signature, args):
        kinds = signature.args
        pointer = _address(context, builder, kinds[0], args[0], kinds[1], args[1], 4)
        vector = ir.Constant(pointer.type.pointee, ir.Undefined)
        for k in range(4):
            vector = builder.insert_element(vector, builder.extract_value(args[2], k), _I32(k))
        builder.store(vector, pointer, align=16)
        return context.get_dummy_value()

    return types.void(array, index, values), generate


# ---- fp32 tile: 64 fused multiply-adds -----------------------------------------------------------


def make_zeros(count):
    """Make the function that gives `count` zeros."""

    @intrinsic
    def zeros(typing):
        kind = types.UniTuple(types.float32, count)

        def generate(context, builder, signature, args):
            return context.make_tuple(builder, kind, [_F32(0.0)] * count)

        return kind(), generate

    return zeros


@intrinsic
def outer(typing, total, a0, a1, b0, b1):
    """Add the outer product of (a0, a1) and (b0, b1), 8 by 8, to a tuple of 64."""

    def generate(context, builder, signature, args):
        sums, *parts = [_unpacked(builder, v, k) for v, k in zip(args, signature.args, strict=True)]
        a, b = parts[0] + parts[1], parts[2] + parts[3]
        sums = [builder.fma(a[i], b[j], sums[8 * i + j]) for i in range(8) for j in range(8)]
        return context.make_tuple(builder, signature.return_type, sums)

    return total(total, a0, a1, b0, b1), generate


# ---- asynchronous copies from global to shared memory --------------------------------------------


@intrinsic
def cp_async16(typing, target, at, source, index, nbytes):
    """Start copying 16 bytes to target[at]; `nbytes` of them from source[index], the rest zero."""

    def generate(context, builder, signature, args):
        kinds = signature.args
        pointer = _address(context, builder, kinds[2], args[2], kinds[3], args[3])
        pointer = builder.addrspacecast(pointer, ir.PointerType(pointer.type.pointee, 1))
        void = ir.FunctionType(ir.VoidType(), [_I32, pointer.type, _I32])
        text = "cp.async.cg.shared.global [$0], [$1], 16, $2;"
        copy = ir.InlineAsm(void, text, "r,l,r,~{memory}", side_effect=True)
        builder.call(copy, [_shared_address(context, builder, kinds, args), pointer, args[4]])
        return context.get_dummy_value()

    return types.void(target, at, source, index, types.int32), generate


def _bare(text):
    """Make an intrinsic of one instruction without operands."""

    @intrinsic
    def instruction(typing):
        def generate(context, builder, signature, args):
            void = ir.FunctionType(ir.VoidType(), [])
            builder.call(ir.InlineAsm(void, text, "~{memory}", side_effect=True), [])
            return context.get_dummy_value()

        return types.void(), generate

    return instruction


cp_async_commit = _bare("cp.async.commit_group;")
cp_async_wait_0 = _bare("cp.async.wait_group 0;")
cp_async_wait_1 = _bare("cp.async.wait_group 1;")


# ---- tensor cores --------------------------------------------------------------------------------


def make_ldmatrix(count, step):
    """Make the function that loads `count` fragments of 16 rows by 32 bytes, `step` elements apart.

    Lane l gives the address of row l % 16, half l // 16; each fragment is four 32-bit registers.
    """

    @intrinsic
    def ldmatrix(typing, array, index):
        kind = types.UniTuple(types.uint32, 4 * count)

        def generate(context, builder, signature, args):
            start = _shared_address(context, builder, signature.args, args)
            size = signature.args[0].dtype.bitwidth // 8
            four = ir.FunctionType(ir.LiteralStructType([_I32] * 4), [_I32])
            text = "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {$0,$1,$2,$3}, [$4];"
            load = ir.InlineAsm(four, text, "=r,=r,=r,=r,r,~{memory}", side_effect=True)
            out = []
            for m in range(count):
                found = builder.call(load, [builder.add(start, _I32(m * step * size))])
                out += [builder.extract_value(found, k) for k in range(4)]
            return context.make_tuple(builder, kind, out)

        return kind(array, index), generate

    return ldmatrix


def _make_mma(name, rows, columns):
    """Make rows x columns tile products 16 x 8, accumulating in float32."""

    @intrinsic
    def mma(typing, total, a, b):
        def generate(context, builder, signature, args):
            c, x, y = [_unpacked(builder, v, k) for v, k in zip(args, signature.args, strict=True)]
            kind = ir.FunctionType(ir.LiteralStructType([_F32] * 4), [_I32] * 6 + [_F32] * 4)
            text = name + " {$0,$1,$2,$3}, {$4,$5,$6,$7}, {$8,$9}, {$10,$11,$12,$13};"
            constraint = ",".join(["=f"] * 4 + ["r"] * 6 + ["f"] * 4)
            product = ir.InlineAsm(kind, text, constraint)
            for m in range(rows):
                for n in range(columns):
                    o = 4 * (m * columns + n)
                    operands = x[4 * m : 4 * m + 4] + y[2 * n : 2 * n + 2] + c[o : o + 4]
                    found = builder.call(product, operands)
                    c[o : o + 4] = [builder.extract_value(found, k) for k in range(4)]
            return context.make_tuple(builder, signature.return_type, c)

        return total(total, a, b), generate

    return mma


def make_mma_tf32(rows, columns):
    """Make the tile product of TF32 (8 summed at a time): m16n8k8."""
    return _make_mma("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32", rows, columns)


def make_mma_bf16(rows, columns):
    """Make the tile product of bfloat16 (16 summed at a time): m16n8k16."""
    return _make_mma("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32", rows, columns)


@intrinsic
def bits(typing, x):
    """The 32 bits of a float32, as uint32."""

    def generate(context, builder, signature, args):
        return builder.bitcast(args[0], _I32)

    return types.uint32(types.float32), generate


@intrinsic
def number(typing, x):
    """The float32 that has these 32 bits."""

    def generate(context, builder, signature, args):
        return builder.bitcast(args[0], _F32)

    return types.float32(types.uint32), generate


@intrinsic
def pack_bf16(typing, low, high):
    """Round two float32 to bfloat16 and put them into one uint32, `low` in the low half."""

    def generate(context, builder, signature, args):
        kind = ir.FunctionType(_I32, [_F32, _F32])
        pack = ir.InlineAsm(kind, "cvt.rn.bf16x2.f32 $0, $1, $2;", "=r,f,f")
        return builder.call(pack, [args[1], args[0]])

    return types.uint32(types.float32, types.float32), generate
