"""The reverse pass: reads the tape backwards, newest record first, pulling gradients to the leaves.

Birth order is a topological order, so there is no recursion and no path is walked twice.
"""

from operator import attrgetter

import numpy as np

from tinygrad_astro import writes
from tinygrad_astro.kernels import of, xp
from tinygrad_astro.modes import mode
from tinygrad_astro.tape import GradientError, Tensor, lift, refuse_nan


def backward(self: Tensor, gradient=None, create_graph: bool = False) -> None:
    """Add d(self)/d(leaf) to `.grad` of every leaf that `self` was computed from.

    Parameters
    ----------
    gradient : Tensor of self's shape, optional
        The cotangent; may be left out for a single value, where it is 1.
    create_graph : bool
        Record the reverse pass itself, so that the gradients can be differentiated again.
        Without it, saved activations are released as the pass goes, and it runs once.

    Raises
    ------
    ValueError
        If nothing was tracked, if `gradient` is missing or has another shape.
    RuntimeError
        If the tape was released by an earlier backward pass, or what it needs was written in place
        since (by an optimizer step, `set_weights` or `t[...] = value`; inside `detect_anomaly` by
        anybody).
    """
    if not self.requires_grad:
        raise ValueError(
            "backward() on a tensor that is not tracked: none of its inputs has "
            "requires_grad=True, or it was computed under no_grad() or detached"
        )
    g = cotangent(gradient, self)
    start = self.record or self
    grads = reverse(start, g, create_graph, release=not create_graph)
    taken = {id(g.data)}
    for leaf, value in grads.items():
        value = value if leaf.grad is None else leaf.grad + value
        leaf.grad = value if create_graph else _own(value, taken)


def _own(value, taken):
    """Give the gradient an array that no other gradient or caller shares, fit to be scaled."""
    data = value.data
    if id(data) in taken or not data.flags["C_CONTIGUOUS"] or not of(data).memory.owns(data):
        value = Tensor(xp(data).array(data, order="C"))
    taken.add(id(value.data))
    return value


def cotangent(gradient, out):
    """Check the gradient to start a reverse pass from; 1 for a single value."""
    if gradient is None:
        if out.data.size != 1:
            raise ValueError(
                f"a gradient is needed to start from a tensor of shape {out.data.shape}; give one "
                "of that shape, or reduce to a single value with .sum() or .mean()"
            )
        return Tensor(xp(out.data).ones_like(out.data))
    g = gradient if isinstance(gradient, Tensor) else lift([out, gradient])[1]
    if g.data.shape != out.data.shape:
        raise ValueError(
            f"the gradient has shape {g.data.shape}, expected the output's {out.data.shape}"
        )
    return g if g.data.dtype == out.data.dtype else g.astype(out.data.dtype)


def reachable(start, stop=()):
    """List the records that `start` was computed from, oldest first, and whether others lead out.

    The walk ends at the records in `stop`. The second value tells whether it met something tracked
    other than those, so that gradients must stay on the tape.
    """
    outside = isinstance(start, Tensor)  # a leaf, which no record led to
    seen, stack, found = {start}, [] if outside else [start], []
    while stack:
        node = stack.pop()
        found.append(node)
        if node in stop:
            source = node.inputs[0]
            outside = outside or source.record is not None or source._leaf
            continue
        outside = outside or node.params.get("running", False)
        for x in _inputs(node):
            source = x.record
            if source is None:
                outside = outside or x._leaf
            elif source not in seen:
                seen.add(source)
                stack.append(source)
    found.sort(key=attrgetter("birth"))
    return found, outside


def _inputs(record):
    if record.inputs is None:
        raise RuntimeError(
            f"the tape behind {record.op.__name__} (recorded at {record.line}) was released by an "
            "earlier backward(); compute the value again, or use backward(create_graph=True)"
        )
    return record.inputs


def reverse(start, g, create_graph, release=False, stop=(), order=None):
    """Pull `g` back from `start` to all leaves and `stop` records: {node: gradient}.

    With `release`, each record lets go of its inputs as soon as they are used.
    """
    if order is None:
        order = reachable(start, stop)[0]
    order = list(order)
    grads = {start: g}
    recording, anomaly = mode.recording, mode.anomaly
    mode.recording, mode.anomaly = create_graph, False  # a NaN is blamed on the op, not on its rule
    try:
        with np.errstate(all="ignore"):
            while order:
                record = order.pop()
                if record in stop or record not in grads:
                    continue
                _pull(record, grads, anomaly)
                if release:
                    record.inputs = record.out = None
    finally:
        mode.recording, mode.anomaly = recording, anomaly
    return grads


def _pull(record, grads, anomaly):
    g, inputs = grads.pop(record), _inputs(record)
    if record.birth < writes.latest.number:
        writes.refuse_replaced(record)
    if anomaly:
        writes.refuse_broken_seal(record)
    if g.record is None and not g.data.flags["C_CONTIGUOUS"]:
        # A slice of the gradient of a concatenation: straightened once, not by each rule's kernel.
        g = Tensor(of(g.data).rows.contiguous(g.data))
    try:
        pulled = record.op.pullback(record, g)
        if len(pulled) != len(inputs):
            raise ValueError(f"{len(pulled)} gradients for {len(inputs)} inputs")
    except GradientError:
        raise
    except Exception as error:
        raise GradientError(
            f"the gradient rule of {record.op.__name__} failed with "
            f"{type(error).__name__}: {error}; the op was recorded at {record.line}"
        ) from error
    for x, value in zip(inputs, pulled):
        node = x.record or (x if x._leaf else None)
        if node is None or value is None:
            continue
        if type(value) is not Tensor or value.data.shape != x.shape:
            raise GradientError(
                f"the gradient rule of {record.op.__name__} gave a {type(value).__name__} of shape "
                f"{np.shape(value)}, expected a Tensor of its input's shape {x.shape}; the op was "
                f"recorded at {record.line}"
            )
        if value.data.dtype != x.dtype:
            value = value.astype(x.dtype)
        if anomaly:
            refuse_nan(value, record.op.__name__, record)
        grads[node] = grads[node] + value if node in grads else value
