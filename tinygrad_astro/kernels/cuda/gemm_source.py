"""Writes the source of the fast fp32 kernels: products of tiles, 8 by 8 outputs per thread.

A convolution is a matrix product whose left matrix is never stored (implicit GEMM): row m is an
output pixel (n, p, q), column k an output channel, and the sum runs over taps and channels, BK at a
time. A block computes BM x BN outputs. Two buffers in shared memory: while one is multiplied, the
next piece is already on its way from global memory in registers (a0.., b0..).

The code is generated because a tile needs dozens of named registers (a loop over a local array
would put them into memory), and because sizes of shared arrays must be literals. Print it:

    python -c "from tinygrad_astro.kernels.cuda.gemm_source import conv_source as s; print(s(128, 64, 8))"
"""  # noqa: E501

PAD = 4  # words after each row of the left tile, so that its transposing writes hit all banks


def indented(lines, depth):
    """Indent lines by `depth` levels of four."""
    return ["    " * depth + line for line in lines]


def conv_source(BM, BN, BK):
    """Write the forward convolution: y[m, k] = sum over taps and channels of x * w.

    Needs C % BK == 0 and K % 4 == 0. Names: t thread; n image, h v the input row and column of the
    first tap of a thread's pixel; c rr ss channel, row and column offset of the piece being loaded.
    """
    threads, row = BM * BN // 64, BM + PAD
    quads, columns = BK // 4, BN // 4  # loads of four per row of the left and right piece
    lefts, rights = BM * quads // threads, BK * columns // threads
    left_step, right_step = threads // quads, threads // columns
    aim = []
    for i in range(lefts):
        aim += [
            f"i{i} = U(h{i} + rr); j{i} = U(v{i} + ss)",
            f"inside{i} = real{i} and i{i} < H and j{i} < W",
            f"at{i} = U(start{i} + U(U(i{i} * W) + j{i}) * C)",
        ]
    load = []
    for i in range(lefts):
        load += [f"a{i} = zero4", f"if inside{i}: a{i} = ld4(x, U(at{i} + c))"]
    for i in range(rights):
        load += [f"b{i} = zero4", f"if column < K: b{i} = ld4(w, U(wb + U({i * right_step}) * K))"]
    lines = [
        "def conv(y, x, w, H, W, C, K, P, Q, S, taps, sh, sw, ph, pw, dh, dw, M):",
        f"    left = cuda.shared.array({2 * BK * row}, float32, alignment=16)",
        f"    right = cuda.shared.array({2 * BK * BN}, float32, alignment=16)",
        "    zero4 = (float32(0), float32(0), float32(0), float32(0))",
        "    t = U(cuda.threadIdx.x)",
        f"    bm = U(U(cuda.blockIdx.x) * U({BM})); bn = U(U(cuda.blockIdx.y) * U({BN}))",
        f"    ty = U(t // U({BN // 8})); tx = U(t % U({BN // 8}))",
        f"    ar = U(t // U({quads})); ak = U((t % U({quads})) * U(4))",
        f"    br = U(t // U({columns})); column = U(bn + (t % U({columns})) * U(4))",
    ]
    for i in range(lefts):
        lines += [
            f"    m = U(bm + ar + U({i * left_step})); q = U(m % Q); line = U(m // Q)",
            f"    n = U(line // P); h{i} = U(U(line % P) * sh - ph); v{i} = U(q * sw - pw)",
            f"    real{i} = m < M; start{i} = U(U(U(n * H) * W) * C + ak)",
        ]
    lines += [
        "    wb = U(br * K + column); c = U(0); s = U(0); rr = U(0); ss = U(0)",
        f"    pieces = U(U(taps * C) // U({BK})); piece = U(0); oa = U(0); ob = U(0)",
        "    total = zeros()",
        *indented(aim + load, 1),
        "    while True:",
        f"        qa = U(oa + ak * U({row}) + ar); qb = U(ob + br * U({BN}) + column - bn)",
    ]
    for i in range(lefts):
        for e in range(4):
            lines.append(f"        left[qa + U({e * row + i * left_step})] = a{i}[{e}]")
    lines += [f"        st4(right, qb + U({i * right_step * BN}), b{i})" for i in range(rights)]
    lines += [
        "        cuda.syncthreads(); piece = U(piece + U(1))",
        "        if piece < pieces:",
        f"            c = U(c + U({BK})); wb = U(wb + K * U({BK}))",
        "            if c >= C:",
        "                c = U(0); s = U(s + U(1)); ss = U(ss + dw)",
        "                if s >= S:",
        "                    s = U(0); ss = U(0); rr = U(rr + dh)",
        *indented(aim, 4),
        *indented(load, 3),
        *multiplied(BM, BN, BK, row),
        f"        oa = U(oa ^ U({BK * row})); ob = U(ob ^ U({BK * BN}))",
        "        if piece >= pieces:",
        "            break",
        *stored("y", "M", BM, BN),
    ]
    return "\n".join(swap(lines, BK * row)), threads


