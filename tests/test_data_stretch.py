"""The asinh stretch: formula, inverse, masks, constant bands, and its journey through JSON."""

import json

import numpy as np
import pytest

from tinygrad_astro.data import AsinhStretch


@pytest.fixture
def sky(rng):
    levels, noise = np.array([1e-12, 500.0, -3.0]), np.array([3e-13, 20.0, 1e4])
    return levels + noise * rng.standard_t(3, (2, 40, 50, 3))


def test_formula_per_band(sky):
    stretch = AsinhStretch.fit(sky)
    y, mask = stretch(sky)
    assert y.dtype == np.float32 and not mask.any()
    for band in range(3):
        x = sky[..., band]
        median = np.median(x)
        scale = 1.4826 * np.median(np.abs(x - median))
        np.testing.assert_allclose(y[..., band], np.arcsinh((x - median) / scale), rtol=1e-6)
    back = stretch.inverse(y)
    np.testing.assert_allclose(back / stretch.scale, sky / stretch.scale, rtol=1e-5, atol=1e-5)


def test_masked_pixels_do_not_count_and_become_zero(sky):
    clean = AsinhStretch.fit(sky)
    mask = np.zeros(sky.shape[:3], bool)
    mask[:, :5] = True
    spoiled = sky.copy()
    spoiled[:, :5], spoiled[0, 9, 9, 1], spoiled[0, 9, 9, 2] = 1e30, np.nan, -np.inf
    stretch = AsinhStretch.fit(spoiled, mask)
    expected = AsinhStretch.fit(sky[:, 5:])
    np.testing.assert_allclose(stretch.scale, expected.scale, rtol=1e-3)
    y, bad = stretch(spoiled, mask)
    assert np.isfinite(y).all() and (y[bad] == 0).all()
    assert bad[:, :5].all() and bad[0, 9, 9].tolist() == [False, True, True]
    full = np.broadcast_to(mask[..., None], sky.shape)
    np.testing.assert_array_equal(stretch(spoiled, full)[0], y)
    assert clean.median.shape == (3,)


def test_constant_and_mostly_constant_bands(rng):
    images = np.zeros((30, 30, 3))
    images[..., 0] = 0.1
    images[:3, :, 1] = rng.normal(size=(3, 30))
    images[..., 2] = 0.1 + 1e-17 * rng.normal(size=(30, 30))
    stretch = AsinhStretch.fit(images)
    assert stretch.scale[0] == stretch.scale[2] == 1.0
    np.testing.assert_allclose(stretch.scale[1], images[..., 1].std())
    assert not stretch(images)[0][..., 0].any()


def test_through_json_and_back(sky):
    stretch = AsinhStretch.fit(sky, bands=["g", "r", "Ks"])
    again = AsinhStretch.from_dict(json.loads(json.dumps(stretch.to_dict())))
    assert again.bands == ["g", "r", "Ks"] and "median" in repr(again)
    np.testing.assert_array_equal(again(sky)[0], stretch(sky)[0])
    with pytest.raises(ValueError, match="expected a stored asinh stretch"):
        AsinhStretch.from_dict({"kind": "log"})


def test_big_endian_integers(rng):
    raw = rng.integers(900, 1100, (20, 20, 1))
    y = AsinhStretch.fit(raw)(raw.astype(">i2"))[0]
    np.testing.assert_array_equal(y, AsinhStretch.fit(raw.astype(">i2"))(raw)[0])


def test_refusals(sky):
    mask = np.zeros(sky.shape, bool)
    mask[..., 1] = True
    with pytest.raises(ValueError, match="band 'r' has no good pixel"):
        AsinhStretch.fit(sky, mask, bands=["g", "r", "i"])
    with pytest.raises(ValueError, match="band 1 has no good pixel"):
        AsinhStretch.fit(sky, mask)
    with pytest.raises(ValueError, match=r"3 bands, received pixels of shape \(4, 4, 2\)"):
        AsinhStretch.fit(sky)(np.ones((4, 4, 2)))
    with pytest.raises(ValueError, match="mask of shape"):
        AsinhStretch.fit(sky, mask[0])
    for median, scale, bands in [
        ([0], [0.0], None),
        ([np.nan], [1], None),
        ([0, 1], [1], None),
        ([0], [1], "gr"),
    ]:
        with pytest.raises(ValueError):
            AsinhStretch(median, scale, bands)
