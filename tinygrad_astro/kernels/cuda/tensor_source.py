"""Writes the source of the tensor-core kernels: TF32, 3xTF32 and bfloat16 products of tiles.

The same implicit GEMM as gemm_source. A block of four warps computes 128 x 64 outputs, a warp
64 x 32 of them as 4 x 4 tiles of `mma.sync`. The sum runs in pieces of 16, and three pieces are in
shared memory: one being multiplied, two on their way by asynchronous copies, which write zeros
where a window hangs over the border.

| mode     | a product is                                 | relative error of a sum       |
|----------|----------------------------------------------|-------------------------------|
| "tf32"   | of numbers rounded to 10 bits of mantissa    | about 2**-11 of its terms     |
| "3xtf32" | hi hi + hi lo + lo hi, x = hi + lo           | about 2**-21, nearly float32  |
| "bf16"   | of numbers rounded to 7 bits of mantissa     | about 2**-8 of its terms      |

All add up in float32. Lane l of a warp has g = l // 4 and u = l % 4: PTX's names for the owner of a
row and of a column in a tile.
"""

BM, BN, BK, STAGES, THREADS = 128, 64, 16, 3, 128
LEFT = BK + 4  # words per pixel in the left piece: rows start on different banks
RIGHT = BN + 8  # words per row of the right piece
TURNED = BM + 8  # words per pixel in the left piece of the weight gradient


def conv_source(mode):
    """Write the forward convolution. Needs C % 16 == 0 and K % 4 == 0."""
    fetch = []
    for i in range(4):
        fetch += [
            f"i{i} = U(h{i} + rr); j{i} = U(v{i} + ss)",
            f"inside = real{i} and i{i} < H and j{i} < W",
            f"at = U(U(start{i} + U(U(i{i} * W) + j{i}) * C) + c) if inside else U(0)",
            "size = I(16) if inside else I(0)",
            f"cp_async16(left, U(fa + U({32 * i * LEFT})), x, at, size)",
        ]
    fetch += [
        *fetch_right("w", "U(wb + U({row}) * K)", "column < K"),
        f"c = U(c + U({BK})); wb = U(wb + K * U({BK}))",
        "if c >= C:",
        "    c = U(0); s = U(s + U(1)); ss = U(ss + dw)",
        "    if s >= S:",
        "        s = U(0); ss = U(0); rr = U(rr + dh)",
    ]
    head = [
        "def conv(y, x, w, H, W, C, K, P, Q, S, taps, sh, sw, ph, pw, dh, dw, M):",
        *places(BM * LEFT),
        f"    bm = U(U(cuda.blockIdx.x) * U({BM})); bn = U(U(cuda.blockIdx.y) * U({BN}))",
        "    ar = U(t // U(4)); ak = U((t % U(4)) * U(4)); column = U(bn + bc)",
        f"    la = U(ar * U({LEFT}) + ak)",
    ]
    for i in range(4):
        head += [
            f"    m = U(bm + ar + U({32 * i})); q = U(m % Q); line = U(m // Q)",
            f"    n = U(line // P); h{i} = U(U(line % P) * sh - ph); v{i} = U(q * sw - pw)",
            f"    real{i} = m < M; start{i} = U(U(U(n * H) * W) * C + ak)",
        ]
    head += [
        "    wb = U(br * K + column); c = U(0); s = U(0); rr = U(0); ss = U(0)",
        f"    pieces = U(U(taps * C) // U({BK}))",
    ]
    if mode == "bf16":
        first = f"U((wm * U(64) + g) * U({LEFT}) + u * U(2))"
    else:
        first = f"U((wm * U(64) + lane % U(16)) * U({LEFT}) + (lane // U(16)) * U(4))"
    lines = [
        *head,
        *pipeline(fetch, BM * LEFT, first, depth_of(mode), products(mode, False)),
        *stored("y", "M", "bm"),
    ]
    return "\n".join(lines)


