"""A functional U-Net beside Keras's: the same script, order of weights, outputs and names."""

import os

import numpy as np
import pytest

import tinygrad_astro as ta

os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras")
pytestmark = [
    pytest.mark.peer,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:keras"),  # its own, about NumPy 2
]


def branches(library):
    """A graph with two inputs, a shared layer, branches of unequal length and two outputs."""
    layers = library.layers
    a, b = library.Input((8, 8, 2)), library.Input((8, 8, 2))
    shared = layers.Conv2D(3, 3, padding="same", activation="relu")
    x, y = shared(a), shared(b)
    y = layers.BatchNormalization()(layers.Conv2D(3, 1)(y))
    joined = layers.concatenate([x, y, a], axis=3)
    late = layers.Conv2D(2, 1)(x)
    return library.Model([a, b], [layers.Conv2D(4, 1)(joined), layers.add([late, late])])


def small_unet(library):
    layers = library.layers
    image = library.Input((8, 8, 1))
    c1 = layers.Conv2D(2, 3, activation="relu", padding="same")(image)
    p1 = layers.MaxPooling2D(2)(c1)
    c2 = layers.Conv2D(4, 3, activation="elu", padding="same")(p1)
    p2 = layers.MaxPooling2D(2)(c2)
    c3 = layers.BatchNormalization()(layers.Conv2D(8, 3, padding="same")(p2))
    c3 = layers.Dropout(0.5)(layers.Activation("relu")(c3))
    u2 = layers.concatenate([layers.Conv2DTranspose(4, 2, strides=2)(c3), c2], axis=3)
    c4 = layers.Conv2D(4, 3, activation="relu", padding="same")(u2)
    u1 = layers.concatenate([layers.UpSampling2D(2)(c4), c1])
    c5 = layers.SeparableConv2D(2, 3, padding="same")(u1)
    return library.Model(inputs=image, outputs=layers.Conv2D(1, 1, activation="sigmoid")(c5))


@pytest.mark.parametrize("script", [branches, small_unet])
def test_the_same_script_gives_the_same_model(script, rng):
    mine, theirs = script(ta), script(keras)
    assert [type(x).__name__ for x in mine.layers] == [type(x).__name__ for x in theirs.layers]
    assert [w.shape for w in mine.weights] == [tuple(w.shape) for w in theirs.weights]
    weights = [rng.uniform(-1, 1, w.shape) ** 2 for w in mine.get_weights()]
    mine.set_weights(weights)
    theirs.set_weights(weights)
    x = [rng.standard_normal((2, *shape[1:])).astype("float32") for shape in inputs_of(mine)]
    found = mine(x if len(x) > 1 else x[0])
    expected = theirs(x if len(x) > 1 else x[0])
    pairs = zip(found, expected, strict=True) if isinstance(found, list) else [(found, expected)]
    for one, other in pairs:
        np.testing.assert_allclose(one.numpy(), other.detach(), rtol=1e-4, atol=1e-5)


def inputs_of(model):
    return [symbol.shape for symbol in model.inputs]
