"""The command line: what each command writes, and that every error is one line and exit code 2."""

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

from tinygrad_astro.cli import main, one_line, parser
from tinygrad_astro.data import read_labels, write_image
from tinygrad_astro.models import load_model, unet

pytest.importorskip("astropy", reason="FITS needs the extra astro")
pytest.importorskip("matplotlib", reason="figures need the extra plot")

COMMANDS = ("demo", "train", "train segmentation", "predict", "summary", "doctor", "warmup")


@pytest.fixture(scope="module")
def sky(tmp_path_factory):
    """Write two bands with bright squares, and their label map."""
    folder, rng = tmp_path_factory.mktemp("sky"), np.random.default_rng(2)
    labels = np.zeros((40, 120), np.int16)
    for i, x in enumerate(range(4, 116, 12)):
        labels[6 + 20 * (i % 2) :, x:][:7, :7] = i + 1
    for band, unit in (("g", 1e-10), ("r", 1.0)):
        pixels = unit * (rng.normal(100, 5, labels.shape) + 200 * (labels > 0))
        write_image(folder / f"south_{band}.fits", pixels.astype(np.float32))
    write_image(folder / "seg.fits.gz", labels)
    return folder


def images(sky):
    return ["--images", str(sky / "south_g.fits"), str(sky / "south_r.fits")]


def training(sky, out, *more):
    small = ["--steps", "24", "--batch", "2", "--size", "24", "--base", "4", "--depth", "1"]
    given = [*images(sky), "--labels", str(sky / "seg.fits.gz"), "--out", str(out)]
    return ["train", "segmentation", *given, *small, *more]


@pytest.fixture(scope="module")
def trained(sky, tmp_path_factory):
    out = tmp_path_factory.mktemp("trained") / "run"
    assert main(training(sky, out)) == 0
    return out


def test_train_writes_what_it_promises(trained, sky):
    metrics = json.loads((trained / "metrics.json").read_text())
    assert metrics["bands"] == ["g", "r"] and metrics["reference_sources"] == 2
    assert 0 <= metrics["iou"] <= 1 and set(metrics["seconds"]) == {"training", "report"}
    assert (trained / "figure.png").stat().st_size > 10_000
    assert len((trained / "history.csv").read_text().splitlines()) == 13
    assert load_model(trained / "model.safetensors").metadata["classes"] == ["sky", "source"]


def test_predict_gives_the_same_file_for_every_tile(trained, sky, tmp_path, capsys):
    written = []
    for tile, more in (("16", []), ("33", ["--resume"]), ("500", [])):
        out = str(tmp_path / f"{tile}.fits")
        given = ["predict", str(trained / "model.safetensors"), *images(sky), "--out", out]
        assert main([*given, "--tile", tile, "--threshold", "0.4", *more]) == 0
        written.append(Path(out).read_bytes())
    assert written[0] == written[1] == written[2]
    count = read_labels(tmp_path / "16.fits", "LABEL").max()
    assert f"{count} sources written to" in capsys.readouterr().out


def test_train_is_silent_about_nothing_and_tells_the_numbers(trained, sky, tmp_path, capsys):
    capsys.readouterr()
    assert main(training(sky, trained, "--resume")) == 0
    told = capsys.readouterr().out
    metrics = json.loads((trained / "metrics.json").read_text())
    assert f"IoU of source pixels  {metrics['iou']:.3f}" in told
    assert f"of {metrics['reference_sources']} sources of 25 pixels or more" in told


def test_summary_of_a_file_and_of_an_architecture(trained, capsys):
    assert main(["summary", str(trained / "model.safetensors")]) == 0
    assert "bands: ['g', 'r']" in capsys.readouterr().out
    given = ["--shape", "572", "572", "1", "--base", "64", "--depth", "4", "--padding", "valid"]
    given += ["--no-batch-norm"]
    assert main(["summary", "unet", *given]) == 0
    assert "31,030,658" in capsys.readouterr().out
    assert main(["summary", "dominguez_sanchez18"]) == 0
    assert "2,602,849" in capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS)
