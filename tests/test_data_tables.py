"""Tables: the columns and masks of every kind of file, and what is said of a broken one."""

import gzip

import numpy as np
import pytest

from tinygrad_astro.data import Table, read_table, write_catalogue

TEXT = "# made by hand\nid,name,mag,flag\n1,NGC 1,20.5,0\n\n2,,nan,\n3,M 31,1e-3,7\n"


@pytest.fixture
def csv_path(tmp_path):
    path = tmp_path / "cat.csv"
    path.write_text(TEXT)
    return path


def check_columns(table):
    assert table.names == ["id", "name", "mag", "flag"] and len(table) == 3
    assert table["id"].dtype == np.int64 and table["id"].tolist() == [1, 2, 3]
    assert table["name"].tolist() == ["NGC 1", "", "M 31"]
    np.testing.assert_array_equal(table["mag"], [20.5, np.nan, 1e-3])
    assert table.mask["mag"].tolist() == table.mask["flag"].tolist() == [False, True, False]
    assert not table.mask["id"].any()
    assert all(table[name].dtype.isnative for name in table.names)


def test_csv_columns_take_the_narrowest_type(csv_path):
    table = read_table(csv_path)
    check_columns(table)
    assert table.mask["name"].tolist() == [False, True, False]
    np.testing.assert_array_equal(
        table.stack(["mag", "flag"]), np.float32([[20.5, 0], [np.nan] * 2, [1e-3, 7]])
    )


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".csv.gz", ".ecsv", ".fits"])
def test_round_trips(csv_path, tmp_path, suffix):
    if suffix in (".ecsv", ".fits"):
        pytest.importorskip("astropy")
    table = read_table(csv_path)
    write_catalogue(tmp_path / f"copy{suffix}", table)
    check_columns(read_table(tmp_path / f"copy{suffix}"))


def test_columns_are_chosen_in_order(csv_path):
    assert read_table(csv_path, ["mag", "id"]).names == ["mag", "id"]
    with pytest.raises(ValueError, match=r"no column 'z'; it has id, name, mag, flag"):
        read_table(csv_path, ["id", "z"])
    with pytest.raises(KeyError, match="no column 'z'"):
        read_table(csv_path)["z"]
    with pytest.raises(ValueError, match="column 'name' is text"):
        read_table(csv_path).stack(["name"])


@pytest.mark.parametrize(
    "name, content, words",
    [
        ("a.csv", b"a,b\n1,2\n3\n", r"line 3 has 1 values, expected 2 \(a, b\)"),
        ("a.csv", b"a,b\n1,2\n3,4,5\n", "line 3 has 3 values"),
        ("a.csv", b"", "is empty"),
        ("a.csv", b"# only a comment\n", "is empty"),
        ("a.csv", b"a,a\n1,2\n", "names repeat"),
        ("a.csv", b"\xff\xfe\x00\x01" * 9, "not a text table"),
        ("a.csv.gz", b"a,b\n", "not a text table"),
        ("a.csv.gz", gzip.compress(b"a,b\n1,2\n" * 99)[:25], "not a text table"),
        ("a.fits", b"a,b\n1,2\n", "no table could be read"),
        ("a.ecsv", b"a,b\n1,2\n", "no table could be read"),
        ("a.xlsx", b"PK", "unknown kind of table '.xlsx'; accepted are .csv"),
    ],
)
def test_broken_tables(tmp_path, name, content, words):
    if name.endswith((".fits", ".ecsv")):
        pytest.importorskip("astropy")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=words):
        read_table(tmp_path / name)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.csv"):
        read_table(tmp_path / "nowhere.csv")


def test_a_header_alone_is_an_empty_table(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n")
    table = read_table(tmp_path / "a.csv")
    assert len(table) == 0 and table.names == ["a", "b"]


def test_fits_table_with_vectors_bytes_and_big_endian(tmp_path):
    fits = pytest.importorskip("astropy.io.fits")
    rows = np.zeros(4, [("name", "S5"), ("fit", ">f4", (8,)), ("n", ">i2")])
    rows["fit"], rows["n"], rows["name"] = np.arange(32).reshape(4, 8), [1, 2, 3, 4], b"star"
    hdu = fits.BinTableHDU(rows)
    hdu.columns["n"].null = 3
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(tmp_path / "a.fits")
    table = read_table(tmp_path / "a.fits")
    np.testing.assert_array_equal(table["fit"], rows["fit"])
    assert table["name"].tolist() == ["star"] * 4
    assert table.mask["n"].tolist() == [False, False, True, False]
    assert all(table[name].dtype.isnative for name in table.names)


def test_writing_structured_masked_and_refusals(tmp_path):
    rows = np.array([(1, 2.5)], [("id", "i4"), ("x", "f8")])
    write_catalogue(tmp_path / "a.csv", rows)
    assert (tmp_path / "a.csv").read_text() == "id,x\n1,2.5\n"
    write_catalogue(tmp_path / "b.csv", {"z": np.ma.array([1.0, 2.0], mask=[False, True])})
    assert read_table(tmp_path / "b.csv").mask["z"].tolist() == [False, True]
    with pytest.raises(ValueError, match="differ in length"):
        write_catalogue(tmp_path / "c.csv", {"a": [1], "b": [1, 2]})
    with pytest.raises(ValueError, match="several axes: fit"):
        write_catalogue(tmp_path / "c.csv", {"fit": np.ones((2, 3))})
    with pytest.raises(ValueError, match="unknown kind"):
        write_catalogue(tmp_path / "c.txt", rows)
    with pytest.raises(ValueError, match="structured array"):
        write_catalogue(tmp_path / "c.csv", np.ones(3))
    with pytest.raises(FileExistsError):
        write_catalogue(tmp_path / "a.csv", rows, overwrite=False)


def test_units_are_kept(tmp_path):
    table = pytest.importorskip("astropy.table").Table
    write_catalogue(tmp_path / "a.ecsv", {"x": np.ones(2)}, units={"x": "pixel"})
    assert str(table.read(tmp_path / "a.ecsv", format="ascii.ecsv")["x"].unit) == "pix"


def test_an_empty_table_has_length_zero():
    assert len(Table({}, {})) == 0


@pytest.mark.realdata
def test_survey_tables(survey_data):
    boss = read_table(survey_data / "photoz/boss_dr10_1.csv")
    assert len(boss) == 6000 and np.isfinite(boss.stack(boss.names)).all()
    assert len(read_table(survey_data / "sky/kids_viking_south_sepcat.csv")) == 515
    fits = read_table(survey_data / "structural/cosmos_f814w_parametric_fits.fits")
    assert len(fits) == 300 and fits["bulgefit"].shape == (300, 16)
    sdss = read_table(survey_data / "images_sdss_r_cutouts/catalog.csv")
    assert len(sdss) == 71 and np.isnan(sdss["r50_pix"][sdss.mask["r50_pix"]]).all()
