"""Training batches: every object once per epoch, its image, inputs and label together."""

import numpy as np
import pytest

from tinygrad_astro.photoz.draws import Draws


@pytest.fixture
def data():
    numbers = np.arange(50, dtype=np.float32)
    inputs = np.zeros((50, 7), np.float32)
    inputs[:, :5] = numbers[:, None] + 1
    images = np.zeros((50, 4, 4, 1), np.float32) + numbers[:, None, None, None]
    images[:, 0, 1] += 0.25
    return inputs, numbers[:, None], images


def test_every_object_once_in_an_order_of_its_own(data):
    draws = Draws(data[0], data[1], None, bands=2, batch=16, seed=5)
    assert len(draws) == 4
    passes = [np.concatenate([y[:, 0] for _, y in draws]) for _ in range(2)]
    for order in passes:
        np.testing.assert_array_equal(np.sort(order), np.arange(50))
    assert (passes[0] != passes[1]).any()
    draws.epoch = 0
    np.testing.assert_array_equal(np.concatenate([y[:, 0] for _, y in draws]), passes[0])


def test_inputs_and_labels_stay_together(data):
    for x, y in Draws(data[0], data[1], None, bands=2, batch=16):
        np.testing.assert_array_equal(x[:, 0], y[:, 0] + 1)


def test_images_are_turned_and_nothing_else(data):
    places = set()
    for (images, x), y in Draws(*data, bands=2, batch=16):
        np.testing.assert_array_equal(x[:, 0], y[:, 0] + 1)
        for image, label in zip(images[..., 0], y[:, 0], strict=True):
            assert (np.sort(image, axis=None)[:-1] == label).all() and image.max() == label + 0.25
            places.add(tuple(np.argwhere(image > label)[0].tolist()))
    # The eight places to which the symmetries of the square move pixel (0, 1).
    assert places == {(0, 1), (0, 2), (1, 0), (1, 3), (2, 0), (2, 3), (3, 1), (3, 2)}


def test_bands_are_hidden_anew_in_every_epoch(data):
    draws = Draws(data[0], data[1], None, bands=2, hide=0.5, batch=50)
    flags = [x[np.argsort(y[:, 0]), -2:] for _ in range(2) for x, y in draws]
    assert flags[0].mean() == pytest.approx(0.25, abs=0.1)
    assert (flags[0] != flags[1]).any() and (data[0][:, -2:] == 0).all()
