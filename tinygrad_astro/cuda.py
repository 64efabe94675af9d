"""CUDA for users: is it there, and why not; and the way to put a kernel of one's own on the tape.

Nothing here imports a CUDA package until it is needed.
"""

from tinygrad_astro.kernels.gpu import is_simulated, why_not

__all__ = ["is_available", "is_simulated", "synchronize", "why_not"]


def is_available() -> bool:
    """Whether `device="cuda"` works here: on a card, or in the simulator.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> ta.cuda.is_available() == (ta.cuda.why_not() is None)
    True
    """
    return why_not() is None


def synchronize() -> None:
    """Wait until the card has done all that it was asked to; needed before reading a clock."""
    from tinygrad_astro.kernels.cuda.driver import card

    card().wait()
