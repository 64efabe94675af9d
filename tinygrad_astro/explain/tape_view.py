"""`explain.tape`: what the tape behind a value holds, as a table and as a picture."""

import html
import sys
from pathlib import Path

from tinygrad_astro.explain import summaries, tape_mermaid, tape_svg
from tinygrad_astro.explain.tape_entries import Entry, read
from tinygrad_astro.explain.tape_gradients import newest_first
from tinygrad_astro.files import check_folder


def tape(out, gradients=False, names=None) -> "TapeView":
    """Show the tape behind a tensor: every op with shapes, values, gradients, and your source line.

    Parameters
    ----------
    out : Tensor
        Tracked; the tape behind it must not have been released by `backward()`.
    gradients : bool or array_like of out's shape
        Compute the gradient of `out` with respect to everything on the tape; an array is the
        cotangent to start from, needed if `out` is not a single value. Neither `.grad` nor the
        tape is changed by it.
    names : mapping of str to Tensor, optional
        What to call the tensors. Default: the variables where this is called, with the weights of
        layers and models among them.

    Returns
    -------
    TapeView
        With `.table()`, `.to_svg()`, `.to_mermaid()` and `.save(path)`; a notebook shows the
        picture. Gradients that do not exist yet read "not computed yet", which is not 0.0. A leaf
        shows its `.grad` once there is one.

    Raises
    ------
    TypeError
        If `out` is not a tracked tensor.
    ValueError
        If gradients are asked for, and the cotangent is missing or has another shape.
    RuntimeError
        If the tape was released: show it before `backward()`.

    Notes
    -----
    NaN are counted in the summaries of values; mean and range leave them out.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> from tinygrad_astro import explain
    >>> a = ta.tensor(3.0, requires_grad=True)
    >>> b = a + a
    >>> c = ta.ops.exp(b)
    >>> print(explain.tape(c, gradients=True).table())
    #  op    name  from  shapes                    keeps  value  gradient  line
    1  leaf  a           scalar                           3.0    806.9
    2  add   b     1, 1  scalar, scalar -> scalar    0 B  6.0    403.4     ...
    3  exp   c     2     scalar -> scalar            4 B  403.4  1.0       ...
    the tape keeps 4 B alive
    """
    scope = sys._getframe(1).f_locals if names is None else names
    entries, kept = read(out, scope)
    if gradients is not False:
        found = newest_first(out, None if gradients is True else gradients)
        for entry in entries:
            if entry.node in found:
                entry.computed = found[entry.node].numpy()
    return TapeView(entries, kept, gradients is not False)


class TapeView:
    """The tape behind one value, made by `explain.tape`.

    Attributes
    ----------
    entries : list of Entry
        Inputs before what is made of them; the value itself comes last.
    kept_bytes : int
        What the tape keeps alive in all, shared arrays once, leaves not counted.
    """

    def __init__(self, entries: list[Entry], kept_bytes: int, complete: bool):
        self.entries, self.kept_bytes, self.complete = entries, kept_bytes, complete

    def __len__(self):
        return len(self.entries)

    def __getitem__(self, key) -> Entry:
        """Give the entry of a name or a number."""
        for entry in self.entries:
            if key in (entry.number, entry.name):
                return entry
        named = [entry.name for entry in self.entries if entry.name]
        raise KeyError(f"no entry {key!r}; there are 1 to {len(self)}, and the names {named}")

    def gradient_text(self, entry) -> str:
        """Say what is known of an entry's gradient: values, "not computed yet", or "none"."""
        if entry.kind == "constant":
            return ""
        if entry.gradient is not None:
            return summaries.values(entry.gradient)
        return "none arrives" if self.complete else summaries.NOT_COMPUTED

    def table(self) -> str:
        """Give the tape as lines of text, in the order of computation."""
        header = ["#", "op", "name", "from", "shapes", "keeps", "value", "gradient", "line"]
        rows = []
        for e in self.entries:
            shapes = summaries.shape(e.shape)
            if e.kind == "op":
                shapes = f"{', '.join(map(summaries.shape, e.shapes))} -> {shapes}"
            rows.append(
                [
                    str(e.number),
                    f"{e.op} {e.detail}".strip(),
                    e.name,
                    ", ".join(map(str, e.sources)),
                    shapes,
                    summaries.memory(e.kept_bytes) if e.kind == "op" else "",
                    value_text(e),
                    self.gradient_text(e),
                    f"{e.line}  {e.code}".strip(),
                ]
            )
        text = summaries.table(header, rows, right=("#", "keeps"))
        return f"{text}\nthe tape keeps {summaries.memory(self.kept_bytes)} alive"

    __str__ = table

    def __repr__(self):
        return f"<TapeView of {len(self)} entries, keeping {summaries.memory(self.kept_bytes)}>"

    def to_svg(self) -> str:
        """Give the tape as a picture, a standalone SVG drawing.

        Raises
        ------
        ValueError
            If it has more than 600 entries, which nobody could read.
        """
        return tape_svg.draw(self)

    def to_mermaid(self) -> str:
        """Give the tape as a Mermaid flow chart, which GitHub and many notebooks draw."""
        return tape_mermaid.write(self)

    def _repr_svg_(self):
        return self.to_svg() if len(self) <= tape_svg.MOST_ENTRIES else None

    def _repr_html_(self):
        picture = self._repr_svg_() or ""
        text = html.escape(self.table())
        closed = "" if not picture else f"{picture}<details><summary>as a table</summary>"
        return f"<div>{closed}<pre>{text}</pre>{'</details>' if picture else ''}</div>"

    def save(self, path) -> Path:
        """Write the view to a file: .svg, .html (picture and table), .txt (table) or .md (Mermaid).

        Raises
        ------
        ValueError
            If the name ends otherwise.
        """
        path = Path(path)
        page = {
            ".svg": self.to_svg,
            ".html": lambda: (
                '<!doctype html><meta charset="utf-8"><title>The tape</title>'
                f'<body style="font-family:sans-serif">{self._repr_html_()}</body>\n'
            ),
            ".txt": lambda: self.table() + "\n",
            ".md": lambda: f"```mermaid\n{self.to_mermaid()}```\n\n```text\n{self.table()}\n```\n",
        }
        if path.suffix not in page:
            raise ValueError(f"save({str(path)!r}): expected a name ending in {', '.join(page)}")
        check_folder(path)
        path.write_text(page[path.suffix](), encoding="utf-8")
        return path


def value_text(entry) -> str:
    """Say what is known of an entry's value."""
    return "not kept" if entry.value is None else summaries.values(entry.value)
