"""What holds while kernels are recorded into a graph instead of run."""

from contextlib import contextmanager

from .. import live


class Rehearsal:
    """Stands for the stream while a function is tried out: kernels are made ready, and not run."""


REHEARSAL = Rehearsal()


def refuse_while_recording(one, what):
    """Tell what cannot become a part of a graph."""
    if one.recording:
        live.refuse(what)


def keep_used(pool, arrays):
    """Keep alive what a recorded kernel uses, but for the graph's own memory, used many times."""
    for array in arrays:
        memory = getattr(array, "memory", None)
        if memory is not None and getattr(memory, "pool", None) is not pool:
            live.keep(memory)


@contextmanager
def capturing(one, stream, pool):
    """Send the card's kernels to `stream`, and take memory from `pool`, inside the `with` block."""
    before = one.stream, one.pool
    one.stream, one.pool = stream, pool
    try:
        yield
    finally:
        one.stream, one.pool = before
