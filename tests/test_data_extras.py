"""The optional packages: absent, they are named with the command that brings them."""

import subprocess
import sys

import pytest

import tinygrad_astro.data
from tinygrad_astro.data.extras import optional

BLOCK = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("astropy", "h5py"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Block())
import numpy as np
from tinygrad_astro import data
"""


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_reading_without_the_packages_says_what_to_install(tmp_path):
    code = f"""{BLOCK}
data.write_catalogue({str(tmp_path / "a.csv")!r}, {{"x": np.ones(2)}})
assert len(data.read_table({str(tmp_path / "a.csv")!r})) == 2
open({str(tmp_path / "a.fits")!r}, "wb").close()
for task in (data.read_image, data.read_table, data.HDF5File):
    try:
        task({str(tmp_path / "a.fits")!r})
    except ImportError as error:
        print(error)
"""
    lines = run(code).splitlines()
    assert len(lines) == 3
    assert all("pip install 'tinygrad_astro[astro]'" in line for line in lines)
    assert "astropy" in lines[0] and "h5py" in lines[2]


def test_importing_data_and_simulating_loads_neither_of_them():
    code = """
import sys
import numba  # brings what it finds of scipy by itself
before = set(sys.modules)
from tinygrad_astro.data import Batches, AsinhStretch, RandomCrops, simulate, read_image, HDF5File
simulate.field((32, 32), 2)
print([n for n in ("astropy", "h5py", "scipy", "matplotlib") if n in set(sys.modules) - before])
"""
    assert run(code).strip() == "[]"


def test_other_import_errors_are_not_hidden(monkeypatch):
    def broken(name):
        raise ModuleNotFoundError("No module named 'erfa'", name="erfa")

    monkeypatch.setattr("tinygrad_astro.data.extras.import_module", broken)
    with pytest.raises(ModuleNotFoundError, match="erfa"):
        optional("astropy.io.fits")


def test_every_exported_name_exists():
    for name in tinygrad_astro.data.__all__:
        assert getattr(tinygrad_astro.data, name) is not None
    assert set(tinygrad_astro.data.__all__) <= set(dir(tinygrad_astro.data))
    with pytest.raises(AttributeError, match="no attribute 'read_jpeg'"):
        _ = tinygrad_astro.data.read_jpeg
