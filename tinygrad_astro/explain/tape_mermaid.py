"""The tape in the Mermaid language, for places that draw it: GitHub, GitLab, Jupyter."""

from tinygrad_astro.explain import summaries
from tinygrad_astro.explain.tape_entries import Entry

_STYLES = """\
  classDef leaf fill:#e3eefc,stroke:#3b78c4,color:#1a2733
  classDef op fill:#ffffff,stroke:#8a97a5,color:#1a2733
  classDef constant fill:#eceff1,stroke:#b0bac4,color:#4a5763
  classDef pending stroke-dasharray:5 4
"""


def write(view) -> str:
    """Give the flow chart of a TapeView; a dashed border marks a gradient not computed yet."""
    lines = ["flowchart LR"]
    pending = []
    for entry in view.entries:
        opening, closing = {"leaf": ("([", "])"), "op": ("[", "]")}.get(entry.kind, ("[/", "/]"))
        label = "<br/>".join(map(_escaped, _label(view, entry)))
        lines.append(f'  n{entry.number}{opening}"{label}"{closing}:::{entry.kind}')
        if view.gradient_text(entry) == summaries.NOT_COMPUTED:
            pending.append(f"n{entry.number}")
    for entry in view.entries:
        lines += [f"  n{source} --> n{entry.number}" for source in entry.sources]
    styles = _STYLES + (f"  class {','.join(pending)} pending\n" if pending else "")
    return "\n".join(lines) + "\n" + styles


def _label(view, entry: Entry) -> list[str]:
    value = "not kept" if entry.value is None else summaries.values(entry.value)
    title = f"{entry.name} = {entry.op}" if entry.name else entry.op
    lines = [f"{title} {entry.detail}".strip(), summaries.shape(entry.shape), f"value {value}"]
    gradient = view.gradient_text(entry)
    return [*lines, f"gradient {gradient}"] if gradient else lines


def _escaped(text: str) -> str:
    for plain, code in (("#", "#35;"), ('"', "#quot;"), ("<", "#lt;"), (">", "#gt;")):
        text = text.replace(plain, code)
    return text
