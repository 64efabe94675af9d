"""Stamps by type: truth that agrees with the pixels, votes, and objects that only ids decide."""

import json

import numpy as np
import pytest

from tinygrad_astro.data.simulate import TYPES, galaxies
from tinygrad_astro.data.sky.artefacts import spoil
from tinygrad_astro.data.sky.votes import cast_votes, vote_probabilities


@pytest.fixture(scope="module")
def made():
    return galaxies(60, size=48, seed=7)


def test_shapes_types_and_shares(made):
    assert made.images.shape == made.models.shape == made.variance.shape == (60, 48, 48, 3)
    assert made.images.dtype == np.float32 and np.isfinite(made.images).all()
    assert np.bincount(made.labels, minlength=5).tolist() == [12] * 5
    assert made.truth["id"].tolist() == list(range(1, 61))
    np.testing.assert_allclose(made.votes.sum(axis=1), 1, rtol=1e-6)


def test_signal_to_noise_is_what_the_pixels_have(made):
    model, variance = made.models[..., 1].astype(float), made.variance[..., 1].astype(float)
    snr = np.sqrt((model**2 / variance).sum(axis=(1, 2)))
    np.testing.assert_allclose(made.truth["snr"], snr, rtol=1e-3)
    faint = made.truth["artefact"] == "faint"
    assert (
        (snr[~faint] >= 19.99).all() and (snr[~faint] <= 200.1).all() and (snr[faint] < 4.1).all()
    )


def test_noise_is_drawn_around_the_model(made):
    clean = ~np.isin(made.truth["artefact"], ["trail", "bleed", "edge"])
    pull = (made.images - made.models)[clean] / np.sqrt(made.variance[clean])
    assert abs(pull.mean()) < 0.01 and abs(pull.std() - 1) < 0.01


def test_fluxes_are_those_of_the_models(made):
    small = (made.truth["half_light_radius"] < 4) & (made.truth["type"] != "spheroid")
    total = made.models[small].sum(axis=(1, 2))
    for band, name in enumerate("gri"):
        np.testing.assert_allclose(total[:, band], made.truth[f"flux_{name}"][small], rtol=0.05)


def test_an_object_depends_on_seed_and_id_alone(made):
    again = galaxies(5, size=48, seed=7, start=20)
    np.testing.assert_array_equal(again.images, made.images[20:25])
    assert again.truth.tobytes() == made.truth[20:25].tobytes()
    other = galaxies(5, size=48, seed=8, start=20)
    assert not np.array_equal(other.images, again.images)


def test_votes_follow_the_truth(made):
    sure = made.truth["type"] != "unclassifiable"
    winner = made.votes[sure].argmax(axis=1)
    assert (winner == made.labels[sure]).mean() > 0.85
    assert galaxies(3, size=16, seed=0, voters=1).votes.max(axis=1).tolist() == [1, 1, 1]


def test_vote_probabilities():
    for kind in TYPES:
        p = vote_probabilities(kind, 0.0 if kind == "disc" else 1.0, 3.0, 100.0)
        assert p.argmax() == TYPES.index(kind) and p.sum() == pytest.approx(1) and (p > 0).all()
    faint = vote_probabilities("disc", 0.0, 3.0, 2.0)
    small = vote_probabilities("disc", 0.0, 0.1, 100.0)
    between = vote_probabilities("disc", 0.55, 3.0, 100.0)
    assert faint[4] > 0.4 and small[3] > 0.3 and abs(between[0] - between[1]) < 0.05
    votes = cast_votes(np.random.default_rng(0), between, 40)
    assert votes.sum() == pytest.approx(1) and np.allclose(votes * 40, np.rint(votes * 40))


def test_shares_types_and_physical_fluxes():
    mixed = galaxies(40, size=32, seed=1, types={"disc": 3, "spheroid": 1}, snr=None)
    assert 28 <= (mixed.truth["type"] == "disc").sum() <= 32
    assert np.ptp(np.log10(mixed.truth["flux_r"])) > 0.5
    ringed = galaxies(10, size=32, seed=1, types=("disc",), rings=1.0, bars=0.0).truth
    assert ((ringed["ring"] > 0) == (ringed["axis_ratio"] > 0.3)).all() and not ringed["bar"].any()
    sizes = galaxies(10, size=32, seed=1, types=("spheroid",), radius=(4.0, 5.0)).truth
    assert ((sizes["bulge_radius"] >= 4) & (sizes["bulge_radius"] <= 5)).all()


def test_redder_with_redshift():
    truth = galaxies(60, size=16, seed=3, types=("spheroid",)).truth
    colour = -2.5 * np.log10(truth["flux_g"] / truth["flux_r"])
    order = np.argsort(truth["redshift"])
    assert np.median(colour[order[40:]]) > np.median(colour[order[:20]]) + 0.2


@pytest.mark.parametrize("kind", ["trail", "bleed", "edge"])
def test_artefacts_cover_the_middle(kind, rng):
    image = rng.normal(0, 20, (48, 48, 3)).astype(np.float32)
    for _ in range(5):
        spoiled = spoil(rng, kind, image, np.full(3, 20.0), 3.0)
        assert spoiled.shape == image.shape and spoiled.dtype == np.float32
        assert (spoiled != image)[18:30, 18:30].mean() > 0.1


def test_the_truth_goes_to_a_file(made, tmp_path):
    from tinygrad_astro.data import read_table, write_catalogue

    write_catalogue(tmp_path / "truth.csv", made.truth)
    back = read_table(tmp_path / "truth.csv")
    assert back.names == list(made.truth.dtype.names)
    np.testing.assert_array_equal(back["flux_r"], made.truth["flux_r"])
    assert json.dumps(made.truth["type"].tolist())


@pytest.mark.parametrize(
    "arguments, words",
    [
        (dict(n=-1), "n must be >= 0"),
        (dict(n=1, size=4), "size >= 8"),
        (dict(n=1, types=("quasar",)), "types must be out of spheroid"),
        (dict(n=1, types={"disc": -1.0}), "shares >= 0"),
        (dict(n=1, types=()), "types must be"),
        (dict(n=1, snr=(5.0, 1.0)), "snr must be"),
        (dict(n=1, radius=(0.0, 1.0)), "radius must be"),
    ],
)
def test_refusals(arguments, words):
    with pytest.raises(ValueError, match=words):
        galaxies(**arguments)


def test_no_object_is_an_empty_set():
    assert galaxies(0).images.shape == (0, 64, 64, 3)


def test_discs_without_arms_are_smooth_and_nothing_changes_where_all_have_them():
    options = {"size": 32, "seed": 3, "types": ("disc",), "snr": (100, 200)}
    smooth = galaxies(12, arms=0.0, rings=0.0, bars=0.0, **options)
    assert (smooth.truth["arms"] == 0).all()
    axis = np.arange(32) - 15.5
    for model, row in zip(smooth.models[..., 1], smooth.truth, strict=True):
        # Point symmetry about the centre, up to what a centre between pixels takes from it.
        x, y = axis[None, :] - (row["x"] - 15.5), axis[:, None] - (row["y"] - 15.5)
        odd = (model * x).sum() / model.sum(), (model * y).sum() / model.sum()
        assert np.hypot(*odd) < 0.6
    half = galaxies(60, arms=0.5, **options).truth["arms"] > 0
    assert 0.25 < half.mean() < 0.75
    same = galaxies(3, arms=1.0, **options)
    np.testing.assert_array_equal(same.images, galaxies(3, **options).images)
