"""Training: what counts in the loss, that it learns, that tuning leaves the start alone."""

import numpy as np
import pytest

from tinygrad_astro.spectra.classifier import Verdict, redshift_bins
from tinygrad_astro.spectra.simulate import grid, simulate
from tinygrad_astro.spectra.training import (
    Recipe,
    fine_tune,
    labels_of,
    mean_verdict,
    pretrain,
)

COARSE = grid(188, 2.5e-3, 3.551)
TINY = Recipe(simulated=500, epochs=6, batch=32, width=24, dropout=0.1, tuning_steps=4, folds=2)


@pytest.fixture(scope="module")
def started():
    return pretrain(TINY, COARSE)


def test_it_learns_to_tell_classes_that_it_never_saw(started):
    classifier, _, history = started
    unseen = simulate(150, 1, wavelength=COARSE, shares=(1, 0.2, 1))
    found = classifier.classify(unseen)
    # Always the most frequent class would be right for half.
    assert (found.label == unseen.label).mean() > 0.75
    assert history["class_loss"][-1] < 0.6 * history["class_loss"][0]
    assert len(history["val_class_loss"]) == TINY.epochs


def test_stars_and_unknowns_do_not_count():
    spectra = simulate(30, seed=4)
    spectra.label[0], spectra.redshift[1] = -1, np.nan
    spectra.label[1] = 2
    labels, weights = labels_of(spectra)
    assert weights[0][0] == 0 and (weights[0][1:] == 1).all()
    known = (spectra.label > 0) & np.isfinite(spectra.redshift)
    np.testing.assert_array_equal(weights[1], known)
    bins = redshift_bins()
    place = ((np.log1p(spectra.redshift[known]) - bins.low) / (bins.edges[1] - bins.low)).astype(
        int
    )
    np.testing.assert_array_equal(labels[1][known].argmax(axis=1), place)


def test_tuning_changes_a_copy_and_keeps_the_statistics(started):
    classifier, seen, _ = started
    before = [w.copy() for w in classifier.model.get_weights()]
    real = simulate(40, seed=9, wavelength=COARSE)
    tuned = fine_tune(classifier, real, seen, TINY)
    for old, now in zip(before, classifier.model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, now)
    changed = {
        type(layer).__name__
        for layer, old in zip(tuned.model.layers, classifier.model.layers, strict=True)
        for a, b in zip(layer.get_weights(), old.get_weights(), strict=True)
        if (a != b).any()
    }
    assert changed == {"Conv1D", "Dense"}
    again = fine_tune(classifier, real, seen, TINY)
    for a, b in zip(tuned.model.get_weights(), again.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_averaging_verdicts():
    parts = [
        Verdict(np.array([[0.2, 0.0, 0.8], [0.6, 0.0, 0.4]]), np.array([z, 0.0]), np.full(2, 0.1))
        for z in (1.0, 1.2, 3.0)
    ]
    mean = mean_verdict(parts)
    np.testing.assert_allclose(mean.probability[0], [0.2, 0, 0.8])
    assert mean.redshift.tolist() == [1.2, 0.0] and mean.spread[1] == 0


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"folds": 1}, {"simulated": 0}])
def test_numbers_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}=.*expected at least"):
        Recipe(**wrong)
