"""The tape: tensors, primitives and records; reverse.py reads it backwards.

A *primitive* is a body on raw arrays and one gradient rule per input. Calling it computes the body
and, if an input is tracked, leaves a *record*: which primitive, which inputs, born when. Since an
output is always born after its inputs, birth order is a topological order: the reverse pass visits
the reachable records newest first, and nothing here recurses.

A rule receives `(g, out, *inputs, **params)`, Tensors all, and returns the gradient of its input
written in the library's own ops. That is why second derivatives need no extra code.
"""

import inspect
import sys
from operator import attrgetter
from types import MethodType
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_astro import writes
from tinygrad_astro.arrays import as_array
from tinygrad_astro.kernels import live, xp
from tinygrad_astro.modes import mode


class GradientError(RuntimeError):
    """A gradient rule failed; the message names the op and the line that recorded it."""


class AnomalyError(FloatingPointError):
    """A NaN appeared under `detect_anomaly`; the message names the op and the line."""


class Tensor:
    """An array that remembers how it was computed. Made by `ta.tensor`; operators are in tensor.py.

    Attributes
    ----------
    data : ndarray
        The raw values. Rules of gradients never touch it; optimizers write into it. If you write
        into it between an op and its backward, only `detect_anomaly` notices; see writes.py.
    record : Record or None
        The tape entry that produced this tensor; None for leaves and untracked values.
    grad : Tensor or None
        For a leaf, the sum of the gradients of all `backward()` calls since it was last None.
    """

    __slots__ = ("data", "record", "grad", "_leaf", "_kept", "__weakref__")

    def __init__(self, data, record=None, leaf=False):
        self.data = data
        self.record = record
        self.grad = None
        self._leaf = leaf
        self._kept = False

    if TYPE_CHECKING:  # operators and methods are assigned in tensor.py, one visible line each

        def __getattr__(self, name: str) -> Any: ...

        __add__: Any
        __radd__: Any
        __sub__: Any
        __rsub__: Any
        __mul__: Any
        __rmul__: Any
        __truediv__: Any
        __rtruediv__: Any
        __pow__: Any
        __rpow__: Any
        __mod__: Any
        __rmod__: Any
        __matmul__: Any
        __rmatmul__: Any
        __neg__: Any
        __getitem__: Any
        __lt__: Any
        __le__: Any
        __gt__: Any
        __ge__: Any
        __and__: Any
        __or__: Any
        __invert__: Any
        __iter__: Any
        __len__: Any
        __float__: Any
        __int__: Any

    shape = property(attrgetter("data.shape"))
    dtype = property(attrgetter("data.dtype"))
    ndim = property(attrgetter("data.ndim"))
    size = property(attrgetter("data.size"))
    device = property(lambda self: getattr(self.data, "device", "cpu"), doc='"cpu" or "cuda".')

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to this tensor; settable on leaves only."""
        return self._leaf or self.record is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if self.record is not None:
            raise ValueError("requires_grad belongs to leaves; this tensor was computed: detach()")
        if value and self.data.dtype.kind != "f":
            raise TypeError(f"a {self.data.dtype} tensor has no gradient; make it float first")
        self._leaf = bool(value)

    def detach(self) -> "Tensor":
        """Give the same values without the tape; read-only, for the tape may need them."""
        made = Tensor(self.data)
        made._kept = self._kept or self.requires_grad
        return made


_ours: set[int] = set()


def _is_ours(module_globals) -> bool:
    ours = module_globals.get("__name__", "").partition(".")[0] == "tinygrad_astro"
    if ours:
        _ours.add(id(module_globals))
    return ours


class Record:
    """One line of the tape. Rules that do not read an input's values get only its shape."""

    __slots__ = tuple("birth op inputs params out shape dtype code lasti seal".split())

    def __init__(self, op, inputs, params, data):
        self.birth = next(writes.count)
        self.op, self.inputs, self.params = op, inputs, params
        self.out = data if op.keeps_out else None
        self.shape, self.dtype = data.shape, data.dtype
        outer = sys._getframe(2)
        while outer is not None:
            frame = outer
            if id(frame.f_globals) not in _ours and not _is_ours(frame.f_globals):
                break
            outer = frame.f_back
        self.code, self.lasti = frame.f_code, frame.f_lasti

    @property
    def line(self) -> str:
        """The user's source line that recorded this, as file:line."""
        for start, end, line in self.code.co_lines():
            if start <= self.lasti < end:
                return f"{self.code.co_filename}:{line}"
        return self.code.co_filename

    @property
    def kept(self) -> list[Tensor]:
        """The inputs whose values this record keeps alive."""
        return [x for x in self.inputs or () if isinstance(x, Tensor)]


class Hollow:
    """Stands in a record for an input whose values no rule reads: the array itself can be freed."""

    __slots__ = ("record", "shape", "dtype", "_leaf")

    def __init__(self, source):
        self.record, self._leaf = source.record, False
        self.shape, self.dtype = source.data.shape, source.data.dtype

    ndim = property(lambda self: len(self.shape))


