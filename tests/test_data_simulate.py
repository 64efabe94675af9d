"""The synthetic field: image, maps, stamps and catalogue tell one story."""

import time

import numpy as np
import pytest

from tinygrad_astro.data import simulate
from tinygrad_astro.data.simulate import TYPES, field


@pytest.fixture(scope="module")
def sky():
    return field((256, 300), n_sources=50, seed=11, magnitudes=(17.0, 22.5))


def test_shapes_and_types(sky):
    assert sky.image.shape == sky.model.shape == sky.variance.shape == (256, 300, 3)
    assert sky.image.dtype == sky.variance.dtype == np.float32
    assert sky.label_map.dtype == sky.class_map.dtype == np.int32
    assert sky.label_map.shape == sky.class_map.shape == (256, 300)
    assert sky.catalogue["id"].tolist() == list(range(1, 51)) and len(sky.stamps) == 50
    assert sky.bands == ("g", "r", "i")


def test_stamps_add_up_to_the_model(sky):
    total = np.zeros_like(sky.model)
    for stamp in sky.stamps:
        total[stamp.window] += stamp.data
    np.testing.assert_allclose(total, sky.model, rtol=1e-5, atol=1e-3)


def test_stamps_hold_the_flux_of_the_catalogue(sky):
    x, y = sky.catalogue["x"], sky.catalogue["y"]
    inside = (x > 90) & (x < 210) & (y > 90) & (y < 166)
    assert inside.sum() > 5
    for band, name in enumerate("gri"):
        flux = np.array([stamp.data[..., band].sum(dtype=float) for stamp in sky.stamps])
        np.testing.assert_allclose(flux[inside], sky.catalogue[f"flux_{name}"][inside], rtol=0.02)


def test_noise_is_as_stated(sky):
    pull = (sky.image - sky.model) / np.sqrt(sky.variance)
    assert abs(pull.mean()) < 0.01 and abs(pull.std() - 1) < 0.01
    assert sky.variance.min() >= 425.0 * 0.999


def test_labels_name_the_brightest_source_above_the_noise(sky):
    """Recomputed pixel by pixel: strength = mean of counts over bands, in noise units."""
    strength = np.zeros((51, 256, 300))
    for index, stamp in enumerate(sky.stamps):
        strength[(index + 1, *stamp.window)] = stamp.data.mean(axis=-1) * np.sqrt(3 / 425.0)
    strength[0] = 1.0
    best = np.sort(strength, axis=0)
    clear = best[-1] - best[-2] > 1e-3
    np.testing.assert_array_equal(sky.label_map[clear], strength.argmax(axis=0)[clear])
    assert clear.mean() > 0.99


def test_classes_follow_the_labels(sky):
    star = np.concatenate([[False], sky.catalogue["type"] == "point source"])
    np.testing.assert_array_equal(sky.class_map == 0, sky.label_map == 0)
    np.testing.assert_array_equal(sky.class_map == 2, star[sky.label_map])
    assert {0, 1, 2} == set(np.unique(sky.class_map))


def test_catalogue_is_consistent(sky):
    c = sky.catalogue
    star = c["type"] == "point source"
    assert (np.array(TYPES)[c["type_index"]] == c["type"]).all()
    assert (c["half_light_radius"][star] == 0).all() and (c["half_light_radius"][~star] > 0).all()
    assert np.isnan(c["bulge_fraction"][star]).all() and (c["redshift"][star] == 0).all()
    assert ((c["bulge_fraction"][~star] >= 0) & (c["bulge_fraction"][~star] <= 1)).all()
    assert ((c["angle"] >= 0) & (c["angle"] < 180)).all()
    magnitude = 30 - 2.5 * np.log10(c["flux_r"])
    assert (magnitude >= 17).all() and (magnitude <= 22.5).all()
    assert (c["blendedness"] >= -1e-9).all() and (c["snr"] >= 0).all()


def test_half_light_radii_equal_the_curve_of_growth_without_psf(sky):
    """Drawn with a PSF much smaller than the galaxy, a source shows its catalogue radius."""
    from tinygrad_astro.data.sky.profiles import ellipse

    sharp = simulate.galaxies(
        10, size=301, seed=2, types=("spheroid", "disc", "irregular"), radius=(14.0, 16.0), psf=0.5
    )
    y, x = np.mgrid[:301, :301]
    for truth, model in zip(sharp.truth, sharp.models[..., 1].astype(float), strict=True):
        for name, shape in [
            ("half_light_radius", (truth["axis_ratio"], truth["angle"])),
            ("circular_radius", (1.0, 0.0)),
        ]:
            radius = np.hypot(*ellipse(x - truth["x"], y - truth["y"], *shape)).ravel()
            order = np.argsort(radius)
            growth = np.cumsum(model.ravel()[order]) / truth["flux_r"]
            measured = np.interp(0.5, growth, radius[order])
            assert measured == pytest.approx(truth[name], rel=0.02)


def test_same_seed_same_bits(sky):
    again = field((256, 300), n_sources=50, seed=11, magnitudes=(17.0, 22.5))
    assert again.image.tobytes() == sky.image.tobytes()
    assert again.catalogue.tobytes() == sky.catalogue.tobytes()
    assert again.label_map.tobytes() == sky.label_map.tobytes()
    other = field((256, 300), n_sources=50, seed=12, magnitudes=(17.0, 22.5))
    assert other.image.tobytes() != sky.image.tobytes()


def test_blends_stars_and_density_on_demand():
    def neighbours(blend_fraction):
        c = field((400, 400), n_sources=40, seed=3, blend_fraction=blend_fraction).catalogue
        apart = np.hypot(c["x"][:, None] - c["x"], c["y"][:, None] - c["y"])
        np.fill_diagonal(apart, np.inf)
        return (apart.min(axis=1) < 20).sum()

    assert neighbours(1.0) > 2 * neighbours(0.0) + 5
    assert len(field((100, 200), density=10.0).catalogue) == 20
    assert (field((64, 64), 10, star_fraction=1.0).catalogue["type"] == "point source").all()
    empty = field((32, 32), n_sources=0, bands="r")
    assert empty.image.shape == (32, 32, 1) and not empty.label_map.any()


def test_one_psf_and_one_sky_per_band():
    made = field((64, 64), 4, bands=["g", "Ks"], psf=[2.0, 4.0], sky=[10.0, 1000.0], seed=1)
    noise = (made.image - made.model).std(axis=(0, 1))
    assert noise[1] > 4 * noise[0]


@pytest.mark.parametrize(
    "arguments, words",
    [
        (dict(shape=(4, 100)), "at least 8 pixels"),
        (dict(shape=(40, 40, 3)), "height, width"),
        (dict(n_sources=-1), "n_sources=-1, expected a whole number of at least 0"),
        (dict(bands="gx"), "unknown bands"),
        (dict(magnitudes=(22, 18)), "magnitudes must be"),
        (dict(star_fraction=2.0), "star_fraction must lie"),
        (dict(blend_fraction=-0.1), "blend_fraction must lie"),
    ],
)
def test_refusals(arguments, words):
    with pytest.raises(ValueError, match=words):
        field(**arguments)


def test_fast_enough():
    start = time.thread_time()
    field((512, 512), n_sources=150, seed=0)
    assert time.thread_time() - start < 6
