"""Mosaics from files to a file: the bits of the whole, also after a kill, and never mixed."""

import signal
import subprocess
import sys

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro import layers, mosaic
from tinygrad_astro.data import BandReader, read_image, write_image
from tinygrad_astro.models import Model, Sequential, load_model, unet
from tinygrad_astro.segmentation.prediction import Detection, segment_files
from tinygrad_astro.segmentation.recipe import Recipe, describe
from tinygrad_astro.segmentation.survey import prepare

fits = pytest.importorskip("astropy.io.fits", reason="FITS needs the extra astro")

CARDS = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 30.0, "CRVAL2": -40.0}
CARDS |= {"CRPIX1": 20.0, "CRPIX2": 30.0, "CDELT1": -5e-5, "CDELT2": 5e-5, "OBSERVER": "Cannon"}
KILLED = """
import os, signal, sys
from tinygrad_astro import mosaic
from tinygrad_astro.models import load_model
from tinygrad_astro.segmentation.prediction import segment_files

model, out, stage, last, *images = sys.argv[1:]

def stop(*told):
    if told[-2] == int(last) and (stage == "" or told[0] == stage):
        os.kill(os.getpid(), signal.SIGKILL)

if stage:
    segment_files(load_model(model), images, out, None, 16, stop)
else:
    mosaic.predict_files(load_model(model), images, out, 16, progress=stop)
"""


@pytest.fixture(scope="module")
def sky(tmp_path_factory):
    """Write two bands, and a model that reads them."""
    folder, rng = tmp_path_factory.mktemp("sky"), np.random.default_rng(5)
    data = rng.normal(size=(75, 90, 2)).astype(np.float32)
    data[20:40, 50:80] += 20
    data[3, 7] = np.nan
    images = [str(folder / f"field_{band}.fits") for band in "gr"]
    for i, image in enumerate(images):
        write_image(image, data[..., i], CARDS)
    network = unet((None, None, 2), 2, filters=3, depth=1)
    network.set_weights([w + rng.normal(0, 0.1, w.shape) for w in network.get_weights()])
    model = Model(network.input, layers.Softmax()(network.output), name="unet")
    survey = prepare(data, None, np.ones(data.shape[:2], int), "gr")
    model.metadata = describe(survey, Recipe()) | {"classes": ["sky", "source"]}
    model.save(folder / "model.safetensors")
    return survey.image, images, str(folder / "model.safetensors")


def kill(sky, out, stage, last):
    """Run until the process kills itself after tile `last`."""
    command = [sys.executable, "-c", KILLED, sky[2], str(out), stage, str(last), *sky[1]]
    assert subprocess.run(command, timeout=300).returncode == -signal.SIGKILL


