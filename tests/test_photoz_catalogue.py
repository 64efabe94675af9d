"""Tables of photometry: every naming, missing values, and objects that are kept apart."""

import numpy as np
import pytest

from tinygrad_astro.photoz.catalogue import (
    Catalogue,
    check_apart,
    digests,
    read_catalogue,
    split,
)


def catalogue(n=10, first=0, bands="gri"):
    numbers = np.arange(first, first + n)
    magnitudes = 20 + numbers[:, None] + np.arange(len(bands)) * 0.1
    return Catalogue(
        magnitudes,
        np.full(magnitudes.shape, 0.1),
        tuple(bands),
        numbers / 100,
        np.array([f"galaxy {i}" for i in numbers]),
    )


@pytest.mark.parametrize(
    "header",
    [
        "mag_g,magerr_g,mag_r,magerr_r,z_spec",
        "mag_g,mag_err_g,mag_r,mag_err_r,redshift",
        "g,eg,r,er,zspec",
        "g,g_err,r,r_err,specz",
    ],
)
def test_every_naming_reads_the_same(tmp_path, header):
    path = tmp_path / "table.csv"
    path.write_text(f"{header}\n21.5,0.2,20.5,0.1,0.3\n22.5,0.4,21.0,0.2,0.5\n")
    found = read_catalogue(path, "gr")
    assert found.magnitudes.tolist() == [[21.5, 20.5], [22.5, 21.0]]
    assert found.errors.tolist() == [[0.2, 0.1], [0.4, 0.2]]
    assert found.redshift.tolist() == [0.3, 0.5] and found.bands == ("g", "r")


def test_the_band_z_is_not_taken_for_the_redshift(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("z_spec,i,z,ei,ez\n0.25,17.0,16.5,0.01,0.02\n")
    found = read_catalogue(path, "iz")
    assert found.magnitudes.tolist() == [[17.0, 16.5]] and found.redshift.tolist() == [0.25]


def test_identifiers_are_read_or_made_from_the_measurements(tmp_path):
    path = tmp_path / "named.csv"
    path.write_text("objid,g,eg\n1237656971301945477,20.0,0.1\n1237656971302207605,21.0,0.1\n")
    named = read_catalogue(path, "g")
    assert named.identifier.tolist() == ["1237656971301945477", "1237656971302207605"]
    assert np.isnan(named.redshift).all()
    other = tmp_path / "other.csv"
    other.write_text("eg,z_spec,g\n0.1,0.2,20.0\n0.1,0.7,22.0\n")
    path.write_text("g,eg\n20.0,0.1\n21.0,0.1\n")
    same = set(read_catalogue(path, "g").identifier) & set(read_catalogue(other, "g").identifier)
    assert len(same) == 1
    assert digests(np.array([[20.0, 0.1]]))[0] in same


def test_a_missing_band_is_named_with_what_there_is(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("g,eg,z_spec\n20.0,0.1,0.2\n")
    with pytest.raises(ValueError, match=r"no magnitude of band 'r'.* it has g, eg, z_spec"):
        read_catalogue(path, "gr")


def test_measured_knows_sentinels_and_nan():
    found = catalogue(6)
    found.magnitudes[0, 0] = 99.0
    found.magnitudes[1, 1] = -9999.0
    found.magnitudes[2, 2] = np.nan
    found.errors[3, 0] = -1.0
    found.errors[4, 1] = np.inf
    found.magnitudes[5], found.errors[5] = 33.0, 14750.0  # undetected, but measured
    expected = np.ones((6, 3), bool)
    expected[[0, 1, 2, 3, 4], [0, 1, 2, 0, 1]] = False
    np.testing.assert_array_equal(found.measured, expected)


def test_split_parts_every_object_once():
    whole = catalogue(50)
    rest, test = split(whole, 0.2, seed=3)
    assert (len(rest), len(test)) == (40, 10)
    assert set(rest.identifier) | set(test.identifier) == set(whole.identifier)
    assert not set(rest.identifier) & set(test.identifier)
    number = np.array([int(name.split()[1]) for name in test.identifier])
    np.testing.assert_array_equal(test.redshift, number / 100)
    assert set(split(whole, 10, seed=3)[1].identifier) == set(test.identifier)
    assert set(split(whole, 10, seed=4)[1].identifier) != set(test.identifier)
    check_apart(rest, test)


@pytest.mark.parametrize("test", [0, 50, 1.0, 0.001])
def test_split_leaves_both_sides_something(test):
    with pytest.raises(ValueError, match="at least one on each side"):
        split(catalogue(50), test)


def test_an_object_in_both_samples_is_refused():
    with pytest.raises(ValueError, match="2 objects are in .* 'galaxy 8'"):
        check_apart(catalogue(10), catalogue(10, first=8))
    with pytest.raises(ValueError, match="bands g, r, i, the test sample g, r;"):
        check_apart(catalogue(10), catalogue(10, first=20, bands="gr"))


def test_an_object_twice_in_one_sample_is_refused():
    with pytest.raises(ValueError, match="1 objects occur more than once, .* 'galaxy 4'"):
        catalogue(10)[[3, 4, 4]]


def test_shapes_that_do_not_fit_are_named():
    good = catalogue(4)
    with pytest.raises(ValueError, match=r"errors has shape \(3, 3\), expected \(4, 3\)"):
        Catalogue(good.magnitudes, good.errors[:3], good.bands, good.redshift, good.identifier)
    with pytest.raises(ValueError, match="4 objects got 3 images"):
        Catalogue(
            good.magnitudes,
            good.errors,
            good.bands,
            good.redshift,
            good.identifier,
            np.zeros((3, 8, 8, 3)),
        )