def test_help_ends_with_an_example_that_parses(command, capsys):
    with pytest.raises(SystemExit) as leaving:
        parser().parse_args([*command.split(), "--help"])
    assert leaving.value.code == 0
    said = capsys.readouterr().out
    assert "%%" not in said
    example = said.split("example:")[1].split()
    assert example[0] == "tinygrad-astro"
    parser().parse_args(example[1:])


def test_help_and_version_of_the_whole(capsys):
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    assert all(command.split()[0] in said for command in COMMANDS)
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("tinygrad_astro ")


def failing(sky, tmp_path):
    """List command lines that cannot work, with what their error must say."""
    seg, g, r = (str(sky / name) for name in ("seg.fits.gz", "south_g.fits", "south_r.fits"))
    out, text = str(tmp_path / "out"), tmp_path / "text.fits"
    found = str(tmp_path / "found.fits")
    text.write_text("these are no stars")
    (tmp_path / "pickle.safetensors").write_bytes(b"\x80\x04K\x01.")
    write_image(tmp_path / "narrow.fits", np.ones((40, 60), np.float32))
    write_image(tmp_path / "halves.fits", np.full((40, 120), 0.5, np.float32))
    write_image(tmp_path / "empty.fits", np.zeros((40, 120), np.int16))
    plain = tmp_path / "plain.safetensors"
    unet((None, None, 2), 2, 2, 1).save(plain)
    train = ["train", "segmentation"]
    return [
        ([], "COMMAND"),
        (["paint"], "invalid choice: 'paint'"),
        (["train"], "TASK"),
        (["train", "knitting"], "invalid choice: 'knitting'"),
        ([*train, "--images", g], "--labels"),
        ([*train, "--images", "--labels", seg, "--out", out], "--images"),
        ([*train, "--images", "no.fits", "--labels", seg, "--out", out], "no.fits: no such file"),
        ([*train, "--images", g, "--labels", "no.fits", "--out", out], "no.fits: no such file"),
        ([*train, "--images", str(text), "--labels", seg, "--out", out], "not a FITS file"),
        (
            [*train, "--images", g, str(tmp_path / "narrow.fits"), "--labels", seg, "--out", out],
            "narrow.fits is 40 x 60 pixels",
        ),
        (
            [*train, "--images", str(tmp_path / "narrow.fits"), "--labels", seg, "--out", out],
            "is 40 x 120",
        ),
        (
            [*train, "--images", g, "--labels", str(tmp_path / "halves.fits"), "--out", out],
            "whole numbers, found 0.5",
        ),
        (
            [*train, "--images", g, "--labels", str(tmp_path / "empty.fits"), "--out", out],
            "hold no source",
        ),
        (training(sky, out, "--steps", "0"), "'0' is not a whole number of at least 1"),
        (training(sky, out, "--steps", "many"), "'many' is not a whole number"),
        (training(sky, out, "--seed", "-1"), "'-1' is not a whole number of at least 0"),
        (training(sky, out, "--threshold", "1.5"), "'1.5' is not a number between 0 and 1"),
        (training(sky, out, "--size", "64"), "crop of 64 pixels does not fit into 40 x 72"),
        (training(sky, out, "--depth", "9"), "depth=9"),
        (training(sky, str(text)), "text.fits: File exists"),
        (["predict", "no.safetensors", "--images", g, r, "--out", found], "no model file"),
        (["predict", str(text), "--images", g, r, "--out", found], "not a model file"),
        (
            ["predict", str(tmp_path / "pickle.safetensors"), "--images", g, "--out", found],
            "not a model file",
        ),
        (["predict", str(plain), "--images", g, r, "--out", found], "nothing about stretch"),
        (["predict", str(plain), "--images", g, "--out", found, "--tile", "0"], "at least 1"),
        (["summary", "no.safetensors"], "no model file"),
        (["summary", "unet", "--depth", "12"], "depth=12"),
        (["summary", "unet", "--shape", "4", "4"], "--shape"),
        (["doctor", "please"], "unrecognized arguments: please"),
        (["demo", "--steps", "-3"], "at least 1"),
    ]


def test_every_error_is_one_line_and_exit_code_2(sky, tmp_path, capsys):
    for given, message in failing(sky, tmp_path):
        assert main(given) == 2, given
        said = capsys.readouterr()
        assert said.err.count("\n") == 1 and message in said.err, (given, said.err)
        assert said.err.startswith("tinygrad-astro") and "Traceback" not in said.err
        assert not said.out


