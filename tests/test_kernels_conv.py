"""The three convolution kernels: plain loops, SciPy, PyTorch, and the adjoint identity."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import correlate2d

from tinygrad_astro.kernels.cpu.conv import conv, conv_input_grad, conv_weight_grad
from tinygrad_astro.kernels.cpu.target import get_num_threads, set_num_threads

PLAIN = dict(strides=(1, 1), pads=((0, 0), (0, 0)), dilation=(1, 1), groups=1)

# x shape, w shape, geometry that differs from PLAIN
CASES = [
    ((2, 7, 6, 3), (3, 3, 3, 5), {}),
    ((1, 8, 9, 4), (3, 3, 4, 16), dict(pads=((1, 1), (1, 1)))),
    ((2, 9, 8, 2), (2, 3, 2, 4), dict(strides=(2, 3), pads=((0, 1), (2, 1)))),
    ((1, 11, 12, 3), (3, 2, 3, 4), dict(dilation=(2, 3), pads=((2, 0), (1, 3)))),
    ((2, 10, 9, 4), (3, 3, 2, 6), dict(groups=2, pads=((1, 1), (1, 1)))),
    ((1, 9, 10, 6), (3, 3, 1, 6), dict(groups=6, strides=(2, 2), pads=((0, 1), (0, 1)))),
    ((1, 9, 10, 3), (3, 3, 1, 6), dict(groups=3, dilation=(2, 1))),
    ((2, 6, 6, 8), (1, 1, 8, 3), {}),
    ((1, 6, 7, 3), (1, 1, 3, 4), dict(strides=(3, 2))),
    ((1, 1, 20, 2), (1, 5, 2, 3), dict(strides=(1, 2), pads=((0, 0), (2, 2)))),
    ((1, 12, 12, 1), (5, 5, 1, 3), dict(pads=((2, 2), (2, 2)))),
    ((1, 3, 3, 2), (3, 3, 2, 2), {}),
    ((3, 1, 1, 1), (1, 1, 1, 1), {}),
    ((1, 4, 4, 2), (2, 2, 2, 3), dict(strides=(3, 3), pads=((3, 3), (4, 0)))),
]


def output_shape(x_shape, w_shape, strides, pads, dilation, groups):
    spans = [
        (size + sum(pad) - (k - 1) * d - 1) // s + 1
        for size, k, pad, d, s in zip(
            x_shape[1:3], w_shape[:2], pads, dilation, strides, strict=True
        )
    ]
    return (x_shape[0], *spans, w_shape[3])


def reference_conv(x, w, strides, pads, dilation, groups):
    """Sum the products one output pixel at a time, in float64."""
    x, w = x.astype(float), w.astype(float)
    out = np.zeros(output_shape(x.shape, w.shape, strides, pads, dilation, groups))
    padded = np.pad(x, ((0, 0), *pads, (0, 0)))
    kh, kw, depth, channels = w.shape
    width = channels // groups
    for n, p, q, k in np.ndindex(*out.shape):
        first = k // width * depth
        for a, b in np.ndindex(kh, kw):
            i, j = p * strides[0] + a * dilation[0], q * strides[1] + b * dilation[1]
            out[n, p, q, k] += padded[n, i, j, first : first + depth] @ w[a, b, :, k]
    return out


def all_three(x, w, g, geometry):
    """Run the three kernels into arrays that start as NaN: what is not written shows."""
    out, dx, dw = (np.full_like(array, np.nan) for array in (g, x, w))
    conv(out, x, w, **geometry)
    conv_input_grad(dx, g, w, **geometry)
    conv_weight_grad(dw, x, g, **geometry)
    return out, dx, dw


def draw(rng, x_shape, w_shape, geometry, dtype=np.float64):
    shapes = x_shape, w_shape, output_shape(x_shape, w_shape, **geometry)
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def check_against_loops(x, w, g, geometry, tolerance):
    out, dx, dw = all_three(x, w, g, geometry)
    expected = reference_conv(x, w, **geometry)
    assert np.linalg.norm(out - expected) <= tolerance * np.linalg.norm(expected)
    pairing = np.vdot(expected, g)
    scale = np.linalg.norm(expected) * np.linalg.norm(g) + np.finfo(float).tiny
    assert abs(np.vdot(x, dx.astype(float)) - pairing) <= tolerance * scale
    assert abs(np.vdot(w, dw.astype(float)) - pairing) <= tolerance * scale


@pytest.mark.parametrize("x_shape, w_shape, changes", CASES)
def test_against_loops_and_adjoint_identity(rng, x_shape, w_shape, changes):
    geometry = PLAIN | changes
    x, w, g = draw(rng, x_shape, w_shape, geometry)
    check_against_loops(x, w, g, geometry, 1e-12)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_random_geometries(data):
    sizes = st.integers(1, 9)
    small = st.integers(1, 3)
    kernel = data.draw(small), data.draw(small)
    dilation, strides = (data.draw(small), data.draw(small)), (data.draw(small), data.draw(small))
    pads = tuple((data.draw(st.integers(0, 3)), data.draw(st.integers(0, 3))) for _ in range(2))
    groups = data.draw(small)
    x_shape = (
        data.draw(small),
        *(max(data.draw(sizes), (kernel[i] - 1) * dilation[i] + 1) for i in range(2)),
        groups * data.draw(small),
    )
    w_shape = (*kernel, x_shape[3] // groups, groups * data.draw(small))
    geometry = dict(strides=strides, pads=pads, dilation=dilation, groups=groups)
    x, w, g = draw(np.random.default_rng(0), x_shape, w_shape, geometry)
    check_against_loops(x, w, g, geometry, 1e-12)


def test_every_gradient_element(rng):
    """Each element of both gradients, by feeding unit vectors through the forward loops."""
    geometry = PLAIN | dict(strides=(2, 1), pads=((1, 0), (0, 2)), dilation=(1, 2), groups=2)
    x, w, g = draw(rng, (1, 5, 6, 4), (2, 2, 2, 4), geometry)
    _, dx, dw = all_three(x, w, g, geometry)
    for grad, array, run in (
        (dx, x, lambda unit: reference_conv(unit, w, **geometry)),
        (dw, w, lambda unit: reference_conv(x, unit, **geometry)),
    ):
        for index in np.ndindex(*array.shape):
            unit = np.zeros_like(array)
            unit[index] = 1
            assert grad[index] == pytest.approx(np.vdot(run(unit), g), abs=1e-12)


def test_scipy_correlate2d(rng):
    x, w = rng.standard_normal((9, 8)), rng.standard_normal((3, 4))
    out = np.empty((1, 7, 5, 1))
    conv(out, x[None, :, :, None], w[:, :, None, None], **PLAIN)
    np.testing.assert_allclose(out[0, :, :, 0], correlate2d(x, w, "valid"), atol=1e-13)
    full = np.empty((1, 9, 8, 1))
    conv_input_grad(full, out, w[:, :, None, None], **PLAIN)
    np.testing.assert_allclose(
        full[0, :, :, 0], correlate2d(out[0, :, :, 0], w[::-1, ::-1], "full"), atol=1e-13
    )


@pytest.mark.peer
@pytest.mark.parametrize("x_shape, w_shape, changes", CASES[:7])
def test_torch(rng, x_shape, w_shape, changes):
    torch = pytest.importorskip("torch")
    geometry = PLAIN | changes
    x, w, g = draw(rng, x_shape, w_shape, geometry)
    tx, tw = (torch.tensor(a, requires_grad=True) for a in (x, w))
    (top, bottom), (left, right) = geometry["pads"]
    padded = torch.nn.functional.pad(tx.permute(0, 3, 1, 2), (left, right, top, bottom))
    theirs = torch.nn.functional.conv2d(
        padded,
        tw.permute(3, 2, 0, 1),
        stride=geometry["strides"],
        dilation=geometry["dilation"],
        groups=geometry["groups"],
    ).permute(0, 2, 3, 1)
    theirs.backward(torch.tensor(g))
    for ours, expected in zip(
        all_three(x, w, g, geometry), (theirs.detach(), tx.grad, tw.grad), strict=True
    ):
        np.testing.assert_allclose(ours, expected.numpy(), atol=1e-11)


@pytest.mark.parametrize("shape", [(2, 33, 29, 5), (3, 18, 40, 16)])
@pytest.mark.parametrize("stride", [1, 2])
def test_same_bits_on_one_thread_or_two(rng, shape, stride):
    geometry = PLAIN | dict(strides=(stride, stride), pads=((1, 1), (1, 1)))
    arrays = draw(rng, shape, (3, 3, shape[3], 20), geometry, np.float32)
    before, results = get_num_threads(), []
    try:
        for threads in (1, before):
            set_num_threads(threads)
            results.append(all_three(*arrays, geometry))
    finally:
        set_num_threads(before)
    for one, many in zip(*results, strict=True):
        assert one.tobytes() == many.tobytes()


def test_nan_reaches_exactly_the_outputs_that_see_it(rng):
    geometry = PLAIN | dict(pads=((1, 1), (1, 1)))
    x, w, g = draw(rng, (1, 12, 12, 2), (3, 3, 2, 3), geometry, np.float32)
    x[0, 2, 3, 1] = np.nan
    out, _, dw = all_three(x, w, g, geometry)
    seen = np.zeros((12, 12), bool)
    seen[1:4, 2:5] = True
    assert (np.isnan(out[0]).all(-1) == seen).all()
    assert np.isnan(dw[:, :, 1]).all() and np.isfinite(dw[:, :, 0]).all()


def test_empty_batch():
    x, g = np.empty((0, 6, 6, 2)), np.empty((0, 4, 4, 3))
    w = np.ones((3, 3, 2, 3))
    out, dx, dw = all_three(x, w, g, PLAIN)
    assert out.shape == (0, 4, 4, 3) and dx.shape == (0, 6, 6, 2)
    assert (dw == 0).all()


# Winograd with 6 and 8 points, direct sums of more than one block, phases that no tap reaches,
# groups of a few columns, depthwise, a narrow result, no pixels, no channels.
FINISHED = [
    ((1, 13, 12, 32), (3, 3, 32, 48), dict(pads=((1, 1), (1, 1)))),
    ((2, 40, 41, 16), (3, 3, 16, 20), dict(pads=((1, 1), (1, 1)))),
    ((1, 7, 8, 5), (3, 3, 5, 37), {}),
    ((2, 6, 6, 400), (1, 1, 400, 70), {}),
    ((1, 5, 6, 3), (1, 1, 3, 4), dict(strides=(2, 3))),
    ((1, 6, 7, 6), (2, 2, 3, 10), dict(groups=2)),
    ((1, 6, 7, 6), (3, 3, 1, 6), dict(groups=6)),
    ((2, 9, 9, 16), (1, 1, 16, 2), {}),
    ((0, 6, 6, 2), (3, 3, 2, 3), {}),
    ((2, 4, 4, 0), (3, 3, 0, 3), {}),
]


@pytest.mark.parametrize("x_shape, w_shape, changes", FINISHED)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["linear", "relu", "tanh"])
def test_bias_scale_and_activation_are_minded_while_writing(
    rng, x_shape, w_shape, changes, dtype, name
):
    geometry = PLAIN | changes
    x, w, g = draw(rng, x_shape, w_shape, geometry, dtype)
    activate = {"linear": lambda y: y, "relu": lambda y: np.maximum(y, 0), "tanh": np.tanh}[name]
    if x.size:
        x.reshape(-1)[3] = np.nan
    plain, spread, _ = all_three(x, w, np.nan_to_num(g), geometry)
    bias, scale = rng.standard_normal((2, w_shape[3])).astype(dtype)
    level = rng.standard_normal(x_shape[3]).astype(dtype)
    tolerance = dict(rtol=2e-5, atol=2e-5) if dtype == np.float32 else dict(rtol=1e-11, atol=1e-12)
    for factor in (None, scale):
        for shift in (None, bias):
            out = np.full_like(plain, 7.0)
            conv(out, x, w, **geometry, bias=shift, activation=name, scale=factor)
            scaled = plain if factor is None else plain * factor
            expected = activate(scaled if shift is None else scaled + shift)
            np.testing.assert_allclose(out, expected, **tolerance)
    back = np.full_like(spread, 7.0)
    conv_input_grad(back, g, w, **geometry, bias=level, activation=name)
    np.testing.assert_allclose(back, activate(spread + level), **tolerance)


@pytest.mark.parametrize("shape, width", [((2, 9, 8, 16), 1), ((3, 70, 61, 32), 4)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_narrow_weights_sum_over_the_pixels(rng, shape, width, dtype):
    x, w, g = draw(rng, shape, (1, 1, shape[3], width), PLAIN, dtype)
    before, found = get_num_threads(), []
    try:
        for threads in (1, before):
            set_num_threads(threads)
            found.append(np.full_like(w, np.nan))
            conv_weight_grad(found[-1], x, g, **PLAIN)
    finally:
        set_num_threads(before)
    exact = np.einsum("nhwc,nhwk->ck", x.astype(np.longdouble), g.astype(np.longdouble))
    off = np.linalg.norm(found[0][0, 0] - exact) / np.linalg.norm(exact)
    assert off < (1e-6 if dtype == np.float32 else 1e-14)
    assert found[0].tobytes() == found[1].tobytes()
