"""Every CUDA kernel against its twin on the CPU, which has its own tests; outputs start as NaN."""

import numpy as np
import pytest

from tinygrad_astro.kernels import cpu

DTYPES = ["float32", "float64"]


def close(found, expected, dtype="float32", scale=10):
    rtol = scale * np.finfo(dtype).eps
    size = np.nanmax(np.abs(expected), initial=0.0, where=np.isfinite(expected))
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol * size)


CONVS = [
    # x, w, strides, pads, dilation, groups
    ((2, 5, 6, 3), (3, 3, 3, 4), (1, 1), ((1, 1), (1, 1)), (1, 1), 1),
    ((1, 7, 5, 4), (3, 2, 2, 6), (2, 1), ((0, 1), (2, 0)), (1, 2), 2),
    ((2, 6, 7, 3), (2, 3, 1, 3), (1, 2), ((1, 0), (1, 1)), (2, 1), 3),
    ((1, 1, 9, 2), (1, 4, 2, 5), (1, 3), ((0, 0), (3, 2)), (1, 1), 1),
    ((3, 4, 4, 2), (1, 1, 2, 3), (2, 2), ((0, 0), (0, 0)), (1, 1), 1),
    ((1, 5, 5, 1), (2, 2, 1, 2), (3, 3), ((0, 0), (0, 0)), (1, 1), 1),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CONVS)
def test_conv_and_its_adjoints(gpu, up, blank, rng, case, dtype):
    x_shape, w_shape, *geometry = case
    x, w = rng.standard_normal(x_shape).astype(dtype), rng.standard_normal(w_shape).astype(dtype)
    (sh, sw), pads, (dh, dw), _ = geometry
    rows = (x_shape[1] + sum(pads[0]) - (w_shape[0] - 1) * dh - 1) // sh + 1
    columns = (x_shape[2] + sum(pads[1]) - (w_shape[1] - 1) * dw - 1) // sw + 1
    g = rng.standard_normal((x_shape[0], rows, columns, w_shape[3])).astype(dtype)
    for name, shape, inputs in (
        ("conv", g.shape, (x, w)),
        ("conv_input_grad", x_shape, (g, w)),
        ("conv_weight_grad", w_shape, (x, g)),
    ):
        expected, out = np.empty(shape, dtype), blank(shape, dtype)
        getattr(cpu.conv, name)(expected, *inputs, *geometry)
        getattr(gpu.conv, name)(out, *map(up, inputs), *geometry)
        close(out.copy_to_host(), expected, dtype, 40)


def test_a_nan_reaches_only_the_windows_that_hold_it(gpu, up, blank):
    x, w = np.zeros((1, 4, 4, 1), np.float32), np.ones((2, 2, 1, 1), np.float32)
    x[0, 0, 0, 0] = np.nan
    out = blank((1, 3, 3, 1), np.float32)
    gpu.conv.conv(out, up(x), up(w), (1, 1), ((0, 0), (0, 0)), (1, 1), 1)
    found = np.isnan(out.copy_to_host())
    assert found[0, 0, 0, 0] and found.sum() == 1


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 2), (7, 4, 9)])
def test_matmul(gpu, up, blank, rng, shape, dtype):
    rows, depth, columns = shape
    a = rng.standard_normal((rows, depth)).astype(dtype)
    b = rng.standard_normal((depth, columns)).astype(dtype)
    out = blank((rows, columns), dtype)
    gpu.matmul.matmul(out, up(a), up(b))
    close(out.copy_to_host(), a.astype("float64") @ b, dtype, 40)
    g = rng.standard_normal((rows, columns)).astype(dtype)
    left, right = blank(a.shape, dtype), blank(b.shape, dtype)
    gpu.matmul.matmul_left_grad(left, up(g), up(b))
    gpu.matmul.matmul_right_grad(right, up(a), up(g))
    close(left.copy_to_host(), g.astype("float64") @ b.T, dtype, 40)
    close(right.copy_to_host(), a.astype("float64").T @ g, dtype, 40)


POOLS = [
    ((2, 4, 6, 3), (2, 2), (2, 2), ((0, 0), (0, 0))),
    ((1, 5, 7, 2), (3, 2), (2, 1), ((1, 1), (0, 1))),
    ((2, 1, 6, 2), (1, 3), (1, 3), ((0, 0), (0, 0))),
    ((1, 7, 7, 1), (2, 2), (3, 3), ((0, 0), (0, 0))),
    ((1, 4, 4, 1), (3, 3), (1, 1), ((2, 2), (2, 2))),
]


