"""The network for sizes: what it takes and gives, dropout passes, files, toy training."""

import numpy as np
import pytest
from scipy import stats

from tinygrad_astro.photoz.calibration import Calibration
from tinygrad_astro.photoz.heads import Mixture
from tinygrad_astro.sizes import networks
from tinygrad_astro.sizes.draws import Draws
from tinygrad_astro.sizes.measurer import Measurer, load
from tinygrad_astro.sizes.quantities import QUANTITIES
from tinygrad_astro.sizes.sky import SKY_VARIANCE, counts_for, simulate
from tinygrad_astro.sizes.training import Recipe, labels_of, train

TINY = Recipe(galaxies=120, held_out=100, size=24, epochs=2, batch=32, dropout=0.2)
SIGMA = np.sqrt(SKY_VARIANCE)


@pytest.fixture(scope="module")
def trained():
    return train(TINY)


@pytest.mark.parametrize("quantity", QUANTITIES, ids=lambda q: q.name)
def test_scales_rise_and_lead_back(quantity):
    values = np.linspace(0.05, 0.95, 30) * (20 if quantity.positive else 1)
    there = quantity.forward(values)
    assert (np.diff(there) > 0).all()
    np.testing.assert_allclose(quantity.backward(there), values, rtol=1e-12)
    relative = np.log(1.1) if quantity.positive else 0.1 * values
    np.testing.assert_allclose(quantity.residual(1.1 * values, values), relative)


def test_training_learns_and_calibrates(trained):
    made, history = trained
    assert history["loss"][-1] < history["loss"][0] and len(history["loss"]) == 2
    assert set(made.calibrations) == {q.name for q in QUANTITIES}
    assert made.calibrations["axis_ratio"] != Calibration.none()
    assert made.size == 24


def test_a_saved_measurer_says_the_same(trained, tmp_path):
    made, _ = trained
    sample = simulate(5, 24, seed=9)
    made.save(tmp_path / "sizes.safetensors")
    images = sample.images()
    first = made.measure(images, sample.psfs, SIGMA)
    again = load(tmp_path / "sizes.safetensors").measure(images, sample.psfs, SIGMA)
    for q in QUANTITIES:
        np.testing.assert_array_equal(first.value(q.name), again.value(q.name))
        low, high = first.interval(q.name)
        assert (low < first.value(q.name)).all() and (first.value(q.name) < high).all()


def test_missing_pixels_are_sky(trained):
    made, _ = trained
    sample = simulate(2, 24, seed=9)
    zero = sample.images()
    zero[:, :4] = 0
    holes = zero.copy()
    holes[:, :4] = np.nan
    one, other = (made.measure(x, sample.psfs, SIGMA) for x in (zero, holes))
    np.testing.assert_array_equal(one.value("axis_ratio"), other.value("axis_ratio"))


def test_densities_are_those_of_scipy():
    heads = {q.name: Mixture(2, 0.3, 0.5, -4.0, 4.0) for q in QUANTITIES}
    plain = Measurer(None, heads, {q.name: Calibration.none() for q in QUANTITIES})
    outputs = np.array([[0.2, -1.0, np.log(0.4), np.log(0.8), 0.0, np.log(3.0)]])
    said = plain.densities([outputs] * 5)
    truth = np.array([2.5])
    at = np.log10(2.5)
    parts = [stats.norm(0.3 + 0.5 * m, 0.5 * s) for m, s in ((0.2, 0.4), (-1.0, 0.8))]
    expected = 0.25 * parts[0].cdf(at) + 0.75 * parts[1].cdf(at)
    assert said.pit("half_light_radius", truth)[0] == pytest.approx(expected, abs=1e-3)


def test_the_grid_is_fine_enough_for_the_narrowest_density():
    """Radii are known to 3 % at best: medians and PIT of such densities are those of scipy."""
    heads = {q.name: Mixture(1, 0.54, 0.27, 0.05, 1.09) for q in QUANTITIES}
    plain = Measurer(None, heads, {q.name: Calibration.none() for q in QUANTITIES})
    middle, narrow = np.linspace(0.2, 0.95, 101), 0.013
    scaled = [(middle - 0.54) / 0.27, np.full(101, np.log(narrow / 0.27)), np.zeros(101)]
    said = plain.densities([np.stack(scaled, axis=-1)] * 5)
    found = np.log10(said.value("half_light_radius"))
    np.testing.assert_allclose(found, middle, atol=0.02 * narrow)
    for pull in (-2.0, -0.5, 1.0):
        pits = said.pit("half_light_radius", 10 ** (middle + pull * narrow))
        np.testing.assert_allclose(pits, stats.norm.cdf(pull), atol=0.006)


