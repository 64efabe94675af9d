"""The tape drawn as SVG: a card for each entry, arrows in the order of computation."""

from html import escape

from tinygrad_astro.explain import summaries
from tinygrad_astro.explain.layered_layout import arrange
from tinygrad_astro.explain.tape_entries import Entry

MOST_ENTRIES = 600
_LONGEST_ROW = 7  # more layers than this run down the page, as code does
_CHAR, _LINE, _PAD, _MARGIN = 6.9, 17, 9, 14
_FONT = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace"
_FILL = {"leaf": "#e3eefc", "op": "#ffffff", "constant": "#eceff1"}
_EDGE = {"leaf": "#3b78c4", "op": "#8a97a5", "constant": "#b0bac4"}
_INK, _SOFT = "#1a2733", "#5d6b78"


def draw(view) -> str:
    """Give the drawing of a TapeView.

    Raises
    ------
    ValueError
        If it has more than 600 entries.
    """
    entries = view.entries
    if len(entries) > MOST_ENTRIES:
        raise ValueError(
            f"a picture of {len(entries)} entries could not be read, expected at most "
            f"{MOST_ENTRIES}; use .table(), or look at the tape of a smaller part"
        )
    cards = [_card(view, entry) for entry in entries]
    boxes = [_box(card) for card in cards]
    edges = [(s - 1, e.number - 1) for e in entries for s in e.sources]
    down = _depth(len(entries), edges) > _LONGEST_ROW
    sizes = [(h, w) if down else (w, h) for w, h in boxes]
    layout = arrange(sizes, edges, 38 if down else 46, 26 if down else 20)

    def point(along, across):
        x, y = (across, along) if down else (along, across)
        return x + _MARGIN, y + _MARGIN

    centres = [point(*place) for place in zip(layout.along, layout.across)]
    width, height = point(*layout.size)
    width, height = max(width + _MARGIN, 480), height + _MARGIN + 24
    arrows = _arrows(edges, layout, sizes, point)
    drawn = [_draw_card(e, c, b, at) for e, c, b, at in zip(entries, cards, boxes, centres)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="{_FONT}" font-size="11.5">\n'
        f'<rect width="100%" height="100%" rx="8" fill="#fbfcfd"/>\n'
        + "\n".join([*arrows, *drawn, _legend(height)])
        + "\n</svg>\n"
    )


def _depth(count, edges) -> int:
    depth = [0] * count
    for a, b in sorted(edges, key=lambda edge: edge[1]):
        depth[b] = max(depth[b], depth[a] + 1)
    return max(depth) + 1


# ---- cards ---------------------------------------------------------------------------------------


def _card(view, entry: Entry) -> dict:
    """Give the texts of a card."""
    title = f"{entry.op} {entry.detail}".strip() if entry.kind == "op" else entry.name or entry.op
    value = "not kept" if entry.value is None else summaries.values(entry.value)
    return {
        "title": title,
        "name": entry.name if entry.kind == "op" else "",
        "lines": [summaries.shape(entry.shape), value],
        "gradient": view.gradient_text(entry),
        "tip": f"{entry.number}. {title}\n{entry.line}  {entry.code}\n"
        f"keeps {summaries.memory(entry.kept_bytes)}",
    }


def _box(card) -> tuple[float, float]:
    head = len(card["title"]) * 1.07 + (len(card["name"]) + 2 if card["name"] else 0)
    texts = [*card["lines"], "∂ " + card["gradient"] + "  " if card["gradient"] else ""]
    width = max(head, *map(len, texts)) * _CHAR + 2 * _PAD
    height = _LINE * (3 + bool(card["gradient"])) + _PAD + (4 if card["gradient"] else 0)
    return width, height


