"""Deblending: what goes in, what shares are worth, apertures, whole runs, the command, the bars."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro.cli import main
from tinygrad_astro.data.simulate import blends, galaxies
from tinygrad_astro.deblending.blend import read_blend
from tinygrad_astro.deblending.inputs import (
    input_channels,
    nearness,
    network_input,
    symmetric_light,
)
from tinygrad_astro.deblending.losses import FAINT, KNEE, SharedFlux
from tinygrad_astro.deblending.pairs import BANDS, Draws, Pool, pool
from tinygrad_astro.deblending.run import Measured, judge, judged_pairs, measure, run
from tinygrad_astro.deblending.sharing import Sharer, load, sharing_net
from tinygrad_astro.deblending.training import Recipe

BARS = pytest.mark.skipif(
    not os.environ.get("TINYGRAD_ASTRO_BARS"),
    reason="trains for minutes: set TINYGRAD_ASTRO_BARS=1 to judge the bars",
)
TINY = Recipe(galaxies=4, size=24, steps=3, batch=2, rounds=2, filters=4, depth=2)


@pytest.fixture(scope="module")
def pools():
    return [pool(4, 24, 3.0, seed=1)]


def write_blend(path, bands="grizy"):
    made = blends(1, 32, bands, seed=3)
    places = np.zeros(2, [("x", "f8"), ("y", "f8")])
    places["x"], places["y"] = made.truth["x"][0], made.truth["y"][0]
    mask = np.zeros((len(bands), 32, 32), int)
    mask[:, :3], mask[:, 9:] = 5, 32  # bad and interpolated; detected
    np.savez(path, images=np.moveaxis(made.images[0], -1, 0), filters=np.array(list(bands)),
             variance=np.moveaxis(made.variance[0], -1, 0), catalog=places, mask=mask)  # fmt: skip
    return made


# ---- what goes in --------------------------------------------------------------------------------


def test_images_are_stretched_by_the_noise_and_places_marked():
    near = nearness((20, 30), [(4.0, 7.0), (22.0, 15.0)])
    assert near.shape == (20, 30) and near[7, 4] == near[15, 22] == 1
    assert near[7, 12] == pytest.approx(np.exp(-1), rel=1e-6) and not nearness((3, 3), []).any()
    image = np.full((20, 30, 2), 6.0)
    image[3, 3, 0] = np.nan
    given = network_input(image, np.array([2.0, 3.0]), (4.0, 7.0), [])
    assert given.shape == (20, 30, input_channels(2)) and given.dtype == np.float32
    assert not given[..., 3].any() and not given[..., 6:].any()
    np.testing.assert_allclose(given[0, 0, :2], np.arcsinh([3.0, 2.0]), rtol=1e-6)
    assert given[3, 3, 0] == 0 == given[11, 5, 4] and given[11, 5, 5] == given[0, 0, 1]


def symmetric_by_hand(image, places):
    """The definition, pixel by pixel."""
    made = np.zeros_like(image)
    for i, j in np.ndindex(image.shape[:2]):
        parts = []
        for x, y in places:
            a, b = round(2 * y) - i, round(2 * x) - j
            inside = 0 <= a < image.shape[0] and 0 <= b < image.shape[1]
            parts.append(np.minimum(image[i, j], image[a, b]) if inside else image[i, j])
        made[i, j] = np.max(parts, axis=0)
    return made


def test_symmetric_light_is_the_lesser_of_both_sides():
    image = np.random.default_rng(0).standard_normal((9, 12, 2))
    places = [(3.1, 4.6), (9.3, 1.2), (0.0, 8.0)]
    for some in (places[:1], places):
        expected = symmetric_by_hand(image, some)
        np.testing.assert_array_equal(symmetric_light(image, some), expected)
    # Planted: x and y exchanged, and a turn about a place half a pixel off, must be told apart.
    assert not np.array_equal(symmetric_light(image, [(4.6, 3.1)]), expected)
    off = symmetric_by_hand(image, [(3.6, 4.6)])
    assert not np.array_equal(symmetric_light(image, places[:1]), off)


def test_symmetric_light_frees_a_source_of_its_neighbour():
    y, x = np.mgrid[:40, :40]
    own, other = (np.exp(-0.5 * ((x - a) ** 2 + (y - b) ** 2) / s**2)[..., None]
                  for a, b, s in ((16.0, 19.5, 3.0), (24.0, 21.0, 2.0)))  # fmt: skip
    found = symmetric_light(own + other, [(16.0, 19.5)])
    assert np.abs(found - own).sum() < 0.06 * other.sum()
    both = symmetric_light(own + other, [(16.0, 19.5), (24.0, 21.0)])
    # A symmetric source is never cut, and there is no more light than the blend has.
    assert (both > np.maximum(own, other) - 1e-9).all() and (both <= own + other).all()


def test_blends_for_training_are_sums_of_their_parts(pools):
    draws = Draws(pools, 24, batch=6, steps=2, seed=0, third=0.5)
    batches = list(draws)
    assert len(batches) == len(draws) == 2
    inputs, labels = batches[0]
    assert inputs.shape == (6, 24, 24, 11) and labels.shape == (6, 24, 24, 9)
    own, others, image = np.split(labels.astype(float), 3, axis=-1)
    assert (own.sum(axis=(1, 2)) > 0).all() and (others.sum(axis=(1, 2)) > 0).all()
    sigma2 = np.sqrt(pools[0].camera.variance(np.zeros(3)))
    pull = (image - own - others) / np.sqrt(1 + (own + others) / sigma2)
    assert abs(pull.mean()) < 0.05 and abs(pull.std() - 1) < 0.05
    np.testing.assert_allclose(np.sinh(inputs[..., :3]), image, rtol=1e-3, atol=1e-3)
    peak = np.array([np.unravel_index(m.argmax(), m.shape) for m in inputs[..., 3]])
    light = np.array([[(w * g).sum() / w.sum() for g in np.mgrid[:24, :24]] for w in own[..., 1]])
    assert np.median(np.linalg.norm(peak - light, axis=1)) < 3


def test_places_are_where_the_light_is_to_a_fraction_of_a_pixel():
    round_ones = galaxies(30, 92, "gri", 1, ("spheroid",), (20.0, 200.0), (2.5, 3.0), psf=3.0)
    draws = Draws(
        [Pool(round_ones.models, round_ones.truth, round_ones.camera)], 48, 40, 1, third=0.0
    )
    [(inputs, labels)] = draws

    def centres(maps, power):
        weights = maps.astype(float) ** power
        return np.array([[(w * g).sum() / w.sum() for g in np.mgrid[:48, :48]] for w in weights])

    off = centres(inputs[..., 3], 4) - centres(labels[..., 1], 4)
    assert np.median(np.linalg.norm(off, axis=1)) < 0.2


def test_draws_are_new_in_every_pass_and_the_same_in_every_run(pools):
    first, second = (Draws(pools, 24, batch=2, steps=1, seed=4) for _ in range(2))
    one, again = list(first)[0], list(first)[0]
    np.testing.assert_array_equal(one[0], list(second)[0][0])
    assert not np.array_equal(one[0], again[0])


def test_a_batch_has_blends_of_all_pools_and_a_blend_galaxies_of_one(pools):
    dark = replace(pools[0], models=np.zeros_like(pools[0].models))
    [(_, labels)] = Draws([pools[0], dark], 24, batch=32, steps=1, seed=0)
    own, others = (part.sum(axis=(1, 2, 3)) > 0 for part in np.split(labels[..., :6], 2, axis=-1))
    np.testing.assert_array_equal(own, others)
    assert 8 < own.sum() < 24


def test_no_object_is_learned_and_judged():
    """Single galaxies and pairs come from different streams: no two share their light."""
    learned = galaxies(6, 24, "r", 0, ("disc",), radius=(2.5, 6.0)).truth
    judged = judged_pairs(6, Recipe(galaxies=3, size=24)).truth
    assert not np.isin(judged["redshift"].ravel(), learned["redshift"]).any()


# ---- losses and shares ---------------------------------------------------------------------------


def test_loss_by_hand_and_its_gradient():
    rng = np.random.default_rng(0)
    own, others = rng.uniform(0, 9, (2, 2, 4, 4, 2))
    image = own + others + rng.standard_normal(own.shape)
    logits = rng.standard_normal((2, 4, 4, 2, 3))
    share = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    total = own + others + FAINT
    true = np.stack([own, others, np.full_like(own, FAINT)], -1) / total[..., None]
    cross = -(true * np.log(share)).sum(-1)
    expected = (cross * total / (total + 3)).mean((1, 2, 3))
    for part, k, weight in ((own, 0, 1.0), (others, 1, 0.5)):
        flux = part.sum((1, 2))
        error = ((share[..., k] * image).sum((1, 2)) - flux) / (flux + 1)
        soft = np.sqrt(error**2 + KNEE**2) - KNEE
        expected = expected + 3 * weight * soft.mean(-1)
    y_true = np.concatenate([own, others, image], -1)
    loss = SharedFlux(reduction=None)
    found = loss(y_true, logits.reshape(2, 4, 4, 6)).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    single = SharedFlux()
    ta.testing.check_grads(lambda p: single(y_true, p), logits.reshape(2, 4, 4, 6), order=1)


def test_loss_names_wrong_shapes():
    with pytest.raises(ValueError, match="expected .N, H, W, 3 bands. twice"):
        SharedFlux()(np.zeros((1, 4, 4, 6)), np.zeros((1, 4, 4, 9)))


def test_shares_never_exceed_one_and_files_keep_them(tmp_path):
    made = Sharer(sharing_net(3, 4, 2), tuple(BANDS))
    pair = blends(1, 24, seed=2)
    places = list(zip(pair.truth["x"][0], pair.truth["y"][0], strict=True))
    image = pair.images[0].copy()
    image[2, 2] = np.nan
    shares = made.shares(image, np.full(3, 20.0), places)
    assert shares.shape == (2, 24, 24, 3) and shares.min() >= 0 and shares.sum(0).max() < 1 + 1e-6
    fluxes = made.fluxes(image, np.full(3, 20.0), places)
    np.testing.assert_allclose(fluxes, np.nansum(shares * image, axis=(1, 2)), rtol=1e-5)
    turned = made.shares(np.rot90(image), np.full(3, 20.0), [(b, 23 - a) for a, b in places])
    np.testing.assert_allclose(np.rot90(turned, -1, (1, 2)), shares, atol=1e-5)
    made.save(tmp_path / "d.safetensors")
    again = load(tmp_path / "d.safetensors")
    np.testing.assert_array_equal(again.shares(image, np.full(3, 20.0), places), shares)
    with pytest.raises(ValueError, match="expected .height, width, 3.: bands g, r, i"):
        made.shares(image[..., :2], np.full(2, 20.0), places)


def test_the_better_of_two_methods_is_called_so():
    sample = judged_pairs(4, Recipe(galaxies=3, size=24))
    true = sample.parts.sum(axis=(2, 3), dtype=float)
    signs = np.where(np.arange(8).reshape(4, 2) % 2, 1, -1)
    found = Measured(true, true * (1 + 0.02 * signs[..., None]), true[..., 1] * (1 + 0.1 * signs),
                     np.array([[True, True], [True, False]] * 2), None)  # fmt: skip
    said = judge(found, sample)
    assert said["network"]["all"]["mean_absolute_error"] == pytest.approx(0.02)
    assert said["improvement"]["all"] == pytest.approx(5.0)
    assert said["network"]["both"]["sources"] == 4 and said["both_detected"] == 0.5


# ---- apertures and runs --------------------------------------------------------------------------


def test_apertures_measure_lone_galaxies():
    pytest.importorskip("sep")
    from tinygrad_astro.deblending.apertures import aperture_fluxes

    made = galaxies(6, 64, "r", 5, ("disc",), snr=(150, 200), radius=(3, 4))
    for image, model, row in zip(made.images, made.models, made.truth, strict=True):
        place = np.array([[row["x"], row["y"]], [5.0, 5.0]])
        flux, found = aperture_fluxes(image[..., 0], np.sqrt(425.0), place, 3.0)
        assert found.tolist() == [True, False]
        assert flux[0] == pytest.approx(model.sum(), rel=0.12)


def test_a_run_and_a_real_looking_blend(tmp_path):
    pytest.importorskip("sep")
    pytest.importorskip("matplotlib")
    made = write_blend(tmp_path / "blend.npz")
    blend = read_blend(tmp_path / "blend.npz", ("g", "r", "i"))
    np.testing.assert_array_equal(blend.image[5:], made.images[0, 5:, :, :3])
    assert np.isnan(blend.image[:3]).all() and blend.sigma == pytest.approx(425**0.5, rel=0.05)
    stages = []
    found = run(TINY, tmp_path / "out", "a title", 3, blend, lambda *told: stages.append(told))
    names = {"model.safetensors", "metrics.json", "figure.png", "blend.png"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    assert json.loads((tmp_path / "out" / "metrics.json").read_text()) == found
    assert stages[-1] == ("learning", 2, 2) and found["pairs"] == 3
    sample = judged_pairs(3, TINY)
    again = judge(measure(load(tmp_path / "out" / "model.safetensors"), sample), sample)
    assert again["network"] == found["network"]


def test_the_command_and_its_mistakes(tmp_path, capsys, monkeypatch):
    pytest.importorskip("sep")
    pytest.importorskip("matplotlib")
    given = ["train", "deblending", "--steps", "2", "--galaxies", "3", "--judged", "2"]
    assert main([*given, "--out", str(tmp_path / "out")]) == 0
    assert "all sources" in capsys.readouterr().out
    write_blend(tmp_path / "blend.npz", "zy")
    assert main([*given, "--out", str(tmp_path), "--blend", str(tmp_path / "blend.npz")]) == 2
    error = capsys.readouterr().err
    assert "has bands z, y, the network wants g, r, i" in error and error.count("\n") == 1


@pytest.mark.realdata
def test_the_real_blend_is_read(survey_data):
    blend = read_blend(survey_data / "deblend" / "hsc_cosmos_35.npz", ("g", "r", "i"))
    assert blend.image.shape == (58, 48, 3) and len(blend.places) == 7
    assert (blend.sigma > 0).all()


@pytest.mark.slow
@BARS
def test_deblending_reaches_its_bars(tmp_path):
    found = run(Recipe(), tmp_path, "deblending")
    # Boucaud et al. 2020 (MNRAS 491, 2481): about 7 %.
    assert found["network"]["all"]["mean_absolute_error"] <= 0.07
    assert found["improvement"]["all"] >= 3
