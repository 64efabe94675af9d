"""Why the tape is read newest first: the wrong answer of plain recursion beside the right one."""

import html
import sys

from tinygrad_astro.explain import summaries
from tinygrad_astro.explain.tape_entries import Entry, read
from tinygrad_astro.explain.tape_gradients import count_paths, first_visit, newest_first


def wrong_order(out, names=None) -> "Orders":
    """Compare two reverse passes over one tape: newest record first, and depth-first recursion.

    The recursion, the first thing that comes to mind, hands on a node's gradient when it first
    gets there. What another path adds to that node later is never handed on, so everything behind
    a value that was used twice gets too little.

    Parameters
    ----------
    out : Tensor
        Tracked, of a single value; neither `.grad` nor the tape is changed.
    names : mapping of str to Tensor, optional
        What to call the tensors. Default: the variables where this is called.

    Returns
    -------
    Orders
        Prints as a table; `.right` and `.wrong` are dictionaries of gradients by name or number.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As in `explain.tape`.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> from tinygrad_astro import explain
    >>> a = ta.tensor(3.0, requires_grad=True)
    >>> b = a + a
    >>> c = b + b
    >>> print(explain.wrong_order(c))
    #  op    name  newest first  plain recursion
    1  leaf  a     4.0           2.0              <- wrong
    2  add   b     2.0           2.0
    3  add   c     1.0           1.0
    Newest first: 2 records, each read once, when its gradient is complete.
    Plain recursion: hands a gradient on before all of it has arrived; 1 of 3 gradients are wrong.
    Recursion that hands on every arrival again is right, in 3 steps here; it doubles with each
    value that is used twice.
    """
    entries, _ = read(out, sys._getframe(1).f_locals if names is None else names)
    right, wrong = newest_first(out), first_visit(out)
    shown = [entry for entry in entries if entry.node in right]
    return Orders(shown, right, wrong, count_paths(out))


class Orders:
    """Two reverse passes over one tape, made by `explain.wrong_order`.

    Attributes
    ----------
    right, wrong : dict of str or int to ndarray
        Gradients by name, or by number where a value has none.
    differing : list of str or int
        Keys of those that differ by more than rounding.
    paths : int
        Steps of the recursion that repeats itself.
    """

    def __init__(self, entries: list[Entry], right, wrong, paths: int):
        self.entries, self.paths = entries, paths
        self.right = {_key(entry): right[entry.node].numpy() for entry in entries}
        self.wrong = {_key(entry): wrong[entry.node].numpy() for entry in entries}
        self.differing = [key for key in self.right if _differ(self.right[key], self.wrong[key])]

    def table(self) -> str:
        """Give the comparison as lines of text."""
        header = ["#", "op", "name", "newest first", "plain recursion", ""]
        rows = []
        for entry in self.entries:
            key = _key(entry)
            answers = [summaries.values(part[key]) for part in (self.right, self.wrong)]
            mark = "<- wrong" if key in self.differing else ""
            rows.append([str(entry.number), entry.op, entry.name, *answers, mark])
        records = sum(entry.kind == "op" for entry in self.entries)
        return "\n".join(
            [
                summaries.table(header, rows, right=("#",)),
                f"Newest first: {records} records, each read once, when its gradient is complete.",
                "Plain recursion: hands a gradient on before all of it has arrived; "
                f"{len(self.differing)} of {len(rows)} gradients are wrong.",
                "Recursion that hands on every arrival again is right, in "
                f"{self.paths} steps here; it doubles with each\nvalue that is used twice.",
            ]
        )

    __str__ = table

    def __repr__(self):
        return f"<Orders: {len(self.differing)} of {len(self.right)} gradients are wrong>"

    def _repr_html_(self):
        return f"<pre>{html.escape(self.table())}</pre>"


def _key(entry):
    return entry.name or entry.number


def _differ(right, wrong) -> bool:
    scale = abs(right).max(initial=0.0) + abs(wrong).max(initial=0.0)
    return bool((abs(right - wrong) > 1e-5 * scale).any())