def _draw_card(entry: Entry, card, box, centre) -> str:
    (w, h), (x, y) = box, (centre[0] - box[0] / 2, centre[1] - box[1] / 2)
    radius = 15 if entry.kind == "leaf" else 5
    fill, edge = _FILL[entry.kind], _EDGE[entry.kind]
    parts = [
        f"<g><title>{escape(card['tip'])}</title>",
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}" rx="{radius}" '
        f'fill="{fill}" stroke="{edge}" stroke-width="1.3"/>',
        _text(x + _PAD, y + _LINE, card["title"], _INK, ' font-weight="bold"'),
    ]
    if card["name"]:
        parts.append(
            _text(x + w - _PAD, y + _LINE, card["name"], "#3b78c4",
                  ' text-anchor="end" font-style="italic"')
        )  # fmt: skip
    for k, line in enumerate(card["lines"], start=2):
        unknown = ' font-style="italic"' if line == "not kept" else ""
        parts.append(_text(x + _PAD, y + _LINE * k, line, _SOFT if k == 2 or unknown else _INK,
                           unknown))  # fmt: skip
    if card["gradient"]:
        parts += _draw_gradient(entry, card["gradient"], x + _PAD - 4, y + _LINE * 3 + 6,
                                w - 2 * _PAD + 8)  # fmt: skip
    return "".join(parts) + "</g>"


def _draw_gradient(entry: Entry, text, x, y, w) -> list[str]:
    """A filled field for a number, zero too; an empty dashed one where there is none."""
    known = entry.gradient is not None
    zero = known and not entry.gradient.any()
    fill, edge = ("#dff0e3", "#7fb78e") if known and not zero else ("#f1f1ee", "#b9b9b0")
    style = f'fill="{fill}" stroke="{edge}"' if known else (
        'fill="none" stroke="#c08a3e" stroke-dasharray="4 3"'
    )  # fmt: skip
    ink = (_INK if known else "#9a6a22") + ("" if known else '" font-style="italic')
    return [
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{_LINE}" rx="3" {style}/>',
        _text(x + 4, y + _LINE - 5, f"∂ {text}", ink),
    ]


def _text(x, y, text, ink, more="") -> str:
    return f'<text x="{x:.1f}" y="{y - 1:.1f}" fill="{ink}"{more}>{escape(text)}</text>'


def _legend(height) -> str:
    return _text(
        _MARGIN, height - 8,
        "round: leaf, grey: constant, ∂: gradient, dashed: not computed yet", _SOFT,
        ' font-size="10"',
    )  # fmt: skip


# ---- arrows --------------------------------------------------------------------------------------


def _arrows(edges, layout, sizes, point) -> list[str]:
    """Draw the edges; those that enter one card share its side in the order they come from."""
    entering: dict[int, list[int]] = {}
    for k, (_, b) in enumerate(edges):
        entering.setdefault(b, []).append(k)
    port = {}
    for b, several in entering.items():
        from_ = {k: (layout.waypoints[k] or [(0, layout.across[edges[k][0]])])[-1][1]
                 for k in several}  # fmt: skip
        for rank, k in enumerate(sorted(several, key=lambda k: from_[k]), start=1):
            port[k] = (rank / (len(several) + 1) - 0.5) * sizes[b][1] * 0.7
    drawn = []
    for k, (a, b) in enumerate(edges):
        start = (layout.along[a] + sizes[a][0] / 2, layout.across[a])
        end = (layout.along[b] - sizes[b][0] / 2 - 7, layout.across[b] + port[k])
        drawn.append(_arrow([start, *layout.waypoints[k], end], point))
    return drawn


def _arrow(places, point) -> str:
    path = "M{:.1f} {:.1f}".format(*point(*places[0]))
    for (a0, c0), (a1, c1) in zip(places, places[1:]):
        half = (a0 + a1) / 2
        numbers = [n for place in ((half, c0), (half, c1), (a1, c1)) for n in point(*place)]
        path += " C" + " ".join(f"{n:.1f}" for n in numbers)
    along, across = places[-1]
    tip = [point(along + 7, across), point(along, across - 3.6), point(along, across + 3.6)]
    corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in tip)
    return (
        f'<path d="{path}" fill="none" stroke="#7b8894" stroke-width="1.3"/>'
        f'<polygon points="{corners}" fill="#7b8894"/>'
    )
