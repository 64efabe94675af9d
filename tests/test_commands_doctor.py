"""What doctor says of this machine, and of machines that are not here."""

import ctypes

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


PACKAGES = {"numba-cuda": "0.30.4", "nvidia-cuda-nvrtc": "13.0.88"}


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
        (Driver(), {"nvidia-cuda-nvrtc": "13.0"}, "package", "tinygrad_astro[cuda]"),
    ],
)
def test_what_is_missing_comes_with_advice(driver, packages, what, advice, monkeypatch):
    finding = found(driver, packages, monkeypatch)[what]
    assert not finding.good and finding.advice and advice in finding.advice


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
    for extra in ("astro", "plot", "explain", "cuda"):
        assert any(f"pip install 'tinygrad_astro[{extra}]'" in line for line in lines)


def test_an_unwritable_cache_is_told(monkeypatch, tmp_path):
    from tinygrad_astro.kernels.cpu import target

    monkeypatch.setattr(target, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(target, "cache_root", lambda: tmp_path / "nowhere")
    assert any("set TINYGRAD_ASTRO_CACHE" in line for line in doctor.kernels())
    assert any("tinygrad-astro warmup" in line for line in doctor.kernels())