class Primitive:
    """A body on raw arrays with its gradient rules; call it with tensors."""

    def __init__(self, body, rules, joint, keeps):
        self.body, self.rules, self.joint = body, rules, joint
        self.__name__, self.__doc__, self.__module__ = body.__name__, body.__doc__, body.__module__
        self.__signature__ = inspect.signature(body)
        self.__wrapped__ = body
        kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        names = [n for n, p in self.__signature__.parameters.items() if p.kind in kinds]
        wanted = [*names, "out"] if keeps is None else keeps.split()
        self.keeps = tuple(name in wanted for name in names)
        self.keeps_rest = keeps is None
        self.keeps_out = "out" in wanted
        self.differentiable = bool(rules) or joint is not None

    def __call__(self, *inputs, **params):
        for x in inputs:
            if type(x) is not Tensor:
                inputs = lift(inputs)
                break
        arrays = [x.data for x in inputs]
        if live.is_recording():
            arrays = [live.seen(array) for array in arrays]
        try:
            data = self.body(*arrays, **params)
        except Exception as error:
            _blame_devices(self.__name__, inputs, error)
            raise
        out = Tensor(np.asarray(data) if isinstance(data, np.generic) else data)
        if self.differentiable and mode.recording:
            for x in inputs:
                if x.record is not None or x._leaf:
                    out.record = Record(self, self._save(inputs), params, out.data)
                    break
        if mode.anomaly:
            refuse_nan(out, self.__name__)
            if out.record is not None:
                writes.seal(out.record)
        return out

    def __get__(self, instance, owner=None):
        """Let `Tensor.__add__ = ops.add` work as a method."""
        return self if instance is None else MethodType(self, instance)

    def __repr__(self):
        return f"<primitive {self.__name__}>"

    def kept(self, count):
        """Tell for each of `count` inputs whether the rules read its values."""
        return self.keeps[:count] or (self.keeps_rest,) * count

    def _save(self, inputs):
        saved = list(inputs)
        for i, keep in enumerate(self.kept(len(inputs))):
            if keep:
                inputs[i]._kept = True
            elif not inputs[i]._leaf:
                saved[i] = Hollow(inputs[i])
        return saved

    def pullback(self, record, g):
        """Give the gradient of each input, None where it is not tracked."""
        out = Tensor(record.out, record) if self.keeps_out else record
        wanted = [x.record is not None or x._leaf for x in record.inputs]
        if self.joint is not None:
            return self.joint(g, out, *record.inputs, wanted=wanted, **record.params)
        rules = self.rules if len(self.rules) == len(wanted) else self.rules * len(wanted)
        return [
            rule(g, out, *record.inputs, **record.params) if want and rule is not None else None
            for rule, want in zip(rules, wanted, strict=True)
        ]


def primitive(*rules, joint=None, keeps=None):
    """Make a primitive of a function on raw arrays.

    Parameters
    ----------
    *rules : callable or None
        One per input, `rule(g, out, *inputs, **params) -> gradient`; None: not differentiable.
    joint : callable, optional
        One rule for all inputs, `joint(g, out, *inputs, wanted, **params) -> list`, where rules
        would share work.
    keeps : str, optional
        Names of the inputs (and "out") whose *values* the rules read, e.g. "x out". The others are
        not kept alive by the tape: rules see only their shape. Default: all.

    Examples
    --------
    >>> import numpy as np, tinygrad_astro as ta
    >>> @ta.primitive(lambda g, out, x: g * 3.0 * x * x)
    ... def cube(x):
    ...     return x**3
    >>> float(ta.grad(cube)(ta.tensor(2.0)))
    12.0
    """
    return lambda body: Primitive(body, rules, joint, keeps)


def lift(inputs):
    """Make tensors of arrays and scalars; a scalar takes the dtype of the tensors beside it."""
    return [x if isinstance(x, Tensor) else _lifted(x, inputs) for x in inputs]


def _lifted(x, inputs):
    if isinstance(x, (float, int, np.number)):
        for y in inputs:
            if isinstance(y, Tensor) and y.data.dtype.kind == "f":
                dtype = bool if x is True or x is False else y.data.dtype
                return Tensor(np.array(x, dtype))
    return Tensor(as_array(float(x) if isinstance(x, np.floating) else x))


def _blame_devices(name, inputs, error):
    """Where a body failed on inputs of two devices, say so instead."""
    if len({x.device for x in inputs if x.data.ndim}) > 1:
        told = ", ".join(f"{x.shape} on {x.device}" for x in inputs)
        raise TypeError(
            f"{name} got inputs on different devices: {told}; move them to one with "
            '.to("cpu") or .to("cuda")'
        ) from error


def refuse_nan(value, name, record=None):
    """Raise AnomalyError if a value, or a gradient of the op of `record`, holds a NaN."""
    if value.data.dtype.kind != "f" or not xp(value.data).isnan(value.data).any():
        return
    if record is None:
        record = value.record or Record(Primitive(len, (), None, ""), (), {}, value.data)
        raise AnomalyError(f"{name} gave a NaN, at {record.line}")
    raise AnomalyError(f"the gradient of {name} gave a NaN; the op was recorded at {record.line}")
