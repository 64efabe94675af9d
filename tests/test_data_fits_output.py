"""FITS files out: astropy reads back what was written, headers included."""

import numpy as np
import pytest

from tinygrad_astro.data import ImageWriter, read_image, write_image

fits = pytest.importorskip("astropy.io.fits")


@pytest.fixture
def header():
    made = fits.Header()
    made["OBJECT"], made["CRVAL1"], made["CTYPE1"] = "NGC 1", 150.25, "RA---TAN"
    made["BSCALE"], made["BZERO"], made["BLANK"], made["EXTNAME"] = 2.0, 32768, -1, "OLD"
    made.add_history("flat-fielded")
    return made


@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "i8", "f4", "f8", ">f4", "bool", "u2", "u4"])
def test_values_survive(tmp_path, dtype, rng):
    array = (rng.random((6, 7)) * 2**15).astype(dtype)
    write_image(tmp_path / "a.fits", array)
    with fits.open(tmp_path / "a.fits") as opened:
        opened.verify("exception")
        np.testing.assert_array_equal(opened[0].data, array)


@pytest.mark.parametrize("suffix", ["fits", "fits.gz", "fits.bz2"])
def test_round_trip_of_a_cube_with_its_header(tmp_path, header, rng, suffix):
    cube = rng.random((6, 7, 3)).astype(np.float32)
    path = tmp_path / f"a.{suffix}"
    write_image(path, cube, header)
    image = read_image(path)
    np.testing.assert_array_equal(image.data, cube)
    assert image.header["OBJECT"] == "NGC 1" and image.header["CRVAL1"] == 150.25
    assert list(image.header["HISTORY"]) == ["flat-fielded"]
    assert "BSCALE" not in image.header and "EXTNAME" not in image.header
    assert header["BZERO"] == 32768
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_named_extensions_each_with_the_header(tmp_path, header):
    write_image(tmp_path / "a.fits", {"LABEL": np.eye(3, dtype=int), "PROB": np.eye(3)}, header)
    with fits.open(tmp_path / "a.fits") as opened:
        opened.verify("exception")
        assert [hdu.name for hdu in opened] == ["PRIMARY", "LABEL", "PROB"]
        assert all(hdu.header["OBJECT"] == "NGC 1" for hdu in opened)


def test_refusals(tmp_path):
    write_image(tmp_path / "a.fits", np.ones((2, 2)))
    with pytest.raises(FileExistsError, match="overwrite=True"):
        write_image(tmp_path / "a.fits", np.ones((2, 2)), overwrite=False)
    for array, words in [
        (np.ones(3), r"received \(3,\)"),
        (np.ones((0, 3)), r"received \(0, 3\)"),
        (np.ones((2, 2), complex), "cannot hold complex128"),
        (np.array([["a"]]), "cannot hold"),
    ]:
        with pytest.raises(ValueError, match=words):
            write_image(tmp_path / "b.fits", array)
    with pytest.raises(ValueError, match="cannot be written by tiles"):
        ImageWriter(tmp_path / "a.fits.gz", {"A": ((2, 2), "float32")})


def test_tiles_fill_a_file_that_astropy_accepts(tmp_path, header, rng):
    prob = rng.random((101, 67, 2)).astype(np.float32)
    label = rng.integers(0, 9, (101, 67)).astype(np.int32)
    images = {"LABEL": (label.shape, "int32"), "PROB": (prob.shape, np.float32)}
    with ImageWriter(tmp_path / "a.fits", images, header) as writer:
        for y in range(0, 101, 30):
            writer["PROB"][y : y + 30, 10:] = prob[y : y + 30, 10:]
            writer["LABEL"][y : y + 30] = label[y : y + 30]
        assert not (tmp_path / "a.fits").exists()
        with pytest.raises(KeyError, match="it has LABEL, PROB"):
            writer["MASK"]
    prob[:, :10] = 0
    with fits.open(tmp_path / "a.fits") as opened:
        opened.verify("exception")
        np.testing.assert_array_equal(opened["LABEL"].data, label)
        np.testing.assert_array_equal(np.moveaxis(opened["PROB"].data, 0, -1), prob)
        assert opened["PROB"].header["CRVAL1"] == 150.25
    assert (tmp_path / "a.fits").stat().st_size % 2880 == 0


def test_a_failure_leaves_no_file(tmp_path):
    with (
        pytest.raises(RuntimeError, match="stop"),
        ImageWriter(tmp_path / "a.fits", {"A": ((4, 4), "uint8")}),
    ):
        raise RuntimeError("stop")
    assert not list(tmp_path.iterdir())
