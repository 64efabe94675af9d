"""CUDA for users: is it there, and why not; and the way to put a kernel of one's own on the tape.

Nothing here imports a CUDA package until it is needed.
"""

import os

from tinygrad_astro.commands.gpu import findings


def is_available() -> bool:
    """Whether `device="cuda"` works here: on a card, or in the simulator.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> ta.cuda.is_available() == (ta.cuda.why_not() is None)
    True
    """
    return why_not() is None


def is_simulated() -> bool:
    """Whether NUMBA_ENABLE_CUDASIM asks for kernels as plain Python, for tests and debugging."""
    return os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0")


def why_not() -> str | None:
    """Say what CUDA lacks here (driver, card, toolkit or package) and what to do; None if nothing.

    Returns
    -------
    str or None
    """
    if is_simulated():
        return None
    missing = [f for f in findings() if not f.good]
    if not missing:
        return None
    return "CUDA cannot be used: " + "; ".join(
        f"{f.what}: {f.text}" + (f" ({f.advice})" if f.advice else "") for f in missing
    )


def synchronize() -> None:
    """Wait until the card has done all that it was asked to; needed before reading a clock."""
    from tinygrad_astro.kernels.cuda.driver import card

    card().wait()
