"""The galaxy classifier: its published count, layer by layer, and one step of training."""

import numpy as np

import tinygrad_astro as ta
from tinygrad_astro.models import dominguez_sanchez18


def test_published_count():
    model = dominguez_sanchez18()
    assert sum(w.size for w in model.trainable_weights) == model.count_params() == 2_602_849
    sizes = [layer.count_params() for layer in model.layers if layer.weights]
    assert sizes == [3488, 51264, 32896, 147584, 2367552, 65]
    rates = [layer.rate for layer in model.layers if isinstance(layer, ta.layers.Dropout)]
    assert rates == [0.5, 0.25, 0.25, 0.25, 0.5]
    assert model.get_layer("pool2").output.shape[1:3] == (34, 34)
    assert model.get_layer("pool3").output.shape[1:3] == (17, 17)


def test_one_step_on_small_stamps():
    model = dominguez_sanchez18((17, 17, 2), classes=2, activation="softmax")
    model.compile("adam", "sparse_categorical_crossentropy")
    x = np.random.default_rng(0).random((4, 17, 17, 2))
    assert np.isfinite(model.train_on_batch(x, np.array([0, 1, 0, 1])))
    assert model.predict(x, verbose=0).shape == (4, 2)
