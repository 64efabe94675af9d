"""FITS images: every way of storing them gives the same native pixels, mask and header."""

import bz2
import gzip
import warnings

import numpy as np
import pytest

from tinygrad_astro.data import FitsImage, read_image, read_labels
from tinygrad_astro.data.fits import shift_reference

fits = pytest.importorskip("astropy.io.fits")


def stored(path, array, name=None, **cards):
    hdu = fits.PrimaryHDU(array)
    hdu.header.update(cards)
    hdu.writeto(path)
    return path


@pytest.fixture
def pixels(rng):
    return rng.normal(5.0, 2.0, (37, 52)).astype(np.float32)


@pytest.mark.parametrize("dtype", ["f4", "f8", "u1", "i2", "i4", "i8", "u2", "u4"])
def test_every_pixel_type_arrives_native_with_its_values(tmp_path, dtype, rng):
    array = (rng.random((9, 14)) * 200).astype(dtype)
    image = read_image(stored(tmp_path / "a.fits", array))
    assert image.data.dtype.isnative and image.data.flags.c_contiguous
    assert image.data.dtype == (np.float32 if dtype in ("f4", "u1", "i2", "u2") else np.float64)
    np.testing.assert_array_equal(image.data, array.astype(np.float64))
    assert not image.mask.any()


def test_unsigned_beyond_the_signed_range(tmp_path):
    array = np.array([[0, 32768], [40000, 65535]], np.uint16)
    np.testing.assert_array_equal(read_image(stored(tmp_path / "a.fits", array)).data, array)


def test_scaled_integers_and_blank(tmp_path):
    raw = np.array([[1, 2, -99], [4, 5, 6]], np.int16)
    hdu = fits.PrimaryHDU(raw)
    hdu.writeto(tmp_path / "a.fits")
    with fits.open(tmp_path / "a.fits", "update", do_not_scale_image_data=True) as opened:
        opened[0].header.update(BSCALE=0.5, BZERO=10.0, BLANK=-99)
    image = read_image(tmp_path / "a.fits")
    np.testing.assert_array_equal(image.mask, raw == -99)
    np.testing.assert_allclose(image.data[~image.mask], 0.5 * raw[raw != -99] + 10.0)
    assert np.isnan(image.data[0, 2])


def test_nan_infinity_and_flags_become_mask_and_stay_in_the_data(tmp_path, pixels):
    pixels[3, 4], pixels[5, 6] = np.nan, np.inf
    flags = np.zeros(pixels.shape, np.int16)
    flags[0, 0], flags[1, 1] = 1, 4
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(pixels, name="SCI"), fits.ImageHDU(flags, name="DQ")]
    fits.HDUList(hdus).writeto(tmp_path / "a.fits")
    image = read_image(tmp_path / "a.fits", "sci", mask_ext="DQ")
    assert {tuple(p) for p in np.argwhere(image.mask)} == {(0, 0), (1, 1), (3, 4), (5, 6)}
    np.testing.assert_array_equal(image.data, pixels)
    only = read_image(tmp_path / "a.fits", mask_ext="DQ", bad_bits=4).mask
    assert {tuple(p) for p in np.argwhere(only)} == {(1, 1), (3, 4), (5, 6)}


@pytest.mark.parametrize("packer", [gzip.compress, bz2.compress])
def test_packed_files_whatever_their_name(tmp_path, pixels, packer):
    stored(tmp_path / "a.fits", pixels)
    (tmp_path / "b.fits").write_bytes(packer((tmp_path / "a.fits").read_bytes()))
    with FitsImage(tmp_path / "b.fits") as opened:
        copy = opened._plain.name
        np.testing.assert_array_equal(
            opened.read((slice(3, 9), slice(5, 50)))[0], pixels[3:9, 5:50]
        )
    np.testing.assert_array_equal(read_image(tmp_path / "b.fits").data, pixels)
    with pytest.raises(FileNotFoundError):
        open(copy)


