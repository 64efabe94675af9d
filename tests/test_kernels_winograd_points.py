"""Winograd's matrices: every scheme is a correlation, and so are its transposes."""

import numpy as np
import pytest

from tinygrad_astro.kernels.cpu.winograd_points import SCHEMES, matrices


@pytest.mark.parametrize("points, r", SCHEMES)
def test_a_scheme_is_numpys_correlation(rng, points, r):
    a, g, b = matrices(points, r)
    window, taps = rng.standard_normal(points), rng.standard_normal(r)
    expected = np.correlate(window, taps, "valid")
    np.testing.assert_allclose(a @ ((g @ taps) * (b @ window)), expected, atol=1e-13)


@pytest.mark.parametrize("points, r", SCHEMES)
def test_the_transposes_give_the_gradient_of_the_taps(rng, points, r):
    a, g, b = matrices(points, r)
    window, gradient = rng.standard_normal(points), rng.standard_normal(points + 1 - r)
    expected = np.correlate(window, gradient, "valid")
    np.testing.assert_allclose(g.T @ ((b @ window) * (a.T @ gradient)), expected, atol=1e-13)


@pytest.mark.parametrize("points, r", SCHEMES)
def test_opposite_points_share_their_terms(points, r):
    """The generated code relies on it: rows k and k + 1 differ by the signs of odd columns."""
    a, g, b = matrices(points, r)
    for matrix in (a.T, g, b):
        signs = (-1) ** np.arange(matrix.shape[1])
        for k in range(1, points - 1, 2):
            np.testing.assert_allclose(matrix[k] * signs * _sign(matrix, k), matrix[k + 1])


def _sign(matrix, k):
    """Rows of B are odd polynomials, times x: all their signs may turn at once."""
    column = np.flatnonzero(np.abs(matrix[k]) > 1e-12)[0]
    return np.sign(matrix[k, column] * matrix[k + 1, column]) * (-1) ** column
