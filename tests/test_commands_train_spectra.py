"""`tinygrad-astro train spectra` and `train asteroids` from the command line."""

import json

import numpy as np
import pytest

from tinygrad_astro.cli import main
from tinygrad_astro.spectra import run as module
from tinygrad_astro.spectra.simulate import simulate

pytest.importorskip("matplotlib", reason="the figure needs the extra plot")

QUICK = ["--simulated", "64", "--epochs", "1"]


def write_survey(path, n=12):
    made = simulate(n, seed=8)
    np.savez(
        path,
        wavelength=made.wavelength,
        flux=made.flux,
        ivar=made.ivar,
        plate=np.full(n, 1),
        mjd=np.full(n, 2),
        fiber=np.arange(n),
        vi_class=np.array([1, 4, 3])[made.label],
        vi_z=made.redshift,
        pipe_class=np.array(["STAR", "GALAXY", "QSO"])[made.label],
        pipe_z=made.redshift,
    )
    return str(path)


@pytest.mark.parametrize("real", [True, False])
def test_spectra(tmp_path, capsys, monkeypatch, real):
    monkeypatch.setattr(module, "JUDGED_SYNTHETIC", 40)
    monkeypatch.setattr(module, "fine_tune", lambda start, *others: start)
    given = ["--spectra", write_survey(tmp_path / "boss.npz")] if real else []
    assert main(["train", "spectra", *given, "--out", str(tmp_path / "out"), *QUICK]) == 0
    said = capsys.readouterr().out
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert "synthetic spectra:" in said and f"{metrics['synthetic']['accuracy']:.1%} of 40" in said
    assert ("real, cross-validated:" in said) == real == ("real" in metrics)


def test_asteroids(tmp_path, capsys):
    assert main(["train", "asteroids", "--out", str(tmp_path / "out"), "--steps", "1"]) == 0
    assert "of 330" in capsys.readouterr().out


@pytest.mark.parametrize("task", ["spectra", "asteroids"])
def test_mistakes_end_in_one_line(tmp_path, capsys, task):
    given = ["--spectra", "nothing.npz", "--out", str(tmp_path)]
    assert main(["train", task, *given]) == 2
    error = capsys.readouterr().err
    assert "nothing.npz: no such file" in error and error.count("\n") == 1
