"""`tinygrad-astro train photoz` from the command line: a table, a simulated sky, and mistakes."""

import json

import pytest

from tinygrad_astro.cli import main
from tinygrad_astro.photoz.sky import survey

pytest.importorskip("matplotlib", reason="the figure needs the extra plot")

QUICK = ["--epochs", "1"]


def write_table(path, n=220, start=0):
    made = survey(n, size=12, start=start)
    names = [f"{kind}_{band}" for band in made.bands for kind in ("mag", "magerr")]
    rows = [",".join(["objid", *names, "z_spec"])]
    for i in range(n):
        pairs = zip(made.magnitudes[i], made.errors[i], strict=True)
        numbers = [f"{v:.6f}" for pair in pairs for v in pair]
        rows.append(",".join([str(made.identifier[i]), *numbers, f"{made.redshift[i]:.5f}"]))
    path.write_text("\n".join(rows) + "\n")
    return str(path)


def test_a_table_and_another_to_judge_on(tmp_path, capsys):
    training = write_table(tmp_path / "a.csv")
    test = write_table(tmp_path / "b.csv", 40, start=220)
    out = tmp_path / "out"
    command = ["train", "photoz", "--table", training, "--test", test, "--out", str(out)]
    assert main([*command, "--head", "bins", *QUICK]) == 0
    said = capsys.readouterr().out
    metrics = json.loads((out / "metrics.json").read_text())
    assert f"sigma_NMAD       {metrics['sigma_nmad']:.4f}  (40 objects)" in said
    assert metrics["recipe"]["head"] == "bins" and metrics["recipe"]["epochs"] == 1
    assert {path.name for path in out.iterdir()} >= {"model.safetensors", "figure.png"}


def test_without_a_table_the_sky_is_simulated(tmp_path, capsys):
    command = ["train", "photoz", "--galaxies", "260", "--out", str(tmp_path / "out"), *QUICK]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "simulating 260 galaxies" in said and "without images" in said


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--test", "b.csv"], "--test needs --table"),
        (["--table", "nothing.csv"], "nothing.csv: no such file"),
        (["--head", "spline"], "invalid choice: 'spline'"),
    ],
)
def test_mistakes_end_in_one_line(tmp_path, capsys, arguments, text):
    assert main(["train", "photoz", "--out", str(tmp_path / "out"), *arguments]) == 2
    error = capsys.readouterr().err
    assert text in error and error.count("\n") == 1
