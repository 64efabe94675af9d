"""Sequential: built early or late, added to, taken from, and run as a Keras script."""

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro import layers
from tinygrad_astro.models import Model, Sequential


def test_a_keras_script_runs_after_its_import_line_is_changed(rng):
    import tinygrad_astro as keras

    keras.manual_seed(0)
    model = keras.models.Sequential()
    model.add(keras.layers.Input(shape=(12, 12, 1)))
    model.add(keras.layers.Conv2D(8, (3, 3), activation="relu", padding="same"))
    model.add(keras.layers.MaxPooling2D(pool_size=(2, 2)))
    model.add(keras.layers.BatchNormalization(momentum=0.8))
    model.add(keras.layers.Flatten())
    model.add(keras.layers.Dropout(0.25))
    model.add(keras.layers.Dense(2, activation="softmax"))
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate=0.01),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    x = rng.standard_normal((96, 12, 12, 1))
    y = rng.integers(0, 2, 96)
    x[y == 1, 3:9, 3:9] += 1.5
    history = model.fit(x, y, batch_size=16, epochs=5, validation_split=0.25, verbose=0)
    assert set(history.history) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert model.evaluate(x, y, verbose=0)[1] > 0.9
    assert model.predict(x, verbose=0).shape == (96, 2)


@pytest.mark.parametrize(
    "first",
    [
        [ta.Input((5,)), layers.Dense(3)],
        [layers.InputLayer(shape=(5,)), layers.Dense(3)],
        [layers.Dense(3, input_shape=(5,))],
        [layers.Dense(3, input_dim=5)],
        [Sequential([ta.Input((5,)), layers.Dense(3)])],
    ],
    ids=["Input", "InputLayer", "input_shape", "input_dim", "model"],
)
def test_ways_to_say_the_input_shape(first):
    model = Sequential(first)
    model.add(layers.Dense(2))
    assert model.built and model.count_params() == 18 + 8
    assert model.input_shape == (None, 5) and model.output_shape == (None, 2)
    with pytest.raises(ValueError, match=r"expected \(None, 5\)"):
        model(np.ones((1, 6)))


def test_built_by_the_first_data():
    model = Sequential([layers.Conv2D(2, 3), layers.GlobalMaxPooling2D(), layers.Dense(1)])
    assert not model.built and model.weights == []
    with pytest.raises(ValueError, match="no weights before its input shape is known"):
        model.count_params()
    assert model(np.ones((2, 8, 8, 3))).shape == (2, 1)
    assert model.built and model.count_params() == 2 * 28 + 3
    assert model(np.ones((2, 11, 9, 3))).shape == (2, 1)


def test_built_by_hand_or_inside_another():
    model = Sequential([layers.Dense(3)])
    model.build((None, 4))
    assert model.count_params() == 15
    outer = Sequential([ta.Input((4,)), Sequential([layers.Dense(3), layers.Dense(2)])])
    assert outer.count_params() == 15 + 8 and outer.output_shape == (None, 2)
    assert Sequential([layers.Dense(3)]).compute_output_shape((None, 4)) == (None, 3)


def test_adding_and_taking_off_after_building():
    model = Sequential([ta.Input((4,)), layers.Dense(3)])
    last = layers.Dense(2)
    model.add(last)
    assert model.output_shape == (None, 2)
    assert model.pop() is last
    assert model.output_shape == (None, 3) and len(model.layers) == 1
    model.pop()
    with pytest.raises(ValueError, match="no layers to take off"):
        model.pop()


def test_layers_leave_out_the_input_and_give_features():
    model = Sequential([ta.Input((6, 6, 1)), layers.Conv2D(3, 3), layers.Flatten()])
    assert [type(layer).__name__ for layer in model.layers] == ["Conv2D", "Flatten"]
    features = Model(model.inputs, model.layers[0].output)
    assert features(np.ones((1, 6, 6, 1)))[...].shape == (1, 4, 4, 3)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: Sequential([layers.Dense]), TypeError, "got a type .*, expected a layer such as"),
        (lambda: Sequential([3]), TypeError, r"got a int \(3\)"),
        (lambda: Sequential()(np.ones((1, 2))), ValueError, "has no layers; add some"),
        (
            lambda: Sequential([layers.Dense(2, name="a"), layers.Dense(2, name="a")]),
            ValueError,
            "the name 'a' is used already",
        ),
        (
            lambda: Sequential([layers.Dense(2), ta.Input((3,))]),
            ValueError,
            "an Input must come first, and only once",
        ),
        (
            lambda: Sequential([ta.Input((8, 8, 1)), layers.Flatten(), layers.Conv2D(1, 3)]),
            ValueError,
            r"got an input of shape \(None, 64\), expected 4 axes",
        ),
    ],
)
def test_errors_name_what_was_received_and_expected(call, error, text):
    with pytest.raises(error, match=text):
        call()
