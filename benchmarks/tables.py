"""Write the tables of benchmarks/README.md from the results: `python benchmarks/tables.py`."""

import json
from pathlib import Path

FOLDER = Path(__file__).parent
START, END = "<!-- tables: benchmarks/tables.py -->", "<!-- end of tables -->"


def cell(row, unit="ms"):
    ours, peer = row.get("ours", row.get("ours_ms")), row.get("peer", row.get("peer_ms"))
    unit = row.get("unit", unit)
    peer = row["peer_ms"] if "peer_ms" in row else peer
    return f"{row['ratio']:.2f} ({ours:.3g} against {peer:.3g} {unit})"


def table(reports, section, head):
    """One row per case, one column per number of threads, beside the bar."""
    names = list(reports[0][section])
    heads = [f"{report['threads']} thread{'s' * (report['threads'] > 1)}" for report in reports]
    lines = [f"| {head} | bar | {' | '.join(heads)} |", "|---|---|" + "---|" * len(reports)]
    for name in names:
        rows = [report[section].get(name) for report in reports]
        bars = next(row["bar"] for row in rows if row)
        cells = [cell(row) if row else "not measured" for row in rows]
        lines.append(f"| {name} | {bars} | {' | '.join(cells)} |")
    return "\n".join(lines)


def rates(report):
    """The fraction of the measured peak that each forward convolution reaches."""
    lines = ["| layer | GFLOP/s | of peak |", "|---|---|---|"]
    for name, row in report["convolutions"].items():
        if "gflops" in row:
            short = name.removeprefix("conv ").removesuffix(" forward")
            lines.append(f"| {short} | {row['gflops']:.0f} | {row['of_peak']:.0%} |")
    return "\n".join(lines)


def found(folder, pattern):
    """Read results by name, in the order of threads."""
    return [json.loads(p.read_text()) for p in sorted(folder.glob(pattern))]


def with_compiled(reports):
    """The networks once more, where torch.compile was among the peers."""
    if not reports:
        return "With `torch.compile` among the peers: not measured."
    rows = [row for report in reports for row in report["networks"].values()]
    faster = [row for row in rows if row["peer"].startswith("compiled")]
    return (
        f"With `torch.compile` among the peers (`--compiled`), the fastest in {len(faster)} of "
        f"{len(rows)}:\n\n{table(reports, 'networks', 'work')}"
    )


def growth(report):
    """How time per pixel changes with the size of an image and of a batch."""
    lines = []
    for key, what in (("side", "one image, pixels a side"), ("batch", "images of 128 x 128")):
        at, times = report[key]["at"], report[key]["ns_per_pixel"]
        lines += [
            f"| {what} | {' | '.join(map(str, at))} |",
            "|---|" + "---|" * len(at),
            f"| ns per pixel of a prediction | {' | '.join(f'{t:.0f}' for t in times)} |\n",
        ]
    step = report["training_step"]
    gain = f"A training step gains {step['gain']:.2f} from {step['threads']} threads."
    return "\n".join([*lines, gain])


def tables_of(folder):
    """Everything that was measured on one processor."""
    reports = found(folder, "cpu-*.json")
    one = reports[0]
    machine = one["machine"]
    means = "; ".join(
        f"threads {r['threads']}: forward {r['geometric_means']['forward']:.2f}, "
        f"forward + backward {r['geometric_means']['backward']:.2f}"
        for r in reports
    )
    return [
        f"### {machine['processor']}, {machine['cores']} cores",
        f"Python {machine['python']}, NumPy {machine['numpy']}, Numba {machine['numba']}, PyTorch "
        f"{one['torch']}; from `results/{folder.name}/`.",
        table(reports, "networks", "work"),
        with_compiled(found(folder, "compiled-*.json")),
        table(reports, "processes", "a fresh process"),
        table(reports, "convolutions", "N, C, H, K, k/s"),
        f"Geometric means of the convolutions: {means}.",
        f"Of the measured peak, {one['peak_gflops']:.0f} GFLOP/s on {one['threads']} thread; "
        "multiply-adds are counted as direct sums do them, so Winograd may pass 100 %.",
        rates(one),
        *([growth(report) for report in found(folder, "growth.json")] or ["Growth: not measured."]),
    ]


def tables():
    folders = sorted({path.parent for path in (FOLDER / "results").glob("*/cpu-*.json")})
    if not folders:
        raise SystemExit("no benchmarks/results/*/cpu-*.json: run benchmarks/bench_cpu.py first")
    intro = "A ratio is the fastest peer's time divided by ours: above 1 we are faster."
    return "\n\n".join([intro, *(part for folder in folders for part in tables_of(folder))])


def main():
    path = FOLDER / "README.md"
    before, rest = path.read_text().split(START)
    path.write_text(f"{before}{START}\n\n{tables()}\n\n{END}{rest.split(END)[1]}")
    print(f"written to {path}")


if __name__ == "__main__":
    main()