def files_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_file_holds_the_bits_of_the_whole_and_the_sky(sky, tmp_path):
    stretched, images, saved = sky
    model = load_model(saved)
    with ta.precision("exact"):
        whole = model(stretched[None]).numpy()[0]
    for tile in (16, 1000):
        mosaic.predict_files(model, images, tmp_path / "out.fits", tile)
        assert files_in(tmp_path) == ["out.fits"]
        image = read_image(tmp_path / "out.fits", "PREDICTION")
        np.testing.assert_array_equal(image.data, whole)
        assert {key: image.header[key] for key in CARDS} == CARDS
        assert "predicted by tinygrad_astro" in str(image.header["HISTORY"])
    with fits.open(tmp_path / "out.fits") as opened:
        opened.verify("exception")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_killed_run_goes_on_where_it_was(sky, tmp_path):
    _, images, saved = sky
    model, out = load_model(saved), tmp_path / "out.fits"
    mosaic.predict_files(model, images, out, 16)
    whole = out.read_bytes()
    out.unlink()
    kill(sky, out, "", 13)
    assert files_in(tmp_path) == ["out.fits.part", "out.fits.tiles"]
    told = []
    mosaic.predict_files(model, images, out, 16, None, True, lambda *now: told.append(now))
    assert told == [(done, 30) for done in range(13, 31)]
    assert out.read_bytes() == whole and files_in(tmp_path) == ["out.fits"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("stage, last", [("predicting", 7), ("measuring", 1)])
def test_a_killed_segmentation_goes_on_where_it_was(sky, tmp_path, stage, last):
    _, images, saved = sky
    model, out = load_model(saved), tmp_path / "out.fits"
    segment_files(model, images, out, None, 16)
    whole = out.read_bytes()
    out.unlink()
    kill(sky, out, stage, last)
    told = []
    segment_files(model, images, out, None, 16, lambda *now: told.append(now), resume=True)
    assert told[0] == ("predicting", last if stage == "predicting" else 30, 30)
    assert out.read_bytes() == whole and files_in(tmp_path) == ["out.fits"]


def interrupted(model, images, out, **options):
    def stop(done, total):
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mosaic.predict_files(model, images, out, 16, progress=stop, **options)


def test_an_interruption_leaves_its_work_only_to_be_resumed(sky, tmp_path):
    _, images, saved = sky
    model, out = load_model(saved), tmp_path / "out.fits"
    interrupted(model, images, out)
    assert files_in(tmp_path) == []
    interrupted(model, images, out, resume=True)
    assert files_in(tmp_path) == ["out.fits.part", "out.fits.tiles"]
    with open(tmp_path / "out.fits.tiles", "a") as stream:
        stream.write("ti")  # what a kill amid a write leaves
    told = []
    mosaic.predict_files(model, images, out, 16, None, True, lambda *now: told.append(now))
    assert told[0] == (4, 30)


def test_a_run_of_something_else_is_not_gone_on_with(sky, tmp_path):
    _, images, saved = sky
    model, out = load_model(saved), tmp_path / "out.fits"
    interrupted(model, images, out, resume=True)
    before = (tmp_path / "out.fits.part").read_bytes()
    with pytest.raises(ValueError, match="another tile: 16, now 32; start anew without resume"):
        mosaic.predict_files(model, images, out, 32, resume=True)
    other = load_model(saved)
    other.set_weights([w + 1e-6 for w in other.get_weights()])
    with pytest.raises(ValueError, match="unfinished run with another model: '[0-9a-f]{32}', now"):
        mosaic.predict_files(other, images, out, 16, resume=True)
    copies = [str(tmp_path / f"copy_{band}.fits") for band in "gr"]
    for image, copy in zip(images, copies, strict=True):
        write_image(copy, read_image(image).data, CARDS)
    with pytest.raises(ValueError, match="another images"):
        mosaic.predict_files(model, copies, out, 16, resume=True)
    assert (tmp_path / "out.fits.part").read_bytes() == before
    (tmp_path / "out.fits.tiles").write_text("nonsense\n")
    with pytest.raises(ValueError, match="another first line"):
        mosaic.predict_files(model, images, out, 16, resume=True)
    mosaic.predict_files(model, images, out, 16)
    assert "out.fits.part" not in files_in(tmp_path)


def test_another_detection_is_not_gone_on_with(sky, tmp_path):
    _, images, saved = sky
    kill(sky, tmp_path / "out.fits", "predicting", 3)
    with pytest.raises(ValueError, match="another detection: .*0.5.*now .*0.6"):
        segment_files(
            load_model(saved), images, tmp_path / "out.fits", Detection(0.6), 16, resume=True
        )


def test_unfinished_files_with_other_headers_are_refused(tmp_path):
    from tinygrad_astro.data import ImageWriter

    writer = ImageWriter(tmp_path / "a.fits", {"A": ((4, 5), "float32")})
    writer["A"][1] = 3
    writer.abandon(keep=True)
    with pytest.raises(ValueError, match="a.fits.part has other headers"):
        ImageWriter(tmp_path / "a.fits", {"A": ((5, 4), "float32")}, resume=True)
    with ImageWriter(tmp_path / "a.fits", {"A": ((4, 5), "float32")}, resume=True) as again:
        again["A"][2] = 4
    np.testing.assert_array_equal(read_image(tmp_path / "a.fits").data[:, 0], [0, 3, 4, 0])


def test_masks_of_a_file_reach_the_network(tmp_path, rng):
    """Flags and inverse variances beside the flux: what bad pixels hold changes no bit."""
    pixels, good = layers.Input((None, None, 1)), layers.Input((None, None, 1))
    x, v = layers.PartialConv2D(3, 3, padding="same", activation="relu")(pixels, good)
    x, v = layers.PartialConv2D(1, 3, padding="same")(x, v)
    model = Model([pixels, good], layers.Unmask(float("nan"))(x, v))
    flux = rng.normal(size=(40, 50)).astype(np.float32)
    flags = (rng.random((40, 50)) < 0.2).astype(np.int16)
    flags[10:20, 10:20] = 1
    ivar = (rng.random((40, 50)) < 0.8).astype(np.float32)
    bad, path = (flags > 0) | (ivar == 0), str(tmp_path / "sky.fits")

    def inputs(section):
        seen = ta.data.valid_pixels(
            section.data[..., :1], section.mask[..., :1], section.data[..., 1:]
        )
        return section.data[..., :1], seen

    found = []
    for plant in (0.0, np.nan, 1e30):
        planted = np.where(bad, np.float32(plant), flux)
        write_image(path, {"SCI": planted, "IVAR": ivar, "DQ": flags})
        with BandReader([path, path], ["SCI", "IVAR"], ["DQ", None]) as reader:
            mosaic.predict_files(model, reader, tmp_path / "out.fits", 16, inputs)
        found.append(read_image(tmp_path / "out.fits", "PREDICTION").data)
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])
    with ta.precision("exact"):
        whole = model([flux[None, ..., None], ~bad[None, ..., None]]).numpy()[0, ..., 0]
    np.testing.assert_array_equal(found[0], whole)
    assert np.isnan(whole[13:17, 13:17]).all() and np.isfinite(whole).mean() > 0.9


def test_bad_pixels_of_a_file_are_0_by_default(tmp_path, rng):
    data = rng.normal(size=(20, 30)).astype(np.float32)
    data[4, 5] = np.nan
    write_image(tmp_path / "sky.fits", data)
    model = Sequential([layers.Input((None, None, 1)), layers.Conv2D(1, 3, padding="same")])
    mosaic.predict_files(model, str(tmp_path / "sky.fits"), tmp_path / "out.fits", 16)
    expected = mosaic.predict(model, np.nan_to_num(data)[..., None])[..., 0]
    found = read_image(tmp_path / "out.fits", "PREDICTION").data
    np.testing.assert_array_equal(found, expected)


def test_a_target_that_cannot_be_is_refused_before_anything_is_written(sky, tmp_path):
    _, images, saved = sky
    model = load_model(saved)
    with pytest.raises(ValueError, match="must end in .fits"):
        mosaic.predict_files(model, images, tmp_path / "out.png")
    with pytest.raises(ValueError, match="is one of the images"):
        mosaic.predict_files(model, images, images[0])
    with pytest.raises(FileNotFoundError, match="no folder"):
        mosaic.predict_files(model, images, tmp_path / "none" / "out.fits")
    assert files_in(tmp_path) == []
