"""From a Python function to machine code: Numba to LTO-IR, nvJitLink to a cubin, kept on disk.

The only file that imports numba.cuda, which is replaced by moving to another compiler here.
Numba is the compiler only; `cuda.core` links and launches. All of this but `load` works on a
machine without GPU and driver, which is how the compile check reads registers, spills and
instructions.
"""

import functools
import hashlib
import os
import re
import threading
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from .. import gpu
from ..cpu.target import cache_root
from .recording import REHEARSAL

_compiling = threading.Lock()


def import_cuda():
    """Import numba.cuda; numba-cuda 0.30 looks up np.row_stack, which NumPy 2.5 has removed.

    Raises
    ------
    NoCard
        If its packages are missing or of other versions, in words.
    """
    if not gpu.find_package().good:
        raise gpu.NoCard(gpu.why_not())
    missing = not hasattr(np, "row_stack")
    if missing:
        np.row_stack = np.vstack
    try:
        import numba.cuda.np.arrayobj  # noqa: F401  (the module that looks the name up)
        from numba import cuda
    except ImportError as error:
        raise gpu.NoCard(
            f"numba-cuda cannot be imported ({error}); reinstall it: {gpu.INSTALL}"
        ) from error
    finally:
        if missing:
            del np.row_stack
    return cuda


@dataclass
class Program:
    """A function with its argument types: all that a compilation depends on, but the card."""

    function: Any
    written: Any
    words: list
    dtype: np.dtype
    block: int
    bounds: int

    def digest(self, cc) -> str:
        """Name what it compiles to: code, everything in this folder, versions, card."""
        sha = hashlib.sha256(sources())
        spoken = (self.words, str(self.dtype), self.block, self.bounds, cc, spell(self.function))
        sha.update(repr(spoken).encode())
        return sha.hexdigest()[:32]


def spell(function):
    """Write a function's code as text, with the numbers and functions that it names."""
    code = function.__code__
    held = {name: function.__globals__[name] for name in code.co_names
            if name in function.__globals__}  # fmt: skip
    cells = (cell.cell_contents for cell in function.__closure__ or ())
    held.update(zip(code.co_freevars, cells))
    parts = [code.co_name, code.co_code.hex(), repr(code.co_names), repr(code.co_consts)]
    for name, value in sorted(held.items()):
        if hasattr(value, "py_func"):
            parts.append([name, spell(value.py_func)])
        elif isinstance(value, (int, float, str, tuple, np.generic)):
            parts.append([name, repr(value)])
    return parts


@functools.cache
def sources() -> bytes:
    """Hash the kernels' sources and the compiler's versions."""
    from importlib import metadata

    sha = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        sha.update(path.name.encode() + path.read_bytes())
    for package in ("numba", "numba-cuda", "cuda-core", "llvmlite", "nvidia-nvjitlink"):
        try:
            sha.update(f"{package} {metadata.version(package)}".encode())
        except metadata.PackageNotFoundError:
            sha.update(f"{package} none".encode())
    return sha.digest()


def argument_types(program):
    """Give Numba's types of the arguments."""
    from numba.cuda import types

    from .target import WORDS

    found = []
    for word in program.words:
        name = word.rstrip("*")
        kind = program.dtype if name == "T" else np.dtype(WORDS.get(name, name))
        one = getattr(types, "uint8" if kind == np.bool_ else kind.name)
        found.append(types.CPointer(one) if word.endswith("*") else one)
    return tuple(found)


def compile_program(program, cc):
    """Give (cubin, name of the entry, report of registers, spills and shared memory)."""
    import numba.cuda.dispatcher as dispatcher
    from cuda.core import Linker, LinkerOptions, ObjectCode
    from numba import cuda

    bounds = (program.block, program.bounds) if program.bounds else program.block
    signature = argument_types(program)
    with _compiling:
        # Device functions ask for the current card while they compile.
        asked = dispatcher.get_current_device
        dispatcher.get_current_device = lambda: SimpleNamespace(compute_capability=cc[:2])
        try:
            code, _ = cuda.compile(
                program.function, signature, device=False, abi="numba", cc=cc, output="ltoir",
                launch_bounds=bounds,
            )  # fmt: skip
        finally:
            dispatcher.get_current_device = asked
    options = LinkerOptions(
        arch="sm_" + "".join(map(str, cc)), link_time_optimization=True, ptxas_options=["-v"]
    )
    linker = Linker(ObjectCode.from_ltoir(code), options=options)
    cubin, log = linker.link("cubin").code, linker.get_info_log()
    return cubin, re.search(r"entry function '(\w+)'", log)[1], report(log)


def report(log) -> dict:
    """Read the assembler's report."""
    words = {
        "stack": r"(\d+) bytes stack frame",
        "spill_stores": r"(\d+) bytes spill stores",
        "spill_loads": r"(\d+) bytes spill loads",
        "registers": r"[Uu]sed (\d+) registers",
        "shared": r"(\d+) bytes smem",
    }
    found = {name: re.search(pattern, log) for name, pattern in words.items()}
    return {name: int(match[1]) if match else 0 for name, match in found.items()}


def cached(program, cc):
    """Give (cubin, entry) from disk, compiling it the first time."""
    folder = cache_root() / "cuda"
    path = folder / f"{program.function.__name__}-{program.digest(cc)}.cubin"
    if path.exists():
        entry, _, cubin = path.read_bytes().partition(b"\n")
        return cubin, entry.decode()
    cubin, entry, _ = compile_program(program, cc)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}")
        part.write_bytes(entry.encode() + b"\n" + cubin)
        os.replace(part, path)
    except OSError:
        pass  # a folder that cannot be written to costs time, not correctness
    return cubin, entry


class Loaded:
    """Machine code on the card, with the conversion of its arguments."""

    def __init__(self, program, card):
        from cuda.core import ObjectCode

        from .target import WORDS

        cubin, entry = cached(program, card.architecture)
        self.code = ObjectCode.from_cubin(cubin)
        self.kernel = self.code.get_kernel(entry)
        # Not at the first launch, which a graph may be recording.
        card.driver.cuKernelGetFunction(self.kernel.handle)
        self.card, self.block = card, program.block
        self.convert = []
        for word in program.words:
            name = word.rstrip("*")
            kind = program.dtype if name == "T" else np.dtype(WORDS.get(name, name))
            self.convert.append(_pointer if word.endswith("*") else kind.type)
        self.configurations: dict = {}

    def launch(self, grid, arguments):
        """Put the kernel on the library's stream."""
        from cuda.core import LaunchConfig, launch

        if self.card.stream is REHEARSAL:
            return
        self.card.attend()
        config = self.configurations.get(grid)
        if config is None:
            config = LaunchConfig(grid=grid, block=self.block)
            self.configurations[grid] = config
        passed = [convert(a) for convert, a in zip(self.convert, arguments, strict=True)]
        launch(self.card.stream, config, self.kernel, *passed)


def _pointer(array):
    try:
        return array.pointer
    except AttributeError:
        raise gpu.misplaced(array) from None


def load(program):
    """Compile for the card of this process, and load."""
    from .driver import card

    return Loaded(program, card())