def swap(lines, half):
    """Toggle between the buffers by subtraction where their size is no power of two."""
    if half & (half - 1) == 0:
        return lines
    return [line.replace(f"oa = U(oa ^ U({half}))", f"oa = U(U({half}) - oa)") for line in lines]


def multiplied(BM, BN, BK, row):
    """Write the inner loop: 64 fused multiply-adds for 4 loads of 16 bytes, BK times."""
    lines = ["        pa = U(oa + ty * U(4)); pb = U(ob + tx * U(4))"]
    for k in range(BK):
        a = [f"ld4(left, pa + U({k * row + half}))" for half in (0, BM // 2)]
        b = [f"ld4(right, pb + U({k * BN + half}))" for half in (0, BN // 2)]
        lines.append(f"        total = outer(total, {', '.join(a + b)})")
    return lines


def stored(target, rows, BM, BN):
    """Write the 8 x 8 outputs of a thread: 4 + 4 rows of 4 + 4 columns."""
    lines = ["    first = U(bn + tx * U(4))"]
    for i in range(8):
        lines += [
            f"    m = U(bm + ty * U(4) + U({i if i < 4 else BM // 2 + i - 4}))",
            f"    if m < {rows}:",
        ]
        for offset, j in ((0, 8 * i), (BN // 2, 8 * i + 4)):
            values = ", ".join(f"total[{j + e}]" for e in range(4))
            lines += [
                f"        if U(first + U({offset})) < K:",
                f"            st4({target}, U(U(m * K) + first + U({offset})), ({values}))",
            ]
    return lines


def weight_source(BM, BN, BK):
    """Write the weight gradient: part[s, m, k] = sum over pixels of x * g, m = (tap, channel).

    Block (x, s) sums the pixels from s * share on, BK at a time; both tiles have the pixel as row,
    so that nothing is transposed. Needs C % 4 == 0 and K % 4 == 0.
    """
    threads, row = BM * BN // 64, BM + PAD
    quads, columns = BM // 4, BN // 4
    lefts, rights = BK * quads // threads, BK * columns // threads
    left_step, right_step = threads // quads, threads // columns
    load = []
    for i in range(lefts):
        load += [
            f"p = U(pixel + lr + U({i * left_step})); q = U(p % Q); line = U(p // Q)",
            "h = U(U(U(line % P) * sh) + oh); v = U(U(q * sw) + ov)",
            "at = U(U(U(U(line // P) * H + h) * W + v) * C + c)",
            f"a{i} = zero4",
            f"if used and p < stop and h < H and v < W: a{i} = ld4(x, at)",
        ]
    for i in range(rights):
        load += [
            f"p = U(pixel + br + U({i * right_step})); b{i} = zero4",
            f"if p < stop and column < K: b{i} = ld4(g, U(U(p * K) + column))",
        ]
    lines = [
        "def weight_grad(part, x, g, H, W, C, K, P, Q, S, sh, sw, ph, pw, dh, dw, M, pixels, share,"
        " tiles):",
        f"    left = cuda.shared.array({2 * BK * row}, float32, alignment=16)",
        f"    right = cuda.shared.array({2 * BK * BN}, float32, alignment=16)",
        "    zero4 = (float32(0), float32(0), float32(0), float32(0))",
        "    t = U(cuda.threadIdx.x); tile = U(cuda.blockIdx.x); split = U(cuda.blockIdx.y)",
        f"    bm = U(U(tile % tiles) * U({BM})); bn = U(U(tile // tiles) * U({BN}))",
        f"    ty = U(t // U({BN // 8})); tx = U(t % U({BN // 8}))",
        f"    lr = U(t // U({quads})); lc = U((t % U({quads})) * U(4))",
        f"    br = U(t // U({columns})); column = U(bn + (t % U({columns})) * U(4))",
        "    mine = U(bm + lc); used = mine < M; c = U(mine % C); tap = U(mine // C)",
        "    oh = U(U(U(tap // S) * dh) - ph); ov = U(U(U(tap % S) * dw) - pw)",
        "    pixel = U(split * share); stop = min(pixels, U(pixel + share))",
        "    oa = U(0); ob = U(0); total = zeros()",
        *indented(load, 1),
        "    while True:",
        f"        qa = U(oa + lr * U({row}) + lc); qb = U(ob + br * U({BN}) + column - bn)",
        *[f"        st4(left, qa + U({i * left_step * row}), a{i})" for i in range(lefts)],
        *[f"        st4(right, qb + U({i * right_step * BN}), b{i})" for i in range(rights)],
        f"        cuda.syncthreads(); pixel = U(pixel + U({BK}))",
        "        if pixel < stop:",
        *indented(load, 3),
        *multiplied(BM, BN, BK, row),
        f"        oa = U(oa ^ U({BK * row})); ob = U(ob ^ U({BK * BN}))",
        "        if pixel >= stop:",
        "            break",
        "    bm = U(bm + U(split * M))",
        *stored("part", "U(split * M + M)", BM, BN),
    ]
    return "\n".join(swap(lines, BK * row)), threads
