"""Everything to be measured on a GPU, in one run of a few minutes, beside PyTorch.

    pip install 'tinygrad_astro[cuda,test]' torch
    python benchmarks/bench_cuda.py                    # all of it
    python benchmarks/bench_cuda.py convolutions steps # or parts; the rows of the others are kept

1. tests: those of all kernels, on the card instead of the simulator, every output filled with NaN
   beforehand; the same under compute-sanitizer where it is installed.
2. ceilings of this card: copy bandwidth; matrix products of PyTorch in fp32, TF32 and bfloat16.
3. convolutions, memory, steps (cases_cuda.py): ours beside PyTorch (cuDNN, channels last), on one
   stream, by CUDA events, medians of interleaved runs; convolutions also with their error.

Writes results/<card>.json and a table, results/<card>.md, anew after each row. A row that could not
be measured says so, with the reason: no number in it is ever an estimate.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import cases_cuda
import numpy as np
from cases_cuda import FULL

import tinygrad_astro as ta

RESULTS = Path(__file__).parent / "results"
ROOT = Path(__file__).parents[1]
SANITIZED = "tests/cuda/test_gemm.py", "tests/cuda/test_kernels.py"


def events(run):
    """Time one run by the card's own clock, in milliseconds."""
    from cuda.core import EventOptions

    from tinygrad_astro.kernels.cuda.driver import card

    stream, options = card().stream, EventOptions(timing_enabled=True)
    start = stream.record(options=options)
    run()
    end = stream.record(options=options)
    end.sync()
    return end - start


class Bench:
    """The rows of the table, and how each is timed.

    Attributes
    ----------
    sizes : Sizes
    clock : callable
        Runs a function and gives milliseconds.
    device : str
        PyTorch's.
    save : callable
        Is given all rows after each.
    """

    def __init__(self, sizes=FULL, clock=events, device="cuda", rows=(), save=lambda rows: None):
        self.sizes, self.clock, self.device, self.save = sizes, clock, device, save
        self.rows = {row["name"]: row for row in rows}
        self.torch = None

    def row(self, name, measure, target=None):
        """Add what `measure` gives, or why it could not be measured; target: (least, aim)."""
        try:
            found = measure()
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            found = {"result": f"not measured ({reason})"}
        row = {"name": name, **found, **({"target": target} if target else {})}
        self.rows[name] = row
        self.save(list(self.rows.values()))
        print(json.dumps(row), flush=True)

    def timed(self, **runs):
        """Run each in turn, many times; give the medians in milliseconds."""
        times = {name: [] for name in runs}
        for _ in range(self.sizes.warm):
            for run in runs.values():
                run()
        for _ in range(self.sizes.repeats):
            for name, run in runs.items():
                times[name].append(self.clock(run))
        return {f"{name}_ms": float(np.median(found)) for name, found in times.items()}

    def beside(self, ours, peer):
        """Time ours and PyTorch's: both medians, and PyTorch's time / ours."""
        found = self.timed(ours=ours, peer=peer)
        return {**found, "ratio": found["peer_ms"] / found["ours_ms"]}

    def need_torch(self):
        """Import PyTorch, on our stream."""
        if self.torch is None:
            import torch

            from tinygrad_astro.kernels.cuda.driver import card

            if self.device == "cuda":
                if not torch.cuda.is_available():
                    raise RuntimeError(f"PyTorch {torch.__version__} sees no card")
                torch.cuda.set_stream(torch.cuda.ExternalStream(card().stream_number))
            torch.backends.cudnn.benchmark = True
            self.torch = torch
        return self.torch

    def allow_tf32(self, yes):
        """Let PyTorch use TF32 or not."""
        torch = self.need_torch()
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = yes
        return torch


def tests(bench):
    """Run the kernels' tests on the card, bare and under the sanitizer."""
    bench.row("tests of all kernels on the card", lambda: tested("tests/cuda"))
    for tool in ("memcheck", "racecheck"):
        run = lambda tool=tool: tested(*SANITIZED, before=sanitizer(tool))  # noqa: E731
        bench.row(f"compute-sanitizer {tool}", run)


