"""NumPy archives: native arrays, and no pickles."""

import numpy as np
import pytest

from tinygrad_astro.data import read_npz


def test_native_arrays_all_or_named(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", big=np.arange(3, dtype=">f4"), name=np.array(["M 31"]))
    arrays = read_npz(tmp_path / "a.npz")
    assert arrays["big"].dtype == np.float32 and arrays["big"].tolist() == [0, 1, 2]
    assert list(read_npz(tmp_path / "a.npz", ["name"])) == ["name"]
    with pytest.raises(ValueError, match=r"a\.npz: no array 'x'; it has big, name"):
        read_npz(tmp_path / "a.npz", ["x"])


def test_pickles_garbage_and_truncation(tmp_path):
    np.savez(tmp_path / "a.npz", objects=np.array([{}, []], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        read_npz(tmp_path / "a.npz")
    content = (tmp_path / "a.npz").read_bytes()
    for bad in (b"", b"hello", content[: len(content) // 2]):
        (tmp_path / "b.npz").write_bytes(bad)
        with pytest.raises(ValueError, match="not an .npz archive"):
            read_npz(tmp_path / "b.npz")
    np.savez(tmp_path / "c.npz", x=np.zeros(1000))
    damaged = bytearray((tmp_path / "c.npz").read_bytes())
    damaged[200:300] = b"\xff" * 100
    (tmp_path / "c.npz").write_bytes(damaged)
    with pytest.raises(ValueError, match=r"c\.npz: "):
        read_npz(tmp_path / "c.npz")
    with pytest.raises(FileNotFoundError):
        read_npz(tmp_path / "nowhere.npz")


@pytest.mark.realdata
def test_survey_archives(survey_data):
    for path in survey_data.glob("*/*.npz"):
        assert all(array.dtype.isnative for array in read_npz(path).values())
