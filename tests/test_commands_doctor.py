"""What doctor says of this machine, and of machines that are not here."""

import ctypes
import subprocess
import sys

import pytest

from tinygrad_astro.cli import main
from tinygrad_astro.commands import doctor
from tinygrad_astro.kernels import gpu


class Driver:
    """Stands for NVIDIA's driver library, as its functions behave by the CUDA manual."""

    def __init__(self, version=13000, failure=0, cards=1):
        self.version, self.failure, self.cards = version, failure, cards

    def _set(self, pointer, kind, value):
        ctypes.cast(pointer, ctypes.POINTER(kind))[0] = value
        return 0

    def cuDriverGetVersion(self, number):
        return self._set(number, ctypes.c_int, self.version)

    def cuInit(self, flags):
        return self.failure

    def cuDeviceGetCount(self, count):
        return self._set(count, ctypes.c_int, self.cards)

    def cuDeviceGet(self, device, index):
        return self._set(device, ctypes.c_int, index)

    def cuDeviceGetName(self, title, length, device):
        title.value = b"NVIDIA H100 80GB HBM3"

    def cuDeviceTotalMem_v2(self, memory, device):
        return self._set(memory, ctypes.c_size_t, 80 * 2**30)

    def cuDeviceGetAttribute(self, value, attribute, device):
        return self._set(value, ctypes.c_int, {75: 9, 76: 0}[attribute])


def found(driver, packages, monkeypatch):
    monkeypatch.setattr(gpu, "version_of", packages.get)
    monkeypatch.delenv("NUMBA_ENABLE_CUDASIM", raising=False)

    def load(name):
        if driver is None:
            raise OSError(name)
        return driver

    return {finding.what: finding for finding in gpu.findings(load)}


PACKAGES = {
    "numba-cuda": "0.30.4", "cuda-core": "1.2.2", "nvidia-cuda-nvrtc": "13.0.88",
    "nvidia-nvjitlink": "13.0.88", "nvidia-nvvm": "13.0.88", "numpy": "2.4.6",
}  # fmt: skip


def without(*names, **changed):
    """Give PACKAGES without some, or in other versions (an underscore stands for a dash)."""
    changed = {name.replace("_", "-"): version for name, version in changed.items()}
    return {**{n: v for n, v in PACKAGES.items() if n not in names}, **changed}


def test_a_machine_that_is_ready(monkeypatch):
    ready = found(Driver(), PACKAGES, monkeypatch)
    assert all(finding.good and not finding.advice for finding in ready.values())
    assert ready["driver"].text == "CUDA 13.0"
    assert ready["card"].text == "NVIDIA H100 80GB HBM3, 80 GiB, compute capability 9.0"


@pytest.mark.parametrize(
    ("driver", "packages", "what", "advice"),
    [
        (None, PACKAGES, "driver", ""),
        (Driver(failure=100), PACKAGES, "card", "--gpus all"),
        (Driver(failure=803), PACKAGES, "card", "reboot"),
        (Driver(failure=4711), PACKAGES, "card", "4711"),
        (Driver(cards=0), PACKAGES, "card", "nvidia-smi"),
        (Driver(version=12040), PACKAGES, "toolkit", r"numba-cuda[cu12]"),
        (Driver(), without("nvidia-nvvm"), "toolkit", "tinygrad_astro[cuda]"),
        (Driver(), without("numba-cuda"), "package", "tinygrad_astro[cuda]"),
        (Driver(), without("cuda-core"), "package", "tinygrad_astro[cuda]"),
        (Driver(), without(numba_cuda="0.29.9"), "package", "tinygrad_astro[cuda]"),
        (Driver(), without(numba_cuda="0.31.0"), "package", "tinygrad_astro[cuda]"),
        (Driver(), without(cuda_core="0.7.1"), "package", "tinygrad_astro[cuda]"),
    ],
)
def test_what_is_missing_comes_with_advice(driver, packages, what, advice, monkeypatch):
    finding = found(driver, packages, monkeypatch)[what]
    assert not finding.good and finding.advice and advice in finding.advice
    assert what == "driver" or all(
        other.good for other in found(driver, packages, monkeypatch).values() if other != finding
    )


def test_wrong_versions_are_told_with_those_that_are_needed(monkeypatch):
    finding = found(Driver(), without(numba_cuda="0.31.0", cuda_core="0.7.1"), monkeypatch)
    text = finding["package"].text
    assert "numba-cuda 0.31.0" in text and "numba-cuda of at least 0.30.4 and below 0.31" in text
    assert "cuda-core 0.7.1" in text and "cuda-core of at least 1.0 and below 2.0" in text


def test_the_versions_that_are_needed_are_those_of_the_extra():
    import tomllib
    from pathlib import Path

    with (Path(__file__).parents[1] / "pyproject.toml").open("rb") as stream:
        extra = tomllib.load(stream)["project"]["optional-dependencies"]["cuda"]
    wanted = {
        "numba-cuda[cu13]>={},<{}".format(*gpu.VERSIONS["numba-cuda"]),
        "cuda-core>={},<{}".format(*(v.split(".")[0] for v in gpu.VERSIONS["cuda-core"])),
    }
    assert set(extra) == wanted


def test_numpy_2_5_is_told_and_does_no_harm(monkeypatch):
    finding = found(Driver(), without(numpy="2.5.0"), monkeypatch)["package"]
    assert finding.good and "row_stack, which NumPy 2.5.0 no longer has" in finding.text


def test_a_tensor_on_cuda_without_the_packages_says_what_to_install(monkeypatch):
    """The kernels' folder is imported then, and must not end in a ModuleNotFoundError."""
    code = (
        "from tinygrad_astro.kernels import gpu\n"
        "import tinygrad_astro as ta\n"
        "asked = gpu.version_of\n"
        "gpu.version_of = lambda name: None if name == 'numba-cuda' else asked(name)\n"
        "for call in (lambda: ta.tensor([1.0], device='cuda'), lambda: ta.cuda.empty(3)):\n"
        "    try:\n"
        "        call()\n"
        "    except gpu.NoCard as error:\n"
        "        print(error)\n"
    )
    monkeypatch.delenv("NUMBA_ENABLE_CUDASIM", raising=False)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == 2, done.stdout
    for line in lines:
        assert "package: numba-cuda" in line and "pip install 'tinygrad_astro[cuda]'" in line


def test_the_simulator_is_noticed(monkeypatch):
    monkeypatch.setattr(gpu, "version_of", PACKAGES.get)
    monkeypatch.setenv("NUMBA_ENABLE_CUDASIM", "1")
    assert "unset NUMBA_ENABLE_CUDASIM" in gpu.find_package().advice


def test_doctor_runs_here(capsys):
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    for word in ("numpy", "numba", "threads, layer", "float32 at once", "compiled", "driver"):
        assert word in said


def test_doctor_says_how_to_install_what_is_missing(monkeypatch):
    monkeypatch.setattr(doctor, "version_of", lambda name: None)
    lines = doctor.extras()
    for extra in ("astro", "plot", "explain", "dask", "cuda"):
        assert any(f"pip install 'tinygrad_astro[{extra}]'" in line for line in lines)


def test_an_unwritable_cache_is_told(monkeypatch, tmp_path):
    from tinygrad_astro.kernels.cpu import target

    monkeypatch.setattr(target, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(target, "cache_root", lambda: tmp_path / "nowhere")
    assert any("set TINYGRAD_ASTRO_CACHE" in line for line in doctor.kernels())
    assert any("tinygrad-astro warmup" in line for line in doctor.kernels())
