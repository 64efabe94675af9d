"""Measured sources against sep, and against sums over each source's pixels."""

import numpy as np
import pytest

from tinygrad_astro.segmentation.catalogue import Measurements


def gaussian(shape, y, x, a, b, theta):
    row, column = np.mgrid[: shape[0], : shape[1]]
    u = (column - x) * np.cos(theta) + (row - y) * np.sin(theta)
    v = -(column - x) * np.sin(theta) + (row - y) * np.cos(theta)
    return np.exp(-0.5 * ((u / a) ** 2 + (v / b) ** 2))


def measured(labels, flux, probability=None, block=None, bands=("r",), classes=("source",)):
    sums = Measurements(int(labels.max()), bands, classes)
    probability = np.ones((*labels.shape, len(classes))) if probability is None else probability
    block = block or max(labels.shape)
    for y in range(0, labels.shape[0], block):
        for x in range(0, labels.shape[1], block):
            here = slice(y, y + block), slice(x, x + block)
            sums.add(y, x, labels[here], flux[here], flux[here], probability[here])
    return sums.table()


@pytest.mark.parametrize("theta", [0.0, 0.6, -1.2, 1.5])
def test_shape_of_a_gaussian(theta):
    image = gaussian((81, 81), 40.3, 38.8, 6.0, 2.5, theta)
    table = measured((image > 1e-7).astype(int), image[..., None])
    assert table["x"][0] == pytest.approx(38.8, abs=1e-3)
    assert table["y"][0] == pytest.approx(40.3, abs=1e-3)
    assert table["a"][0] == pytest.approx(6.0, rel=1e-3)
    assert table["b"][0] == pytest.approx(2.5, rel=1e-3)
    assert table["theta"][0] == pytest.approx(theta, abs=1e-3)


def test_agrees_with_sep():
    sep = pytest.importorskip("sep", reason="the peer sep is not installed")
    image = gaussian((60, 70), 20, 25, 4, 2, 0.5) + 0.8 * gaussian((60, 70), 42, 50, 3, 2, -0.9)
    objects, labels = sep.extract(image, 0.05, minarea=5, segmentation_map=True, filter_kernel=None)
    table = measured(labels, image[..., None])
    np.testing.assert_array_equal(table["npix"], np.bincount(labels.ravel())[1:])
    for ours, theirs in (("x", "x"), ("y", "y"), ("a", "a"), ("b", "b"), ("theta", "theta")):
        np.testing.assert_allclose(table[ours], objects[theirs], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(table["flux_r"], objects["flux"], rtol=1e-5)


def test_blocks_give_the_sums_of_the_whole(rng):
    labels = rng.integers(0, 5, (23, 31))
    flux, probability = rng.normal(size=(23, 31, 2)), rng.random((23, 31, 3))
    names = dict(bands=("g", "r"), classes=("galaxy", "star", "ghost"))
    table = measured(labels, flux, probability, block=7, **names)
    for i in range(4):
        inside = labels == i + 1
        assert table["npix"][i] == inside.sum()
        assert table["flux_r"][i] == pytest.approx(flux[inside, 1].sum())
        assert table["p_star"][i] == pytest.approx(probability[inside, 1].mean())
        best = probability[inside].mean(axis=0).argmax()
        assert table["class"][i] == ("galaxy", "star", "ghost")[best]
    again = measured(labels, flux, probability, block=31, **names)
    np.testing.assert_allclose(table["x"], again["x"])


def test_a_source_below_the_sky_has_a_place_and_a_single_pixel_a_size():
    labels = np.zeros((5, 6), int)
    labels[1, 2:4], labels[3, 5] = 1, 2
    table = measured(labels, np.full((5, 6, 1), -1.0))
    np.testing.assert_allclose(table["x"], [2.5, 5.0])
    np.testing.assert_allclose(table["y"], [1.0, 3.0])
    np.testing.assert_allclose(table["a"][1], 12**-0.5)
    assert np.isfinite(table["b"]).all()


def test_no_sources_give_an_empty_catalogue():
    table = measured(np.zeros((4, 4), int), np.zeros((4, 4, 1)))
    assert all(len(column) == 0 for column in table.values())
