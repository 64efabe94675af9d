"""The CPU benchmark beside PyTorch and JAX, one command:

    python benchmarks/bench_cpu.py --threads 1
    python benchmarks/bench_cpu.py --threads 2

It prints the tables and writes benchmarks/results/<processor>/cpu-<threads>.json and .png.
Everything runs in turns in one process (pairs.py), on as many cores as there are threads. PyTorch
runs channels last and NCHW; the fastest counts. With --compiled the networks alone are timed, with
torch.compile among the peers, which takes minutes, into compiled-<threads>.json. PyTorch and JAX
are no dependencies of the project: `pip install torch jax`.
"""

import argparse
import json
import os
from pathlib import Path

THREAD_SETTINGS = "NUMBA_NUM_THREADS OMP_NUM_THREADS OPENBLAS_NUM_THREADS MKL_NUM_THREADS"


def limit_threads(threads):
    """Bind this process to as many cores, before any library counts them."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    for setting in THREAD_SETTINGS.split():
        os.environ[setting] = str(threads)


def time_networks(seconds, compiled, toy):
    from cases_networks import CASES
    from pairs import compare

    rows = {}
    for name, (bar, make, make_toy) in CASES.items():
        ours, peers = (make_toy if toy else make)(compiled)
        rows[name] = compare(ours, peers, seconds) | {"bar": bar}
        print(line(name, rows[name]), flush=True)
    return rows


def time_convolutions(seconds, toy):
    import cases_convolutions as cases
    from pairs import compare
    from peak import peak_gflops

    peak, rows = peak_gflops(), {}
    for layer in [(1, 3, 12, 8, 3, 1)] if toy else cases.LAYERS:
        for what in ("forward", "forward + backward"):
            row = compare(*cases.case(layer, what != "forward"), seconds) | {"bar": 1.0}
            if what == "forward":
                rate = 2e-6 * cases.multiply_adds(layer) / row["ours_ms"]
                row |= {"gflops": rate, "of_peak": rate / peak}
            rows[f"conv {cases.name(layer)} {what}"] = row
            print(line(f"conv {cases.name(layer)} {what}", row), flush=True)
    return peak, rows


def time_processes(toy):
    from processes import first_steps

    rows = first_steps(1, 1, 32, 4) if toy else first_steps()
    for name, row in rows.items():
        low, high = row["quartiles"]
        print(
            f"{name:46s} {row['ours']:8.2f} {row['unit']} {row['peer']:8.2f} {row['unit']}  "
            f"{row['ratio']:5.2f} ({low:.2f} to {high:.2f}), bar {row['bar']}, channels last"
        )
    return rows


def line(name, row):
    low, high = row["quartiles"]
    rate = f", {row['of_peak']:.0%} of peak" if "of_peak" in row else ""
    return (
        f"{name:46s} {row['ours_ms']:8.2f} ms {row['peer_ms']:8.2f} ms  {row['ratio']:5.2f} "
        f"({low:.2f} to {high:.2f}), bar {row['bar']}, {row['peer']}{rate}"
    )


def geometric_mean(rows, what):
    from math import exp, log

    ratios = [row["ratio"] for name, row in rows.items() if name.endswith(what)]
    return exp(sum(map(log, ratios)) / len(ratios))


def draw(report, path):
    """Draw the ratios beside their bars."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    rows = {**report["networks"], **report["processes"], **report["convolutions"]}
    figure, axes = plt.subplots(figsize=(9, 0.28 * len(rows) + 1), layout="constrained")
    places, ratios = range(len(rows)), [row["ratio"] for row in rows.values()]
    axes.barh(places, ratios, color=["#3b6ea5" if "conv" not in n else "#88a9c9" for n in rows])
    axes.scatter([r["bar"] for r in rows.values()], places, marker="|", s=120, color="black")
    axes.axvline(1, color="grey", linewidth=0.8)
    axes.set_yticks(places, rows, fontsize=7)
    axes.invert_yaxis()
    axes.set_xlabel("fastest peer's time / ours; | is the bar to reach")
    axes.set_title(f"{report['machine']['processor']}, threads: {report['threads']}", fontsize=9)
    figure.savefig(path, dpi=110)


def time_the_rest(options):
    """Time fresh processes and convolutions."""
    processes = time_processes(options.toy)
    peak, convolutions = time_convolutions(options.seconds / 4, options.toy)
    means = {what: geometric_mean(convolutions, what) for what in ("forward", "backward")}
    print(f"convolutions, geometric means: {means}; measured peak {peak:.0f} GFLOP/s")
    return {
        "peak_gflops": peak,
        "processes": processes,
        "convolutions": convolutions,
        "geometric_means": means,
    }


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=8.0, help="per row")
    parser.add_argument("--compiled", action="store_true", help="networks, torch.compile too")
    parser.add_argument("--toy", action="store_true", help="small sizes: does it run at all?")
    parser.add_argument("--out", type=Path, help="folder, of this processor by default")
    options = parser.parse_args(arguments)
    if not options.toy:
        limit_threads(options.threads)
    import torch
    from pairs import machine, results_folder

    import tinygrad_astro as ta

    ta.set_num_threads(options.threads)
    torch.set_num_threads(options.threads)
    print(f"{'':46s} {'ours':>8s}    {'peer':>8s}      ratio (quartiles)")
    networks = time_networks(options.seconds, options.compiled, options.toy)
    report = {
        "machine": machine(),
        "torch": torch.__version__,
        "threads": options.threads,
        "networks": networks,
    }
    folder = options.out or results_folder()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{'compiled' if options.compiled else 'cpu'}-{options.threads}.json"
    if not options.compiled:
        report |= time_the_rest(options)
        draw(report, path.with_suffix(".png"))
    path.write_text(json.dumps(report, indent=1) + "\n")
    print(f"written to {path}")


if __name__ == "__main__":
    main()
