"""How a CPU kernel is compiled, cached and launched: the only file that configures Numba.

Three decorators: `parallel` and `serial` make kernels that Python launches, `inline` makes a
function that only other kernels call. All compile at the first call, never at import.
"""

import functools
import hashlib
import os
import platform
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path

import llvmlite
import numba
from numba.core import event, types

# "contract" lets a*b+c become one fused multiply-add and "reassoc" lets sums be vectorised.
# "nnan" and "ninf" stay off: NaN in, NaN out is specified behaviour.
FASTMATH = {"contract", "reassoc"}

_lock = threading.RLock()
_threads: int | None = None
_in_this_thread = threading.local()  # Numba keeps the number of threads per Python thread
_launched = False
_forked = False


def source_digest() -> str:
    """Hash all that machine code depends on: kernel sources, Numba, llvmlite and the processor.

    Numba's own cache looks at the file of the decorated function alone, so an edited helper in
    another file would leave stale machine code in use (numba issue 1833).
    """
    sha = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        sha.update(path.name.encode() + path.read_bytes())
    settings = [os.environ.get(n, "") for n in ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES")]
    settings += [os.environ.get("TINYGRAD_ASTRO_SIMD", "")]
    for part in (numba.__version__, llvmlite.__version__, platform.machine(), *settings):
        sha.update(part.encode() + b"\0")
    return sha.hexdigest()[:16]


def cache_root() -> Path:
    """Name the folder under which compiled kernels are kept, by environment or by convention."""
    named = os.environ.get("TINYGRAD_ASTRO_CACHE") or os.environ.get("NUMBA_CACHE_DIR")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(base) if base else Path.home() / ".cache") / "tinygrad_astro"


@functools.cache
def cache_folder() -> Path:
    """Make the cache folder of this build, in the temporary folder where the root is read-only."""
    digest = source_digest()
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    fallback = Path(tempfile.gettempdir()) / f"tinygrad_astro-{user}"
    for root in (cache_root(), fallback):
        folder = root / f"kernels-{digest}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError:
            continue
    raise OSError(
        f"no writable place for compiled kernels: tried {cache_root()} and {fallback}; "
        "set TINYGRAD_ASTRO_CACHE to a folder that you can write to"
    )


def _jit(function, **options):
    """Decorate with the cache in our own folder, leaving the user's Numba configuration alone."""
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(cache_folder())
    try:
        return numba.njit(cache=True, nogil=True, **options)(function)
    finally:
        numba.config.CACHE_DIR = before


def inline(function):
    """Compile for use inside other kernels.

    A constant argument would make Numba compile the function once more for that constant alone,
    so the call is typed by the kind of its arguments.
    """
    compiled = _jit(function, fastmath=FASTMATH, error_model="numpy")
    typed = compiled.get_call_template

    def without_constants(args, kws):
        kinds = {name: types.unliteral(kind) for name, kind in kws.items()}
        return typed([types.unliteral(kind) for kind in args], kinds)

    compiled.get_call_template = without_constants
    return compiled


def serial(function):
    """Compile a one-thread kernel that Python may launch."""
    return _jit(function, fastmath=FASTMATH, error_model="numpy")


def parallel(function):
    """Compile a kernel whose `prange` loops run on all threads, behind two guards.

    The lock is there because the workqueue threading layer aborts when two Python threads launch
    at once; the fork check because the OpenMP layer kills a forked child that launches. With
    `threads=1` a launch that has little to do waits for no other thread.
    """
    # Numba optimises a parallel kernel once to run it and once more to store it. Free to contract,
    # the two fuse other multiply-adds, and the first run would differ in bits from all later ones.
    flags = FASTMATH - {"contract"}
    compiled = _jit(function, parallel=True, fastmath=flags, error_model="numpy")

    @functools.wraps(function)
    def launch(*args, threads=None):
        global _launched
        if _forked:
            raise RuntimeError(
                f"kernel {function.__name__} was called in a forked child of a process that had "
                "already run parallel kernels, which the threading layer does not survive; start "
                "workers with multiprocessing.get_context('spawn'), or use threads"
            )
        with _lock:
            _launched = True
            threads = threads or get_num_threads()
            if threads != getattr(_in_this_thread, "threads", None):
                numba.set_num_threads(threads)
                _in_this_thread.threads = threads
            return compiled(*args)

    launch.dispatcher = compiled
    return launch


def _mark_forked():
    global _forked, _lock
    _forked = _launched
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_mark_forked)


def started_threads() -> int:
    """Count the threads that Numba starts: all cores, or what NUMBA_NUM_THREADS says."""
    return getattr(numba.config, "NUMBA_NUM_THREADS")  # noqa: B009  (a name mypy does not see)


def set_num_threads(count: int) -> None:
    """Let kernels use `count` threads from now on, whichever Python thread launches them.

    `count` is 1 to the number Numba started with. No thread starts before a kernel needs it.

    Raises
    ------
    ValueError
        If `count` is not in that range.
    """
    global _threads
    most = started_threads()
    if not isinstance(count, int) or not 1 <= count <= most:
        raise ValueError(
            f"set_num_threads got {count!r}, expected an integer from 1 to {most}; to allow more, "
            "set NUMBA_NUM_THREADS before Python starts"
        )
    _threads = count


def get_num_threads() -> int:
    """Give the number of threads that kernels use now."""
    return _threads or started_threads()


# Multiply-adds from which on a launch on all threads, 5 to 20 us, is worth its while.
_WORTH = 1 << 19


def threads_for(multiply_adds) -> int:
    """Give the number of threads for some work: one if it is little, else all."""
    return get_num_threads() if multiply_adds >= _WORTH else 1


class _Compiling(event.Listener):
    def __init__(self, report):
        self.report = report

    def on_start(self, happening):
        self.report(happening.data["dispatcher"].py_func.__name__)

    def on_end(self, happening):
        pass


@contextmanager
def on_compile(report):
    """Call `report(kernel_name)` whenever a kernel starts to compile inside the `with` block."""
    with event.install_listener("numba:compile", _Compiling(report)):
        yield