@pytest.mark.parametrize("codec", ["RICE_1", "GZIP_1", "GZIP_2", "HCOMPRESS_1"])
@pytest.mark.parametrize("dtype", ["i2", "f4"])
def test_tile_compressed_whole_and_by_section(tmp_path, pixels, codec, dtype):
    array = (pixels * 100).astype(dtype)
    if dtype == "f4" and codec != "HCOMPRESS_1":
        array[2, 3] = np.nan
    hdu = fits.CompImageHDU(array, compression_type=codec, tile_shape=(8, 20), name="SCI")
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(tmp_path / "a.fits")
    image = read_image(tmp_path / "a.fits")
    with fits.open(tmp_path / "a.fits") as opened:
        expected = np.array(opened[1].data)
    np.testing.assert_array_equal(image.data, expected)
    np.testing.assert_array_equal(image.mask, np.isnan(expected))
    part = read_image(tmp_path / "a.fits", section=(slice(6, 30), slice(11, None)))
    np.testing.assert_array_equal(part.data, expected[6:30, 11:])


def test_cube_is_turned_to_channels_last_and_unit_axes_dropped(tmp_path, rng):
    cube = rng.random((3, 5, 7)).astype(np.float32)
    stored(tmp_path / "cube.fits", cube)
    stored(tmp_path / "radio.fits", cube[None, :1])
    np.testing.assert_array_equal(read_image(tmp_path / "cube.fits").data, np.moveaxis(cube, 0, -1))
    part = read_image(tmp_path / "cube.fits", section=(slice(1, 3), slice(2, 7)))
    np.testing.assert_array_equal(part.data, np.moveaxis(cube[:, 1:3, 2:7], 0, -1))
    np.testing.assert_array_equal(read_image(tmp_path / "radio.fits").data, cube[0])


def test_a_section_keeps_its_sky(tmp_path, pixels):
    wcs = pytest.importorskip("astropy.wcs")
    cards = dict(
        CTYPE1="RA---TAN", CTYPE2="DEC--TAN", CRVAL1=150.0, CRVAL2=2.0, CRPIX1=20.0, CRPIX2=15.0,
        CDELT1=-1e-4, CDELT2=1e-4,
    )  # fmt: skip
    stored(tmp_path / "a.fits", pixels, **cards)
    whole, part = (
        read_image(tmp_path / "a.fits", section=s) for s in (None, (slice(9, 30), slice(4, 40)))
    )
    expected = wcs.WCS(whole.header).all_pix2world(10 + 4, 3 + 9, 0)
    np.testing.assert_allclose(wcs.WCS(part.header).all_pix2world(10, 3, 0), expected, rtol=1e-12)
    assert shift_reference(whole.header, 0, 0) == whole.header


def test_extensions_are_chosen_and_ambiguity_is_refused(tmp_path, pixels):
    table = fits.BinTableHDU(np.zeros(3, [("a", "f4")]), name="CAT")
    images = [fits.ImageHDU(pixels + i, name="SCI", ver=i) for i in (1, 2)]
    line = fits.ImageHDU(np.zeros(5, np.float32), name="SPECTRUM")
    fits.HDUList([fits.PrimaryHDU(), table, line, *images]).writeto(tmp_path / "a.fits")
    assert read_image(tmp_path / "a.fits").ext == 3
    np.testing.assert_array_equal(read_image(tmp_path / "a.fits", ("sci", 2)).data, pixels + 2)
    np.testing.assert_array_equal(read_image(tmp_path / "a.fits", 4).data, pixels + 2)
    for ext, words in [
        ("SCI", r"ambiguous.*\[3, 4\].*1 CAT \(table"),
        ("CAT", r"named 'CAT'.*2 SPECTRUM \(image 5\)"),
        (0, r"extension 0; the file holds: 0 PRIMARY \(no data\)"),
        (9, "extension 9"),
    ]:
        with pytest.raises(ValueError, match=words):
            read_image(tmp_path / "a.fits", ext)


