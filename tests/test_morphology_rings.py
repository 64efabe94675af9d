"""Cut-outs read from a file: averaged, checked, named."""

import numpy as np
import pytest

from tinygrad_astro.morphology.rings import Rings, binned, network_inputs, read_rings


def write(path, **changed):
    rng = np.random.default_rng(0)
    arrays = {
        "images": rng.integers(0, 256, (6, 16, 16, 3)).astype(np.uint8),
        "ring": np.array([0, 1, 0, 1, 1, 0], np.int8),
        "fractions": rng.random((6, 2), np.float32),
        "fraction_names": np.array(["smooth", "arms"]),
        "id_str": np.array([f"J{i}" for i in range(6)]),
    }
    np.savez(path, **(arrays | changed))
    return arrays | changed


def test_read(tmp_path):
    path = tmp_path / "rings.npz"
    given = write(path)
    read = read_rings(path, 8)
    assert read.pictures.shape == (6, 8, 8, 3) and read.questions == ("smooth", "arms")
    by_hand = given["images"][:, :2, :2].astype(float).mean((1, 2))
    np.testing.assert_allclose(read.pictures[:, 0, 0], by_hand)
    assert read[[1]].identifier.tolist() == ["J1"] and read[[1]].ring.tolist() == [1]


def test_binning_keeps_the_mean(rng):
    image = rng.random((2, 12, 6, 3))
    np.testing.assert_allclose(binned(image, 3).mean(), image.mean(), rtol=1e-6)
    np.testing.assert_allclose(network_inputs(np.float32([0, 255])), [-1, 3])


@pytest.mark.parametrize(
    "changed, words",
    [
        ({"id_str": np.array(list("aabcde"))}, "more than once"),
        ({"ring": np.array([0, 1, 2, 0, 1, 0])}, "ring must be 0 or 1"),
        ({"ring": np.array([0, 1])}, "2 tags for images"),
        ({"fractions": np.zeros((6, 3), np.float32)}, "vote fractions of shape"),
        ({"images": np.zeros((6, 16, 15, 3), np.uint8)}, "squares whose side is a multiple"),
        ({"images": np.zeros((6, 20, 20, 3), np.uint8)}, "multiple of 8"),
    ],
)
def test_refusals(tmp_path, changed, words):
    write(tmp_path / "rings.npz", **changed)
    with pytest.raises(ValueError, match=words):
        read_rings(tmp_path / "rings.npz", 8)


@pytest.mark.realdata
def test_the_survey_file(survey_data):
    read = read_rings(survey_data / "images_rings" / "decals_rings_112.npz")
    assert isinstance(read, Rings) and read.pictures.shape == (282, 56, 56, 3)
    assert read.ring.sum() == 141 and len(read.questions) == 3
