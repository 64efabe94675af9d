"""Initializers: fans counted by hand, spreads, seeds, names, and what is refused."""

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro import initializers


@pytest.mark.parametrize(
    ("shape", "fans"),
    [
        ((), (1, 1)),
        ((7,), (7, 7)),
        ((4, 5), (4, 5)),
        ((3, 2, 4, 5), (24, 30)),
        ((9, 4, 5), (36, 45)),
    ],
)
def test_fans_are_taps_times_channels(shape, fans):
    assert initializers.compute_fans(shape) == fans


@pytest.mark.parametrize(
    ("name", "variance", "largest"),
    [
        ("glorot_uniform", 2 / 700, np.sqrt(6 / 700)),
        ("glorot_normal", 2 / 700, 2 * np.sqrt(2 / 700) / 0.8796256610),
        ("he_uniform", 2 / 400, np.sqrt(6 / 400)),
        ("he_normal", 2 / 400, 2 * np.sqrt(2 / 400) / 0.8796256610),
        ("lecun_uniform", 1 / 400, np.sqrt(3 / 400)),
        ("lecun_normal", 1 / 400, 2 * np.sqrt(1 / 400) / 0.8796256610),
        ("random_normal", 0.05**2, None),
        ("random_uniform", 0.1**2 / 12, 0.05),
        ("truncated_normal", (0.05 * 0.8796256610) ** 2, 0.1),
        ("variance_scaling", 1 / 400, 2 * np.sqrt(1 / 400) / 0.8796256610),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_spread_and_largest_value(name, variance, largest, dtype):
    values = initializers.get(name)((400, 300), dtype)
    assert values.dtype == dtype
    assert values.var() == pytest.approx(variance, rel=0.02)
    assert abs(values.mean()) < 4 * np.sqrt(variance / values.size)
    if largest is not None:
        assert 0.9 * largest < np.abs(values).max() <= largest * (1 + 1e-6)


def test_constants():
    assert (initializers.get("zeros")((2, 3)) == 0).all()
    assert (initializers.get("ones")((2, 3)) == 1).all()
    assert (initializers.Constant(2.5)((2, 3), "float64") == 2.5).all()
    np.testing.assert_array_equal(initializers.Constant([1.0, 2.0])((2,)), [1.0, 2.0])


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (3, 3, 2, 5)])
def test_orthogonal_has_orthonormal_rows_or_columns(shape):
    matrix = initializers.Orthogonal(gain=2.0)(shape, "float64").reshape(-1, shape[-1])
    small = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
    np.testing.assert_allclose(small, 4 * np.eye(len(small)), atol=1e-12)


def test_untruncated_normal_passes_two_sigma():
    values = initializers.VarianceScaling(1.0, "fan_out", "untruncated_normal")((300, 400))
    assert values.std() == pytest.approx(0.05, rel=0.02)
    assert np.abs(values).max() > 0.15


def test_the_seed_of_the_library_decides():
    ta.manual_seed(3)
    first, second = initializers.get("he_normal")((5, 5)), initializers.get("he_normal")((5, 5))
    ta.manual_seed(3)
    np.testing.assert_array_equal(initializers.get("he_normal")((5, 5)), first)
    assert (first != second).any()


def test_a_seed_of_its_own_gives_the_same_values_every_time():
    own = initializers.HeNormal(seed=4)
    np.testing.assert_array_equal(own((5, 5)), own((5, 5)))
    assert (own((5, 5)) != initializers.HeNormal(seed=5)((5, 5))).any()


@pytest.mark.parametrize("name", list(initializers._NAMES))
def test_configuration_makes_the_same_initializer(name):
    made = initializers.get(name)
    again = initializers.get({"class_name": type(made).__name__, "config": made.get_config()})
    assert type(again) is type(made) and again.get_config() == made.get_config()
    assert repr(again) == repr(made)


def test_what_get_takes():
    assert isinstance(initializers.get("HeNormal"), initializers.HeNormal)
    assert isinstance(initializers.get(initializers.Zeros), initializers.Zeros)
    assert initializers.get(np.ones) is np.ones


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: initializers.get("xavier"), "unknown initializer 'xavier'; known are zeros"),
        (lambda: initializers.get(3), "expected a name such as 'glorot_uniform'"),
        (lambda: initializers.VarianceScaling(0.0), "scale=0.0, expected a number above 0"),
        (lambda: initializers.VarianceScaling(1.0, "fan"), "got 'fan': expected one of"),
        (lambda: initializers.VarianceScaling(1.0, "fan_in", "normal"), "got 'normal'"),
        (lambda: initializers.Orthogonal()((3,)), "expected at least two axes"),
    ],
)
def test_errors_name_what_was_received_and_expected(call, text):
    with pytest.raises(ValueError, match=text):
        call()


def test_a_subclass_must_define_call():
    with pytest.raises(NotImplementedError, match="does not define __call__"):
        initializers.Initializer()((2,))
