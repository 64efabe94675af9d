"""What the view of a tape says, against values and finite differences computed by hand."""

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro import explain, layers, ops


def neuron():
    x = ta.tensor([2.0, 0.0], requires_grad=True, dtype="float64")
    w = ta.tensor([-3.0, 1.0], requires_grad=True, dtype="float64")
    b = ta.tensor(6.881373587, requires_grad=True, dtype="float64")
    out = ops.tanh((x * w).sum() + b)
    return x, w, b, out


def test_entries_name_the_users_variables_shapes_and_lines():
    x, w, b, out = neuron()
    view = explain.tape(out)
    assert [e.name for e in view.entries] == ["x", "w", "", "", "b", "", "out"]
    assert [e.op for e in view.entries][-2:] == ["add", "activation"]
    assert view["out"].detail == "tanh" and view["out"].sources == [6]
    assert view[3].shapes == [(2,), (2,)] and view[4].shape == ()
    assert view["out"].line.startswith("test_explain_tape_view.py:")
    assert view["out"].code == "out = ops.tanh((x * w).sum() + b)"
    assert view["x"].line == "" and len(view) == 7


def test_gradients_of_everything_leave_grad_and_tape_alone():
    x, w, b, out = neuron()
    view = explain.tape(out, gradients=True)
    assert x.grad is None and w.grad is None and b.grad is None
    assert view["out"].gradient == 1.0
    slope = 1 - np.tanh(-6 + 6.881373587) ** 2
    np.testing.assert_allclose(view["b"].gradient, slope)
    np.testing.assert_allclose(view[3].gradient, [slope, slope])  # of the products
    out.backward()
    for name, leaf in (("x", x), ("w", w), ("b", b)):
        np.testing.assert_array_equal(view[name].gradient, leaf.grad.numpy())


def test_gradients_inside_the_tape_agree_with_finite_differences(rng):
    w = ta.tensor(rng.standard_normal((3, 2)), requires_grad=True)
    hidden = ops.tanh(rng.standard_normal((4, 3)) @ w)
    loss = (hidden * hidden).sum()
    found = explain.tape(loss, gradients=True)["hidden"].gradient
    values, step = hidden.numpy(), 1e-6
    for index in np.ndindex(values.shape):
        moved = values.copy()
        moved[index] += step
        numeric = ((moved**2).sum() - (values**2).sum()) / step
        assert found[index] == pytest.approx(numeric, abs=1e-5)


def test_not_computed_yet_is_not_zero():
    x = ta.tensor(2.0, requires_grad=True)
    nothing = ta.tensor(0.0, requires_grad=True)
    out = x * nothing
    view = explain.tape(out)
    assert view.table().count("not computed yet") == 3
    out.backward()  # leaves show their .grad; the op in between never had one to show
    assert view.gradient_text(view["nothing"]) == "2.0"
    assert view.gradient_text(view["x"]) == "0.0"
    assert view.gradient_text(view["out"]) == "not computed yet"


def test_a_gradient_that_never_arrives_is_told_apart():
    @ta.primitive(lambda g, out, x, y: g, None)
    def first_of(x, y):
        return x + 0 * y

    x, y = (ta.tensor(v, requires_grad=True) for v in (1.0, 2.0))
    view = explain.tape(first_of(x, y), gradients=True)
    assert view.gradient_text(view["x"]) == "1.0"
    assert view.gradient_text(view["y"]) == "none arrives"
    assert "not computed" not in view.table() and "∂ none arrives" in view.to_svg()


def test_a_cotangent_starts_where_there_are_several_values():
    x = ta.tensor([1.0, 2.0], requires_grad=True)
    out = x * x
    with pytest.raises(ValueError, match="a gradient is needed"):
        explain.tape(out, gradients=True)
    view = explain.tape(out, gradients=[1.0, 10.0])
    assert view["x"].gradient.tolist() == [2.0, 40.0]


def test_values_not_kept_are_found_recomputed_or_called_unknown():
    a = ta.tensor(3.0, requires_grad=True)

    def hidden(t):
        return ops.exp((t + t) + t)

    out = hidden(a)
    view = explain.tape(out)
    assert [float(e.value) for e in view.entries[:3]] == [3.0, 6.0, 9.0]
    lost = ops.exp(a + ta.tensor([1.0, 2.0]) + ta.tensor([0.5, 0.5]))
    view = explain.tape(lost)
    assert view.table().count("not kept") == 4  # two constants, and the two sums made with them
    assert "not kept" in view.to_svg() and "value not kept" in view.to_mermaid()
    kept_by_hand = a + ta.tensor([1.0, 2.0])
    view = explain.tape(ops.exp(kept_by_hand + 1.0))
    assert view["kept_by_hand"].value.tolist() == [4.0, 5.0]


