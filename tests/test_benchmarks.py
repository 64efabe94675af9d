"""The benchmarks run, at toy size: beside peers that are no dependencies."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "benchmarks"


@pytest.mark.peer
@pytest.mark.slow
def test_the_cpu_benchmark_runs_at_toy_size(tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("matplotlib")
    command = [sys.executable, str(FOLDER / "bench_cpu.py"), "--toy", "--seconds", "0.05"]
    done = subprocess.run(
        [*command, "--threads", "1", "--out", str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "cpu-1.json").read_text())
    rows = {**report["networks"], **report["convolutions"]}
    assert len(rows) >= 10 and all(row["ratio"] > 0 for row in rows.values())
    assert report["peak_gflops"] > 1 and (tmp_path / "cpu-1.png").stat().st_size > 1000


@pytest.mark.peer
def test_the_twins_are_the_same_networks():
    """As many parameters, so that both do the same work."""
    pytest.importorskip("torch")
    sys.path.insert(0, str(FOLDER))
    try:
        import twins_torch as twins
    finally:
        sys.path.remove(str(FOLDER))
    from tinygrad_astro import models

    def count(model):
        return sum(p.numel() for p in model.parameters())

    pairs = [
        (twins.UNet(8), models.unet((32, 32, 1), 2, filters=8, depth=4)),
        (twins.dominguez_sanchez18(), models.dominguez_sanchez18()),
        (twins.resnet18(10), models.resnet18((64, 64, 3), classes=10)),
    ]
    for theirs, ours in pairs:
        trainable = sum(w.size for w in ours.trainable_weights)
        assert count(theirs) == pytest.approx(trainable, rel=1e-3)
