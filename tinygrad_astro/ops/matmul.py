"""Products that sum over an axis: matmul, tensordot, einsum."""

import numpy as np

from tinygrad_astro import shapes
from tinygrad_astro.kernels import xp
from tinygrad_astro.ops.broadcast import broadcast_to, reshape, sum_to
from tinygrad_astro.ops.layout import expand_dims, squeeze, swapaxes, transpose
from tinygrad_astro.tape import lift, primitive


@primitive(
    lambda g, out, x, y: sum_to(_matmul(g, swapaxes(y, -1, -2)), x.shape),
    lambda g, out, x, y: sum_to(_matmul(swapaxes(x, -1, -2), g), y.shape),
    keeps="x y",
)
def _matmul(x, y):
    if x.dtype != y.dtype:
        x, y = (a.astype(np.result_type(x.dtype, y.dtype)) for a in (x, y))
    return xp(x).matmul(x, y)


def matmul(x, y):
    """x @ y: the last axis of x with the second to last of y; leading axes broadcast.

    Parameters
    ----------
    x : (..., M, K) or (K,) Tensor
    y : (..., K, N) or (K,) Tensor

    Raises
    ------
    ValueError
        If the summed sizes differ or an argument has no axis.
    """
    x, y = lift([x, y])
    if x.ndim == 0 or y.ndim == 0:
        raise ValueError(f"matmul needs axes, got shapes {x.shape} and {y.shape}; use multiply")
    row, column = x.ndim == 1, y.ndim == 1
    x = expand_dims(x, 0) if row else x
    y = expand_dims(y, 1) if column else y
    if x.shape[-1] != y.shape[-2]:
        raise ValueError(
            f"matmul sums over {x.shape[-1]} of {x.shape} and {y.shape[-2]} of {y.shape}; the last "
            "axis of the first must equal the second to last of the second"
        )
    shapes.broadcast(x.shape[:-2], y.shape[:-2])
    out = _matmul(x, y)
    axes = (() if not row else (-2,)) + (() if not column else (-1,))
    return squeeze(out, axes) if axes else out


def tensordot(x, y, axes=2):
    """Sum over the last `axes` axes of x and the first of y, or over a pair of lists of axes."""
    x, y = lift([x, y])
    if not isinstance(axes, int) and (isinstance(axes, str) or np.size(axes) < 2):
        raise ValueError(
            f"tensordot got axes={axes!r}, expected a number or a pair of lists of axes"
        )
    if isinstance(axes, int):
        ours, theirs = list(range(x.ndim - axes, x.ndim)), list(range(axes))
    else:
        ours, theirs = ([a] if isinstance(a, int) else list(a) for a in axes)
    ours = [shapes.normal_axis(a, x.ndim) for a in ours]
    theirs = [shapes.normal_axis(a, y.ndim) for a in theirs]
    if [x.shape[a] for a in ours] != [y.shape[a] for a in theirs]:
        raise ValueError(f"tensordot over axes {axes} of {x.shape} and {y.shape}: sizes differ")
    left = [a for a in range(x.ndim) if a not in ours]
    right = [a for a in range(y.ndim) if a not in theirs]
    summed = int(np.prod([x.shape[a] for a in ours]))
    rows, columns = [x.shape[a] for a in left], [y.shape[a] for a in right]
    x = reshape(transpose(x, left + ours), (int(np.prod(rows)), summed))
    y = reshape(transpose(y, theirs + right), (summed, int(np.prod(columns))))
    return reshape(matmul(x, y), (*rows, *columns))


def _einsum_rule(g, out, *xs, subscripts, wanted):
    """Gradient of one operand: einsum of g with the others; indices it alone has broadcast."""
    terms, result = subscripts[:-1], subscripts[-1]
    grads = []
    for i, want in enumerate(wanted):
        if not want:
            grads.append(None)
            continue
        others = [(t, x) for j, (t, x) in enumerate(zip(terms, xs, strict=True)) if j != i]
        known = set(result).union(*[t for t, _ in others])
        shared = "".join(c for c in terms[i] if c in known)
        part = _einsum(
            g, *[x for _, x in others], subscripts=(result, *[t for t, _ in others], shared)
        )
        kept = [n if c in known else 1 for c, n in zip(terms[i], xs[i].shape, strict=True)]
        grads.append(broadcast_to(reshape(part, kept), xs[i].shape))
    return grads


@primitive(joint=_einsum_rule)
def _einsum(*xs, subscripts):
    text = ",".join(subscripts[:-1]) + "->" + subscripts[-1]
    names = xp(max(xs, key=lambda x: x.ndim))  # a single number may be on another device
    product = names.einsum(text, *xs, optimize=len(xs) > 2)
    return names.array(product, order="C", copy=None)


def einsum(subscripts, *operands):
    """Sum of products in index notation: einsum("ij,jk->ik", x, y) is x @ y.

    Raises
    ------
    ValueError
        If the letters do not fit the operands, one repeats within an operand, or "..." is used.
    """
    operands = lift(operands)
    if not isinstance(subscripts, str):
        raise TypeError(f'einsum got subscripts={subscripts!r}, expected text such as "ij,jk->ik"')
    text = subscripts.replace(" ", "")
    if "." in text:
        raise ValueError(f"einsum({subscripts!r}): name every axis, '...' is not supported")
    left, arrow, result = text.partition("->")
    terms = left.split(",")
    if not arrow:
        result = "".join(sorted(c for c in set(left) - {","} if left.count(c) == 1))
    if len(terms) != len(operands):
        raise ValueError(f"einsum({subscripts!r}) names {len(terms)} operands, got {len(operands)}")
    sizes: dict[str, int] = {}
    for term, x in zip(terms, operands, strict=True):
        if len(term) != x.ndim or len(set(term)) != len(term):
            raise ValueError(
                f"einsum({subscripts!r}): '{term}' does not name each axis of shape {x.shape} once"
            )
        for letter, n in zip(term, x.shape, strict=True):
            if sizes.setdefault(letter, n) != n:
                raise ValueError(f"einsum({subscripts!r}): '{letter}' is {sizes[letter]} and {n}")
    if len(set(result)) != len(result) or not set(result) <= set(sizes):
        raise ValueError(f"einsum({subscripts!r}): the result '{result}' has unknown letters")
    return _einsum(*operands, subscripts=(*terms, result))
