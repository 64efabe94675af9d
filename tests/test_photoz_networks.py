"""The networks: sizes counted by hand, and that joining them changes nothing."""

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro.photoz.networks import image_and_magnitudes, perceptron, together


def test_parameters_by_hand():
    assert perceptron(19, 24, width=32, depth=2).count_params() == 20 * 32 + 33 * 32 + 33 * 24
    model = image_and_magnitudes((8, 8, 5), 19, 24, width=32, depth=1, filters=4)
    conv = 9 * 5 * 4 + 4 * 4 + 9 * 4 * 8 + 4 * 8 + 9 * 8 * 16 + 16
    assert model.count_params() == conv + (16 + 19 + 1) * 32 + 33 * 24


def test_dropout_sits_behind_every_hidden_layer():
    kinds = [type(layer).__name__ for layer in perceptron(19, 3, depth=2, dropout=0.1).layers]
    assert kinds == ["Dense", "Dropout", "Dense", "Dropout", "Dense"]


@pytest.mark.parametrize("count", [1, 3])
def test_together_gives_what_each_gives(rng, count):
    members = [perceptron(19, 6, width=8) for _ in range(count)]
    x = rng.normal(size=(5, 19)).astype(np.float32)
    found = together(members)(x).numpy()
    assert found.shape == (5, count, 6)
    for k, member in enumerate(members):
        np.testing.assert_array_equal(found[:, k], member(x).numpy())


def test_together_with_two_inputs(rng, tmp_path):
    members = [image_and_magnitudes((8, 8, 2), 7, 6, width=8, filters=2) for _ in range(2)]
    joined = together(members)
    x = [rng.normal(size=(3, 8, 8, 2)).astype(np.float32), np.ones((3, 7), np.float32)]
    found = joined(x).numpy()
    np.testing.assert_array_equal(found[:, 1], members[1](x).numpy())
    joined.save(tmp_path / "both.safetensors")
    again = ta.models.load_model(tmp_path / "both.safetensors")
    np.testing.assert_array_equal(again(x).numpy(), found)


def test_both_inputs_matter(rng):
    model = image_and_magnitudes((8, 8, 2), 7, 6, width=8, filters=4)
    image, numbers = rng.normal(size=(1, 8, 8, 2)), rng.normal(size=(1, 7))
    given = model([image, numbers]).numpy()
    assert (model([image + 1, numbers]).numpy() != given).any()
    assert (model([image, numbers + 1]).numpy() != given).any()
