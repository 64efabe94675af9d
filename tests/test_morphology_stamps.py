"""Simulated stamps: votes that add up, a share for each type, S/N as asked, ids that part them."""

import numpy as np
import pytest

from tinygrad_astro.data.simulate import TYPES
from tinygrad_astro.morphology.stamps import EVEN, MIX, VOTERS, simulate_stamps
from tinygrad_astro.spectra.survey import check_apart


def test_votes_types_and_noise():
    made = simulate_stamps(80, 24, (30.0, 60.0), EVEN, seed=3)
    np.testing.assert_allclose(np.bincount(made.label, minlength=5), 16, atol=1)
    np.testing.assert_allclose(made.votes.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(made.votes * VOTERS, np.rint(made.votes * VOTERS), atol=1e-4)
    bright = made.snr > 5
    assert (made.snr[bright] > 29.9).all() and (made.snr[bright] < 60.1).all()
    assert (made.label[~bright] == TYPES.index("unclassifiable")).all()


def test_the_mix_of_a_survey_is_not_even():
    count = np.bincount(simulate_stamps(100, 24).label, minlength=5)
    np.testing.assert_allclose(count, [100 * MIX[name] for name in TYPES], atol=2)


def test_others_are_others():
    first, again, others = (simulate_stamps(4, 24, start=start) for start in (0, 0, 4))
    np.testing.assert_array_equal(first.images, again.images)
    check_apart(first, others)
    with pytest.raises(ValueError, match="4 objects are in the training sample"):
        check_apart(first, again)
    assert first[[1, 3]].identifier.tolist() == ["0-2", "0-4"]
