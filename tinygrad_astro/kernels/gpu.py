"""What stands between this machine and a CUDA kernel: driver, card, toolkit, package.

Each finding names what to do about it. Nothing here imports a CUDA package: the driver is asked
through its own library, and packages through their metadata.
"""

import ctypes
import glob
import os
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from typing import Any

INSTALL = "pip install 'tinygrad_astro[cuda]'"
# Least version, and the first that the kernels are not written for: those of the extra [cuda].
VERSIONS = {"numba-cuda": ("0.30.4", "0.31"), "cuda-core": ("1.0", "2.0")}
# What compiles: pip's names of NVRTC, nvJitLink and NVVM, by CUDA version.
COMPILERS = {
    13: ("nvidia-cuda-nvrtc", "nvidia-nvjitlink", "nvidia-nvvm"),
    12: ("nvidia-cuda-nvrtc-cu12", "nvidia-nvjitlink-cu12", "nvidia-cuda-nvcc-cu12"),
}
DRIVERS = "install NVIDIA's driver (https://www.nvidia.com/drivers)"

# Results of cuInit and what helps (cuda.h, enum CUresult).
ADVICE = {
    100: "the driver finds no CUDA card: check nvidia-smi, CUDA_VISIBLE_DEVICES, and, in a "
    "container, the option --gpus all",
    3: "the driver is not initialised: reboot, or reload its kernel module",
    34: "this is the stub library of the toolkit, not the driver: take its folder off "
    "LD_LIBRARY_PATH",
    802: "the driver is not ready yet (NVSwitch fabric manager): start nvidia-fabricmanager",
    803: "driver library and kernel module differ in version: reboot after an upgrade",
    804: "the compatibility package does not support this card: remove cuda-compat",
    999: "unknown error of the driver: reload its kernel module, or reboot",
}


class NoCard(RuntimeError):
    """CUDA cannot be used; the message says what is missing and what to do."""


class DeviceError(TypeError):
    """Arrays of two devices met in one operation."""


def misplaced(what) -> DeviceError:
    """Tell that something on the CPU was given to a kernel on the card."""
    shape = getattr(what, "shape", ())
    return DeviceError(
        f"a kernel on cuda got a {type(what).__name__} on cpu (of shape {shape}); move one of them "
        'with tensor.to("cuda") or tensor.to("cpu")'
    )


@dataclass
class Finding:
    """One thing that a GPU needs, whether it is there, and if not, what to do.

    Attributes
    ----------
    what : str
        "driver", "card", "toolkit" or "package".
    good : bool
    text : str
        What was found, or why it cannot be used.
    advice : str
        Empty where `good`.
    """

    what: str
    good: bool
    text: str
    advice: str = ""


def findings(load: Callable[[str], Any] | None = None) -> list[Finding]:
    """Look for driver, card, toolkit and package.

    Parameters
    ----------
    load : callable, optional
        Loads a shared library by name; `ctypes.CDLL` by default.

    Returns
    -------
    list of Finding
    """
    driver, version, cards = ask_driver(load or ctypes.CDLL)
    return [driver, cards, find_toolkit(version), find_package()]


def ask_driver(load) -> tuple[Finding, int | None, Finding]:
    """Ask the driver for its version and its cards."""
    name = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        cuda = load(name)
    except OSError:
        unknown = Finding("card", False, "not known without a driver", "see driver")
        return Finding("driver", False, f"{name} not found", missing_driver()), None, unknown
    number = ctypes.c_int()
    cuda.cuDriverGetVersion(ctypes.byref(number))
    version = number.value // 1000
    driver = Finding("driver", True, f"CUDA {version}.{number.value % 1000 // 10}")
    failed = cuda.cuInit(0)
    if failed:
        advice = ADVICE.get(failed, f"look up CUDA driver error {failed}")
        return driver, version, Finding("card", False, f"cuInit gives error {failed}", advice)
    return driver, version, list_cards(cuda)


def list_cards(cuda) -> Finding:
    """Name the cards with memory and compute capability."""
    count = ctypes.c_int()
    cuda.cuDeviceGetCount(ctypes.byref(count))
    told = []
    for index in range(count.value):
        device, memory, parts = ctypes.c_int(), ctypes.c_size_t(), []
        cuda.cuDeviceGet(ctypes.byref(device), index)
        title = ctypes.create_string_buffer(128)
        cuda.cuDeviceGetName(title, 128, device)
        cuda.cuDeviceTotalMem_v2(ctypes.byref(memory), device)
        for attribute in (75, 76):  # compute capability, major and minor
            value = ctypes.c_int()
            cuda.cuDeviceGetAttribute(ctypes.byref(value), attribute, device)
            parts.append(str(value.value))
        size = memory.value / 2**30
        told.append(f"{title.value.decode()}, {size:.0f} GiB, compute capability {'.'.join(parts)}")
    if not told:
        return Finding("card", False, "the driver counts 0 cards", ADVICE[100])
    return Finding("card", True, "; ".join(told))


