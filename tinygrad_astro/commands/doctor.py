"""`tinygrad-astro doctor`: what runs here, with what, and what to do about what is missing."""

import os
import platform
import sys
import time

from tinygrad_astro._version import __version__
from tinygrad_astro.commands.arguments import describe
from tinygrad_astro.kernels.gpu import findings, version_of

NEEDED = ("numpy", "numba", "llvmlite", "safetensors", "tqdm")
EXTRAS = {
    "astro": ("astropy", "h5py", "sep"),
    "plot": ("matplotlib",),
    "explain": ("scipy",),
    "dask": ("dask", "distributed"),
    "cuda": ("numba-cuda", "cuda-core"),
}
# Vector instructions, widest first, by the feature's name in LLVM.
VECTORS = ("avx512f", "avx2", "avx", "sse2", "neon")


def add(commands) -> None:
    """Describe the arguments (there are none)."""
    one = describe(
        commands,
        "doctor",
        "show versions, threads, kernel cache, processor and GPU, and what to do about what is "
        "missing",
        "tinygrad-astro doctor",
    )
    one.set_defaults(run=run)


def run(arguments) -> None:
    """Print all findings."""
    for title, lines in (
        ("system", system()),
        ("packages", packages()),
        ("extras", extras()),
        ("processor", processor()),
        ("kernels", kernels()),
        ("threads", threads()),
        ("GPU", gpu()),
    ):
        for i, line in enumerate(lines):
            print(f"{title if i == 0 else '':<11}{line}")


def system() -> list[str]:
    """Tell library, Python and operating system."""
    python = f"Python {platform.python_version()} ({sys.executable})"
    return [f"tinygrad_astro {__version__}", python, platform.platform()]


def packages() -> list[str]:
    """Tell the versions of what is needed."""
    return [", ".join(f"{name} {version_of(name) or 'not found'}" for name in NEEDED)]


def extras() -> list[str]:
    """Tell for each extra what is installed, and how to install what is not."""
    lines = []
    for extra, names in EXTRAS.items():
        told = ", ".join(f"{name} {version_of(name) or 'missing'}" for name in names)
        if any(version_of(name) is None for name in names):
            told += f"; to install: pip install 'tinygrad_astro[{extra}]'"
        lines.append(f"{extra}: {told}")
    return lines


def processor() -> list[str]:
    """Tell name, cores and width of the vectors that kernels are compiled for."""
    import llvmlite.binding as llvm

    from tinygrad_astro.kernels.cpu.simd import float32_lanes

    has = llvm.get_host_cpu_features()
    known = [name for name in VECTORS if has.get(name)]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    fused = "with" if has.get("fma") or has.get("neon") else "without"
    return [
        f"{model_name()} ({llvm.get_host_cpu_name()}), {cores} cores to use of {os.cpu_count()}",
        f"{known[0] if known else 'no vectors'}: kernels take {float32_lanes()} float32 at once, "
        f"{fused} fused multiply-add",
    ]


def model_name() -> str:
    """Give the processor's name in words, as far as the system tells."""
    try:
        with open("/proc/cpuinfo") as stream:
            names = [line.partition(":")[2].strip() for line in stream if "model name" in line]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def kernels() -> list[str]:
    """Tell where compiled kernels are kept, and how many are there."""
    from tinygrad_astro.kernels.cpu.target import cache_folder, cache_root

    folder = cache_folder()
    files = [path for path in folder.rglob("*.nbc") if path.is_file()]
    size = sum(path.stat().st_size for path in files) / 2**20
    lines = [f"{len(files)} compiled, {size:.1f} MiB in {folder}"]
    if cache_root() not in folder.parents:
        lines.append(
            f"{cache_root()} cannot be written to; set TINYGRAD_ASTRO_CACHE to a folder "
            "that can, or they may be compiled again after a reboot"
        )
    if not files:
        lines.append("compile them ahead with: tinygrad-astro warmup")
    return lines


def threads() -> list[str]:
    """Run one parallel kernel; tell the number of threads and the layer that carries them."""
    import numba
    import numpy as np

    from tinygrad_astro import get_num_threads, ops

    most = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]
    count = f"{get_num_threads()} of {most} threads"
    start = time.perf_counter()
    try:
        ops.relu(np.zeros((1024, 1024), np.float32))
        layer = numba.threading_layer()
    except Exception as error:
        told = " ".join(str(error).split())
        return [f"{count}, but a kernel failed to run: {told}"]
    lines = [f"{count}, layer {layer}; a kernel ran after {time.perf_counter() - start:.2f} s"]
    if layer == "workqueue":
        lines.append(
            "workqueue runs one kernel at a time; for several Python threads install "
            "OpenMP (libgomp) or: pip install tbb"
        )
    for name in ("NUMBA_NUM_THREADS", "NUMBA_DISABLE_JIT", "NUMBA_THREADING_LAYER"):
        if name in os.environ:
            lines.append(f"set in the environment: {name}={os.environ[name]}")
    return lines


def gpu() -> list[str]:
    """Tell what stands between here and a CUDA kernel."""
    lines = []
    for finding in findings():
        mark = "ok     " if finding.good else "missing"
        lines.append(f"{finding.what:<8}{mark} {finding.text}")
        if not finding.good:
            lines.append(f"{'':<16}{finding.advice}")
    return lines
