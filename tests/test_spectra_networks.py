"""The 1-D network: parameters by hand, named ends, and that place matters to it."""

import numpy as np

from tinygrad_astro.spectra.networks import line_net

SMALL = ((2, 5, 2), (4, 3, 2))


def test_parameters_by_hand():
    model = line_net(20, 3, {"class": 3, "redshift": 7}, width=6, blocks=SMALL)
    conv = 5 * 3 * 2 + 4 * 2 + 3 * 2 * 4 + 4 * 4
    assert model.count_params() == conv + (5 * 4 + 1) * 6 + 7 * 3 + 7 * 7
    assert model.output_shape == [(None, 3), (None, 7)]
    assert line_net(20, 2, {"group": 5}, blocks=SMALL).output_shape == (None, 5)


def test_the_place_of_a_line_matters(rng):
    model = line_net(40, 1, {"redshift": 4}, width=8, blocks=SMALL)
    line = np.zeros((2, 40, 1), np.float32)
    line[0, 8], line[1, 28] = 5, 5
    said = model(line).numpy()
    assert np.abs(said[0] - said[1]).max() > 1e-3