def test_dropout_passes_widen_densities_and_leave_batch_norm_alone(trained):
    made, _ = trained
    sample = simulate(30, 24, seed=9)
    images, before = sample.images(), [w.copy() for w in made.model.get_weights()]
    once = made.measure(images, sample.psfs, SIGMA, calibrated=False)
    many = made.measure(images, sample.psfs, SIGMA, passes=8, calibrated=False, batch=16)
    for old, new in zip(before, made.model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert not np.array_equal(once.value("axis_ratio"), many.value("axis_ratio"))
    wide = [np.mean(np.subtract(*d.interval("half_light_radius")[::-1])) for d in (once, many)]
    assert wide[1] > 0.9 * wide[0]
    # Without dropout all passes agree with a single one.
    still = Measurer(made.model, made.heads, made.calibrations)
    for layer in still.model.get_layer("head").layers:
        if hasattr(layer, "rate"):
            layer.rate = 0.0
    same = still.measure(images, sample.psfs, SIGMA, passes=3, calibrated=False)
    np.testing.assert_allclose(
        same.value("bulge_fraction"), once.value("bulge_fraction"), rtol=1e-4, atol=1e-5
    )


def test_draws_are_new_in_every_pass_and_the_same_in_every_run():
    sample = simulate(10, 24)
    heads = {q.name: Mixture.fit(q.forward(sample.truth[q.name]), 2) for q in QUANTITIES}
    labels, weights = labels_of(sample.truth, heads)
    first, second = (Draws(sample, labels, weights, 4, seed=1) for _ in range(2))
    one, two = list(first), list(second)
    assert len(one) == len(first) == 3
    np.testing.assert_array_equal(one[0][0][0], two[0][0][0])
    assert not np.array_equal(list(first)[0][0][0], one[0][0][0])
    seen = np.concatenate([y[0] for _, y, _ in one])
    np.testing.assert_array_equal(np.sort(seen, axis=0), np.sort(labels[0], axis=0))
    assert counts_for(sample.models, np.full(10, 20.0)).min() > 0


def test_parts_that_are_not_there_do_not_count():
    truth = simulate(60, 16).truth
    heads = {q.name: Mixture.fit(q.forward(truth[q.name]), 2) for q in QUANTITIES}
    _, weights = labels_of(truth, heads)
    bulge = dict(zip((q.name for q in QUANTITIES), weights, strict=True))["bulge_radius"]
    np.testing.assert_array_equal(bulge > 0, truth["bulge_fraction"] >= 0.2)


def test_scaling_of_the_inputs_by_hand():
    image = np.zeros((1, 20, 20), np.float32)
    image[0, 4, 5:9] = 30.0
    made = networks.image_input(image, 3.0)
    assert made[0, 4, 5].tolist() == pytest.approx([np.arcsinh(10.0), 1.0])
    psf = np.zeros((1, 25, 25))
    psf[0, 12, 12], psf[0, 12, 13] = 0.64, 0.36
    assert networks.psf_input(psf)[0, 10, 10:12, 0].tolist() == pytest.approx([1.0, 0.75])


@pytest.mark.parametrize(
    "images, psfs, text",
    [
        (np.zeros((2, 30, 30)), np.ones((2, 31, 31)), r"expected \(N, 24, 24\)"),
        (np.zeros((2, 24, 24)), np.ones((1, 31, 31)), "2 images got 1 PSFs"),
        (np.zeros((1, 24, 24)), np.ones((1, 30, 30)), "P odd"),
        (np.zeros((1, 24, 24)), np.ones((1, 19, 19)), "at least 21"),
        (np.zeros((1, 24, 24)), np.zeros((1, 21, 21)), "no positive value"),
    ],
)
def test_wrong_inputs_are_named(trained, images, psfs, text):
    with pytest.raises(ValueError, match=text):
        trained[0].measure(images, psfs, SIGMA)


def test_a_recipe_that_cannot_be():
    with pytest.raises(ValueError, match="held_out=5: expected at least 100"):
        Recipe(held_out=5)
    with pytest.raises(ValueError, match="dropout=1"):
        Recipe(dropout=1)
