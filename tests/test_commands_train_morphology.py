"""`tinygrad-astro train morphology` from the command line."""

import json

import numpy as np
import pytest

from tinygrad_astro.cli import main
from tinygrad_astro.commands import train_morphology
from tinygrad_astro.morphology import run as module
from tinygrad_astro.morphology.drawn import draw_cutouts

pytest.importorskip("matplotlib", reason="the figure needs the extra plot")


def write_rings(path):
    made = draw_cutouts(50, 56, seed=3)
    n = len(made)
    np.savez(
        path,
        images=made.pictures.astype(np.uint8),
        ring=(np.arange(n) % 2).astype(np.int8),
        fractions=np.random.default_rng(0).uniform(0.5, 1, (n, 3)).astype(np.float32),
        fraction_names=np.array(["smooth_fraction", "edge-on_no", "arms_no"]),
        id_str=made.identifier,
    )
    return str(path), n


def test_simulated(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(module, "_CHECKED", 10)
    monkeypatch.setattr("tinygrad_astro.morphology.training.Recipe.judged", 20)
    given = ["--simulated", "30", "--epochs", "1", "--snr", "20", "50"]
    assert main(["train", "morphology", "--out", str(tmp_path), *given]) == 0
    said = capsys.readouterr().out
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert f"{metrics['bright']['accuracy']:.1%} of {metrics['bright']['objects']}" in said
    assert metrics["recipe"]["snr"] == [20, 50] and metrics["recipe"]["simulated"] == 30


@pytest.mark.parametrize("transfer", [False, True])
def test_rings(tmp_path, capsys, transfer):
    path, n = write_rings(tmp_path / "rings.npz")
    given = ["--transfer", "--simulated", "30", "--epochs", "1"] if transfer else []
    out = str(tmp_path / "out")
    command = ["train", "morphology", "--rings", path, "--steps", "1", "--out", out]
    assert main([*command, *given]) == 0
    said = capsys.readouterr().out
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["ring"]["objects"] == n and f"5 folds of {n}" in said
    assert ("auc_on_drawn_galaxies" in metrics) == transfer
    assert (tmp_path / "out" / "figure.png").is_file()
    assert train_morphology.EXAMPLE.startswith("tinygrad-astro train morphology")


@pytest.mark.parametrize(
    "given, words",
    [
        (["--rings", "nothing.npz"], "nothing.npz: no such file"),
        (["--transfer"], "use it with --rings FILE"),
        (["--steps", "3"], "use it with --rings FILE"),
        (["--rings", "a.npz", "--snr", "5", "9"], "use it without --rings"),
        (["--rings", "a.npz", "--epochs", "5"], "use it with --transfer"),
        (["--snr", "50", "20"], "snr must be"),
    ],
)
def test_mistakes_end_in_one_line(tmp_path, capsys, given, words):
    assert main(["train", "morphology", "--out", str(tmp_path), *given]) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1
