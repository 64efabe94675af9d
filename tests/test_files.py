import pytest

from tinygrad_astro import files


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_a_write_that_is_cut_leaves_the_old_file_and_the_next_one_cleans_up(
    broken, tmp_path, monkeypatch
):
    path = tmp_path / "state"
    files.write_atomically(path, b"old")
    with monkeypatch.context() as patch:
        patch.setattr(files.os, broken, lambda *args: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            files.write_atomically(path, b"new, and longer")
    assert path.read_bytes() == b"old"
    files.write_atomically(str(path), b"newest")
    assert path.read_bytes() == b"newest"
    assert [p.name for p in tmp_path.iterdir()] == ["state"]


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        files.write_atomically(tmp_path / "nowhere" / "state", b"")
