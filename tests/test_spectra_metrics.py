"""Class and redshift scores by hand."""

import numpy as np
import pytest

from tinygrad_astro.spectra.metrics import class_metrics, redshift_metrics

NAMES = ("star", "galaxy", "quasar")


def test_scores_by_hand():
    label = [0, 0, 0, 2, 2, -1]
    probability = np.array(
        [[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.5, 0.2, 0.3], [0.1, 0.1, 0.8], [0.6, 0.1, 0.3],
         [0.0, 1.0, 0.0]]
    )  # fmt: skip
    found = class_metrics(label, probability, NAMES)
    assert found["objects"] == 5 and found["accuracy"] == 3 / 5
    assert found["confusion"] == [[2, 1, 0], [0, 0, 0], [1, 0, 1]]
    assert found["recall"] == {"star": pytest.approx(2 / 3), "galaxy": None, "quasar": 0.5}
    assert found["balanced_accuracy"] == pytest.approx((2 / 3 + 0.5) / 2)
    assert found["log_loss"] == pytest.approx(-np.log([0.8, 0.3, 0.5, 0.8, 0.3]).mean())


def test_a_sure_mistake_costs_much_but_not_everything():
    assert 20 < class_metrics([0], [[0.0, 1.0, 0.0]], NAMES)["log_loss"] < 40


def test_redshift_shares():
    found = redshift_metrics([1.0, 1.02, 1.05, 3.0], [1.0, 1.0, 1.0, 1.0])
    assert found["within_0.01"] == 0.5 and found["within_0.03"] == 0.75
    dz = np.array([0, 0.01, 0.025, 1.0])
    expected = 1.4826 * np.median(np.abs(dz - np.median(dz)))
    assert found["sigma_nmad"] == pytest.approx(expected)


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(ValueError, match=r"2 labels of 3 classes got .* shape \(2, 2\)"):
        class_metrics([0, 1], np.ones((2, 2)), NAMES)
    with pytest.raises(ValueError, match="no object has a label"):
        class_metrics([-1], np.ones((1, 3)), NAMES)