@pytest.mark.parametrize("case", POOLS)
def test_pooling(gpu, up, blank, rng, case):
    shape, size, strides, pads = case
    rows, columns = (
        (n + sum(p) - k) // s + 1 for n, p, k, s in zip(shape[1:3], pads, size, strides)
    )
    small = (shape[0], rows, columns, shape[3])
    x = np.round(rng.standard_normal(shape) * 2).astype(np.float32)  # with ties
    x[0, 0, -1, 0] = np.nan
    indices, found = np.empty(small, np.int64), blank(small, np.int64)
    cpu.pool.argmax_windows(indices, x, size, strides, pads)
    gpu.pool.argmax_windows(found, up(x), size, strides, pads)
    np.testing.assert_array_equal(found.copy_to_host(), indices)
    g = rng.standard_normal(small).astype(np.float32)
    for name, out_shape, inputs in (
        ("take_windows", small, (x, indices)),
        ("put_windows", shape, (g, indices)),
        ("sum_windows", small, (x, size, strides, pads)),
        ("spread_windows", shape, (g, size, strides, pads)),
    ):
        expected, out = np.empty(out_shape, np.float32), blank(out_shape, np.float32)
        getattr(cpu.pool, name)(expected, *inputs)
        passed = [up(a) if isinstance(a, np.ndarray) else a for a in inputs]
        getattr(gpu.pool, name)(out, *passed)
        close(out.copy_to_host(), expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", [1, 5, 150])
def test_batch_norm(gpu, up, blank, rng, rows, dtype):
    x = (rng.standard_normal((rows, 3)) * 3 + 100).astype(dtype)
    g, gamma, beta = (rng.standard_normal(s).astype(dtype) for s in ((rows, 3), 3, 3))
    mean, var = np.empty(3, dtype), np.empty(3, dtype)
    centre, spread = blank(3, dtype), blank(3, dtype)
    cpu.norm.moments(mean, var, x)
    gpu.norm.moments(centre, spread, up(x))
    close(centre.copy_to_host(), mean, dtype)
    close(spread.copy_to_host(), var, dtype, 10 if dtype == "float32" else 64)
    inverse = (1 / np.sqrt(var + 1e-3)).astype(dtype)
    for activation in ("linear", "relu"):
        expected, out = np.empty_like(x), blank(x.shape, dtype)
        cpu.norm.batch_norm(expected, x, mean, inverse, gamma, beta, activation)
        arrays = map(up, (x, mean, inverse, gamma, beta))
        gpu.norm.batch_norm(out, *arrays, activation)
        close(out.copy_to_host(), expected, dtype, 100)
    for activation in ("linear", "relu"):
        sums, found = np.empty((2, 3), dtype), blank((2, 3), dtype)
        arrays = g, x, mean, inverse, gamma, beta
        cpu.norm.batch_norm_sums(sums, *arrays, activation)
        gpu.norm.batch_norm_sums(found, *map(up, arrays), activation)
        close(found.copy_to_host(), sums, dtype)
        expected, out = np.empty_like(x), blank(x.shape, dtype)
        cpu.norm.batch_norm_input_grad(expected, *arrays, activation, sums)
        gpu.norm.batch_norm_input_grad(out, *map(up, arrays), activation, up(sums))
        close(out.copy_to_host(), expected, dtype, 100)


@pytest.mark.parametrize("rows", [130, 5 * 64])
def test_moments_join_in_several_rounds(gpu, up, blank, rng, rows, monkeypatch):
    """Chunks of 4 rows in groups of 2, far from 0, and the last of them not full."""
    from tinygrad_astro.kernels.cuda import norm

    monkeypatch.setattr(norm, "ROWS", 4)
    monkeypatch.setattr(norm, "GROUP", 2)
    x = rng.standard_normal((rows, 2)).astype(np.float32) + np.float32([1e4, -3])
    g, ones = rng.standard_normal((rows, 2)).astype(np.float32), np.ones(2, np.float32)
    mean, var, sums = blank(2), blank(2), blank((2, 2))
    gpu.norm.moments(mean, var, up(x))
    wide = x.astype("float64")
    close(mean.copy_to_host(), wide.mean(0))
    close(var.copy_to_host(), wide.var(0))
    centre = mean.copy_to_host()
    gpu.norm.batch_norm_sums(sums, up(g), up(x), mean, up(ones), up(ones), up(ones), "linear")
    close(sums.copy_to_host(), [g.sum(0, "float64"), (g * (x - centre)).sum(0, "float64")])


def test_one_value_far_off_costs_no_digits(gpu, up, blank, rng):
    """Squares are taken about the first value; here it is a thousand sigma away."""
    x = rng.standard_normal((64, 1)).astype(np.float32)
    x[0] = 1000
    mean, var = blank(1), blank(1)
    gpu.norm.moments(mean, var, up(x))
    close(var.copy_to_host(), x.var(0, dtype="float64"))


def test_moments_of_no_rows_are_nan(gpu, up, blank):
    mean, var = blank(2), blank(2)
    gpu.norm.moments(mean, var, up(np.empty((0, 2), np.float32)))
    assert np.isnan(mean.copy_to_host()).all() and np.isnan(var.copy_to_host()).all()


@pytest.mark.parametrize("name", cpu.elementwise.KINDS)
def test_activations(gpu, up, blank, rng, name):
    x = np.array([[-3, -0.5, -0.0, 0, 2, 90, -90, np.nan, np.inf, -np.inf]], np.float32).T
    x = np.concatenate([x, x[::-1]], axis=1)
    bias, g = rng.standard_normal(2).astype(np.float32), rng.standard_normal(x.shape)
    g = g.astype(np.float32)
    expected, out = np.empty_like(x), blank(x.shape)
    cpu.elementwise.bias_activation(expected, x, bias, name)
    gpu.elementwise.bias_activation(out, up(x), up(bias), name)
    close(out.copy_to_host(), expected)
    cpu.elementwise.activation(expected, x, name)
    gpu.elementwise.activation(out, up(x), name)
    close(out.copy_to_host(), expected)
    slopes, found = np.empty_like(x), blank(x.shape)
    cpu.elementwise.activation_grad(slopes, g, expected, name)
    gpu.elementwise.activation_grad(found, up(g), up(expected), name)
    close(found.copy_to_host(), slopes)


def test_bias_grad(gpu, up, blank, rng):
    g, out = rng.standard_normal((700, 3)).astype(np.float32), blank(3)
    gpu.elementwise.bias_grad(out, up(g))
    close(out.copy_to_host(), g.astype(np.float64).sum(0), scale=2)


@pytest.mark.parametrize("seed", [0, 2**63 + 12345])
def test_random_numbers_have_the_bits_of_the_cpu(gpu, up, blank, seed):
    expected, out = np.empty(11, np.uint32), blank(11, np.uint32)
    cpu.dropout.random_bits(expected, seed, 2**33 + 3)
    gpu.dropout.random_bits(out, seed, 2**33 + 3)
    np.testing.assert_array_equal(out.copy_to_host(), expected)
    for dtype in DTYPES:
        expected, out = np.empty(9, dtype), blank(9, dtype)
        cpu.dropout.uniform(expected, seed, 5)
        gpu.dropout.uniform(out, seed, 5)
        np.testing.assert_array_equal(out.copy_to_host(), expected)
        cpu.dropout.normal(expected, seed)
        gpu.dropout.normal(out, seed)
        close(out.copy_to_host(), expected, dtype)
        x = np.arange(1, 22, dtype=dtype)
        x[3] = np.nan
        expected, out = np.empty_like(x), blank(21, dtype)
        cpu.dropout.dropout(expected, x, 0.4, seed)
        gpu.dropout.dropout(out, up(x), 0.4, seed)
        np.testing.assert_array_equal(out.copy_to_host(), expected)


def test_softmax_cross_entropy(gpu, up, blank, rng):
    logits = rng.standard_normal((6, 4)).astype(np.float32) * 30
    logits[1, 2], logits[2, 0], logits[3, 1] = np.nan, -np.inf, np.inf
    logits[5, 0] = np.nan
    labels = np.array([0, 1, 0, 3, -1, -1])
    loss, p = np.empty(6, np.float32), np.empty((6, 4), np.float32)
    cpu.losses.softmax_cross_entropy(loss, p, logits, labels, -1)
    found, q = blank(6), blank((6, 4))
    gpu.losses.softmax_cross_entropy(found, q, up(logits), up(labels), -1)
    close(found.copy_to_host(), loss)
    close(q.copy_to_host(), p)
    g, slope, filled = rng.standard_normal(6).astype(np.float32), np.empty_like(p), blank((6, 4))
    cpu.losses.softmax_cross_entropy_grad(slope, g, p, labels)
    gpu.losses.softmax_cross_entropy_grad(filled, up(g), up(p), up(labels))
    close(filled.copy_to_host(), slope)


STEPS = {
    "sgd": (1, [(0.1, 0.0, False, 0.0), (0.1, 0.9, False, 0.01), (0.1, 0.9, True, 0.0)]),
    "rmsprop": (3, [(0.1, 0.9, 0.0, 1e-7, False), (0.1, 0.9, 0.5, 1e-7, True)]),
    "adam": (2, [(0.1, 0.9, 0.999, 1e-7, 3, 0.0), (0.1, 0.9, 0.999, 1e-7, 1, 0.02)]),
}


@pytest.mark.parametrize("name", STEPS)
def test_optimizers(gpu, up, rng, name):
    slots, cases = STEPS[name]
    for numbers in cases:
        arrays = [np.abs(rng.standard_normal(7)).astype(np.float32) for _ in range(2 + slots)]
        device = [up(a.copy()) for a in arrays]
        getattr(cpu.optimizers, name)(*arrays, *numbers)
        getattr(gpu.optimizers, name)(*device, *numbers)
        for found, expected in zip(device, arrays):
            close(found.copy_to_host(), expected)


def test_squared_norm(gpu, up, rng):
    """It stays on the card."""
    x = rng.standard_normal(1000).astype(np.float32)
    found = gpu.optimizers.squared_norm(up(x))
    assert found.shape == () and float(found) == pytest.approx(float(np.sum(np.float64(x) ** 2)))
