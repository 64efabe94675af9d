"""Survey files into training parts: names, columns, stretch, and what cannot be used."""

import numpy as np
import pytest

from tinygrad_astro.data import write_image
from tinygrad_astro.segmentation.survey import band_names, prepare, read_survey, split_columns

pytest.importorskip("astropy", reason="FITS needs the extra astro")


def test_columns_are_cut_as_the_report_promises():
    parts = split_columns(2600)
    assert (parts["training"], parts["validation"]) == (slice(0, 1560), slice(1560, 2080))
    for width in (5, 33, 101):
        parts = list(split_columns(width).values())
        assert parts[0].start == 0 and parts[2].stop == width
        assert parts[0].stop == parts[1].start and parts[1].stop == parts[2].start


@pytest.mark.parametrize(
    ("paths", "count", "names"),
    [
        (["a/kids_g.fits", "b/kids_Ks.fits.gz", "kids_i.fits"], 3, ["g", "Ks", "i"]),
        (["f606w_drz.fits", "f814w_drz.fits"], 2, ["606", "814"]),
        (["sky.fits"], 1, ["sky"]),
        (["sky.fits", "sky_r.fits"], 2, ["sky", "sky_r"]),
        (["cube.fits"], 3, ["band1", "band2", "band3"]),
    ],
)
def test_bands_are_named_by_what_file_names_do_not_share(paths, count, names):
    assert band_names(paths, count) == names


@pytest.fixture
def sky(rng):
    labels = np.zeros((20, 50), np.int32)
    labels[5:8, 3::10] = 1 + np.arange(5)
    image = rng.normal(10, 2, (20, 50, 2)) * [1, 1e-9] + labels[..., None] * [30, 3e-8]
    return image, labels


def test_stretch_is_fitted_on_training_columns_alone(sky):
    image, labels = sky
    spoiled = image.copy()
    spoiled[:, 30:] += 1e6
    assert prepare(image, None, labels, "gr").stretch.to_dict() == (
        prepare(spoiled, None, labels, "gr").stretch.to_dict()
    )
    survey = prepare(image, None, labels, "gr")
    median = np.median(image[:, :30], axis=(0, 1))
    np.testing.assert_allclose(survey.stretch.median, median)
    scale = 1.4826 * np.median(abs(image[:, :30] - median), axis=(0, 1))
    np.testing.assert_allclose(survey.image, np.arcsinh((image - median) / scale), rtol=1e-5)
    np.testing.assert_array_equal(survey.classes, labels > 0)


def test_files_of_any_unit_and_a_masked_pixel(sky, tmp_path):
    image, labels = sky
    image[3, 4, 0] = np.nan
    paths = [tmp_path / f"field_{band}.fits" for band in "gr"]
    for i, path in enumerate(paths):
        write_image(path, image[..., i].astype(np.float32))
    write_image(tmp_path / "seg.fits.gz", labels)
    survey = read_survey(paths, tmp_path / "seg.fits.gz")
    assert survey.bands == ["g", "r"] and survey.names == ["sky", "source"]
    assert np.argwhere(survey.mask).tolist() == [[3, 4, 0]] and survey.image[3, 4, 0] == 0


def test_labels_of_another_size_name_both_files(sky, tmp_path):
    image, labels = sky
    write_image(tmp_path / "g.fits", image[..., 0])
    write_image(tmp_path / "seg.fits", labels[:, :40])
    with pytest.raises(ValueError, match=r"seg.fits is 20 x 40, .*g.fits is 20 x 50"):
        read_survey([tmp_path / "g.fits"], tmp_path / "seg.fits")


@pytest.mark.parametrize("part", ["training", "validation", "report"])
def test_a_part_without_sources_is_refused(sky, part):
    image, labels = sky
    labels[:, split_columns(50)[part]] = 0
    with pytest.raises(ValueError, match=f"the {part} columns"):
        prepare(image, None, labels, "gr")
