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


def found(pattern):
    """Read results by name, in the order of threads."""
    return [json.loads(p.read_text()) for p in sorted((FOLDER / "results").glob(pattern))]


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


def tables():
    reports = found("cpu-*.json")
    if not reports:
        raise SystemExit("no benchmarks/results/cpu-*.json: run benchmarks/bench_cpu.py first")
    one = reports[0]
    machine = one["machine"]
    means = "; ".join(
        f"threads {r['threads']}: forward {r['geometric_means']['forward']:.2f}, "
        f"forward + backward {r['geometric_means']['backward']:.2f}"
        for r in reports
    )
    return "\n\n".join(
        [
            f"{machine['processor']}, {machine['cores']} cores, Python {machine['python']}, NumPy "
            f"{machine['numpy']}, Numba {machine['numba']}, PyTorch {one['torch']}. A ratio is the "
            "fastest peer's time divided by ours: above 1 we are faster.",
            table(reports, "networks", "work"),
            with_compiled(found("compiled-*.json")),
            table(reports, "processes", "a fresh process"),
            table(reports, "convolutions", "N, C, H, K, k/s"),
            f"Geometric means of the convolutions: {means}.",
            f"Of the measured peak, {one['peak_gflops']:.0f} GFLOP/s on {one['threads']} thread; "
            "multiply-adds are counted as direct sums do them, so Winograd may pass 100 %.",
            rates(one),
        ]
    )


def main():
    path = FOLDER / "README.md"
    before, rest = path.read_text().split(START)
    path.write_text(f"{before}{START}\n\n{tables()}\n\n{END}{rest.split(END)[1]}")
    print(f"written to {path}")


if __name__ == "__main__":
    main()