def test_wrong_bands_for_a_model(trained, sky, tmp_path, capsys):
    model, out = str(trained / "model.safetensors"), str(tmp_path / "out.fits")
    g, r = images(sky)[1:]
    assert main(["predict", model, "--images", r, g, "--out", out]) == 2
    assert "in this order, received r g" in capsys.readouterr().err
    assert main(["predict", model, "--images", g, "--out", out]) == 2
    assert "2 bands (g r), received 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("missing", "extra", "command"),
    [
        ("astropy", "astro", ["predict"]),
        ("astropy", "astro", ["train"]),
        ("matplotlib", "plot", ["train"]),
        ("matplotlib", "plot", ["demo"]),
    ],
)
def test_a_missing_extra_is_named(
    missing, extra, command, sky, trained, tmp_path, capsys, monkeypatch
):
    for name in [n for n in sys.modules if n.partition(".")[0] == missing]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    out = str(tmp_path / "out.fits")
    given = {
        "predict": ["predict", str(trained / "model.safetensors"), *images(sky), "--out", out],
        "train": training(sky, out),
        "demo": ["demo", "--out", out],
    }[command[0]]
    assert main(given) == 2
    assert f"pip install 'tinygrad_astro[{extra}]'" in capsys.readouterr().err
    assert not Path(out).exists()


def test_traceback_on_request(capsys):
    assert main(["--traceback", "summary", "no.safetensors"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupt_is_clean(monkeypatch, capsys):
    from tinygrad_astro.commands import summary

    def interrupted(model):
        raise KeyboardInterrupt

    monkeypatch.setitem(summary.ARCHITECTURES, "unet", interrupted)
    assert main(["summary", "unet"]) == 130
    assert capsys.readouterr().err == "tinygrad-astro: interrupted\n"


@pytest.mark.filterwarnings("always")
def test_a_warning_is_one_line_too(monkeypatch, capsys):
    from tinygrad_astro.commands import summary

    def careless(arguments):
        warnings.warn("two\nlines", stacklevel=1)

    monkeypatch.setitem(summary.ARCHITECTURES, "unet", careless)
    before = warnings.showwarning
    with pytest.raises(AttributeError):
        main(["summary", "unet"])
    assert capsys.readouterr().err == "tinygrad-astro: warning: two lines\n"
    assert warnings.showwarning is before


def test_an_error_of_several_lines_becomes_one():
    assert one_line(ValueError("bad\n  thing")) == "bad thing"
    assert one_line(KeyError("no column 'a'")) == "no column 'a'"
    assert one_line(PermissionError(13, "Permission denied", "/x")) == "/x: Permission denied"
    assert "smaller tiles" in one_line(MemoryError("8 GiB"))
    assert one_line(RuntimeError()) == "RuntimeError"


def test_killed_training_goes_on_to_the_same_weights(sky, trained, tmp_path, capsys):
    """Kill a process for good, twice, at moments that its speed decides; then let it finish."""
    out = tmp_path / "run"
    command = [sys.executable, "-m", "tinygrad_astro.cli", *training(sky, out, "--resume")]
    for wait in (0.3, 0.8):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        start = time.monotonic()
        while not (out / "settings.json").exists() and time.monotonic() - start < 60:
            time.sleep(0.05)
        time.sleep(wait)
        process.send_signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
        process.wait()
    unfinished = (out / "training-state.safetensors").exists() and (
        not (out / "metrics.json").exists()
    )
    if unfinished:
        assert main(training(sky, out)) == 2
        assert "add --resume" in capsys.readouterr().err
    assert main(training(sky, out, "--resume")) == 0
    pairs = zip(
        *(load_model(path / "model.safetensors").get_weights() for path in (out, trained)),
        strict=True,
    )
    assert all(np.array_equal(a, b) for a, b in pairs)


def test_a_reader_that_leaves_early_is_no_error():
    command = [sys.executable, "-m", "tinygrad_astro.cli", "summary", "resnet50"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b"" and process.wait() == 0
    process.stderr.close()
