"""Fair timing on a shared machine: interleaved in one process, medians of paired ratios.

A machine that others use changes speed from second to second. So ours and the peer's run in turn,
each pair of neighbours gives one ratio, and the median of the ratios is what is reported, with the
quartiles beside it.
"""

import os
import platform
import re
import time
from pathlib import Path

import numpy as np


def machine() -> dict:
    """Describe this machine: processor, cores, Python, and the versions that matter."""
    import numba

    model = platform.processor()
    if os.path.exists("/proc/cpuinfo"):
        lines = [line for line in open("/proc/cpuinfo") if line.startswith("model name")]
        model = lines[0].split(":")[1].strip() if lines else model
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numba": numba.__version__,
    }


def results_folder() -> Path:
    """Name the folder of this machine's results by its processor, such as results/intel-xeon."""
    words = re.sub(r"\((r|tm)\)|processor|cpu", " ", machine()["processor"].lower())
    name = "-".join(re.findall(r"[a-z0-9]+", words))
    return Path(__file__).parent / "results" / (name or "unnamed")


def compare(ours, peers: dict, seconds: float = 3.0, least: int = 5) -> dict:
    """Time `ours` and each peer in turn; the fastest peer (by median) gives the ratio.

    Returns
    -------
    dict
        `ours_ms`, `peer_ms`, `peer` (its name), `ratio` (peer's time / ours, median of pairs), and
        `quartiles` of the ratio.
    """
    ours()
    for run in peers.values():
        run()
    times: dict[str, list[float]] = {"ours": [], **{name: [] for name in peers}}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times["ours"]) < least:
        for name, run in (("ours", ours), *peers.items()):
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
    best = min(peers, key=lambda name: np.median(times[name]))
    ratios = np.array(times[best]) / np.array(times["ours"])
    return {
        "ours_ms": 1e3 * float(np.median(times["ours"])),
        "peer_ms": 1e3 * float(np.median(times[best])),
        "peer": best,
        "ratio": float(np.median(ratios)),
        "quartiles": [float(q) for q in np.quantile(ratios, [0.25, 0.75])],
        "pairs": len(ratios),
    }