def bad_files(folder, pixels):
    stored(folder / "good.fits", pixels)
    good = (folder / "good.fits").read_bytes()
    tiles = fits.CompImageHDU(pixels, compression_type="RICE_1")
    tiles.writeto(folder / "rice.fits")
    rice = (folder / "rice.fits").read_bytes()
    packed = gzip.compress(good)
    return {
        "empty": (b"", "an empty file"),
        "text": (b"id,x,y\n1,2,3\n" * 50, "starts with b'id,x,y"),
        "picture": (b"\x89PNG\r\n" + bytes(500), "not a FITS file"),
        "header cut": (good[:1500], "cut short"),
        "pixels cut": (good[:6000], r"truncated: extension 0 needs \d+ bytes, the file has 6000"),
        "tiles cut": (rice[:-4000], "truncated"),
        "gz cut": (packed[: len(packed) // 2], "packed data are damaged or truncated"),
        "gz garbage": (b"\x1f\x8b" + b"abc" * 300, "packed data are damaged"),
        "bz2 garbage": (b"BZh9" + b"1234" * 99, "packed data are damaged"),
        "gz text": (gzip.compress(b"hello" * 99), "not a FITS file"),
    }


def test_bad_files_give_one_error_that_names_them(tmp_path, pixels):
    for name, (content, words) in bad_files(tmp_path, pixels).items():
        path = tmp_path / f"{name}.fits"
        path.write_bytes(content)
        with pytest.raises(ValueError, match=words) as caught:
            read_image(path)
        assert str(path) in str(caught.value)
    with pytest.raises(FileNotFoundError, match="nowhere.fits"):
        read_image(tmp_path / "nowhere.fits")
    with pytest.raises(ValueError, match="is a folder"):
        read_image(tmp_path)


def test_damaged_tiles_are_reported(tmp_path, pixels):
    hdu = fits.CompImageHDU((pixels * 9).astype("i2"), compression_type="GZIP_1")
    hdu.writeto(tmp_path / "a.fits")
    content = bytearray((tmp_path / "a.fits").read_bytes())
    place = content.rindex(b"\x1f\x8b")
    content[place + 10 : place + 30] = bytes(20)
    (tmp_path / "a.fits").write_bytes(content)
    with pytest.raises(ValueError, match="damaged compressed tiles"):
        read_image(tmp_path / "a.fits")


def test_empty_or_stepped_sections_are_refused(tmp_path, pixels):
    stored(tmp_path / "a.fits", pixels)
    for section in [(slice(5, 5), slice(None)), (slice(None), slice(0, 50, 2))]:
        with pytest.raises(ValueError, match="empty or has a step"):
            read_image(tmp_path / "a.fits", section=section)


def test_mask_of_another_shape_is_refused(tmp_path, pixels):
    hdus = [fits.PrimaryHDU(pixels), fits.ImageHDU(np.zeros((3, 4), np.int16), name="DQ")]
    fits.HDUList(hdus).writeto(tmp_path / "a.fits")
    with pytest.raises(ValueError, match=r"mask 'DQ' is \(3, 4\), the image \(37, 52\)"):
        read_image(tmp_path / "a.fits", mask_ext="DQ")


def test_labels_are_whole_numbers(tmp_path, rng):
    labels = rng.integers(0, 70000, (8, 9)).astype(np.int32)
    read = read_labels(stored(tmp_path / "a.fits", labels))
    assert read.dtype == np.int64
    np.testing.assert_array_equal(read, labels)
    with pytest.raises(ValueError, match=r"whole numbers, found 2\.5"):
        read_labels(stored(tmp_path / "b.fits", np.full((2, 2), 2.5, np.float32)))


@pytest.mark.realdata
def test_every_survey_image_agrees_with_astropy(survey_data):
    paths = [*survey_data.glob("sky/*.fits*"), *survey_data.glob("structural/profit*.gz")]
    paths += list(survey_data.glob("images_sdss_r_cutouts/fits/*.fits"))
    assert len(paths) >= 29
    for path in paths:
        image = read_image(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = fits.getdata(path, image.ext)
        np.testing.assert_allclose(image.data, expected, rtol=2e-7)
        assert [card.value for card in image.header.cards if card.keyword == "NAXIS"] == [2]
