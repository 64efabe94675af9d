"""Batch normalisation: fused equals composed, in value and derivatives; NaN, one pixel, dtypes."""

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro import ops
from tinygrad_astro.testing import check_adjoint, check_grads

RNG = np.random.default_rng(11)
A = RNG.standard_normal


def composed(x, gamma, beta, epsilon=1e-3, activation="linear"):
    """The definition, in elementary ops."""
    axes = tuple(range(np.ndim(x) - 1))
    hat = (x - ops.mean(x, axes)) / ops.sqrt(ops.var(x, axes) + epsilon)
    return getattr(ops, activation)(gamma * hat + beta)


SHAPES = [(4, 3), (3, 2, 4), (2, 3, 4, 5), (7, 1), (1, 2, 3, 2), (1, 4)]


@pytest.mark.parametrize("activation", ["linear", "relu"])
@pytest.mark.parametrize("shape", SHAPES)
def test_fused_equals_composed_in_value_and_gradients(shape, activation):
    x, g = A(shape) * 3 + 5, A(shape)
    gamma, beta = RNG.uniform(0.5, 2, shape[-1]), A(shape[-1])
    out, pullback = ta.vjp(
        lambda *a: ops.batch_normalization(*a, activation=activation), x, gamma, beta
    )
    expected, reference = ta.vjp(lambda *a: composed(*a, activation=activation), x, gamma, beta)
    np.testing.assert_allclose(out.numpy(), expected.numpy(), rtol=1e-10, atol=1e-12)
    for made, wanted in zip(pullback(g), reference(g), strict=True):
        np.testing.assert_allclose(made.numpy(), wanted.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "name, f, args",
    [
        ("linear", ops.batch_normalization, (A((3, 2, 2, 2)), RNG.uniform(0.5, 2, 2), A(2))),
        ("vectors", ops.batch_normalization, (A((5, 2)), RNG.uniform(0.5, 2, 2), A(2))),
        ("relu", lambda *a: ops.batch_normalization(*a, activation="relu") * a[0],
         (A((3, 2, 2, 2)), RNG.uniform(0.5, 2, 2), A(2))),
        ("large epsilon", lambda *a: ops.batch_normalization(*a, epsilon=0.5),
         (A((4, 2)), RNG.uniform(0.5, 2, 2), A(2))),
        ("fixed", lambda *a: ops.batch_normalization(*a, mean=[0.1, 0.2], variance=[1.0, 2.0]),
         (A((3, 2, 2)), RNG.uniform(0.5, 2, 2), A(2))),
        ("fixed, relu", lambda *a: ops.batch_normalization(
            *a, mean=[0.1, 0.2], variance=[1.0, 2.0], activation="relu") * a[0],
         (A((3, 2, 2)), RNG.uniform(0.5, 2, 2), A(2))),
    ],
)  # fmt: skip
def test_first_and_second_derivatives(name, f, args):
    check_grads(f, *args)


def test_third_derivative_through_the_composed_rules():
    gamma, beta = np.ones(2), np.zeros(2)
    check_grads(
        lambda x: ops.batch_normalization(x, gamma, beta, epsilon=0.1) ** 2, A((3, 2)), order=3
    )


def test_fixed_statistics_are_an_affine_map():
    x, gamma = A((3, 4, 2)), np.array([2.0, -1.0])
    mean, variance = np.array([0.5, -0.5]), np.array([4.0, 0.25])
    made = ops.batch_normalization(x, gamma, [1.0, 3.0], mean, variance, epsilon=0.0).numpy()
    expected = gamma * (x - mean) / np.array([2.0, 0.5]) + [1.0, 3.0]
    np.testing.assert_allclose(made, expected, rtol=1e-13)
    zero = np.zeros(2)
    check_adjoint(lambda x: ops.batch_normalization(x, gamma, zero, zero, variance), x)


def test_the_batch_comes_out_with_mean_zero_and_variance_one():
    x = (A((50, 4, 4, 3)) * [1, 100, 1e-2] + [0, 1e4, 5]).astype(np.float32)
    made = ops.batch_normalization(x, np.ones(3), np.zeros(3), epsilon=0.0).numpy()
    assert made.dtype == np.float32
    np.testing.assert_allclose(made.mean((0, 1, 2)), np.zeros(3), atol=2e-3)
    np.testing.assert_allclose(made.var((0, 1, 2)), np.ones(3), rtol=2e-3)


def test_moments_far_from_zero_do_not_cancel():
    x = (A((1000, 2)) * 1e-2 + 1e4).astype(np.float32)
    mean, variance = ops.moments(x)
    wide = x.astype(np.float64)
    np.testing.assert_allclose(mean, wide.mean(0), rtol=1e-7)
    np.testing.assert_allclose(variance, wide.var(0), rtol=1e-4)


