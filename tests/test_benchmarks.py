"""The benchmarks run, at toy size: beside peers that are no dependencies."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tinygrad_astro import losses, manual_seed, models, precision

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


@pytest.fixture
def twins(monkeypatch):
    """PyTorch's twins of our networks, from the folder of benchmarks."""
    pytest.importorskip("torch")
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("twins_torch")


@pytest.mark.peer
def test_the_twins_are_the_same_networks(twins):
    """As many parameters, so that both do the same work."""

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


def parameters_in_our_order(net):
    """List the twin's parameters as `models.unet` lists its weights."""

    def of(block):
        return [p for layer in block for p in layer.parameters()]

    found = [p for block in (*net.down, net.bottom) for p in of(block)]
    for up, join in zip(net.up, net.join, strict=True):
        found += [*up.parameters(), *of(join)]
    return [*found, *net.head.parameters()]


@pytest.mark.peer
@pytest.mark.parametrize("exactness", ["fp32", "exact"])
def test_a_unet_learns_as_its_twin_does(rng, twins, exactness):
    """The same start, data and Adam: the loss curves of 40 steps lie within 1 % of one another."""
    import torch

    x = rng.random((4, 48, 48, 1), dtype=np.float32)
    y = (x[..., 0] + 0.2 * rng.standard_normal((4, 48, 48)) > 0.6).astype(np.int64)
    manual_seed(0)
    ours, theirs = models.unet((48, 48, 1), 2, filters=16, depth=2), twins.UNet(16, 2)
    ours.compile("adam", losses.SparseCategoricalCrossentropy(from_logits=True))
    with torch.no_grad():
        pairs = zip(parameters_in_our_order(theirs), ours.trainable_weights, strict=True)
        for parameter, weight in pairs:
            values = torch.tensor(weight.numpy())
            parameter.copy_(values.permute(3, 2, 0, 1) if values.ndim == 4 else values)
    for layer in theirs.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.eps = 1e-3
    adam = torch.optim.Adam(theirs.parameters(), lr=1e-3, eps=1e-7)
    tx, ty, curves = torch.tensor(x).movedim(-1, 1), torch.tensor(y), []
    for _ in range(40):
        adam.zero_grad()
        loss = torch.nn.functional.cross_entropy(theirs(tx), ty)
        loss.backward()
        adam.step()
        with precision(exactness):
            curves.append((ours.train_on_batch(x, y), loss.item()))
    found, expected = np.array(curves).T
    assert expected[-1] < 0.6 * expected[0]
    assert np.abs(found / expected - 1).max() < 0.01
