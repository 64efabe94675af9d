"""Whole runs for sizes: what they write, real cut-outs, the command, and the bars."""

import csv
import json
import os

import numpy as np
import pytest
from scipy import stats

from tinygrad_astro.cli import main
from tinygrad_astro.sizes import metrics as judging
from tinygrad_astro.sizes.fitting import Fit
from tinygrad_astro.sizes.measurer import load
from tinygrad_astro.sizes.quantities import QUANTITIES
from tinygrad_astro.sizes.run import run
from tinygrad_astro.sizes.sky import SKY_VARIANCE, draw_psf, simulate
from tinygrad_astro.sizes.survey import (
    Cutouts,
    as_faint,
    compare,
    joined,
    observed_radius,
    prepare,
    read_cutouts,
    seeing,
)
from tinygrad_astro.sizes.training import Recipe

pytest.importorskip("matplotlib", reason="the figure needs the extra plot")

BARS = pytest.mark.skipif(
    not os.environ.get("TINYGRAD_ASTRO_BARS"),
    reason="trains for minutes: set TINYGRAD_ASTRO_BARS=1 to judge the bars",
)
TINY = Recipe(galaxies=100, held_out=100, size=32, epochs=1)
METHODS = {"network", "sersic", "bulge and disc"}


def real_looking(n=4, size=60):
    """Make raw cut-outs: a bias, a sky, a galaxy, and a neighbour in a corner."""
    made = simulate(n, size, seed=3, radius=(4, 6), snr=(200, 300))
    gain, sky = 4.0, 150.0
    rng = np.random.default_rng(0)
    images = made.scaled * 3 / gain + sky
    images[:, 5:9, 5:9] += 400.0
    counts = rng.normal(images, np.sqrt(images / gain)) + 1000
    return counts.round().astype(np.uint16), made


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "a"
    counts, made = real_looking()
    stamps, sigma, factor = (np.array(c) for c in zip(*(prepare(i, 150.0, 32) for i in counts)))
    psfs = np.stack([seeing(int(k)) for k in factor])
    real = Cutouts(stamps, psfs, sigma, factor, np.full(4, 5.0), np.arange(4) > 0)
    stages = []
    found = run(TINY, folder, "a title", 8, real, 2, lambda *told: stages.append(told))
    return folder, found, stages