def test_one_value_per_channel_normalises_to_beta_with_no_gradient_to_it():
    """A batch of one vector: PyTorch refuses it, Keras gives beta."""
    x, gamma, beta = np.array([[3.0, -7.0]]), np.ones(2), np.array([0.5, 1.5])
    out, pullback = ta.vjp(ops.batch_normalization, x, gamma, beta)
    np.testing.assert_array_equal(out.numpy(), [beta])
    gradients = pullback(np.ones((1, 2)))
    np.testing.assert_allclose(gradients[0].numpy(), [[0.0, 0.0]], atol=1e-12)
    np.testing.assert_allclose(gradients[1].numpy(), [0.0, 0.0], atol=1e-12)
    np.testing.assert_array_equal(gradients[2].numpy(), [1.0, 1.0])


def test_a_constant_channel_stays_finite():
    out, pullback = ta.vjp(ops.batch_normalization, np.ones((5, 1)), np.ones(1), np.zeros(1))
    np.testing.assert_array_equal(out.numpy(), np.zeros((5, 1)))
    assert np.isfinite(pullback(A((5, 1)))[0].numpy()).all()


def test_a_nan_spoils_its_channel_only():
    x = A((2, 3, 4, 3))
    x[1, 2, 3, 1] = np.nan
    made = np.isnan(ops.batch_normalization(x, np.ones(3), np.zeros(3)).numpy())
    assert made[..., 1].all() and not made[..., [0, 2]].any()
    fixed = ops.batch_normalization(x, np.ones(3), np.zeros(3), np.zeros(3), np.ones(3)).numpy()
    assert np.isnan(fixed).sum() == 1


def test_empty_batch_with_fixed_statistics():
    made = ops.batch_normalization(
        np.empty((0, 3, 2)), np.ones(2), np.zeros(2), np.zeros(2), np.ones(2)
    )
    assert made.shape == (0, 3, 2)


def test_memory_layouts_and_dtypes_do_not_matter():
    x = A((4, 3, 6, 5)).transpose(0, 2, 3, 1)[:, ::2]
    made = ops.batch_normalization(x, np.ones(3), np.zeros(3)).numpy()
    again = ops.batch_normalization(x.copy(), np.ones(3), np.zeros(3)).numpy()
    np.testing.assert_array_equal(made, again)
    counts = RNG.integers(0, 100, (6, 2)).astype(">i2")
    made = ops.batch_normalization(counts, np.ones(2), np.zeros(2))
    assert made.dtype == np.float32
    expected = composed(counts.astype(float), np.ones(2), np.zeros(2)).numpy()
    np.testing.assert_allclose(made.numpy(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "args, options, error, text",
    [
        ((np.ones((2, 3)), np.ones(2), np.zeros(3)), {}, ValueError, "gamma has shape"),
        ((np.ones((2, 3)), np.ones(3), 0.0), {}, ValueError, "beta has shape"),
        ((np.ones((2, 3)), np.ones(3), np.ones(3)), dict(mean=[0.0] * 3), ValueError, "both"),
        ((np.ones((2, 3)), np.ones(3), np.ones(3)), dict(mean=[0.0], variance=[1.0]), ValueError,
         "mean has shape"),
        ((np.ones((0, 3)), np.ones(3), np.ones(3)), {}, ValueError, "values to average"),
        ((1.0, 1.0, 0.0), {}, ValueError, "channel axis"),
        ((np.ones((2, 3)), np.ones(3), np.ones(3)), dict(activation="tanh"), ValueError, "'tanh'"),
        ((np.ones((2, 1)), np.ones(1), np.ones(1)),
         dict(mean=ta.tensor([0.0], requires_grad=True), variance=[1.0]), TypeError, "constants"),
    ],
)  # fmt: skip
def test_errors(args, options, error, text):
    with pytest.raises(error, match=text):
        ops.batch_normalization(*args, **options)


@pytest.mark.peer
def test_torch():
    torch = pytest.importorskip("torch")
    x, g = A((4, 5, 6, 3)), A((4, 5, 6, 3))
    gamma, beta = RNG.uniform(0.5, 2, 3), A(3)
    arrays = [torch.tensor(a, requires_grad=True) for a in (x, gamma, beta)]
    theirs = torch.nn.functional.batch_norm(
        arrays[0].permute(0, 3, 1, 2), None, None, *arrays[1:], training=True, eps=1e-3
    ).permute(0, 2, 3, 1)
    theirs.backward(torch.tensor(g))
    out, pullback = ta.vjp(ops.batch_normalization, x, gamma, beta)
    np.testing.assert_allclose(out.numpy(), theirs.detach().numpy(), rtol=1e-9, atol=1e-12)
    for made, t in zip(pullback(g), arrays, strict=True):
        np.testing.assert_allclose(made.numpy(), t.grad.numpy(), rtol=1e-8, atol=1e-11)
