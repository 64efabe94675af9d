"""What ops do besides computing, per thread: record or not, look for NaN or not."""

import threading
from contextlib import contextmanager


class Mode(threading.local):
    """The switches of one thread."""

    recording = True
    anomaly = False


mode = Mode()


@contextmanager
def set_mode(**values):
    """Set this thread's modes inside the `with` block."""
    before = {name: getattr(mode, name) for name in values}
    for name, value in values.items():
        setattr(mode, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(mode, name, value)


def no_grad():
    """Compute inside the `with` block without recording (per thread)."""
    return set_mode(recording=False)


def detect_anomaly():
    """Raise AnomalyError at the first op, or gradient, inside the block that yields a NaN.

    And RuntimeError in a backward pass through values that were overwritten since: a checksum of
    all that an op keeps is compared with one taken when it was recorded. Slow; for finding errors.
    """
    return set_mode(anomaly=True)


def is_recording() -> bool:
    """Whether ops on tracked tensors are recorded now, in this thread."""
    return mode.recording
