"""exp, expm1 and log against NumPy in long double, over the whole range."""

import numpy as np
import pytest

from tinygrad_astro.kernels.cpu.exponential import exp, expm1, log


@pytest.mark.parametrize("function, exact", [(exp, np.exp), (expm1, np.expm1)])
def test_within_two_units_in_the_last_place(rng, function, exact):
    small = rng.uniform(-1, 1, 3000) * 2.0 ** rng.integers(-60, 2, 3000)
    for x in np.concatenate([small, rng.uniform(-707, 708, 3000)]):
        expected = exact(np.longdouble(x))
        assert abs(function(x) - expected) <= 2 * np.spacing(abs(float(expected)))


def test_ends_of_the_range():
    assert exp(-np.inf) == 0 and exp(-800.0) == 0 and exp(0.0) == 1
    assert exp(np.inf) == np.inf and exp(800.0) == np.inf
    assert expm1(-np.inf) == -1 and expm1(0.0) == 0
    assert np.isnan(exp(np.nan)) and np.isnan(expm1(np.nan))


def test_log_within_two_units_in_the_last_place(rng):
    near = 1 + rng.uniform(-1, 1, 3000) * 2.0 ** rng.integers(-52, -1, 3000)
    for x in np.concatenate([near, np.exp(rng.uniform(-700, 700, 3000)), [0.5, 1.0, 2.0]]):
        expected = np.log(np.longdouble(x))
        assert abs(log(x) - expected) <= 2 * np.spacing(abs(float(expected)))
    assert log(np.inf) == np.inf and np.isnan(log(np.nan))
