"""Files of models: every kind comes back the same, and every defect is one clear error."""

import json
import os
import threading

import numpy as np
import pytest
import safetensors
import safetensors.numpy

import tinygrad_astro as ta
from tinygrad_astro import layers
from tinygrad_astro.models import Model, Sequential, load_model, unet


class Doubler(layers.Layer):
    """A layer of the user's, with a layer among its arguments."""

    def __init__(self, inner, factor=2.0, **kwargs):
        super().__init__(**kwargs)
        self.inner, self.factor = inner, factor

    def call(self, inputs):
        return self.inner(inputs) * self.factor


class Fill(ta.initializers.Initializer):
    """An initializer of the user's."""

    def __init__(self, value):
        self.value = value

    def __call__(self, shape, dtype="float32"):
        return np.full(shape, self.value, dtype)


class Net(Model):
    """A model of the user's."""

    def __init__(self, units=3, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.dense = layers.Dense(units)

    def call(self, inputs, training=False):
        return ta.ops.tanh(self.dense(inputs))


CUSTOM = {"Doubler": Doubler, "Fill": Fill, "Net": Net}


def functional():
    a, b = ta.Input((4, 4, 2), name="a"), ta.Input((4, 4, 2), name="b")
    shared = layers.Conv2D(3, 3, padding="same", activation="relu")
    x = layers.Concatenate()([shared(a), shared(b)])
    x = layers.BatchNormalization(momentum=0.5)(x)
    x = layers.Dropout(0.5)(x, training=True) * 2.0 + 1.0
    return Model([a, b], {"image": layers.PReLU(shared_axes=(1, 2))(x), "mean": x})


def custom():
    inner = layers.Dense(3, kernel_initializer=Fill(0.5))
    return Sequential([ta.Input((4,)), Doubler(inner, factor=3.0)])


def subclass():
    model = Net(5)
    model(np.ones((1, 4)))
    return model


def nested():
    inner = Sequential([layers.Dense(3, "gelu"), layers.LayerNormalization()])
    x = ta.Input((None, 4))
    return Model(x, inner(x) - 1.0)


def built_late():
    model = Sequential([layers.Conv1D(3, 3), layers.GlobalMaxPooling1D(), layers.Dense(2)])
    model(np.ones((1, 9, 4)))
    return model


MODELS = {
    "functional": (functional, [(2, 4, 4, 2), (2, 4, 4, 2)]),
    "custom": (custom, [(2, 4)]),
    "subclass": (subclass, [(2, 4)]),
    "nested": (nested, [(2, 5, 4)]),
    "built_late": (built_late, [(2, 7, 4)]),
    "unet": (lambda: unet((None, None, 2), 1, 2, 2, up="unpool", dropout=0.1), [(1, 9, 11, 2)]),
}


def run(model, inputs):
    ta.manual_seed(1)
    outputs = model(inputs if len(inputs) > 1 else inputs[0])
    return [leaf.numpy() for leaf in layers.structure.leaves(outputs)]


@pytest.mark.parametrize("kind", MODELS)
def test_a_model_comes_back_the_same(kind, tmp_path, rng):
    make, shapes = MODELS[kind]
    model = make()
    model.set_weights([rng.uniform(0.5, 1.0, w.shape) for w in model.get_weights()])
    model.metadata = {"classes": ["sky", "source"], "stretch": {"g": [0.1, 2.5e-3]}, "depth": 3}
    path = tmp_path / "model.safetensors"
    model.save(path)
    state = ta.random.get_state()
    again = load_model(str(path), custom_objects=CUSTOM)
    assert ta.random.get_state() == state
    inputs = [rng.standard_normal(shape) for shape in shapes]
    for found, expected in zip(run(again, inputs), run(model, inputs), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert type(again) is type(model) and again.name == model.name
    assert again.metadata == model.metadata
    assert [w.name for _, w in again.named_weights()] == [w.name for _, w in model.named_weights()]
    assert len(again.trainable_weights) == len(model.trainable_weights)
    assert again.get_config() == model.get_config()


def test_frozen_layers_stay_frozen(tmp_path):
    model = Sequential([ta.Input((4,)), layers.Dense(3), layers.Dense(2)])
    model.layers[0].trainable = False
    model.save(tmp_path / "m.safetensors")
    again = load_model(tmp_path / "m.safetensors")
    assert [w.shape for w in again.trainable_weights] == [(3, 2), (2,)]


def test_float64_models_keep_their_dtype(tmp_path):
    model = Sequential([ta.Input((4,)), layers.Dense(3, dtype="float64")])
    model.save(tmp_path / "m.safetensors")
    again = load_model(tmp_path / "m.safetensors")
    assert again.weights[0].dtype == np.float64
    np.testing.assert_array_equal(again.get_weights()[0], model.get_weights()[0])


def test_the_file_is_plain_safetensors_with_json(tmp_path):
    model = custom()
    model.save(tmp_path / "m.safetensors")
    arrays = safetensors.numpy.load_file(tmp_path / "m.safetensors")
    assert [array.shape for array in arrays.values()] == [(4, 3), (3,)]
    with safetensors.safe_open(tmp_path / "m.safetensors", framework="numpy") as file:
        header = file.metadata()
    assert header["format"] == "tinygrad_astro.model" and header["version"] == "1"
    assert json.loads(header["architecture"])["class_name"] == "Sequential"


def test_weights_alone(tmp_path, rng):
    first, second = built_late(), built_late()
    path = tmp_path / "w.safetensors"
    first.metadata = {"epoch": 3}
    first.save_weights(path)
    second.load_weights(path)
    for found, expected in zip(second.get_weights(), first.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert second.metadata == {"epoch": 3}
    with pytest.raises(ValueError, match="weights without an architecture"):
        load_model(path)
    other = Sequential([ta.Input((9, 4)), layers.Conv1D(3, 5), layers.Conv1D(1, 1)])
    with pytest.raises(ValueError, match=r"holds 4 weights|has shape \(3, 4, 3\)"):
        other.load_weights(path)
    short = Sequential([ta.Input((4,)), layers.Dense(3)])
    with pytest.raises(ValueError, match="holds 4 weights, Sequential .* has 2"):
        short.load_weights(path)


def broken_files(folder):
    """Write one file per defect: {name: (path, what the error says)}."""
    good = folder / "good.safetensors"
    functional().save(good)
    data = good.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])

    def with_header(**changes):
        changed = header | {"__metadata__": header["__metadata__"] | changes}
        text = json.dumps(changed).encode()
        return len(text).to_bytes(8, "little") + text + data[8 + length :]

    described = json.loads(header["__metadata__"]["architecture"])
    strange = described | {"class_name": "os.system"}
    contents = {
        "empty": (b"", "is not a model file that can be read"),
        "short": (data[:5], "is not a model file that can be read"),
        "garbage": (bytes(range(256)) * 40, "is not a model file that can be read"),
        "text": (b"hello, this is a text file\n" * 9, "is not a model file that can be read"),
        "cut in the header": (data[: 8 + length // 2], "is not a model file that can be read"),
        "cut in the data": (data[:-7], "is not a model file that can be read"),
        "foreign": (safetensors.numpy.save({"a": np.ones(3)}), "tinygrad_astro did not write it"),
        "newer": (with_header(version="2"), "format version 2, this library reads up to 1"),
        "no version": (with_header(version="x"), "format version x"),
        "no JSON": (with_header(architecture="{"), "the model cannot be rebuilt"),
        "wrong JSON": (with_header(architecture="[1]"), "the model cannot be rebuilt"),
        "deep JSON": (with_header(architecture="[" * 100_000), "the model cannot be rebuilt"),
        "strange class": (with_header(architecture=json.dumps(strange)), "'os.system' is not one"),
        "metadata": (with_header(metadata="[1, 2]"), "metadata are not JSON"),
    }
    for name, (content, text) in contents.items():
        path = folder / f"{name}.safetensors"
        path.write_bytes(content)
        yield path, text
    zipped = folder / "pickle.safetensors"
    with zipped.open("wb") as file:
        np.save(file, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    yield zipped, "is not a model file that can be read"
    yield folder, "is not a model file that can be read"


def test_every_defect_is_one_error_that_names_the_file(tmp_path):
    for path, text in broken_files(tmp_path):
        with pytest.raises(ValueError, match=text) as caught:
            load_model(path)
        assert str(path) in str(caught.value), path


def test_flipped_bytes_never_crash(tmp_path, rng):
    model = Sequential([ta.Input((3,)), layers.Dense(2)])
    path = tmp_path / "m.safetensors"
    model.save(path)
    data = bytearray(path.read_bytes())
    for place in rng.integers(0, len(data), 300):
        changed = bytearray(data)
        changed[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(changed)
        try:
            load_model(path)
        except ValueError as error:
            assert str(path) in str(error)


def test_a_missing_file_and_a_missing_class(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no model file .*nowhere"):
        load_model(tmp_path / "nowhere.safetensors")
    path = tmp_path / "m.safetensors"
    subclass().save(path)
    with pytest.raises(ValueError, match=r"custom_objects=\{'Net': Net\}"):
        load_model(path)
    custom().save(path)
    with pytest.raises(ValueError, match="unknown initializer 'Fill'"):
        load_model(path, custom_objects={"Doubler": Doubler})


@pytest.mark.parametrize(
    ("name", "text"),
    [("model.keras", "ends in .keras, expected .safetensors"), ("model", "ends in nothing")],
)
def test_other_formats_are_refused(name, text, tmp_path):
    with pytest.raises(ValueError, match=text):
        functional().save(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_saved(tmp_path):
    path = tmp_path / "m.safetensors"
    with pytest.raises(ValueError, match="no weights to save before its input shape is known"):
        Sequential([layers.Dense(2)]).save(path)
    with pytest.raises(ValueError, match="which a file cannot hold"):
        Sequential([ta.Input((2,)), layers.Dense(2, lambda x: x)]).save(path)
    model = functional()
    model.metadata = {"bands": {1, 2}}
    with pytest.raises(ValueError, match="metadata must be what JSON can hold"):
        model.save(path)
    assert not list(tmp_path.iterdir())


def test_a_failing_write_leaves_the_old_file(tmp_path, monkeypatch):
    path, model = tmp_path / "m.safetensors", custom()
    model.save(path)
    before = path.read_bytes()

    def fail(source, target):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "replace", fail)
    model.set_weights([w + 1 for w in model.get_weights()])
    with pytest.raises(OSError, match="no space left"):
        model.save(path)
    assert path.read_bytes() == before


def test_readers_beside_a_writer_see_whole_files(tmp_path):
    path, model = tmp_path / "m.safetensors", custom()
    model.save(path)
    stop = threading.Event()

    def write():
        while not stop.is_set():
            model.save(path)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(50):
            assert load_model(path, custom_objects=CUSTOM).count_params() == 15
    finally:
        stop.set()
        thread.join()
