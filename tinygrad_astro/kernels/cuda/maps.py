"""Elementwise functions on device arrays: one line per function, one generator for all kernels.

The tables give each function as an expression of its operands a, b, c. `map_source` writes the
kernel around it:

    def multiply(out, a, b, n):                     # all contiguous and of one shape
        i = U(cuda.grid(1))
        if i < n:
            out[i] = T(a[i]) * T(b[i])

and, where shapes broadcast or memory is strided, with one index per axis j0, j1 ... and a stride
per operand and axis (0 along a broadcast axis).
"""

import functools

import numpy as np

from . import target

UNARY = {
    "copy": "a",
    "negative": "-a",
    "abs": "-a if a < 0 else a + T(0)",
    "sign": "T(1) if a > 0 else (T(-1) if a < 0 else a)",
    "square": "a * a",
    "invert": "~a",
}
# These give floating point.
FUNCTIONS = {
    # Numba's floor gives an int64; from 2**52 on every number is whole. NaN and inf stay.
    "floor": "T(math.floor(a)) if math.fabs(a) < T(4503599627370496.0) else a",
    "exp": "math.exp(a)",
    "expm1": "math.expm1(a)",
    "log": "math.log(a)",
    "log1p": "math.log1p(a)",
    "sqrt": "math.sqrt(a)",
    "sin": "math.sin(a)",
    "cos": "math.cos(a)",
    "tanh": "math.tanh(a)",
    "arcsinh": "math.asinh(a)",
    "arctan": "math.atan(a)",
    "erf": "math.erf(a)",
}
BINARY = {
    "add": "a + b",
    "subtract": "a - b",
    "multiply": "a * b",
    "maximum": "a if a >= b or a != a else b",
    "minimum": "a if a <= b or a != a else b",
    "bitwise_and": "a & b",
    "bitwise_or": "a | b",
}
RATIOS = {"true_divide": "a / b", "power": "math.pow(a, b)"}
# These give booleans.
TESTS = {
    "isnan": "a != a",
    "isfinite": "a - a == T(0)",
    "logical_not": "a == T(0)",
    "equal": "a == b",
    "not_equal": "a != b",
    "less": "a < b",
    "less_equal": "a <= b",
    "greater": "a > b",
    "greater_equal": "a >= b",
    "logical_and": "a != T(0) and b != T(0)",
    "logical_or": "a != T(0) or b != T(0)",
}
CHOICE = {"where": "b if a != 0 else c"}
EXPRESSIONS = {**UNARY, **FUNCTIONS, **BINARY, **RATIOS, **TESTS, **CHOICE}


def map_source(name, operands, rank, boolean):
    """Write the kernel `out[...] = expression`.

    `operands` has one letter per operand: "p" for an array, "n" for a number. Rank 0 means that
    all are contiguous, and one index serves all.
    """
    letters = "abc"[: len(operands)]
    arrays = [a for a, kind in zip(letters, operands) if kind == "p"]
    numbers = [f"n{k}" for k in range(rank)]
    strides = [f"{x}{k}" for x in ["o", *(f"s{a}" for a in arrays)] for k in range(rank)]
    offsets = [f"{x}_" for x in ["o", *(f"s{a}" for a in arrays)]] if rank else []
    lines = [f"def {name}({', '.join(['out', *letters, 'n', *numbers, *offsets, *strides])}):"]
    lines += ["    i = U(cuda.grid(1))", "    if i < n:"]
    for k in reversed(range(rank)):
        lines += [f"        j{k} = U(i % n{k})", f"        i = U(i // n{k})"]

    def place(x):
        return f"U({x}_{''.join(f' + U(j{k} * {x}{k})' for k in range(rank))})" if rank else "i"

    for a in letters:
        value = f"{a}[{place(f's{a}')}]" if a in arrays else a
        kept = name == "where" and a == "a"
        lines.append(f"        {a}_ = {value}" if kept else f"        {a}_ = T({value})")
    text = EXPRESSIONS[name]
    body = "".join(f"{ch}_" if _alone(text, i) else ch for i, ch in enumerate(text))
    value = f"1 if {body} else 0" if boolean else body
    lines.append(f"        out[{place('o')}] = {value}")
    return "\n".join(lines)


