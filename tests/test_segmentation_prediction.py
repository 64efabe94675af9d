"""The FITS file that predict writes: independent of tiles, equal to the whole image in memory."""

import numpy as np
import pytest

from tinygrad_astro.data import read_image, read_labels, read_table, write_image
from tinygrad_astro.layers import Softmax
from tinygrad_astro.models import Model, unet
from tinygrad_astro.segmentation.prediction import Detection, segment_files
from tinygrad_astro.segmentation.recipe import Recipe, describe
from tinygrad_astro.segmentation.runs import detect
from tinygrad_astro.segmentation.survey import prepare

pytest.importorskip("astropy", reason="FITS needs the extra astro")

SKY_CARDS = {
    "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 30.0, "CRVAL2": -40.0, "CRPIX1": 20.0,
    "CRPIX2": 30.0, "CDELT1": -5e-5, "CDELT2": 5e-5, "OBSERVER": "Cannon",
}  # fmt: skip


@pytest.fixture(scope="module")
def sky(tmp_path_factory):
    """Write two bands, and make a model whose random weights find something."""
    folder, rng = tmp_path_factory.mktemp("sky"), np.random.default_rng(5)
    data = rng.normal(size=(75, 130, 2)).astype(np.float32)
    data[20:40, 50:90] += 20
    data[3, 7] = np.nan
    paths = [str(folder / f"field_{band}.fits") for band in "gr"]
    for i, path in enumerate(paths):
        write_image(path, data[..., i], SKY_CARDS)
    return data, paths


def model_of(names, data):
    survey = prepare(data, None, np.ones(data.shape[:2], int), "gr")
    network = unet((None, None, 2), len(names), filters=3, depth=1)
    rng = np.random.default_rng(1)
    network.set_weights([w + rng.normal(0, 0.1, w.shape) for w in network.get_weights()])
    model = Model(network.input, Softmax()(network.output), name="unet")
    model.metadata = describe(survey, Recipe()) | {"classes": names}
    return model, survey


@pytest.mark.parametrize("names", [["sky", "source"], ["sky", "galaxy", "star"]])
def test_the_file_does_not_depend_on_tiles(sky, tmp_path, names):
    data, paths = sky
    model, survey = model_of(names, data)
    whole = model(survey.image[None]).numpy()[0]
    probability = whole[..., 1:].sum(axis=-1)
    detection = Detection(float(np.quantile(probability, 0.8)), min_pixels=4)
    written = []
    for tile in (16, 50, 1000):
        table = segment_files(model, paths, tmp_path / "out.fits", detection, tile)
        written.append((tmp_path / "out.fits").read_bytes())
    assert written[0] == written[1] == written[2]
    assert [path.name for path in tmp_path.iterdir()] == ["out.fits"]
    np.testing.assert_array_equal(read_image(tmp_path / "out.fits", "PROB").data, probability)
    labels = read_labels(tmp_path / "out.fits", "LABEL")
    np.testing.assert_array_equal(labels, detect(probability, detection))
    assert labels.max() == len(table["id"]) > 1
    for i, name in enumerate(names[1:], 1):
        if len(names) > 2:
            extension = read_image(tmp_path / "out.fits", f"PROB_{name.upper()}").data
            np.testing.assert_array_equal(extension, whole[..., i])
        np.testing.assert_allclose(table[f"p_{name}"][0], whole[labels == 1, i].mean(), rtol=1e-5)


def test_catalogue_is_measured_on_the_original_pixels(sky, tmp_path):
    data, paths = sky
    model, survey = model_of(["sky", "source"], data)
    returned = segment_files(model, paths, tmp_path / "out.fits", Detection(0.6))
    table = read_table(tmp_path / "out.fits", ext="CATALOGUE")
    assert {"id", "ra", "dec", "x", "y", "npix", "a", "b", "theta"} < set(table.names)
    labels = read_labels(tmp_path / "out.fits", "LABEL")
    for i, number in enumerate(table["id"]):
        inside = labels == number
        assert table["npix"][i] == inside.sum()
        flux = np.nansum(data[inside].astype(float) - survey.stretch.median, axis=0)
        np.testing.assert_allclose([table["flux_g"][i], table["flux_r"][i]], flux, rtol=1e-6)
    np.testing.assert_allclose(table["x"], returned["x"])
    wcs = pytest.importorskip("astropy.wcs").WCS(SKY_CARDS)
    ra, dec = wcs.pixel_to_world_values(table["x"], table["y"])
    np.testing.assert_allclose([table["ra"], table["dec"]], [ra, dec])


def test_header_is_kept_in_every_extension(sky, tmp_path):
    data, paths = sky
    segment_files(model_of(["sky", "source"], data)[0], paths, tmp_path / "out.fits")
    for name in ("LABEL", "PROB"):
        header = read_image(tmp_path / "out.fits", name).header
        assert {key: header[key] for key in SKY_CARDS} == SKY_CARDS
        assert "probability > 0.5" in str(header["HISTORY"])


def test_nothing_found_is_an_empty_catalogue(sky, tmp_path):
    data, paths = sky
    model, _ = model_of(["sky", "source"], data)
    table = segment_files(model, paths, tmp_path / "out.fits", Detection(1 - 1e-9))
    assert len(table["id"]) == 0 and len(read_table(tmp_path / "out.fits", ext="CATALOGUE")) == 0


def test_files_that_do_not_fit_the_model(sky, tmp_path):
    data, paths = sky
    model, _ = model_of(["sky", "source"], data)
    out = tmp_path / "out.fits"
    with pytest.raises(ValueError, match=r"trained on 2 bands \(g r\), received 1"):
        segment_files(model, paths[:1], out)
    with pytest.raises(ValueError, match="bands g r in this order, received r g"):
        segment_files(model, paths[::-1], out)
    with pytest.raises(FileNotFoundError, match="out.fits: there is no folder .*missing; make it"):
        segment_files(model, paths, tmp_path / "missing" / "out.fits")
    with pytest.raises(FileNotFoundError, match="nothing.fits"):
        segment_files(model, [paths[0], "nothing.fits"], out)
    with pytest.raises(ValueError, match="nothing about stretch, bands, classes"):
        segment_files(unet((None, None, 2), 2, 2, 1), paths, out)
    with pytest.raises(ValueError, match="must end in .fits, .fit or .fts, not packed"):
        segment_files(model, paths, tmp_path / "out.fits.gz")
    with pytest.raises(ValueError, match="is one of the images"):
        segment_files(model, paths, paths[1])
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_no_file(sky, tmp_path):
    data, paths = sky

    def stop(stage, done, total):
        if stage == "measuring":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        segment_files(
            model_of(["sky", "source"], data)[0], paths, tmp_path / "o.fits", None, 64, stop
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((0.0,), "threshold=0.0"), ((1.0,), "threshold=1.0"), ((0.5, 0), "min_pixels=0")],
)
def test_detection_out_of_range(arguments, message):
    with pytest.raises(ValueError, match=message):
        Detection(*arguments)
