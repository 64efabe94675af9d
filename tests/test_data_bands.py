"""Aligned bands as one array, whole and by section."""

import gzip
import tracemalloc

import numpy as np
import pytest

from tinygrad_astro.data import BandReader, ImageWriter, read_bands, write_image

pytest.importorskip("astropy")


@pytest.fixture
def strip(tmp_path, rng):
    array = rng.normal(size=(40, 60, 3)).astype(np.float32)
    array[5, 6, 1] = np.nan
    paths = [tmp_path / f"{band}.fits" for band in "gri"]
    for path, band in zip(paths, np.moveaxis(array, -1, 0), strict=True):
        write_image(path, band, {"FILTER": path.stem, "CRPIX1": 10.0, "CRPIX2": 20.0})
    return paths, array


def test_stack_has_the_bands_last_and_a_mask_per_band(strip):
    paths, array = strip
    image = read_bands(paths)
    np.testing.assert_array_equal(image.data, array)
    np.testing.assert_array_equal(image.mask, np.isnan(array))
    assert image.header["FILTER"] == "g"


def test_sections_of_plain_packed_and_cube(strip, tmp_path):
    paths, array = strip
    packed = tmp_path / "g.fits.gz"
    packed.write_bytes(gzip.compress(paths[0].read_bytes()))
    write_image(tmp_path / "cube.fits", array[..., 1:])
    with BandReader([packed, tmp_path / "cube.fits"]) as reader:
        assert reader.shape == (40, 60, 3) and reader.dtype == np.float32
        part = reader[3:11, 40:]
    np.testing.assert_array_equal(part.data, array[3:11, 40:])
    assert (part.header["CRPIX1"], part.header["CRPIX2"]) == (10.0 - 40, 20.0 - 3)


def test_different_sizes_name_both_files(strip, tmp_path):
    paths, _ = strip
    write_image(tmp_path / "small.fits", np.ones((4, 5), np.float32))
    words = r"g\.fits is 40 x 60, .*small\.fits is 4 x 5"
    with pytest.raises(ValueError, match=words):
        read_bands([*paths, tmp_path / "small.fits"])


def test_one_extension_per_path_or_an_error(strip):
    paths, array = strip
    np.testing.assert_array_equal(read_bands(paths, ext=[0, 0, 0]).data, array)
    with pytest.raises(ValueError, match="ext has 2 entries for 3 paths"):
        read_bands(paths, ext=[0, 0])
    with pytest.raises(ValueError, match="at least one"):
        read_bands([])


def test_a_section_of_a_large_file_costs_only_the_section(tmp_path):
    with ImageWriter(tmp_path / "big.fits", {"SCI": ((4000, 4000), "float32")}) as writer:
        writer["SCI"][2000:2002, 1000:1004] = 7.0
    with BandReader(tmp_path / "big.fits") as reader:
        tracemalloc.start()
        part = reader[1990:2010, 990:1010]
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert part.data.sum() == 56.0
    assert peak < 1_000_000


@pytest.mark.realdata
def test_the_strip_of_five_bands(survey_data):
    paths = [survey_data / f"sky/kids_viking_south_{b}.fits" for b in ("g", "r", "i", "Z", "Ks")]
    with BandReader(paths) as reader:
        assert reader.shape == (864, 2600, 5)
        one, two = reader[100:164, 2000:2064], reader[100:132, 2000:2064]
    np.testing.assert_array_equal(one.data[:32], two.data)
    assert np.isfinite(one.data).all() and not one.mask.any()
