"""Batched products and index notation, on the kernel of `matmul`."""

import math

import numpy as np

from . import array as arrays
from . import matmul, namespace


def batched(x, y):
    """x @ y over leading axes that broadcast."""
    x, y = (namespace._on_card(a, "matmul") for a in (x, y))
    lead = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    rows, summed, columns = x.shape[-2], x.shape[-1], y.shape[-1]
    if math.prod(y.shape[:-2]) == 1 and x.shape[:-2] == lead:
        out = arrays.DeviceArray((math.prod(lead) * rows, columns), x.dtype)
        matmul.matmul(out, x.reshape(-1, summed) if summed else x.reshape(out.shape[0], 0),
                      y.reshape(summed, columns))  # fmt: skip
        return out.reshape(*lead, rows, columns)
    x = namespace.broadcast_to(x, (*lead, rows, summed))
    y = namespace.broadcast_to(y, (*lead, summed, columns))
    out = arrays.DeviceArray((*lead, rows, columns), x.dtype)
    matmul.batched_matmul(out, x, y, math.prod(lead))
    return out


def einsum(subscripts, *operands):
    """Sum products in index notation; each letter at most once per operand."""
    terms, result = subscripts.split("->")
    # A single number may still be on the CPU.
    operands = [x if x.ndim else namespace.asarray(x) for x in operands]
    named = list(zip(terms.split(","), operands, strict=True))
    while len(named) > 1:
        (left, x), (right, y), *rest = named
        wanted = set(result).union(*[t for t, _ in rest])
        named = [_pair(left, x, right, y, wanted), *rest]
    letters, x = _summed(*named[0], set(result))
    return x.transpose(tuple(letters.index(c) for c in result))


def _summed(letters, x, wanted):
    """Sum over the letters that nobody else wants."""
    axes = tuple(i for i, c in enumerate(letters) if c not in wanted)
    kept = "".join(c for c in letters if c in wanted)
    return (kept, x.sum(axis=axes)) if axes else (letters, x)


def _pair(left, x, right, y, wanted):
    """Contract two operands: batch letters in front, then one matrix product."""
    left, x = _summed(left, x, wanted | set(right))
    right, y = _summed(right, y, wanted | set(left))
    batch = [c for c in left if c in right and c in wanted]
    summed = [c for c in left if c in right and c not in wanted]
    rows = [c for c in left if c not in right]
    columns = [c for c in right if c not in left]
    size = {**dict(zip(left, x.shape)), **dict(zip(right, y.shape))}
    sizes = [math.prod(size[c] for c in part) for part in (batch, rows, summed, columns)]
    x = x.transpose(tuple(left.index(c) for c in (*batch, *rows, *summed)))
    y = y.transpose(tuple(right.index(c) for c in (*batch, *summed, *columns)))
    out = batched(x.reshape(sizes[0], sizes[1], sizes[2]), y.reshape(sizes[0], *sizes[2:]))
    names = [*batch, *rows, *columns]
    return "".join(names), out.reshape([size[c] for c in names])