def missing_driver() -> str:
    """Tell what to do where the driver's library cannot be loaded."""
    if os.path.exists("/proc/driver/nvidia/version"):
        return "the kernel module runs but its library is missing: in a container, use --gpus all"
    if glob.glob("/usr/lib/wsl/lib/libcuda.so*"):
        return "add /usr/lib/wsl/lib to LD_LIBRARY_PATH (Windows Subsystem for Linux)"
    if sys.platform == "darwin":
        return "macOS has no CUDA: kernels run on the CPU"
    return f"without an NVIDIA card nothing is missing; with one, {DRIVERS}"


def find_toolkit(driver: int | None) -> Finding:
    """Find the compiler's libraries, and compare their version with the driver's."""
    for major, packages in COMPILERS.items():
        found = {name: version_of(name) for name in packages}
        first = found[packages[0]]
        if first is None or not first.startswith(str(major)):
            continue
        text = f"{packages[0]} {first}"
        if driver is not None and driver < major:
            advice = (
                f"the driver is for CUDA {driver}: upgrade it, or "
                f"pip install 'numba-cuda[cu{driver}]'"
            )
            return Finding("toolkit", False, text, advice)
        missing = [name for name, version in found.items() if version is None]
        if missing:
            return Finding("toolkit", False, f"{text}, but no {', '.join(missing)}", INSTALL)
        return Finding("toolkit", True, text)
    home = os.environ.get("CUDA_HOME") or os.environ.get("CUDA_PATH")
    compiler = shutil.which("nvcc") or (home and os.path.exists(home) and home)
    if compiler:
        return Finding("toolkit", True, f"of the system: {compiler}")
    return Finding("toolkit", False, "no compiler libraries", INSTALL)


def find_package() -> Finding:
    """Find numba-cuda and cuda-core in versions that fit, and whether the simulator is on."""
    found = {name: version_of(name) for name in VERSIONS}
    if is_simulated():
        had = found["numba-cuda"] or "built into numba"
        text = f"numba-cuda {had}, simulating: NUMBA_ENABLE_CUDASIM is set"
        return Finding("package", False, text, "unset NUMBA_ENABLE_CUDASIM to use the card")
    missing = [name for name, version in found.items() if version is None]
    if missing:
        return Finding("package", False, f"{' and '.join(missing)} not installed", INSTALL)
    text = ", ".join(f"{name} {version}" for name, version in found.items())
    wrong = [
        f"{name} of at least {VERSIONS[name][0]} and below {VERSIONS[name][1]}"
        for name, version in found.items()
        if not parts(VERSIONS[name][0]) <= parts(version or "0") < parts(VERSIONS[name][1])
    ]
    if wrong:
        return Finding("package", False, f"{text}; needed: {', '.join(wrong)}", INSTALL)
    numpy = version_of("numpy") or "0"
    if parts(numpy) >= parts("2.5"):  # build.import_cuda does it
        text += f", with a stand-in for row_stack, which NumPy {numpy} no longer has"
    return Finding("package", True, text)


def parts(version: str) -> tuple[int, ...]:
    """Give the numbers of a version, for comparing: "0.30.4rc1" as (0, 30, 4)."""
    return tuple(int(found) for found in re.findall(r"(?:^|\.)(\d+)", version))


def version_of(package: str) -> str | None:
    """Give the version of an installed package, None if there is none."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def is_simulated() -> bool:
    """Whether NUMBA_ENABLE_CUDASIM asks for kernels as plain Python, for tests and debugging."""
    return os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0")


def why_not() -> str | None:
    """Say what CUDA lacks here (driver, card, toolkit or package) and what to do; None if nothing.

    Returns
    -------
    str or None
    """
    if is_simulated():
        return None
    missing = [f for f in findings() if not f.good]
    if not missing:
        return None
    return "CUDA cannot be used: " + "; ".join(
        f"{f.what}: {f.text}" + (f" ({f.advice})" if f.advice else "") for f in missing
    )
