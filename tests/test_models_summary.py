"""The summary: its columns, totals counted by hand, and models that hide their shapes."""

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro import layers
from tinygrad_astro.models import Model, Sequential


def lines(model, **options):
    text = []
    model.summary(print_fn=text.append, **options)
    return text


def test_a_table_that_lines_up():
    model = Sequential(
        [
            ta.Input((10, 10, 3)),
            layers.Conv2D(4, 3, name="conv"),
            layers.BatchNormalization(name="norm"),
            layers.Flatten(name="flat"),
            layers.Dense(2, name="dense"),
        ],
        name="small",
    )
    text = lines(model)
    assert text[0] == 'Model: "small"'
    assert text[2].split() == (
        "Layer (type) Output Shape Param # Receptive field Multiply-adds Activations".split()
    )
    rows = [line.split("  ") for line in text[4:8]]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    assert cells == [
        ["conv (Conv2D)", "(None, 8, 8, 4)", "112", "3x3", "6,912", "1.00 KB"],
        ["norm (BatchNormalization)", "(None, 8, 8, 4)", "16", "3x3", "0", "1.00 KB"],
        ["flat (Flatten)", "(None, 256)", "0", "all", "0", "1.00 KB"],
        ["dense (Dense)", "(None, 2)", "514", "all", "512", "8 B"],
    ]
    assert len({len(line) for line in text[1:9]}) == 1
    assert text[9:] == [
        "Total params: 642 (2.51 KB)",
        "Trainable params: 634 (2.48 KB)",
        "Non-trainable params: 8 (32 B)",
        "Multiply-adds per example: 7,424",
        "Activations per example: 3.01 KB",
    ]


def test_a_graph_says_what_is_connected_to_what():
    x = ta.Input((None, None, 1), name="image")
    y = layers.Conv2D(1, 3, padding="same", name="conv")(x)
    text = lines(Model(x, layers.Add(name="add")([x, y])))
    assert "Connected to" in text[2]
    rows = {line.split(" ")[0]: line for line in text[4:7]}
    assert rows["image"].endswith("-") and rows["conv"].endswith("image")
    assert rows["add"].endswith("image, conv") and "(None, None, None, 1)" in rows["add"]
    assert "Multiply-adds per example: ?" in text and "Activations per example: ?" in text


def test_nested_models_count_once_and_open_on_request():
    inner = Sequential([ta.Input((6,)), layers.Dense(5, name="deep")], name="inner")
    x = ta.Input((6,))
    model = Model(x, inner(x))
    text = lines(model)
    assert any(line.startswith("inner (Sequential)") and " 35 " in line for line in text)
    assert not any("deep" in line for line in text)
    assert any(line.startswith("  deep (Dense)") for line in lines(model, expand_nested=True))
    assert "Total params: 35 (140 B)" in text and "Multiply-adds per example: 30" in text


def test_tables_have_no_receptive_field():
    text = lines(Sequential([ta.Input((3,)), layers.Dense(2, name="d")]))
    assert text[4].split()[:7] == ["d", "(Dense)", "(None,", "2)", "8", "-", "6"]


def test_subclasses_are_traced_or_listed():
    class Net(Model):
        def __init__(self):
            super().__init__(name="net")
            self.conv = layers.Conv2D(2, 3, name="conv")
            self.head = layers.Dense(1, name="head")

        def call(self, inputs, training=False):
            return self.head(self.conv(inputs))

    class Hidden(Net):
        def call(self, inputs, training=False):
            return super().call(ta.ops.exp(inputs))

    net, hidden = Net(), Hidden()
    assert "0 (not built)" in lines(net)[4]
    for model in (net, hidden):
        model(np.ones((1, 6, 6, 1)))
    assert "(None, 4, 4, 2)" in lines(net)[4] and "3x3" in lines(net)[5]
    assert lines(hidden)[4].split()[:4] == ["conv", "(Conv2D)", "?", "20"]
    assert "Total params: 23 (92 B)" in lines(hidden)


def test_without_layers_or_shape():
    assert "Total params: 0 (0 B)" in lines(Sequential())
    assert "0 (not built)" in lines(Sequential([layers.Dense(2)]))[4]


def test_it_prints_by_default(capsys):
    Sequential([ta.Input((3,)), layers.Dense(2)], name="seen").summary()
    assert capsys.readouterr().out.startswith('Model: "seen"\n')


@pytest.mark.parametrize(
    ("count", "text"), [(1, "4 B"), (1000, "3.91 KB"), (10**6, "3.81 MB"), (3 * 10**9, "11.18 GB")]
)
def test_bytes_are_readable(count, text):
    from tinygrad_astro.models.summary import _bytes

    assert _bytes(4 * count) == text
