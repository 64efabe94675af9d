"""The four-block network: parameters by hand, ends by name, no care for place."""

import numpy as np

from tinygrad_astro.morphology.networks import block_net


def test_parameters_by_hand():
    model = block_net(20, 3, {"ring": 1, "fractions": 4}, filters=(2, 5))
    convolutions = 25 * 3 * 2 + 9 * 2 * 5
    assert model.count_params() == convolutions + 4 * (2 + 5) + (10 + 1) * (1 + 4)
    assert model.output_shape == [(None, 1), (None, 4)]
    assert block_net(56, 3, {"type": 5}).output_shape == (None, 5)


def test_a_shift_by_whole_windows_changes_nothing(rng):
    model = block_net(32, 1, {"type": 3}, filters=(4, 4))
    image = np.zeros((2, 32, 32, 1), np.float32)
    spot = rng.random((4, 4))
    image[0, 12:16, 12:16, 0] = image[1, 12:16, 16:20, 0] = spot
    first, second = model(image).numpy()
    np.testing.assert_allclose(first, second, atol=1e-6)
