"""Optional packages: absent, they are named with the command that brings them."""

import subprocess
import sys

import pytest

from tinygrad_astro.extras import optional

BLOCK = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("astropy", "h5py", "matplotlib", "scipy"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Block())
import numpy as np
import tinygrad_astro as ta
from tinygrad_astro import data
"""


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_without_the_packages_each_task_says_what_to_install(tmp_path):
    code = f"""{BLOCK}
data.write_catalogue({str(tmp_path / "a.csv")!r}, {{"x": np.ones(2)}})
assert len(data.read_table({str(tmp_path / "a.csv")!r})) == 2
path = {str(tmp_path / "a.fits")!r}
open(path, "wb").close()
layer = ta.layers.Conv2D(2, 3)
layer.build((None, 8, 8, 1))
for task in (
    lambda: data.read_image(path),
    lambda: data.read_table(path),
    lambda: data.HDF5File(path),
    lambda: ta.explain.filters(layer),
    lambda: ta.explain.conv_matrix([[1.0]], (2, 2)),
):
    try:
        task()
    except ImportError as error:
        print(error)
"""
    lines = run(code)
    packages = ["astropy", "astropy", "h5py", "matplotlib", "scipy"]
    extras = ["astro", "astro", "astro", "plot", "explain"]
    assert len(lines) == 5
    for line, package, extra in zip(lines, packages, extras, strict=True):
        assert f"the package {package}, which is not installed" in line
        assert line.endswith(f"run: pip install 'tinygrad_astro[{extra}]'")


def test_importing_and_simulating_load_none_of_them():
    code = """
import sys
import numba  # brings what it finds of scipy by itself
before = set(sys.modules)
import tinygrad_astro as ta
from tinygrad_astro.data import Batches, AsinhStretch, RandomCrops, simulate, read_image, HDF5File
simulate.field((32, 32), 2)
ta.explain.receptive_field([ta.layers.Conv2D(2, 3)])
new = {name.partition(".")[0] for name in set(sys.modules) - before}
print(sorted(new & {"astropy", "h5py", "scipy", "matplotlib"}))
"""
    assert run(code) == ["[]"]


def test_a_module_that_the_installed_package_lacks_is_told_from_a_package_not_installed():
    pytest.importorskip("scipy")
    with pytest.raises(ImportError) as caught:
        optional("scipy.nowhere")
    told = str(caught.value)
    assert "the module scipy.nowhere, which the installed package scipy does not have" in told
    assert "not installed" not in told
    assert told.endswith("pip install --upgrade --force-reinstall 'tinygrad_astro[explain]'")


@pytest.mark.parametrize("name", ["erfa", "scipyx", None])
def test_what_another_package_causes_is_not_hidden(name, monkeypatch):
    def broken(module):
        raise ModuleNotFoundError("something else", name=name)

    monkeypatch.setattr("tinygrad_astro.extras.import_module", broken)
    with pytest.raises(ModuleNotFoundError, match="something else"):
        optional("scipy.sparse")
