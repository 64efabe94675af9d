"""The matrix of a convolution against scipy.signal, plain loops, and its own adjoint."""

import numpy as np
import pytest
from reference import conv as plain_conv
from scipy import signal

import tinygrad_astro as ta
from tinygrad_astro import explain, ops

LECTURE = [[1, 4, 1], [1, 4, 3], [3, 3, 1]]


def test_the_lecture_example(rng):
    M = explain.conv_matrix(LECTURE, (4, 4))
    assert M.shape == (4, 16) and M.nnz == 36 and M.format == "csr"
    assert M.toarray()[0].tolist() == [1, 4, 1, 0, 1, 4, 3, 0, 3, 3, 1, 0, 0, 0, 0, 0]
    x, g = rng.standard_normal((4, 4)), rng.standard_normal((2, 2))
    kernel = np.array(LECTURE, float)
    forward, back = M @ x.ravel(), M.T @ g.ravel()
    np.testing.assert_allclose(
        forward.reshape(2, 2), signal.correlate2d(x, kernel, "valid"), atol=1e-12
    )
    np.testing.assert_allclose(back.reshape(4, 4), signal.convolve2d(g, kernel, "full"), atol=1e-12)
    w = kernel[:, :, None, None]
    np.testing.assert_allclose(ops.conv(x[None, ..., None], w).numpy().ravel(), forward)
    np.testing.assert_allclose(ops.conv_transpose(g[None, ..., None], w).numpy().ravel(), back)


CASES = [
    # size, kernel, strides, padding, dilation, groups
    ((6, 5, 2), (3, 2, 2, 4), (1, 1), "valid", (1, 1), 1),
    ((7, 6, 4), (3, 3, 2, 6), (2, 1), "same", (1, 2), 2),
    ((5, 8, 3), (2, 3, 1, 3), (2, 3), ((1, 0), (2, 3)), (2, 1), 3),
    ((4, 4, 1), (1, 1, 1, 2), (3, 2), "valid", (1, 1), 1),
    ((6, 6, 2), (5, 4, 2, 1), (4, 4), ((2, 2), (0, 1)), (1, 1), 1),
]


@pytest.mark.parametrize("size, window, strides, padding, dilation, groups", CASES)
def test_every_geometry_against_plain_loops(rng, size, window, strides, padding, dilation, groups):
    w, x = rng.standard_normal(window), rng.standard_normal(size)
    M = explain.conv_matrix(w, size, strides, padding, dilation, groups)
    pads = padding
    if padding == "valid":
        pads = ((0, 0), (0, 0))
    elif padding == "same":
        pads = ((1, 1), (2, 2))  # 7 rows stride 2 need 2 in all; 6 columns, span 5, need 4
    expected = plain_conv(x[None], w, strides, pads, dilation, groups)
    np.testing.assert_allclose(M @ x.ravel(), expected.ravel(), atol=1e-12)
    geometry = {"padding": padding, "dilation_rate": dilation, "groups": groups}
    out, pullback = ta.vjp(lambda t: ops.conv(t, w, strides, **geometry), x[None])
    np.testing.assert_allclose(M @ x.ravel(), out.numpy().ravel(), atol=1e-12)
    g = rng.standard_normal(out.shape)
    np.testing.assert_allclose(M.T @ g.ravel(), pullback(g)[0].numpy().ravel(), atol=1e-12)


def test_spectra_with_and_without_channels(rng):
    kernel, x = rng.standard_normal(3), rng.standard_normal(9)
    M = explain.conv_matrix(kernel, (9,), padding="causal")
    np.testing.assert_allclose(M @ x, np.correlate(np.pad(x, (2, 0)), kernel, "valid"))
    w, x = rng.standard_normal((3, 2, 4)), rng.standard_normal((9, 2))
    M = explain.conv_matrix(w, (9, 2), strides=2)
    expected = plain_conv(x[None, None], w[None], (1, 2), ((0, 0), (0, 0)), (1, 1), 1)
    np.testing.assert_allclose(M @ x.ravel(), expected.ravel())


def test_zeros_of_the_kernel_are_part_of_the_structure_and_nan_stays():
    assert explain.conv_matrix(np.zeros((2, 2)), (3, 3)).nnz == 16
    M = explain.conv_matrix([np.nan, 1.0], (3,)).toarray()
    assert np.isnan(M).tolist() == [[True, False, False], [False, True, False]]


def test_a_tracked_kernel_is_read():
    kernel = ta.tensor([1.0, 2.0], requires_grad=True)
    assert explain.conv_matrix(kernel, (3,)).toarray().tolist() == [[1, 2, 0], [0, 1, 2]]


def test_misfits_are_named():
    with pytest.raises(ValueError, match="got 3 input channels .* expects 2"):
        explain.conv_matrix(np.ones((3, 3, 2, 4)), (8, 8, 3))
    with pytest.raises(ValueError, match="does not fit: height 2"):
        explain.conv_matrix(np.ones((3, 3)), (2, 4))
    with pytest.raises(ValueError, match="entries, expected at most 20000000"):
        explain.conv_matrix(np.ones((3, 3, 64, 64)), (128, 128, 64))