def _alone(text, i):
    """Whether character i is an operand's letter, and not part of a word."""
    around = text[max(0, i - 1) : i] + text[i + 1 : i + 2]
    return text[i] in "abc" and not any(ch.isalnum() or ch in "._" for ch in around)


@functools.cache
def map_kernel(name, dtypes, operands, rank, out_dtype):
    """Make the kernel of one function, for these dtypes of operands and output."""
    boolean = name in TESTS
    names: dict = {"__name__": __name__}
    exec(map_source(name, operands, rank, boolean), names)
    label = f"rank {rank}" if rank else ""
    words = [f"{out_dtype}*"]
    words += [f"{d}*" if kind == "p" else "T" for d, kind in zip(dtypes, operands)]
    arrays = operands.count("p")
    words += ["u"] * (1 + (rank + 1 + arrays + (arrays + 1) * rank if rank else 0))
    return target.kernel(" ".join(words), registers=64, label=label)(names[name])


# ---- geometry ------------------------------------------------------------------------------------


def contiguous_strides(shape):
    """Give the strides, in elements, of a contiguous array."""
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= n
    return tuple(reversed(strides))


def is_contiguous(shape, strides):
    """Tell whether elements lie side by side; the stride of an axis of one does not matter."""
    pairs = zip(shape, strides, contiguous_strides(shape), strict=True)
    return 0 in shape or all(n == 1 or s == c for n, s, c in pairs)


def broadcast_strides(shape, strides, wide):
    """Give the strides with which an array of `shape` is read as one of shape `wide`."""
    new = len(wide) - len(shape)
    own = [0 if n == 1 else s for n, s in zip(shape, strides)]
    return (0,) * new + tuple(own)


def collapsed(shape, all_strides):
    """Merge axes that lie one in the other for every operand: fewer axes, the same elements."""
    sizes, kept = [], [[] for _ in all_strides]
    for axis in range(len(shape)):
        n, here = shape[axis], [s[axis] for s in all_strides]
        if n == 1:
            continue
        if sizes and all(k[-1] == h * n for k, h in zip(kept, here)):
            sizes[-1] *= n
            for k, h in zip(kept, here):
                k[-1] = h
        else:
            sizes.append(n)
            for k, h in zip(kept, here):
                k.append(h)
    return sizes, kept


def launch_map(name, out, out_layout, operands, layouts, shape, compute):
    """Run one elementwise kernel.

    `operands` are device arrays or numbers; a layout is (offset, strides) over `shape`, None for a
    number. `compute` is the dtype T of the expression.
    """
    size = int(np.prod(shape, dtype=np.int64))
    if size == 0:
        return
    used = [layout for layout in (out_layout, *layouts) if layout is not None]
    sizes, strides = collapsed(shape, [list(s) for _, s in used])
    flat = all(offset == 0 for offset, _ in used) and (
        sizes == [] or (len(sizes) == 1 and all(s == [1] for s in strides))
    )
    rank = 0 if flat else max(1, len(sizes))
    if rank and not sizes:
        sizes, strides = [1], [[0] for _ in used]
    kinds = "".join("n" if layout is None else "p" for layout in layouts)
    dtypes = tuple(
        compute.name if layout is None else byte_name(x.dtype)
        for x, layout in zip(operands, layouts)
    )
    made = map_kernel(name, dtypes, kinds, rank, byte_name(out.dtype))
    geometry = [size]
    if rank:
        geometry += [*sizes, *(offset % 2**32 for offset, _ in used)]
        geometry += [s % 2**32 for per in strides for s in per]
    made(size, out, *operands, *geometry, dtype=compute)


def byte_name(dtype):
    """Name a dtype as kernels see it: booleans are bytes."""
    return "uint8" if dtype == np.bool_ else dtype.name