def weight_source(mode):
    """Write the weight gradient: part[s, m, k] = sum over pixels of x * g, m = (tap, channel)."""
    fetch = []
    for i in range(4):
        fetch += [
            f"p = U(pixel + lr + U({4 * i})); q = U(p % Q); line = U(p // Q)",
            "h = U(U(U(line % P) * sh) + oh); v = U(U(q * sw) + ov)",
            "inside = used and p < stop and h < H and v < W",
            "at = U(U(U(U(line // P) * H + h) * W + v) * C + c) if inside else U(0)",
            "size = I(16) if inside else I(0)",
            f"cp_async16(left, U(fa + U({4 * i * TURNED})), x, at, size)",
        ]
    fetch += [
        *fetch_right(
            "g_", "U(U(U(pixel + br + U({row})) * K) + column)",
            "column < K and U(pixel + br + U({row})) < stop",
        ),
        f"pixel = U(pixel + U({BK}))",
    ]  # fmt: skip
    lines = [
        "def weight_grad(part, x, g_, H, W, C, K, P, Q, S, sh, sw, ph, pw, dh, dw, M, pixels,"
        " share, tiles):",
        *places(BK * TURNED),
        "    tile = U(cuda.blockIdx.x); split = U(cuda.blockIdx.y)",
        f"    bm = U(U(tile % tiles) * U({BM})); bn = U(U(tile // tiles) * U({BN}))",
        "    lr = U(t // U(32)); lc = U((t % U(32)) * U(4)); column = U(bn + bc)",
        f"    la = U(lr * U({TURNED}) + lc)",
        "    mine = U(bm + lc); used = mine < M; c = U(mine % C); tap = U(mine // C)",
        "    oh = U(U(U(tap // S) * dh) - ph); ov = U(U(U(tap % S) * dw) - pw)",
        "    pixel = U(split * share); stop = min(pixels, U(pixel + share))",
        f"    pieces = U(U(U(stop - pixel) + U({BK - 1})) // U({BK}))",
        *pipeline(
            fetch, BK * TURNED, f"U({depth_of(mode)} * U({TURNED}) + wm * U(64) + g)",
            depth_of(mode), products(mode, True),
        ),
        "    bm = U(bm + U(split * M))",
        *stored("part", "U(split * M + M)", "bm"),
    ]  # fmt: skip
    return "\n".join(lines)


def depth_of(mode):
    """Say at which depth of a piece a lane starts to read: bfloat16 comes in pairs."""
    return "u * U(2)" if mode == "bf16" else "u"


def places(left_size):
    """Write the shared arrays, and what each thread and lane is for."""
    return [
        f"    left = cuda.shared.array({STAGES * left_size}, float32, alignment=16)",
        f"    right = cuda.shared.array({STAGES * BK * RIGHT}, float32, alignment=16)",
        "    t = U(cuda.threadIdx.x); lane = U(t % U(32)); warp = U(t // U(32))",
        "    g = U(lane // U(4)); u = U(lane % U(4)); wm = U(warp % U(2)); wn = U(warp // U(2))",
        "    br = U(t // U(16)); bc = U((t % U(16)) * U(4))",
        f"    lb = U(br * U({RIGHT}) + bc)",
    ]


def fetch_right(source, address, condition):
    """Write the copies of the right piece: 16 rows of 64, two loads per thread."""
    lines = []
    for row in (0, 8):
        lines += [
            f"inside = {condition.format(row=row)}",
            f"at = {address.format(row=row)} if inside else U(0)",
            "size = I(16) if inside else I(0)",
            f"cp_async16(right, U(fb + U({row * RIGHT})), {source}, at, size)",
        ]
    return lines


