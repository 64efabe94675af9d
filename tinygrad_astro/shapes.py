"""Plain-Python geometry: sizes, pads and broadcasting. Every shape error is raised here.

Along one axis, a window of `k` taps with dilation `d` spans `(k - 1) d + 1` pixels; over `n` pixels
padded by `before + after`, with stride `s`, it fits `(n + before + after - span) // s + 1` times.
"""

import functools
from collections.abc import Sequence
from numbers import Integral

AXES = {1: ("length",), 2: ("height", "width")}


def remembered(check):
    """Answer at once for arguments seen before; a layer asks the same in every step."""
    answer = functools.lru_cache(maxsize=1024, typed=True)(check)

    @functools.wraps(check)
    def ask(*given):
        try:
            return answer(*given)
        except TypeError:  # lists cannot be remembered
            return check(*given)

    return ask


def per_axis(value, rank: int, name: str, least: int = 1) -> tuple[int, ...]:
    """Give `rank` integers from an integer or a sequence: `per_axis(2, 2, "strides") == (2, 2)`."""
    given = (value,) * rank if isinstance(value, Integral) else value
    if isinstance(given, str) or not isinstance(given, Sequence) or len(given) != rank:
        raise ValueError(f"{name}={value!r}: expected an integer or {rank} integers")
    for v in given:
        if isinstance(v, bool) or not isinstance(v, Integral) or v < least:
            raise ValueError(f"{name}={value!r}: expected integers of at least {least}")
    return tuple(int(v) for v in given)


def span(taps: int, dilation: int) -> int:
    """Pixels that a window of `taps` taps covers."""
    return (taps - 1) * dilation + 1


