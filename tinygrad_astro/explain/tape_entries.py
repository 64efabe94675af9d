"""The tape as a list that can be shown: every record, leaf and constant behind a value, numbered.

A record keeps only what its gradient rule reads. A value it did not keep is looked for at the next
record, among the caller's variables, and last computed again from the inputs; else it is unknown.
"""

import linecache
import os
from dataclasses import dataclass, field

import numpy as np

from tinygrad_astro.reverse import reachable
from tinygrad_astro.tape import Tensor


@dataclass(eq=False)
class Entry:
    """One line of the view.

    Attributes
    ----------
    number : int
        From 1; inputs have smaller numbers than what is made of them.
    kind : {"leaf", "constant", "op"}
        A tracked tensor, an array that is not tracked, or a record of the tape.
    node : Tensor or Record
        What it stands for.
    op, detail, name : str
        The primitive; what tells two calls of it apart (`relu`, `2`); the user's variable.
    sources : list of int
        Numbers of the inputs.
    shapes : list of tuple
        Of all inputs, small constants included.
    value : ndarray or None
        None where the tape did not keep it and it cannot be computed again.
    kept_bytes : int
        What the record keeps alive for its gradient rule, leaves not counted.
    line, code : str
        Where the user called the op, and what stands there.
    computed : ndarray or None
        The gradient, where the view was asked to compute gradients.
    """

    number: int
    kind: str
    node: object
    op: str
    shape: tuple
    dtype: np.dtype
    detail: str = ""
    name: str = ""
    sources: list[int] = field(default_factory=list)
    shapes: list[tuple] = field(default_factory=list)
    value: np.ndarray | None = None
    kept_bytes: int = 0
    line: str = ""
    code: str = ""
    computed: np.ndarray | None = None

    @property
    def gradient(self):
        """The gradient known now: the computed one, or what `backward()` left in a leaf."""
        if self.computed is None and self.kind == "leaf" and self.node.grad is not None:
            return self.node.grad.detach().numpy()
        return self.computed


def read(out, scope) -> tuple[list[Entry], int]:
    """List what `out` was computed from, oldest first, and count the bytes that the tape keeps.

    Parameters
    ----------
    out : Tensor
        Tracked.
    scope : mapping of str to object
        Where names, and values that the tape did not keep, are looked for.
    """
    if not isinstance(out, Tensor) or not out.requires_grad:
        what = "tensor that is not tracked" if isinstance(out, Tensor) else type(out).__name__
        raise TypeError(
            f"explain.tape got a {what}, expected a tensor computed from one with "
            "requires_grad=True, outside no_grad()"
        )
    records = reachable(out.record)[0] if out.record is not None else []
    names, held = names_in(scope)
    if out.record is not None:
        held.setdefault(out.record, out.data)
    known = _values(records, held)
    entries: list[Entry] = []
    numbers: dict[int, int] = {}

    def add(entry, key):
        entry.number = numbers[key] = len(entries) + 1
        entry.name = names.get(key, "")
        entries.append(entry)

    for record in records:
        small = []
        for x in record.inputs:
            if x.record is None and id(x) not in numbers:
                if not x._leaf and _is_single(x):
                    small.append(_single(x))
                else:
                    add(_source(x), id(x))
        detail = [v for v in record.params.values() if isinstance(v, str)] + small
        file, _, line = record.line.rpartition(":")
        entry = Entry(
            number=0,
            kind="op",
            node=record,
            op=record.op.__name__.lstrip("_"),
            shape=record.shape,
            dtype=record.dtype,
            detail=", ".join(detail),
            sources=[numbers[k] for k in map(_key, record.inputs) if k in numbers],
            shapes=[x.shape for x in record.inputs],
            value=known.get(record),
            kept_bytes=sum(_buffers(record).values()),
            line=f"{os.path.basename(file)}:{line}",
            code=linecache.getline(file, int(line)).strip() if line.isdigit() else "",
        )
        add(entry, id(record))
    if not records:
        add(_source(out), id(out))
    total = {key: size for record in records for key, size in _buffers(record).items()}
    return entries, sum(total.values())


def _key(x):
    return id(x if x.record is None else x.record)


def _source(x):
    kind = "leaf" if x._leaf else "constant"
    value = Tensor(x.data).numpy() if isinstance(x, Tensor) else None
    return Entry(0, kind, x, kind, x.shape, x.dtype, value=value)


def _is_single(x):
    return int(np.prod(x.shape)) == 1


def _single(x):
    return f"{Tensor(x.data).item():.4g}" if isinstance(x, Tensor) else "a constant"


def _buffers(record) -> dict[int, int]:
    """Bytes of the arrays that a record keeps, by the memory they live in: views are free."""
    arrays = [x.data for x in record.kept if not x._leaf]
    arrays += [] if record.out is None else [record.out]
    found = {}
    for array in arrays:
        while getattr(array, "base", None) is not None and hasattr(array.base, "nbytes"):
            array = array.base
        found[id(array)] = array.nbytes
    return found


def _values(records, held) -> dict:
    """Give the output of each record: kept by one, held by the caller, or computed again."""
    kept = dict(held)
    for record in records:
        if record.out is not None:
            kept[record] = record.out
        kept.update((x.record, x.data) for x in record.kept if x.record is not None)
    for record in records:
        if record in kept:
            continue
        inputs = [x.data if isinstance(x, Tensor) else kept.get(x.record) for x in record.inputs]
        if all(x is not None for x in inputs):
            made = record.op.body(*inputs, **record.params)
            kept[record] = np.asarray(made) if np.isscalar(made) else made
    return {record: Tensor(array).numpy() for record, array in kept.items()}


def names_in(scope) -> tuple[dict[int, str], dict]:
    """Find the user's tensors: (name by identity of leaf or record, value by record).

    Looked through are variables, lists and dictionaries of tensors, and the weights of layers;
    names that begin with an underscore are not the user's.
    """
    names: dict[int, str] = {}
    held: dict = {}

    def note(name, x):
        if isinstance(x, Tensor):
            names.setdefault(_key(x), name)
            if x.record is not None:
                held.setdefault(x.record, x.data)

    shown = {name: x for name, x in dict(scope).items() if not str(name).startswith("_")}
    for name, x in shown.items():
        note(str(name), x)
    for name, x in shown.items():
        if hasattr(type(x), "named_weights"):
            for path, weight in x.named_weights():
                note(path, weight.tensor)
        elif isinstance(x, dict):
            for key, part in x.items():
                note(f"{name}[{key!r}]", part)
        elif isinstance(x, (list, tuple)):
            for i, part in enumerate(x):
                note(f"{name}[{i}]", part)
    return names, held
