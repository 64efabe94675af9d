"""Training at toy size: weights, batches, an orbit in the answer, a file that gives it again."""

import numpy as np
import pytest

from tinygrad_astro.data.augmentation import d4
from tinygrad_astro.morphology.classifier import load
from tinygrad_astro.morphology.stamps import EVEN, simulate_stamps
from tinygrad_astro.morphology.training import Recipe, Turns, train, type_weights

TINY = Recipe(simulated=60, judged=20, size=24, epochs=2, batch=16, filters=(4, 6))


@pytest.fixture(scope="module")
def trained():
    seen, others = (simulate_stamps(n, 24, mix=EVEN, start=s) for n, s in ((60, 0), (20, 60)))
    return *train(seen, others, TINY), seen, others


def test_losses_fall_and_are_written(trained):
    _, history, _, _ = trained
    assert len(history["loss"]) == len(history["val_loss"]) == 2
    assert history["loss"][1] < history["loss"][0]


def test_answers_are_shares_and_do_not_depend_on_orientation(trained):
    made, _, _, others = trained
    said = made.classify(others.images)
    np.testing.assert_allclose(said.sum(axis=1), 1, rtol=1e-6)
    laid = np.stack([d4(image, 5) for image in others.images])
    np.testing.assert_allclose(made.classify(laid), said, atol=1e-5)
    assert not np.allclose(made.classify(laid, orbit=False), said, atol=1e-5)


def test_bad_pixels_become_sky(trained):
    made, _, _, others = trained
    spoiled = others.images[:2].copy()
    spoiled[0, 3, 3] = np.nan
    assert np.isfinite(made.classify(spoiled)).all()


def test_the_file_gives_the_same_answers(trained, tmp_path):
    made, _, _, others = trained
    made.save(tmp_path / "model.safetensors")
    again = load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(again.classify(others.images), made.classify(others.images))
    made.model.metadata["task"] = "photoz"
    made.model.save(tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="a model for 'photoz', expected 'morphology'"):
        load(tmp_path / "other.safetensors")


def test_a_shared_object_stops_it(trained):
    *_, seen, others = trained
    with pytest.raises(ValueError, match="in the training sample and in the test"):
        train(seen, seen[:3], TINY)


def test_weights_make_types_alike():
    votes = np.eye(3)[[0, 0, 0, 0, 1, 1, 2]]
    alike = type_weights(votes, 1.0)
    sums = [alike[votes[:, k] == 1].sum() for k in range(3)]
    np.testing.assert_allclose(sums, sums[0], rtol=1e-6)
    np.testing.assert_array_equal(type_weights(votes, 0.0), 1)
    assert type_weights(votes, 0.5).mean() == pytest.approx(1)


def test_batches_hold_every_object_once_and_another_order_each_time(rng):
    votes = np.eye(10, dtype=np.float32)
    batches = Turns(rng.random((10, 4, 4, 1)), votes, np.ones(10, np.float32), 4, seed=1)
    assert len(batches) == 3
    first, second = (np.concatenate([y for _, y, _ in batches]) for _ in range(2))
    np.testing.assert_array_equal(first.sum(axis=0), 1)
    assert not np.array_equal(first, second)


@pytest.mark.parametrize(
    "changed, words", [({"epochs": 0}, "epochs=0"), ({"size": 12}, "stamps of 12 pixels")]
)
def test_refusals(changed, words):
    with pytest.raises(ValueError, match=words):
        Recipe(**changed)