def test_what_is_written(finished):
    folder, found, stages = finished
    names = {"model.safetensors", "metrics.json", "figure.png", "predictions.csv"}
    assert {path.name for path in folder.iterdir()} == names
    assert json.loads((folder / "metrics.json").read_text()) == found
    assert set(found["methods"]) == set(found["seconds_per_1000"]) == METHODS
    assert set(found["real"]) == METHODS and found["real"]["network"]["clean"]["galaxies"] == 3
    assert found["monte_carlo_dropout"]["passes"] == 2
    assert set(found["methods"]["sersic"]) == {"half_light_radius", "axis_ratio"}
    assert (folder / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert stages[-1] == ("fitting bulge and disc", 8, 8)
    assert load(folder / "model.safetensors").model.count_params() == found["parameters"]


def test_judged_galaxies_were_never_seen(finished):
    folder, found, _ = finished
    with open(folder / "predictions.csv") as stream:
        judged = {int(row["id"]) for row in csv.DictReader(stream)}
    learned = set(simulate(TINY.galaxies + TINY.held_out, 16).truth["id"].tolist())
    assert len(judged) == 8 and not judged & learned


def test_accuracy_of_honest_and_of_boasting_fits():
    rng = np.random.default_rng(0)
    truth = simulate(1, 16).truth[np.zeros(400, int)]
    truth["snr"] = 100.0
    off = rng.normal(0, 0.1, 400)
    for said, expected in ((0.1, 0.6827), (0.05, stats.norm.cdf(0.5) * 2 - 1)):
        fits = [
            Fit({q.name: truth[q.name][0] * np.exp(d) if q.name == "half_light_radius" else np.nan
                 for q in QUANTITIES}, {q.name: said for q in QUANTITIES}, 1.0, 1)
            for d in off
        ]  # fmt: skip
        found = judging.judge(*judging.of_fits(fits, truth), truth)
        assert set(found) == {"half_light_radius"}
        table = found["half_light_radius"]
        assert table["within_1_sigma"] == pytest.approx(expected, abs=0.05)
        assert table["rms"] == pytest.approx(np.sqrt((off**2).mean()))
        assert table["bright"]["galaxies"] == 400 and table["failed"] == 0


def test_cutouts_lose_sky_and_neighbours_and_keep_their_light():
    counts, made = real_looking()
    stamp, sigma, factor = prepare(counts[0], 150.0, 30)
    assert factor == 1 and sigma == pytest.approx(np.sqrt(150 * 4.0), rel=0.1)
    wide, sigma, factor = prepare(counts[0], 150.0, 64)
    assert np.isnan(wide[8:10, 8:10]).all() and np.isnan(wide[0]).all()
    flux = np.nansum(wide)
    assert flux == pytest.approx(3 * made.scaled[0].sum(), rel=0.12)


def test_galaxies_too_bright_to_be_known_are_made_fainter():
    made = simulate(6, 32, seed=4, radius=(2, 4), snr=(100, 100))
    made.truth["snr"] = [50, 100, 299, 301, 1000, 5000]
    images, sigma = made.images(), np.full(6, np.sqrt(SKY_VARIANCE))
    images[:, 2, 2] = np.nan
    given = Cutouts(images, made.psfs, sigma, np.ones(6, int), np.full(6, 3.0), np.ones(6, bool))
    found = as_faint(given)
    np.testing.assert_array_equal(found.images[:2], images[:2])
    np.testing.assert_array_equal(found.sigma[:2], sigma[:2])
    assert np.isnan(found.images[:, 2, 2]).all()
    for k in (4, 5):
        model = made.scaled[k].astype(float)
        snr = np.sqrt((model**2 / (model + found.sigma[k] ** 2)).sum())
        assert snr == pytest.approx(300, rel=0.02)
        noise = np.nanstd(found.images[k] - model) ** 2
        assert noise == pytest.approx(found.sigma[k] ** 2 + model.mean(), rel=0.15)
    np.testing.assert_array_equal(as_faint(given).images, found.images)


def test_joining_pixels_keeps_the_flux_and_the_middle():
    y, x = np.mgrid[:60, :60]
    image = np.exp(-((x - 29.5) ** 2 + (y - 29.5) ** 2) / 50.0)
    small = joined(image, 3, 20)
    assert small.sum() == pytest.approx(image.sum())
    assert (small * np.arange(20)).sum() / small.sum() == pytest.approx(9.5)
    padded = joined(image, 2, 40)
    assert np.isnan(padded[:5]).all() and np.nansum(padded) == pytest.approx(image.sum())


def test_what_an_aperture_sees():
    assert seeing(2).sum() == pytest.approx(1) and seeing(2).shape == (31, 31)
    assert observed_radius(1e-9, 1.0, 1) == pytest.approx(1.32 / 0.396 * 0.6313, rel=1e-3)
    assert observed_radius(20.0, 0.25, 2) == pytest.approx(20.0, rel=0.01)
    cutouts = Cutouts(np.zeros((3, 1, 1)), None, None, np.ones(3), np.array([2.0, 4.0, np.nan]),
                      np.array([True, True, False]))  # fmt: skip
    found = compare(np.array([2.2, 4.4, 1.0]), cutouts)
    assert found["all"]["galaxies"] == 2
    assert found["clean"]["median_ratio"] == pytest.approx(1.1)
    assert found["clean"]["spearman"] == pytest.approx(1.0)


def test_the_command(tmp_path, capsys):
    given = ["--galaxies", "64", "--epochs", "1", "--judged", "2", "--out", str(tmp_path / "out")]
    assert main(["train", "sizes", *given]) == 0
    said = capsys.readouterr().out
    assert "half light radius" in said and "1000 galaxies in" in said


@pytest.mark.parametrize(
    "given, text",
    [(["--cutouts", "a.npz"], "--cutouts and --catalogue go together"),
     (["--cutouts", "nothing.npz", "--catalogue", "nothing.csv"], "nothing.npz")],
)  # fmt: skip
def test_mistakes_end_in_one_line(tmp_path, capsys, given, text):
    assert main(["train", "sizes", *given, "--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert text in error and error.count("\n") == 1


def test_psfs_sum_to_one():
    assert draw_psf(3.0, 2.5, 0.8, 20.0).sum() == pytest.approx(1)


@pytest.mark.realdata
def test_real_cutouts_are_read(survey_data):
    folder = survey_data / "images_sdss_r_cutouts"
    real = read_cutouts(folder / "sdss_r_141.npz", folder / "catalog.csv")
    assert real.images.shape == (71, 48, 48) and real.clean.sum() == 39
    assert set(real.factor) <= {1, 2, 3, 4}


@pytest.mark.realdata
@pytest.mark.slow
@BARS
def test_sizes_reach_their_bars(survey_data, tmp_path):
    folder = survey_data / "images_sdss_r_cutouts"
    real = read_cutouts(folder / "sdss_r_141.npz", folder / "catalog.csv")
    found = run(Recipe(), tmp_path, "sizes", 1000, real)
    network, fits = found["methods"]["network"], found["methods"]["bulge and disc"]
    for name in ("half_light_radius", "bulge_fraction", "bulge_radius", "disc_radius"):
        assert network[name]["rms"] < fits[name]["rms"]
    for q in QUANTITIES:
        assert abs(network[q.name]["within_1_sigma"] - 0.6827) < 0.05
        assert abs(network[q.name]["within_2_sigma"] - 0.9545) < 0.03
    assert found["real"]["network"]["clean"]["spearman"] > 0.85