def pads(padding, sizes, window, strides, dilation) -> tuple[tuple[int, int], ...]:
    """Pixels to add before and after each axis.

    "same" gives `ceil(n / s)` outputs, an odd pixel at the end (as Keras); "causal" puts all
    before; an integer pads all sides; a pair per axis, or an integer per axis, is taken as it is.
    """
    rank = len(sizes)
    if padding == "valid":
        return ((0, 0),) * rank
    if padding in ("same", "causal"):
        if padding == "causal" and rank != 1:
            raise ValueError('padding="causal" is for one axis (spectra); use "same" or pairs')
        found = []
        for n, k, s, d in zip(sizes, window, strides, dilation, strict=True):
            if padding == "causal":
                found.append((span(k, d) - 1, 0))
            else:
                total = max((-(-n // s) - 1) * s + span(k, d) - n, 0)
                found.append((total // 2, total - total // 2))
        return tuple(found)
    return explicit_pads(padding, rank)


def explicit_pads(padding, rank: int) -> tuple[tuple[int, int], ...]:
    """Check pads given as numbers: an integer, or per axis an integer or a pair."""
    wrong = ValueError(
        f'padding={padding!r}: expected "valid", "same", an integer of at least 0, or for each of '
        f"{rank} axes an integer or a pair (before, after)"
    )
    if isinstance(padding, str) or padding is None:
        raise wrong
    per = (padding,) * rank if isinstance(padding, Integral) else padding
    if not isinstance(per, Sequence) or len(per) != rank:
        raise wrong
    found = []
    for p in per:
        pair = (p, p) if isinstance(p, Integral) else p
        if not isinstance(pair, Sequence) or len(pair) != 2:
            raise wrong
        whole = all(isinstance(v, Integral) and not isinstance(v, bool) for v in pair)
        if not whole or min(pair) < 0:
            raise wrong
        found.append((int(pair[0]), int(pair[1])))
    return tuple(found)


def window_sizes(sizes, window, strides, pads, dilation, what: str) -> tuple[int | None, ...]:
    """Count the places of a window along each axis."""
    found: list[int | None] = []
    for axis, (n, k, s, (a, b), d) in enumerate(
        zip(sizes, window, strides, pads, dilation, strict=True)
    ):
        if n is None:
            found.append(None)
            continue
        if n + a + b < span(k, d):
            name = AXES[len(sizes)][axis]
            raise ValueError(
                f"{what} does not fit: {name} {n} padded by {a} + {b} is less than the "
                f"{span(k, d)} pixels spanned by {k} taps with dilation {d}; use a larger input, "
                'a smaller window, or padding="same"'
            )
        found.append((n + a + b - span(k, d)) // s + 1)
    return tuple(found)


def spatial_rank(shape, what: str) -> int:
    """Give 1 for (N, L, C), 2 for (N, H, W, C)."""
    if len(shape) not in (3, 4):
        raise ValueError(
            f"{what} got an input of shape {tuple(shape)}, expected (N, L, C) for spectra or "
            "(N, H, W, C) for images; a missing batch or channel axis is added by ops.expand_dims"
        )
    return len(shape) - 2


@remembered
def conv(inputs, kernel, strides, padding, dilation, groups=1):
    """Check a convolution: (output shape, strides, pads, dilation), each per axis.

    `inputs` and `kernel` are shapes; sizes of `inputs` may be None where they are not known yet.
    """
    rank = spatial_rank(inputs, "conv")
    if len(kernel) != rank + 2:
        raise ValueError(
            f"conv got a kernel of shape {tuple(kernel)} for an input of shape {tuple(inputs)}, "
            f"expected {rank} window axes, input channels / groups, output channels"
        )
    strides = per_axis(strides, rank, "strides")
    dilation = per_axis(dilation, rank, "dilation_rate")
    if isinstance(groups, bool) or not isinstance(groups, Integral) or groups < 1:
        raise ValueError(f"groups={groups!r}: expected an integer of at least 1")
    *window, c_in, c_out = kernel
    if 0 in window:
        raise ValueError(f"conv got a kernel of shape {tuple(kernel)}, which has no taps")
    if inputs[-1] != c_in * groups:
        raise ValueError(
            f"conv got {inputs[-1]} input channels (input shape {tuple(inputs)}), but the kernel "
            f"of shape {tuple(kernel)} with groups={groups} expects {c_in * groups}"
        )
    if c_out % groups:
        raise ValueError(f"groups={groups} does not divide the {c_out} output channels")
    known = [0 if n is None else n for n in inputs[1:-1]]
    around = pads(padding, known, window, strides, dilation)
    if padding == "same":
        sizes = tuple(None if n is None else -(-n // s) for n, s in zip(inputs[1:-1], strides))
        if 0 in sizes:
            window_sizes(inputs[1:-1], window, strides, around, dilation, "conv's kernel")
    else:
        sizes = window_sizes(inputs[1:-1], window, strides, around, dilation, "conv's kernel")
    return (inputs[0], *sizes, c_out), strides, around, dilation


@remembered
def conv_transpose(inputs, kernel, strides, padding, output_padding, dilation):
    """Check a transposed convolution: (output shape, strides, pads, dilation).

    The output is the input size of the convolution whose adjoint this is, Keras's rules:
    "valid" gives `(n - 1) s + max(span, s)`, "same" gives `n s`; with `output_padding` or numeric
    padding it is `(n - 1) s + span - before - after + output_padding`.
    """
    rank = spatial_rank(inputs, "conv_transpose")
    if len(kernel) != rank + 2:
        raise ValueError(
            f"conv_transpose got a kernel of shape {tuple(kernel)} for an input of shape "
            f"{tuple(inputs)}, expected {rank} window axes, output channels, input channels"
        )
    strides = per_axis(strides, rank, "strides")
    dilation = per_axis(dilation, rank, "dilation_rate")
    *window, c_out, c_in = kernel
    if 0 in window:
        raise ValueError(f"conv_transpose got a kernel of shape {tuple(kernel)}, without taps")
    if inputs[-1] != c_in:
        raise ValueError(
            f"conv_transpose got {inputs[-1]} input channels (input shape {tuple(inputs)}), but "
            f"its kernel of shape {tuple(kernel)} = (..., out, in) expects {c_in}"
        )
    spans = [span(k, d) for k, d in zip(window, dilation)]
    extra = None
    if output_padding is not None:
        extra = per_axis(output_padding, rank, "output_padding", least=0)
        if any(e >= s for e, s in zip(extra, strides)):
            raise ValueError(
                f"output_padding={output_padding!r} must be less than strides={strides}: it picks "
                "among the input sizes that a strided convolution maps to the same output size"
            )
    if padding not in ("valid", "same"):
        around = explicit_pads(padding, rank)
        extra = extra or (0,) * rank
    elif padding == "valid":
        around = ((0, 0),) * rank
    sizes = []
    for axis, n in enumerate(inputs[1:-1]):
        k, s = spans[axis], strides[axis]
        if n is None:
            sizes.append(None)
        elif padding == "same" and extra is not None:
            sizes.append((n - 1) * s + k - 2 * (k // 2) + extra[axis])
        elif padding == "same":
            sizes.append(n * s)
        elif extra is None:
            sizes.append((n - 1) * s + max(k, s))
        else:
            sizes.append((n - 1) * s + k - sum(around[axis]) + extra[axis])
    if any(n is not None and n < 1 for n in (*inputs[1:-1], *sizes)):
        raise ValueError(
            f"conv_transpose of an input of shape {tuple(inputs)} has an output of {tuple(sizes)} "
            "pixels; use a larger input, or less padding"
        )
    if padding == "same":
        around = []
        for n, size, k, s in zip(inputs[1:-1], sizes, spans, strides):
            total = 0 if n is None else max((n - 1) * s + k - size, 0)
            around.append((total // 2, total - total // 2))
    return (inputs[0], *sizes, c_out), strides, tuple(around), dilation


@remembered
def pool(inputs, pool_size, strides, padding):
    """Check a pooling: (output shape, window, strides, pads). `strides=None` means the window."""
    rank = spatial_rank(inputs, "pooling")
    window = per_axis(pool_size, rank, "pool_size")
    strides = window if strides is None else per_axis(strides, rank, "strides")
    ones = (1,) * rank
    known = [0 if n is None else n for n in inputs[1:-1]]
    around = pads(padding, known, window, strides, ones)
    if any(max(pair) >= k for pair, k in zip(around, window)):
        raise ValueError(
            f"padding={padding!r} leaves windows of {window} wholly outside the input; pad by "
            "less than the window on each side"
        )
    if padding == "same":
        sizes = tuple(None if n is None else -(-n // s) for n, s in zip(inputs[1:-1], strides))
    else:
        sizes = window_sizes(inputs[1:-1], window, strides, around, ones, "the pooling window")
    return (inputs[0], *sizes, inputs[-1]), window, strides, around


def unpool(inputs, indices, output_size):
    """Check max-unpooling: the output shape (N, *output_size, C)."""
    rank = spatial_rank(inputs, "max_unpool")
    if tuple(inputs) != tuple(indices):
        raise ValueError(
            f"max_unpool got inputs of shape {tuple(inputs)} and indices of shape "
            f"{tuple(indices)}, expected the same shape: the indices of the pooling to undo"
        )
    return (inputs[0], *per_axis(output_size, rank, "output_size"), inputs[-1])


def normal_axes(axis, ndim: int) -> tuple[int, ...]:
    """Give reduction axes as sorted non-negative integers; None means all."""
    if axis is None:
        return tuple(range(ndim))
    if type(axis) is int and -ndim <= axis < ndim:
        return (axis % ndim,)
    given = tuple(axis) if hasattr(axis, "__iter__") else (axis,)
    for a in given:
        if not isinstance(a, Integral) or not -ndim <= int(a) < ndim:
            raise ValueError(f"axis={axis!r} is out of range for a tensor of {ndim} axes")
    found = sorted({int(a) % ndim for a in given})
    if len(found) != len(given):
        raise ValueError(f"axis={axis!r} names an axis twice")
    return tuple(found)


def normal_axis(axis, ndim: int) -> int:
    """Give one axis as a non-negative integer."""
    if isinstance(axis, bool) or not isinstance(axis, Integral):
        raise ValueError(f"axis={axis!r}: expected one integer")
    if not -ndim <= int(axis) < ndim:
        raise ValueError(f"axis={axis} is out of range for a tensor of {ndim} axes")
    return int(axis) % ndim


def broadcast_axes(shape, target) -> tuple[int, ...]:
    """Axes of `shape` to sum over to undo a broadcast from `target`."""
    new = len(shape) - len(target)
    return tuple(
        axis for axis in range(len(shape)) if axis < new or target[axis - new] != shape[axis]
    )


def broadcast(*given) -> tuple[int, ...]:
    """Give the shape that `given` broadcast to."""
    rank = max(map(len, given))
    padded = [(1,) * (rank - len(s)) + tuple(s) for s in given]
    out = []
    for sizes in zip(*padded):
        wide = {n for n in sizes if n != 1}
        if len(wide) > 1:
            raise ValueError(
                f"shapes {' and '.join(str(tuple(s)) for s in given)} do not broadcast: aligned at "
                "the last axis, sizes must be equal or 1"
            )
        out.append(wide.pop() if wide else 1)
    return tuple(out)
