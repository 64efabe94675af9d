"""What holds while kernels are recorded into a graph instead of run."""

from contextlib import contextmanager


def refuse_while_recording(one, what):
    """Tell what cannot become a part of a graph."""
    if one.recording:
        raise RuntimeError(
            f"{what} inside a function that is recorded as a CUDA graph: a replay would not "
            "repeat it; do it before or after, outside of the graph"
        )


@contextmanager
def capturing(one, stream, pool):
    """Send the card's kernels to `stream`, and take memory from `pool`, inside the `with` block."""
    before = one.stream, one.pool
    one.stream, one.pool = stream, pool
    try:
        yield
    finally:
        one.stream, one.pool = before