def test_bytes_kept_count_shared_memory_once():
    x = ta.tensor(np.zeros((10, 10), "float32"), requires_grad=True)
    e = ops.exp(x)  # keeps its output
    s = ops.sin(e)  # keeps its input, the same array
    view = explain.tape(s + ops.cos(ops.reshape(e, (10, 10))))
    assert view["e"].kept_bytes == 400 and view["s"].kept_bytes == 400
    assert view.kept_bytes == 400
    assert "the tape keeps 400 B alive" in view.table()


def test_names_are_found_in_lists_dictionaries_and_models():
    parameters = [ta.tensor(1.0, requires_grad=True), ta.tensor(2.0, requires_grad=True)]
    named = {"gain": ta.tensor(3.0, requires_grad=True)}
    _hidden = ta.tensor(4.0, requires_grad=True)
    out = parameters[0] * parameters[1] * named["gain"] * _hidden
    names = {e.name for e in explain.tape(out).entries}
    assert {"parameters[0]", "parameters[1]", "named['gain']", "out", ""} <= names
    assert not any("_hidden" in name for name in names)
    net = ta.Sequential([layers.Dense(2, name="dense")], name="net")
    loss = net(np.ones((1, 3), "float32")).sum()
    assert explain.tape(loss)["net/dense/kernel"].shape == (3, 2)
    view = explain.tape(loss, names={"the kernel": net.weights[0]})
    assert view["the kernel"].shape == (3, 2)
    with pytest.raises(KeyError, match="no entry 'loss'"):
        view["loss"]


def test_a_leaf_is_a_tape_of_one_entry():
    a = ta.tensor(1.0, requires_grad=True)
    view = explain.tape(a, gradients=True)
    assert len(view) == 1 and view["a"].gradient == 1.0
    assert view.to_svg().count("<title>") == 1


def test_constants_are_inline_or_entries_without_gradient():
    a = ta.tensor([1.0, 2.0], requires_grad=True)
    view = explain.tape((a * 2.0 * np.array([3.0, 4.0], "float32")).sum(), gradients=True)
    assert view[2].detail == "2"
    constant = view[3]
    assert constant.kind == "constant" and view.gradient_text(constant) == ""
    assert constant.value.tolist() == [3.0, 4.0]


def test_nan_is_counted():
    a = ta.tensor([1.0, np.nan, 3.0, 4.0, 5.0], requires_grad=True)
    assert "1 NaN" in explain.tape(a * 2.0).table()


def test_long_tapes_are_read_without_recursion_and_not_drawn():
    x = out = ta.tensor(1.0, requires_grad=True)
    for _ in range(5000):
        out = out + 0.5
    view = explain.tape(out, gradients=True)
    assert len(view) == 5001 and view["x"].gradient == 1.0
    with pytest.raises(ValueError, match="5001 entries could not be read, expected at most 600"):
        view.to_svg()
    assert view._repr_svg_() is None and "<pre>" in view._repr_html_()
    assert x.grad is None


def test_misuse_is_named():
    with pytest.raises(TypeError, match="got a tensor that is not tracked"):
        explain.tape(ta.tensor(1.0) * 2.0)
    with pytest.raises(TypeError, match="got a float, expected a tensor"):
        explain.tape(1.0)
    a = ta.tensor(1.0, requires_grad=True)
    out = ops.exp(a) * a
    out.backward()
    with pytest.raises(RuntimeError, match="released by an earlier backward"):
        explain.tape(out)


def test_save_writes_each_kind_and_refuses_others(tmp_path):
    a = ta.tensor(1.0, requires_grad=True)
    view = explain.tape(ops.exp(a))
    svg = view.save(tmp_path / "tape.svg").read_text()
    page = view.save(str(tmp_path / "tape.html")).read_text()
    assert svg == view.to_svg() and svg in page and "<details>" in page
    assert view.save(tmp_path / "tape.txt").read_text() == view.table() + "\n"
    text = view.save(tmp_path / "tape.md").read_text()
    assert text.startswith("```mermaid\nflowchart") and view.table() in text
    with pytest.raises(ValueError, match=r"expected a name ending in .svg, .html, .txt, .md"):
        view.save(tmp_path / "tape.png")
    assert repr(view) == "<TapeView of 2 entries, keeping 4 B>"
