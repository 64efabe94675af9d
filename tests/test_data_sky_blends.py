"""Blends: the parts add up to the image, overlap, and know by how much."""

import numpy as np
import pytest

from tinygrad_astro.data.simulate import blends
from tinygrad_astro.data.sky.blends import blendedness


@pytest.fixture(scope="module")
def pairs():
    return blends(12, size=48, seed=4)


def test_parts_add_up_to_the_image(pairs):
    assert pairs.parts.shape == (12, 2, 48, 48, 3)
    pull = (pairs.images - pairs.parts.sum(axis=1)) / np.sqrt(pairs.variance)
    assert abs(pull.mean()) < 0.02 and abs(pull.std() - 1) < 0.02
    assert pairs.truth["id"].ravel().tolist() == list(range(1, 25))


def test_each_part_has_its_signal_place_and_flux(pairs):
    rows, columns = np.mgrid[:48, :48]
    for truth, part in zip(pairs.truth.ravel(), pairs.parts.reshape(-1, 48, 48, 3), strict=True):
        r = part[..., 1].astype(float)
        assert 19.9 < truth["snr"] < 200.1
        assert r.sum() <= truth["flux_r"] * 1.01
        y, x = np.unravel_index(r.argmax(), r.shape)
        if truth["type"] != "irregular":
            assert abs(x - truth["x"]) < 1.2 and abs(y - truth["y"]) < 1.2


def test_blendedness(pairs):
    one = np.zeros((2, 8, 8))
    one[0, 2, 2], one[1, 5, 5] = 3.0, 4.0
    assert blendedness(one).tolist() == [0, 0]
    one[1] = one[0] * 3
    np.testing.assert_allclose(blendedness(one), [0.75, 0.25])
    assert (blendedness(np.zeros((2, 3, 3))) == 1).all()
    values = pairs.truth["blendedness"]
    assert (values >= 0).all() and (values < 1).all() and values.max() > 0.05


def test_same_seed_same_pairs_and_start(pairs):
    again = blends(3, size=48, seed=4, start=5)
    np.testing.assert_array_equal(again.images, pairs.images[5:8])


def test_close_pairs_are_closer():
    near, far = (blends(8, size=64, seed=0, separation=s).truth for s in [(0.2, 0.3), (2, 2.2)])
    apart = [
        np.hypot(*(t["x"] - t["x"][:, ::-1], t["y"] - t["y"][:, ::-1])).mean() for t in (near, far)
    ]
    assert apart[0] < 0.3 * apart[1]


def test_refusals():
    with pytest.raises(ValueError, match="a blend is made of"):
        blends(1, types=("unclassifiable",))
