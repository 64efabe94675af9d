"""What the host does at every replay of a recorded step: new numbers before it, counts after it.

A CUDA graph repeats kernels with the arguments they were recorded with. But a training step has
numbers that are new every time: its rate, the count of steps in Adam's corrections, the seed of a
dropout mask. Code that has such a number asks for it by `number(compute)`:

    rate = live.number(lambda: optimizer.learning_rate)

Outside of a recording that is `compute()`, a plain number, and nothing else happens. Inside, it is
a `Live`, which remembers how to compute itself; sums and products of one are Live again, and
kernels that accept it (a word with "?" in their signature) read it from memory on the card, where
its new value is put before each replay. The formulas of a step stay what they are, written once.

Whoever needs the value itself (`float`, `if`, a kernel without "?") gets NotRepeatable instead of a
number that would stay the same for ever. What the host must count after each step goes through
`do`, and what outlives the step, such as momenta made at the first one, is made `outside`.
"""

import operator
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any


class NotRepeatable(RuntimeError):
    """A recorded function does what its replays would not repeat."""


def refuse(what):
    """Tell what cannot become a part of a graph."""
    raise NotRepeatable(
        f"{what} inside a function that is recorded: a replay would not repeat it; do it before or "
        "after, outside of the recording"
    )


class Live:
    """A number that is another one at every replay.

    Attributes
    ----------
    compute : callable
        Gives the number for the next replay.
    value : number or None
        That of the latest replay.
    """

    __slots__ = ("compute", "recording", "value")
    __array_ufunc__ = None  # NumPy's numbers leave arithmetic to this class
    __hash__ = object.__hash__

    def __init__(self, compute, recording):
        self.compute, self.recording, self.value = compute, recording, None

    def __add__(self, other: Any) -> "Live":
        return self.recording.joined(operator.add, self, other)

    def __sub__(self, other: Any) -> "Live":
        return self.recording.joined(operator.sub, self, other)

    def __rsub__(self, other: Any) -> "Live":
        return self.recording.joined(operator.sub, other, self)

    def __mul__(self, other: Any) -> "Live":
        return self.recording.joined(operator.mul, self, other)

    def __truediv__(self, other: Any) -> "Live":
        return self.recording.joined(operator.truediv, self, other)

    def __pow__(self, other: Any) -> "Live":
        return self.recording.joined(operator.pow, self, other)

    def __rpow__(self, other: Any) -> "Live":
        return self.recording.joined(operator.pow, other, self)

    def __and__(self, other: Any) -> "Live":
        return self.recording.joined(operator.and_, self, other)

    def __xor__(self, other: Any) -> "Live":
        return self.recording.joined(operator.xor, self, other)

    def __rshift__(self, other: Any) -> "Live":
        return self.recording.joined(operator.rshift, self, other)

    __radd__, __rmul__ = __add__, __mul__

    def _frozen(self, *_: Any) -> Any:
        refuse(
            "a number that is new at every step (a rate, a count, a seed) was used as a fixed one"
        )

    __float__ = __int__ = __index__ = __bool__ = __round__ = _frozen
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _frozen


class Recording:
    """The host's part of a recorded step, in order: numbers before each replay, actions after it.

    Parameters
    ----------
    store : object, optional
        Where kernels find the numbers on the card; the program on the CPU.
    suspended : callable, optional
        Gives the context in which work is done at once, and kept out of the graph.
    """

    def __init__(
        self, store: Any = None, suspended: Callable[[], AbstractContextManager] = nullcontext
    ):
        self.store, self.suspended = store, suspended
        self.numbers: list[Live] = []
        self.actions: list[Callable[[], Any]] = []
        self.kept: dict[int, Any] = {}  # memory that its kernels use, and others may let go
        self.stand_ins: dict[int, Any] = {}  # by the id of an array, what a recording sees of it
        self._known: dict[tuple, Live] = {}

    def number(self, compute, key=None) -> Live:
        """Keep how to compute a number; one with a key only once."""
        if key is not None and key in self._known:
            return self._known[key]
        made = Live(compute, self)
        self.numbers.append(made)
        if key is not None:
            self._known[key] = made
        return made

    def joined(self, function, a, b) -> Live:
        """Keep a function of two numbers, the same one only once: each weight asks for it."""
        key = (function, *((id(x),) if isinstance(x, Live) else (type(x), x) for x in (a, b)))
        return self.number(lambda: function(now(a), now(b)), key)

    def advance(self) -> None:
        """Compute all numbers for the next replay, in the order in which they were asked for."""
        for one in self.numbers:
            one.value = one.compute()

    def finish(self) -> None:
        """Do what the host does after each replay."""
        for action in self.actions:
            action()


def now(number):
    """Give the value of a number for the replay that is being prepared, or itself."""
    return number.value if isinstance(number, Live) else number


class _Here(threading.local):
    recording: Recording | None = None


_here = _Here()


def is_recording() -> bool:
    """Whether this thread is recording a step."""
    return _here.recording is not None


def store():
    """Give what this thread's recording is kept in, None outside of one."""
    return None if _here.recording is None else _here.recording.store


def seen(array):
    """Give what stands for an array in this thread's recording, or itself."""
    one = _here.recording
    return array if one is None else one.stand_ins.get(id(array), array)


def number(compute, key=None):
    """Give `compute()`, or, in a recording, what stands for its value at each replay.

    Who asks twice with one key is given the same number twice.
    """
    return compute() if _here.recording is None else _here.recording.number(compute, key)


def keep(thing) -> None:
    """In a recording, keep something alive for as long as there may be replays."""
    if _here.recording is not None:
        _here.recording.kept[id(thing)] = thing


def do(action) -> None:
    """Call `action()` now, or, in a recording, after each replay."""
    if _here.recording is None:
        action()
    else:
        _here.recording.actions.append(action)


@contextmanager
def recording(one: Recording):
    """Keep in `one` what this thread asks of `number` and `do` inside the `with` block."""
    before, _here.recording = _here.recording, one
    try:
        yield one
    finally:
        _here.recording = before


@contextmanager
def outside():
    """Do at once, and once, what is inside the `with` block, also where a step is recorded."""
    one = _here.recording
    if one is None:
        yield
        return
    _here.recording = None
    try:
        with one.suspended():
            yield
    finally:
        _here.recording = one