def tested(*paths, before=()):
    """Run tests in a process of their own; give pytest's last line and what failed."""
    environment = {**os.environ, "TINYGRAD_ASTRO_GPU": "1"}
    environment.pop("NUMBA_ENABLE_CUDASIM", None)
    command = [*before, sys.executable, "-m", "pytest", *paths, "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=500
    )
    lines = [line for line in done.stdout.strip().splitlines() if line.strip()]
    failed = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    told = [line for line in lines if "ERROR SUMMARY" in line or "RACECHECK SUMMARY" in line]
    last = next((line for line in reversed(lines) if re.search(r"\d+ (passed|failed)", line)), None)
    found = {"result": last or (lines or [done.stderr])[-1][-300:], "failed": failed[:20]}
    return {**found, "exit": done.returncode, **({"sanitizer": told[-1]} if told else {})}


def sanitizer(tool):
    """Give the command that NVIDIA's checker is started by."""
    found = shutil.which("compute-sanitizer")
    if found is None:
        raise RuntimeError("compute-sanitizer is not installed")
    return found, "--tool", tool, "--target-processes", "all", "--error-exitcode", "9"


def ceilings(bench):
    """Measure what the card can do: copies and matrix products."""

    def copy():
        torch, n = bench.need_torch(), bench.sizes.copy
        a = torch.zeros(n, device=bench.device)
        b = torch.empty_like(a)
        ms = bench.timed(peer=lambda: b.copy_(a))["peer_ms"]
        return {"GB_per_s": 8e-6 * n / ms}

    def product(kind):
        torch, n = bench.allow_tf32(kind == "tf32"), bench.sizes.product
        dtype = torch.bfloat16 if kind == "bf16" else torch.float32
        a = torch.randn(n, n, device=bench.device, dtype=dtype)
        ms = bench.timed(peer=lambda: a @ a)["peer_ms"]
        return {"TFLOP_per_s": 2e-9 * n**3 / ms}

    bench.row("copy bandwidth (PyTorch)", copy)
    for kind in ("fp32", "tf32", "bf16"):
        bench.row(f"matmul {bench.sizes.product} {kind} (PyTorch)", lambda k=kind: product(k))


def describe():
    """Name the card and the versions."""
    found = {"card": "none", "reason": ta.cuda.why_not()}
    if ta.cuda.is_available() and not ta.cuda.is_simulated():
        from tinygrad_astro.kernels.cuda.driver import card

        found = {"card": card().name, "compute_capability": list(card().architecture)}
    for package in ("numba", "numba-cuda", "cuda-core", "numpy", "torch"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def table(kept):
    """Write the rows as a table."""
    lines = [
        f"{kept['machine']['card']}: PyTorch's time divided by ours, or what a column says.", "",
        "| work | at least | aim | measured | |", "|---|---|---|---|---|",
    ]  # fmt: skip
    for row in kept["rows"]:
        least, aim = row.get("target", ("", ""))
        main = row.get("ratio", row.get("fraction"))
        rest = {k: v for k, v in row.items() if k not in ("name", "target", "ratio", "fraction")}
        rest = "; ".join(
            f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in rest.items() if v
        )
        number = "" if main is None else f"{main:.2f}"
        lines.append(f"| {row['name']} | {least} | {aim} | {number} | {rest.replace('|', '/')} |")
    return "\n".join(lines) + "\n"


PARTS = {
    "tests": tests, "ceilings": ceilings, "convolutions": cases_cuda.convolutions,
    "memory": cases_cuda.bound_by_memory, "steps": cases_cuda.training_steps,
}  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[])
    chosen = parser.parse_args().parts or list(PARTS)
    machine = describe()
    print(json.dumps(machine))
    if machine["card"] == "none":
        sys.exit(f"nothing was measured: {machine['reason'] or 'this is the simulator'}")
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{re.sub(r'[^a-z0-9]+', '_', machine['card'].lower()).strip('_')}.json"
    before = json.loads(path.read_text()) if path.exists() else {"machine": None}

    def save(rows):
        kept = {"machine": machine, "rows": rows}
        path.write_text(json.dumps(kept, indent=1) + "\n")
        path.with_suffix(".md").write_text(table(kept))

    bench = Bench(rows=before["rows"] if before["machine"] == machine else (), save=save)
    for part in chosen:
        PARTS[part](bench)


if __name__ == "__main__":
    main()
