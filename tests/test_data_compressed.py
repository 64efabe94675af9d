"""Packed files: unpacked once, told by their content, and cleaned up."""

import bz2
import gzip
import os

import pytest

from tinygrad_astro.data.compressed import PlainFile


@pytest.mark.parametrize("packer", [gzip.compress, bz2.compress])
def test_the_copy_has_the_content_and_goes_away(tmp_path, packer):
    (tmp_path / "a").write_bytes(packer(b"sky" * 1000))
    plain = PlainFile(str(tmp_path / "a"))
    with open(plain.name, "rb") as stream:
        assert stream.read() == b"sky" * 1000
    plain.close()
    plain.close()
    assert not os.path.exists(plain.name) and (tmp_path / "a").exists()


def test_a_plain_file_is_itself(tmp_path):
    (tmp_path / "a.gz").write_bytes(b"not packed in spite of its name")
    plain = PlainFile(str(tmp_path / "a.gz"))
    plain.close()
    assert plain.name == str(tmp_path / "a.gz") and os.path.exists(plain.name)


def test_damage_is_told_from_a_full_disk(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(gzip.compress(os.urandom(4000))[:2000])
    with pytest.raises(ValueError, match="damaged or truncated"):
        PlainFile(str(tmp_path / "a"))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tinygrad_astro.data.compressed.shutil.copyfileobj", full)
    with pytest.raises(OSError, match="No space left"):
        PlainFile(str(tmp_path / "a"))
