"""The drawings: well-formed, complete, nothing overlapping, and "not computed" not drawn as 0."""

import re
import xml.etree.ElementTree as ET

import numpy as np

import tinygrad_astro as ta
from tinygrad_astro import explain, ops

SVG = "{http://www.w3.org/2000/svg}"


def example():
    a = ta.tensor(3.0, requires_grad=True)
    b = a * a + 1.0
    c = ops.exp(b * 0.0) * b
    return a, b, c


def cards(svg):
    """Title and (x, y, width, height) of each card; the first rectangle of a group is its frame."""
    root = ET.fromstring(svg)
    found = []
    for group in root.iter(f"{SVG}g"):
        frame = group.find(f"{SVG}rect")
        box = [float(frame.get(key)) for key in ("x", "y", "width", "height")]
        found.append(([t.text for t in group.iter(f"{SVG}text")], box))
    return root, found


def test_every_entry_has_a_card_and_every_input_an_arrow():
    a, b, c = example()
    view = explain.tape(c, gradients=True)
    root, found = cards(view.to_svg())
    assert len(found) == len(view)
    assert len(root.findall(f"{SVG}path")) == sum(len(e.sources) for e in view.entries)
    texts = [line for texts, _ in found for line in texts]
    assert "∂ 6.0" in texts and "a" in texts and "b" in texts
    assert "multiply 0" in texts  # the constant is inline


def test_cards_lie_inside_the_drawing_and_do_not_overlap():
    rng = np.random.default_rng(0)
    for _ in range(5):
        values = [ta.tensor(rng.standard_normal(3), requires_grad=True) for _ in range(4)]
        for _ in range(25):
            i, j = rng.integers(0, len(values), 2)
            values.append(values[i] * values[j] if rng.random() < 0.5 else ops.sin(values[i]))
        out = sum(values[1:], values[0]).sum()
        root, found = cards(explain.tape(out).to_svg())
        width, height = float(root.get("width")), float(root.get("height"))
        boxes = np.array([box for _, box in found])
        low, high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
        assert (low >= 0).all() and (high <= (width, height)).all()
        for i in range(len(boxes)):
            apart = (low[i] >= high) | (low >= high[i])
            assert apart.any(axis=1).sum() == len(boxes) - 1, i


def test_texts_fit_their_cards():
    a, b, c = example()
    for texts, (_, _, width, _) in cards(explain.tape(c).to_svg())[1]:
        assert all(len(line) * 6.9 <= width for line in texts)


def test_a_gradient_not_computed_is_dashed_and_zero_is_not():
    a, b, c = example()
    before, after = explain.tape(c).to_svg(), explain.tape(c, gradients=True).to_svg()
    assert before.count("stroke-dasharray") == len(explain.tape(c).entries)
    assert "∂ not computed yet" in before
    assert "stroke-dasharray" not in after
    zero = explain.tape(ta.tensor(2.0, requires_grad=True) * 0.0, gradients=True).to_svg()
    assert "∂ 0.0" in zero and "stroke-dasharray" not in zero


def test_deep_tapes_run_down_the_page_and_shallow_ones_across():
    a = ta.tensor(1.0, requires_grad=True)
    b = ops.exp(a)
    (_, (x0, y0, *_)), (_, (x1, y1, *_)) = cards(explain.tape(b).to_svg())[1]
    assert x1 > x0 and abs(y1 - y0) < 1
    for _ in range(10):
        b = ops.sin(b)
    boxes = np.array([box for _, box in cards(explain.tape(b).to_svg())[1]])
    assert (np.diff(boxes[:, 1]) > 0).all()
    assert np.ptp(boxes[:, 0] + boxes[:, 2] / 2) < 1  # a chain is straight


def test_markup_in_names_and_lines_is_escaped():
    a = ta.tensor(1.0, requires_grad=True)
    out = ops.exp(a * 2.0)  # <b>"&
    view = explain.tape(out, names={'<b>"&': a})
    ET.fromstring(view.to_svg())
    assert "&lt;b&gt;" in view.to_svg() and "<b>" not in view.to_svg()
    assert "#lt;b#gt;#quot;&" in view.to_mermaid()


def test_mermaid_draws_the_same_graph():
    a, b, c = example()
    view = explain.tape(c)
    text = view.to_mermaid()
    arrows = [tuple(map(int, pair)) for pair in re.findall(r"n(\d+) --> n(\d+)", text)]
    assert arrows == [(s, e.number) for e in view.entries for s in e.sources]
    assert text.startswith("flowchart LR\n") and '(["a = leaf' in text
    assert f"class {','.join(f'n{e.number}' for e in view.entries)} pending" in text
    done = explain.tape(c, gradients=True).to_mermaid()
    assert "gradient 6.0" in done and " pending\n" not in done
