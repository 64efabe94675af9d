"""Synthetic surveys: the same objects however they are asked for, with truth that fits."""

import numpy as np
import pytest

from tinygrad_astro.spectra.simulate import grid, simulate


def test_objects_depend_on_seed_and_number_alone():
    whole, tail = simulate(12, seed=3), simulate(4, seed=3, start=8)
    for name in ("flux", "ivar", "label", "redshift", "identifier"):
        np.testing.assert_array_equal(getattr(whole, name)[8:], getattr(tail, name))
    assert not set(simulate(12, seed=4).identifier) & set(whole.identifier)
    assert (simulate(12, seed=4).flux != whole.flux).any()


def test_shares_and_redshifts_are_as_asked():
    made = simulate(300, seed=1, shares=(0.5, 0.2, 0.3))
    np.testing.assert_allclose(np.bincount(made.label) / 300, [0.5, 0.2, 0.3], atol=0.08)
    assert (made.redshift[made.label == 0] == 0).all()
    assert (made.redshift[made.label > 0] > 0.01).all()
    only = simulate(10, seed=1, shares=(0, 0, 1))
    assert (only.label == 2).all()


def test_the_grid_is_that_of_boss_in_steps_of_five():
    native = 10 ** (3.55 + 1e-4 * np.arange(4700))
    expected = 10 ** np.log10(native).reshape(940, 5).mean(axis=1)
    np.testing.assert_allclose(grid(), expected, rtol=1e-9)


def test_any_logarithmic_grid_will_do():
    made = simulate(3, wavelength=grid(200, 1e-3, 3.6))
    assert made.flux.shape == (3, 200) and np.isfinite(made.flux).all()


@pytest.mark.parametrize("shares", [(1, 1), (-1, 1, 1), (0, 0, 0)])
def test_shares_that_are_none_are_refused(shares):
    with pytest.raises(ValueError, match="expected three numbers >= 0"):
        simulate(2, shares=shares)
