"""Convolution and its transpose: loops, SciPy, the lecture's matrix, traps of other libraries."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import conv as loops
from scipy import ndimage
from scipy.signal import convolve2d, correlate2d

import tinygrad_astro as ta
from tinygrad_astro import ops, shapes
from tinygrad_astro.testing import check_adjoint, check_grads

RNG = np.random.default_rng(9)
A = RNG.standard_normal

# inputs, kernel, arguments: every kind of geometry once, H != W throughout
CASES = {
    "plain": ((2, 5, 6, 2), (3, 2, 2, 3), {}),
    "one pixel": ((1, 1, 1, 1), (1, 1, 1, 1), {}),
    "strides and same": ((2, 5, 6, 2), (3, 3, 2, 3), dict(strides=2, padding="same")),
    "even kernel and same": ((1, 5, 4, 1), (2, 4, 1, 2), dict(padding="same")),
    "remainder": ((1, 6, 8, 1), (3, 3, 1, 2), dict(strides=(2, 3))),
    "dilation with padding": (
        (1, 7, 8, 2), (3, 2, 2, 2), dict(dilation_rate=(2, 3), padding=((2, 1), (0, 3))),
    ),
    "14 pixels, 3 taps, stride 2, dilation 2": (
        (1, 14, 14, 1), (3, 3, 1, 1), dict(strides=2, dilation_rate=2),
    ),
    "stride beyond the kernel": ((1, 7, 9, 1), (2, 2, 1, 1), dict(strides=3)),
    "groups": ((2, 5, 6, 4), (3, 3, 2, 6), dict(groups=2, padding=1)),
    "depthwise": ((1, 5, 6, 3), (3, 3, 1, 6), dict(groups=3, strides=2)),
    "pointwise with stride": ((1, 5, 6, 3), (1, 1, 3, 2), dict(strides=2)),
    "padding larger than the image": ((1, 2, 3, 1), (3, 3, 1, 1), dict(padding=(3, 4))),
    "spectrum": ((2, 9, 2), (3, 2, 3), dict(strides=2, padding=[(1, 2)], dilation_rate=2)),
    "spectrum, causal": ((2, 6, 2), (3, 2, 3), dict(padding="causal", dilation_rate=2)),
    "spectrum, groups": ((2, 6, 4), (3, 2, 4), dict(padding="same", groups=2)),
    "empty batch": ((0, 5, 6, 2), (3, 3, 2, 3), {}),
}  # fmt: skip


def by_loops(x, w, strides=1, padding="valid", dilation_rate=1, groups=1):
    """Give what `ops.conv` should, from plain loops over the padded image."""
    rank = x.ndim - 2
    pair = lambda v: (v,) * rank if isinstance(v, int) else tuple(v)  # noqa: E731
    strides, dilation = pair(strides), pair(dilation_rate)
    spans = [(k - 1) * d + 1 for k, d in zip(w.shape, dilation)]
    if padding == "valid":
        pads = [(0, 0)] * rank
    elif padding == "causal":
        pads = [(spans[0] - 1, 0)]
    elif padding == "same":
        needed = [
            max((-(-n // s) - 1) * s + k - n, 0) for n, s, k in zip(x.shape[1:], strides, spans)
        ]
        pads = [(p // 2, p - p // 2) for p in needed]
    else:
        pads = [(p, p) if isinstance(p, int) else p for p in pair(padding)]
    if rank == 1:
        x, w = x[:, None], w[None]
        strides, dilation, pads = (1, *strides), (1, *dilation), [(0, 0), *pads]
    out = loops(x, w, strides, pads, dilation, groups)
    return out if rank == 2 else out[:, 0]


@pytest.mark.parametrize("name", CASES)
def test_values_by_loops(name):
    x_shape, w_shape, arguments = CASES[name]
    x, w = A(x_shape), A(w_shape)
    np.testing.assert_allclose(ops.conv(x, w, **arguments).numpy(), by_loops(x, w, **arguments))


@pytest.mark.parametrize("name", CASES)
def test_adjoints_in_the_input_and_in_the_kernel(name):
    x_shape, w_shape, arguments = CASES[name]
    x, w = A(x_shape), A(w_shape)
    check_adjoint(lambda x: ops.conv(x, w, **arguments), x)
    check_adjoint(lambda w: ops.conv(x, w, **arguments), w)


@pytest.mark.parametrize("name", CASES)
def test_first_and_second_derivatives(name):
    x_shape, w_shape, arguments = CASES[name]
    check_grads(lambda x, w: ops.conv(x, w, **arguments), A(x_shape), A(w_shape))


small = st.integers(1, 3)
per_axis = st.tuples(small, small)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.data())
def test_any_geometry(data):
    rank = data.draw(st.sampled_from([1, 2]))
    kernel, strides, dilation = (tuple(data.draw(small) for _ in range(rank)) for _ in range(3))
    numeric = st.tuples(*[st.tuples(st.integers(0, 3), st.integers(0, 3))] * rank)
    padding = data.draw(st.sampled_from(["valid", "same"]) | numeric)
    groups, per_group = data.draw(small), data.draw(small)
    sizes = [data.draw(st.integers((k - 1) * d + 1, 9)) for k, d in zip(kernel, dilation)]
    x = A((data.draw(small), *sizes, groups * per_group))
    w = A((*kernel, per_group, groups * data.draw(small)))
    arguments = dict(strides=strides, padding=padding, dilation_rate=dilation, groups=groups)
    expected = by_loops(x, w, **arguments)
    np.testing.assert_allclose(ops.conv(x, w, **arguments).numpy(), expected, atol=1e-12)
    check_adjoint(lambda x: ops.conv(x, w, **arguments), x)
    check_adjoint(lambda w: ops.conv(x, w, **arguments), w)


# ---- SciPy and the lecture -----------------------------------------------------------------------


def test_scipy_correlate2d_with_stride_and_dilation():
    x, w = A((11, 12, 3)), A((3, 2, 3))
    dilated = np.zeros((5, 4, 3))
    dilated[::2, ::3] = w
    full = sum(correlate2d(x[..., c], dilated[..., c], "valid") for c in range(3))
    made = ops.conv(x[None], w[..., None], strides=2, dilation_rate=(2, 3)).numpy()
    np.testing.assert_allclose(made[0, :, :, 0], full[::2, ::2], atol=1e-12)


def test_scipy_ndimage_with_same_padding():
    x, w = A((7, 8)), A((3, 5))
    expected = ndimage.correlate(x, w, mode="constant")
    made = ops.conv(x[None, ..., None], w[..., None, None], padding="same").numpy()
    np.testing.assert_allclose(made[0, ..., 0], expected, atol=1e-12)
    spectrum = ops.conv(x[None, 0, :, None], w[0, :, None, None], padding="same").numpy()
    expected = ndimage.correlate1d(x[0], w[0], mode="constant")
    np.testing.assert_allclose(spectrum[0, :, 0], expected, atol=1e-12)


def test_a_flipped_kernel_is_the_mathematicians_convolution():
    x, w = A((7, 8)), A((3, 2))
    flipped = ops.flip(w[..., None, None], (0, 1))
    made = ops.conv(x[None, ..., None], flipped).numpy()[0, ..., 0]
    np.testing.assert_allclose(made, convolve2d(x, w, "valid"), atol=1e-12)


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_scipy_gives_the_transposed_convolution_by_inserting_zeros(stride):
    g, w = A((4, 3)), A((3, 2))
    spread = np.zeros((3 * stride + 1, 2 * stride + 1))
    spread[::stride, ::stride] = g
    expected = convolve2d(spread, w, "full")
    made = ops.conv_transpose(g[None, ..., None], w[..., None, None], strides=stride, padding=0)
    np.testing.assert_allclose(made.numpy()[0, ..., 0], expected, atol=1e-12)


LECTURE_KERNEL = np.array([[1.0, 4.0, 1.0], [1.0, 4.0, 3.0], [3.0, 3.0, 1.0]])


def lecture_matrix():
    """Write the convolution of a 4x4 image with the 3x3 kernel as its 4x16 matrix."""
    matrix = np.zeros((4, 16))
    for row, (i, j) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)]):
        for a in range(3):
            for b in range(3):
                matrix[row, (i + a) * 4 + j + b] = LECTURE_KERNEL[a, b]
    return matrix


def test_the_lectures_4x16_matrix():
    matrix, x, g = lecture_matrix(), A((4, 4)), A((2, 2))
    kernel = LECTURE_KERNEL[..., None, None]
    forward = ops.conv(x[None, ..., None], kernel).numpy()[0, ..., 0]
    np.testing.assert_allclose(forward.ravel(), matrix @ x.ravel(), atol=1e-13)
    np.testing.assert_allclose(forward, correlate2d(x, LECTURE_KERNEL, "valid"), atol=1e-13)
    back = ops.conv_transpose(g[None, ..., None], kernel).numpy()[0, ..., 0]
    np.testing.assert_allclose(back.ravel(), matrix.T @ g.ravel(), atol=1e-13)
    np.testing.assert_allclose(back, convolve2d(g, LECTURE_KERNEL, "full"), atol=1e-13)
    jacobian = ta.jacobian(lambda x: ops.conv(x, kernel))(x[None, ..., None])
    np.testing.assert_array_equal(jacobian.numpy().reshape(4, 16), matrix)


# ---- transposed convolution ----------------------------------------------------------------------

TRANSPOSED = {
    "k=1, stride 2": ((1, 3, 4, 2), (1, 1, 3, 2), dict(strides=2)),
    "k=1, stride 2, same": ((1, 3, 4, 2), (1, 1, 3, 2), dict(strides=2, padding="same")),
    "k=2, stride 3": ((1, 3, 4, 1), (2, 2, 2, 1), dict(strides=3)),
    "k=2, stride 2, the U-Net's": ((2, 3, 4, 3), (2, 2, 2, 3), dict(strides=2)),
    "k=3, stride 2, same": ((1, 3, 4, 2), (3, 3, 3, 2), dict(strides=2, padding="same")),
    "k=4, stride 2, same": ((1, 3, 2, 2), (4, 4, 1, 2), dict(strides=2, padding="same")),
    "output_padding below the stride": (
        (1, 3, 2, 2), (3, 3, 1, 2), dict(strides=3, padding=1, output_padding=(2, 1)),
    ),
    "output_padding, same": (
        (1, 3, 2, 1), (3, 3, 1, 1), dict(strides=2, padding="same", output_padding=1),
    ),
    "output_padding, valid": (
        (1, 3, 2, 1), (2, 2, 1, 1), dict(strides=2, output_padding=(0, 1)),
    ),
    "cropped unevenly": ((1, 3, 4, 1), (3, 3, 2, 1), dict(padding=((1, 0), (0, 2)))),
    "cropped by more than the kernel": ((1, 4, 3, 1), (2, 2, 2, 1), dict(strides=3, padding=2)),
    "dilated": ((1, 3, 2, 1), (2, 3, 2, 1), dict(strides=2, dilation_rate=2)),
    "spectrum": ((1, 3, 2), (4, 3, 2), dict(strides=3, output_padding=2)),
}  # fmt: skip


def spread_by_loops(g, w, size, strides, pads, dilation):
    """Add each value times the kernel into the output, pixel by pixel."""
    out = np.zeros((g.shape[0], *size, w.shape[2]))
    for n, p, q, a, b in np.ndindex(*g.shape[:3], *w.shape[:2]):
        i = p * strides[0] + a * dilation[0] - pads[0][0]
        j = q * strides[1] + b * dilation[1] - pads[1][0]
        if 0 <= i < size[0] and 0 <= j < size[1]:
            out[n, i, j] += w[a, b] @ g[n, p, q]
    return out


@pytest.mark.parametrize("name", TRANSPOSED)
def test_transposed_values_by_loops(name):
    g_shape, w_shape, arguments = TRANSPOSED[name]
    g, w = A(g_shape), A(w_shape)
    made = ops.conv_transpose(g, w, **arguments).numpy()
    size, strides, pads, dilation = shapes.conv_transpose(
        g_shape,
        w_shape,
        arguments.get("strides", 1),
        arguments.get("padding", "valid"),
        arguments.get("output_padding"),
        arguments.get("dilation_rate", 1),
    )
    if g.ndim == 3:
        g, w, made = g[:, None], w[None], made[:, None]
        strides, pads, dilation = (1, *strides), ((0, 0), *pads), (1, *dilation)
        size = (size[0], 1, *size[1:])
    expected = spread_by_loops(g, w, size[1:3], strides, pads, dilation)
    np.testing.assert_allclose(made, expected, atol=1e-12)


@pytest.mark.parametrize("name", TRANSPOSED)
def test_transposed_adjoints_and_derivatives(name):
    g_shape, w_shape, arguments = TRANSPOSED[name]
    g, w = A(g_shape), A(w_shape)
    check_adjoint(lambda g: ops.conv_transpose(g, w, **arguments), g)
    check_adjoint(lambda w: ops.conv_transpose(g, w, **arguments), w)
    check_grads(lambda g, w: ops.conv_transpose(g, w, **arguments), g, w)


def test_transposed_with_one_tap_and_stride_two_leaves_zeros_between():
    """k=1, stride 2: some libraries drop the last row of zeros, others fill it."""
    made = ops.conv_transpose(np.ones((1, 2, 2, 1)), np.full((1, 1, 1, 1), 3.0), strides=2)
    expected = np.zeros((4, 4))
    expected[::2, ::2] = 3.0
    np.testing.assert_array_equal(made.numpy()[0, ..., 0], expected)


@pytest.mark.parametrize("n, k, s", [(6, 3, 2), (7, 2, 3), (14, 5, 4), (9, 3, 5)])
def test_a_remainder_of_the_convolution_is_output_padding_of_its_transpose(n, k, s):
    """(W - F) % S != 0: <conv(x), g> = <x, conv_transpose(g)> needs the remainder at the end."""
    x, w = A((1, n, 1)), A((k, 1, 1))
    out = ops.conv(x, w, strides=s)
    remainder = (n - k) % s
    assert remainder
    g = A(out.shape)
    back = ops.conv_transpose(g, w, strides=s, padding=0, output_padding=remainder)
    assert back.shape == x.shape
    np.testing.assert_array_equal(back.numpy()[0, n - remainder :], 0.0)
    assert np.sum(out.numpy() * g) == pytest.approx(np.sum(x * back.numpy()), rel=1e-12)


# ---- nasty input ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [">f4", ">i2", np.uint16, bool])
def test_dtypes_of_files(dtype):
    x = RNG.integers(0, 2, (1, 5, 6, 1)).astype(dtype)
    w = A((3, 3, 1, 2)).astype(np.float32)
    made = ops.conv(x, w)
    assert made.dtype == np.float32
    np.testing.assert_allclose(made.numpy(), by_loops(x.astype(float), w), atol=1e-5)


def test_memory_layouts_do_not_matter():
    stored = A((2, 3, 8, 12))  # channels first, as files of other libraries
    x = stored.transpose(0, 2, 3, 1)[:, ::2, ::-2]
    w = A((4, 3, 3, 3)).transpose(2, 1, 3, 0)[::-1]
    np.testing.assert_allclose(ops.conv(x, w).numpy(), by_loops(x, w), atol=1e-12)
    g = A((2, 2, 5, 4)).transpose(0, 2, 1, 3)[:, ::-2]
    assert not g.flags.c_contiguous
    _, pullback = ta.vjp(lambda x, w: ops.conv(x, w), np.ones((2, 5, 4, 3)), A((3, 3, 3, 4)))
    for made, again in zip(pullback(g[:, :3, :2]), pullback(g[:, :3, :2].copy())):
        np.testing.assert_array_equal(made.numpy(), again.numpy())


def test_float32_is_near_float64():
    x, w = A((2, 9, 10, 5)), A((3, 3, 5, 7))
    made = ops.conv(x.astype(np.float32), w.astype(np.float32), padding="same")
    assert made.dtype == np.float32
    expected = by_loops(x, w, padding="same")
    assert np.linalg.norm(made.numpy() - expected) < 1e-5 * np.linalg.norm(expected)


def test_the_kernels_dtype_follows_the_input_and_its_gradient_comes_back_in_its_own():
    w = ta.tensor(A((3, 3, 1, 1)), requires_grad=True)
    out = ops.conv(np.ones((1, 4, 4, 1), np.float32), w)
    out.sum().backward()
    assert out.dtype == np.float32 and w.grad.dtype == np.float64


def test_a_nan_pixel_reaches_only_the_windows_that_hold_it():
    x = np.zeros((1, 7, 7, 2), np.float32)
    x[0, 3, 2, 1] = np.nan
    made = np.isnan(ops.conv(x, np.ones((3, 3, 2, 4), np.float32), padding="same").numpy())
    expected = np.zeros((7, 7), bool)
    expected[2:5, 1:4] = True
    np.testing.assert_array_equal(made, np.broadcast_to(expected[None, ..., None], made.shape))


def test_empty_batch_and_no_channels():
    leaf = ta.tensor(A((3, 3, 2, 4)), requires_grad=True)
    out = ops.conv(np.empty((0, 5, 6, 2)), leaf)
    assert out.shape == (0, 3, 4, 4)
    out.sum().backward()
    np.testing.assert_array_equal(leaf.grad.numpy(), np.zeros((3, 3, 2, 4)))
    assert ops.conv(np.ones((1, 4, 4, 1)), np.ones((3, 3, 1, 0))).shape == (1, 2, 2, 0)
    nothing = ops.conv(np.ones((1, 4, 4, 0)), np.ones((3, 3, 0, 2))).numpy()
    np.testing.assert_array_equal(nothing, np.zeros((1, 2, 2, 2)))


@pytest.mark.parametrize(
    "make, text",
    [
        (lambda: ops.conv(np.ones((1, 2, 9, 1)), np.ones((3, 3, 1, 1))), "height 2 .* 3 pixels"),
        (lambda: ops.conv(np.ones((4, 4)), np.ones((3, 3, 1, 1))), r"\(4, 4\), expected"),
        (lambda: ops.conv(np.ones((1, 4, 4, 2)), np.ones((3, 3, 1, 1))), "2 input channels"),
        (lambda: ops.conv(np.ones((1, 4, 4, 1)), np.ones((3, 1, 1))), "kernel of shape"),
        (lambda: ops.conv(np.ones((1, 4, 4, 1)), np.ones((3, 3, 1, 1)), 0), "strides=0"),
        (lambda: ops.conv(np.ones((1, 4, 4, 1)), np.ones((3, 3, 1, 1)), padding="full"), "full"),
        (lambda: ops.conv(np.ones((1, 4, 4, 1)), np.ones((3, 3, 1, 1)), dilation_rate=2), "5 pix"),
        (lambda: ops.conv_transpose(np.ones((1, 4, 4, 2)), np.ones((3, 3, 1, 1))), "expects 1"),
        (lambda: ops.conv(np.ones((1, 4, 4, 1)), np.ones((3, 3, 1, 2)), bias=np.ones(1)),
         r"bias of shape \(1,\) for 2 output channels"),
        (lambda: ops.conv(np.ones((1, 4, 4, 1)), np.ones((3, 3, 1, 2)), activation="gelu"),
         "fuse .*relu.*, got 'gelu'"),
        (lambda: ops.conv_transpose(np.ones((1, 4, 1)), np.ones((3, 1, 1)), 2, output_padding=2),
         "output_padding=2 must be less than strides"),
    ],
)  # fmt: skip
def test_errors(make, text):
    with pytest.raises(ValueError, match=text):
        make()


@pytest.mark.parametrize("name", ["linear", "relu", "sigmoid", "tanh", "elu", "leaky_relu"])
@pytest.mark.parametrize("transposed", [False, True])
def test_bias_and_activation_in_one_op_are_the_composed_ones(name, transposed):
    x, bias = ta.tensor(A((2, 5, 6, 2))), ta.tensor(A(3))
    op = ops.conv_transpose if transposed else ops.conv
    w = ta.tensor(A((3, 2, 3, 2) if transposed else (3, 2, 2, 3)))

    def fused(x, w, bias):
        return op(x, w, strides=2, padding="same", bias=bias, activation=name)

    summed = op(x, w, strides=2, padding="same")
    expected = ops.bias_activation(summed, bias, name).numpy()
    np.testing.assert_allclose(fused(x, w, bias).numpy(), expected, atol=1e-12)
    unbiased = op(x, w, strides=2, padding="same", activation=name).numpy()
    np.testing.assert_allclose(
        unbiased, ops.bias_activation(summed, ta.tensor(np.zeros(3)), name).numpy(), atol=1e-12
    )
    check_grads(fused, x, w, bias, order=2)


# ---- peers ---------------------------------------------------------------------------------------


def known_to_keras(cases):
    """List the cases whose padding Keras has a name for in any number of axes."""
    return [n for n, case in cases.items() if case[2].get("padding", "valid") in ("valid", "same")]


@pytest.mark.peer
@pytest.mark.parametrize("name", [n for n in known_to_keras(CASES) if n != "empty batch"])
def test_keras_conv(name, keras):
    x_shape, w_shape, arguments = CASES[name]
    x, w = A(x_shape), A(w_shape)
    theirs = keras.ops.conv(
        x, w, arguments.get("strides", 1), arguments.get("padding", "valid"),
        data_format="channels_last", dilation_rate=arguments.get("dilation_rate", 1),
    )  # fmt: skip
    np.testing.assert_allclose(ops.conv(x, w, **arguments).numpy(), np.asarray(theirs), atol=1e-10)


@pytest.mark.peer
@pytest.mark.parametrize("name", known_to_keras(TRANSPOSED))
def test_keras_conv_transpose(name, keras):
    g_shape, w_shape, arguments = TRANSPOSED[name]
    g, w = A(g_shape), A(w_shape)
    theirs = keras.ops.conv_transpose(
        g, w, arguments.get("strides", 1), arguments.get("padding", "valid"),
        output_padding=arguments.get("output_padding"), data_format="channels_last",
        dilation_rate=arguments.get("dilation_rate", 1),
    )  # fmt: skip
    made = ops.conv_transpose(g, w, **arguments).numpy()
    np.testing.assert_allclose(made, np.asarray(theirs), atol=1e-10)


@pytest.mark.peer
@pytest.mark.parametrize("k, s, p, extra, d", [(3, 2, 1, 1, 1), (4, 3, 2, 0, 1), (3, 2, 1, 1, 2)])
def test_torch_conv_transpose_with_output_padding(k, s, p, extra, d):
    torch = pytest.importorskip("torch")
    g, w = A((2, 4, 5, 3)), A((k, k, 2, 3))
    theirs = torch.nn.functional.conv_transpose2d(
        torch.tensor(g).permute(0, 3, 1, 2), torch.tensor(w).permute(3, 2, 0, 1),
        stride=s, padding=p, output_padding=extra, dilation=d,
    ).permute(0, 2, 3, 1)  # fmt: skip
    made = ops.conv_transpose(g, w, s, p, extra, d).numpy()
    np.testing.assert_allclose(made, theirs.numpy(), atol=1e-10)