def pipeline(fetch, left_size, first, depth, multiply):
    """Write the loop over pieces: wait for one, start the copies of the next but one, multiply."""

    def fetched(depth, stage):
        lines = [f"fa = U({stage} * U({left_size}) + la); fb = U({stage} * U({BK * RIGHT}) + lb)"]
        return ["    " * depth + line for line in lines + fetch]

    return [
        "    total = zeros(); loaded = U(0); stage = U(0); piece = U(0)",
        "    while loaded < U(2):",
        "        if loaded < pieces:",
        *fetched(3, "loaded"),
        "        cp_async_commit(); loaded = U(loaded + U(1))",
        "    while piece < pieces:",
        "        cp_async_wait_1(); cuda.syncthreads()",
        "        if loaded < pieces:",
        "            ahead = U(stage + U(2)) if stage == U(0) else U(stage - U(1))",
        *fetched(3, "ahead"),
        "        cp_async_commit(); loaded = U(loaded + U(1))",
        f"        pa = U(U(stage * U({left_size})) + {first})",
        f"        pb = U(U(stage * U({BK * RIGHT})) + {depth} * U({RIGHT}) + wn * U(32) + g)",
        *["        " + line for line in multiply],
        "        stage = U(stage + U(1)) if stage < U(2) else U(0); piece = U(piece + U(1))",
    ]


def products(mode, turned):
    """Write the multiplication of one piece, all 16 deep."""
    if mode == "bf16":
        return _bf16_products(turned)
    lines = []
    for k in (0, 8):
        if turned:
            reads = [
                f"bits(left[pa + U({(k + deep) * TURNED + m * 16 + row})])"
                for m in range(4) for deep in (0, 4) for row in (0, 8)
            ]  # fmt: skip
            lines.append(f"a = ({', '.join(reads)})")
        else:
            lines.append(f"a = ldmatrix(left, U(pa + U({k})))")
        reads = [
            f"bits(right[pb + U({(k + deep) * RIGHT + n * 8})])"
            for n in range(4)
            for deep in (0, 4)
        ]
        lines.append(f"b = ({', '.join(reads)})")
        if mode == "tf32":
            lines += [
                f"a = ({', '.join(f'rounded(a[{e}])' for e in range(16))})",
                f"b = ({', '.join(f'rounded(b[{e}])' for e in range(8))})",
                "total = mma(total, a, b)",
            ]
        else:
            lines += [
                f"al = ({', '.join(f'low(a[{e}])' for e in range(16))})",
                f"bl = ({', '.join(f'low(b[{e}])' for e in range(8))})",
                "total = mma(total, al, b)",
                "total = mma(total, a, bl)",
                "total = mma(total, a, b)",
            ]
    return lines


def _bf16_products(turned):
    def left(m, deep, row):
        if turned:
            start, step = deep * TURNED + m * 16 + row, TURNED
        else:
            start, step = (m * 16 + row) * LEFT + deep, 1
        return f"pack_bf16(left[pa + U({start})], left[pa + U({start + step})])"

    def right(n, deep):
        start = deep * RIGHT + n * 8
        return f"pack_bf16(right[pb + U({start})], right[pb + U({start + RIGHT})])"

    a = [left(m, deep, row) for m in range(4) for deep in (0, 8) for row in (0, 8)]
    b = [right(n, deep) for n in range(4) for deep in (0, 8)]
    return [f"a = ({', '.join(a)})", f"b = ({', '.join(b)})", "total = mma(total, a, b)"]


def stored(target, rows, first):
    """Write the 64 outputs of a lane: tiles of 16 x 8, two rows and two columns of each."""
    lines = [f"    m0 = U({first} + wm * U(64) + g); n0 = U(bn + wn * U(32) + u * U(2))"]
    for m in range(4):
        for half in (0, 1):
            lines += [
                f"    m = U(m0 + U({16 * m + 8 * half}))",
                f"    if m < {rows}:",
                "        at = U(U(m * K) + n0)",
            ]
            for n in range(4):
                value = 4 * (4 * m + n) + 2 * half
                lines += [
                    f"        if U(n0 + U({8 * n})) < K:",
                    f"            {target}[U(at + U({8 * n}))] = total[{value}]",
                    f"            {target}[U(at + U({8 * n + 1}))] = total[{value + 1}]",
                ]
    return lines
