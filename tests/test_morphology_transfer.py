"""From drawn galaxies to real ones at toy size: what is taken over and frozen, who is judged."""

import numpy as np
import pytest

from tinygrad_astro.morphology.drawn import draw_cutouts
from tinygrad_astro.morphology.networks import block_net
from tinygrad_astro.morphology.rings import Rings
from tinygrad_astro.morphology.transfer import (
    RingRecipe,
    cross_validate,
    inherit,
    pretrain,
    train_rings,
    varied,
)

TINY = RingRecipe(
    drawn=40, epochs=1, steps=2, tuning_steps=2, batch=8, filters=(4, 4), folds=2, repeats=1
)


def toy_rings(n=40, size=24):
    made = draw_cutouts(n, size, seed=9)
    rng = np.random.default_rng(0)
    shares = rng.uniform(0.5, 1.0, (len(made), 2)).astype(np.float32)
    ring = (np.arange(len(made)) % 2).astype(int)
    return Rings(made.pictures, ring, shares, ("smooth_fraction", "no_arms"), made.identifier)


def test_pretraining_then_tuning():
    start, learned = pretrain(TINY, 24)
    assert set(learned) == {"ring", "bar", "arms", "irregular"}
    before = start.get_weights()
    sample = toy_rings()
    net = train_rings(sample, TINY, start)
    for a, b in zip(before, start.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    ring, shares = net.say(sample.pictures)
    assert ring.shape == (len(sample),) and shares.shape == sample.fractions.shape
    assert ((ring > 0) & (ring < 1)).all() and ((shares >= 0) & (shares <= 1)).all()


def test_all_but_the_ends_is_taken_over_and_statistics_stay():
    start = block_net(24, 3, {"features": 4}, (4, 4))
    model = block_net(24, 3, {"ring": 1, "fractions": 2}, (4, 4))
    end = model.get_layer("ring").get_weights()[0]
    inherit(model, start)
    for name in ("conv1", "norm1", "conv2", "norm2"):
        for a, b in zip(
            model.get_layer(name).get_weights(), start.get_layer(name).get_weights(), strict=True
        ):
            np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(model.get_layer("ring").get_weights()[0], end)
    frozen = [layer.name for layer in model.layers if layer.weights and not layer.trainable]
    assert frozen == ["norm1", "norm2"]


def test_every_galaxy_is_judged_by_networks_that_never_saw_it():
    sample, told = toy_rings(), []
    probability, shares, constant, fold = cross_validate(
        sample, TINY, progress=lambda *a: told.append(a)
    )
    assert np.bincount(fold).min() >= len(sample) // 2 - 1
    for k in range(2):
        expected = sample.fractions[fold != k].mean(axis=0)
        np.testing.assert_allclose(constant[fold == k], np.tile(expected, ((fold == k).sum(), 1)))
    assert ((probability > 0) & (probability < 1)).all() and np.isfinite(shares).all()
    assert told[-1] == ("cross-validating", 2, 2)


def test_after_drawn_galaxies_networks_of_both_starts_answer():
    sample = toy_rings()
    start = block_net(sample.pictures.shape[1], 3, {"features": 4}, TINY.filters)
    scratch, _, _, fold = cross_validate(sample, TINY)
    both = cross_validate(sample, TINY, start)[0]
    for k in range(2):
        numbers = range(k * TINY.repeats, (k + 1) * TINY.repeats)
        tuned = [train_rings(sample[fold != k], TINY, start, number) for number in numbers]
        said = np.mean([net.say(sample.pictures[fold == k])[0] for net in tuned], axis=0)
        np.testing.assert_allclose(both[fold == k], (said + scratch[fold == k]) / 2, rtol=1e-6)
    assert np.abs(both - scratch).max() > 1e-3


def test_the_same_seed_gives_the_same_bits():
    sample = toy_rings(20)
    first, second = (train_rings(sample, TINY, number=3).say(sample.pictures) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])


def test_variations_keep_shape_and_stay_near(rng):
    pictures = np.full((5, 12, 12, 3), 100, np.float32)
    seen = varied(pictures, rng)
    assert seen.shape == pictures.shape and seen.dtype == np.float32
    assert 100 * 0.6 < (seen.mean() + 1) * 255 / 4 < 100 * 1.5


@pytest.mark.parametrize("changed", [{"folds": 1}, {"steps": 0}, {"repeats": 0}])
def test_refusals(changed):
    with pytest.raises(ValueError, match="expected at least"):
        RingRecipe(**changed)
