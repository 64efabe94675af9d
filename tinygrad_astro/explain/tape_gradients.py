"""Reverse passes over a tape that change nothing: the right one, and the one that goes wrong.

`reverse.reverse` forgets a gradient as soon as it has been handed on, and adds to leaves; here
every record keeps its own, to be looked at.
"""

from tinygrad_astro.modes import no_grad
from tinygrad_astro.reverse import cotangent, reachable
from tinygrad_astro.tape import Tensor


def _node(x):
    return x.record or (x if x._leaf else None)


def _pulled(record, g) -> list:
    """List (input, gradient) pairs of one record for the gradient of its output."""
    with no_grad():
        values = record.op.pullback(record, g)
        pairs = [(_node(x), x, v) for x, v in zip(record.inputs, values, strict=True)]
        return [
            (node, v if v.dtype == x.dtype else v.astype(x.dtype))
            for node, x, v in pairs
            if node is not None and v is not None
        ]


def _add(grads, node, g):
    with no_grad():
        grads[node] = grads[node] + g if node in grads else g


def newest_first(out, gradient=None) -> dict:
    """Give the gradient of every record and leaf behind `out`: {node: Tensor}.

    A record is read when all records made of it have been: its gradient is complete by then.

    Parameters
    ----------
    out : Tensor
        Tracked.
    gradient : Tensor of out's shape, optional
        The cotangent; may be left out for a single value, where it is 1.
    """
    grads = {_node(out): cotangent(gradient, out).detach()}
    records = reachable(out.record)[0] if out.record is not None else []
    for record in reversed(records):
        if record in grads:
            for node, g in _pulled(record, grads[record]):
                _add(grads, node, g)
    return grads


def first_visit(out, gradient=None) -> dict:
    """Give what plain depth-first recursion makes of it: a node hands on at its first visit only.

    What reaches a node later is added to it, but never passed on. Written with a stack in place of
    the call stack, so that long tapes do not end in a RecursionError as well.
    """
    start = cotangent(gradient, out).detach()
    grads = {_node(out): start}
    stack = [iter(_pulled(out.record, start))] if out.record is not None else []
    while stack:
        step = next(stack[-1], None)
        if step is None:
            stack.pop()
            continue
        node, g = step
        new = node not in grads
        _add(grads, node, g)
        if new and not isinstance(node, Tensor):
            stack.append(iter(_pulled(node, grads[node])))
    return grads


def count_paths(out) -> int:
    """Count the ways from `out` back along the tape: the pushes of a recursion that repeats itself.

    That recursion, which hands every arriving gradient on at once, is right, and useless: n
    doublings in a row have about 2**n ways, which this counts in n steps.
    """
    records = reachable(out.record)[0] if out.record is not None else []
    ways = {_node(out): 1}
    for record in reversed(records):
        for x in record.inputs:
            if _node(x) is not None:
                ways[_node(x)] = ways.get(_node(x), 0) + ways[record]
    return sum(ways[record] for record in records)
