"""Batch normalisation, fused: Ioffe & Szegedy 2015 (arXiv:1502.03167), algorithm 1.

Forward and first derivative run as fused kernels. The first derivative is itself a primitive, whose
own rules are composed from ordinary ops, so higher derivatives are right though not fused.
"""

import numpy as np

from tinygrad_astro import bounds
from tinygrad_astro.kernels import live, of
from tinygrad_astro.ops import ahead
from tinygrad_astro.ops.activation import activation_grad
from tinygrad_astro.ops.broadcast import sum_to
from tinygrad_astro.ops.comparison import less_equal, where
from tinygrad_astro.ops.elementwise import add, multiply, power, square, subtract
from tinygrad_astro.ops.layout import stack
from tinygrad_astro.ops.reduce import mean as average
from tinygrad_astro.pullback import vjp
from tinygrad_astro.tape import lift, primitive


def _rows(x):
    return of(x).rows.contiguous(x).reshape(-1, x.shape[-1])


def moments(inputs):
    """Mean and (biased) variance over all axes but the last, untracked, as raw (C,) arrays."""
    (x,) = lift([inputs])
    x = x.data
    if x.size == 0 or x.ndim == 0:
        raise ValueError(f"moments of shape {x.shape}: expected (..., C) with values to average")
    known = ahead.take(x)
    if known is not None:
        return known
    centre, spread = (of(x).memory.empty(x.shape[-1:], x.dtype) for _ in range(2))
    of(x).norm.moments(centre, spread, _rows(x))
    return centre, spread


def _inverse_std(variance, epsilon):
    return (1.0 / np.sqrt(variance + epsilon)).astype(variance.dtype)


def _fused(x, gamma, beta, mean, variance, epsilon, activation):
    out = of(x).memory.empty(x.shape, x.dtype)
    inverse = _inverse_std(variance, epsilon)
    of(x).norm.batch_norm(_rows(out), _rows(x), mean, inverse, gamma, beta, activation)
    return out


# ---- fixed statistics: an affine map per channel -------------------------------------------------


def _fixed_rule(g, out, x, gamma, beta, mean, variance, epsilon, activation, wanted):
    if activation != "linear":
        g = activation_grad(g, out, name=activation)
    inverse = _inverse_std(variance, epsilon)
    hat = multiply(subtract(x, mean), inverse)
    wrt_gamma = sum_to(multiply(g, hat), gamma.shape) if wanted[1] else None
    return [multiply(g, multiply(gamma, inverse)), wrt_gamma, sum_to(g, gamma.shape)]


@primitive(joint=_fixed_rule, keeps="x gamma out")
def _normalize_by_fixed(x, gamma, beta, mean, variance, epsilon, activation):
    return _fused(x, gamma, beta, mean, variance, epsilon, activation)


# ---- statistics of the batch, which the gradient goes through ------------------------------------


def _batch_rule(g, out, x, gamma, beta, mean, variance, epsilon, activation, wanted):
    inverse = _inverse_std(variance, epsilon)
    numbers = dict(mean=mean, inverse=inverse, epsilon=epsilon, activation=activation)
    sums = _sums(g, x, gamma, beta, **numbers)
    gradient = _input_grad(g, x, gamma, beta, sums=sums.data, **numbers) if wanted[0] else None
    return [gradient, sums[1], sums[0]]


@primitive(joint=_batch_rule, keeps="x gamma beta")
def _normalize_by_batch(x, gamma, beta, mean, variance, epsilon, activation):
    return _fused(x, gamma, beta, mean, variance, epsilon, activation)


def _composed_hat(x, epsilon):
    """The normalised x and 1 / std, as functions of x alone."""
    axes = tuple(range(x.ndim - 1))
    centred = subtract(x, average(x, axes, keepdims=True))
    inverse = power(add(average(square(centred), axes, keepdims=True), epsilon), -0.5)
    return multiply(centred, inverse), inverse


def _passed(g, hat, gamma, beta, activation):
    """Give g where the activation passes it on; relu does not where its input is <= 0."""
    if activation == "linear":
        return g
    return where(less_equal(add(multiply(hat, gamma), beta), 0.0), 0.0, g)


def _composed_sums(g, x, gamma, beta, epsilon, activation):
    hat, _ = _composed_hat(x, epsilon)
    g = _passed(g, hat, gamma, beta, activation)
    return stack([sum_to(g, x.shape[-1:]), sum_to(multiply(g, hat), x.shape[-1:])])


def _composed_grad(g, x, gamma, beta, epsilon, activation):
    hat, inverse = _composed_hat(x, epsilon)
    g = _passed(g, hat, gamma, beta, activation)
    axes = tuple(range(x.ndim - 1))
    slope = multiply(hat, average(multiply(g, hat), axes, keepdims=True))
    centred = subtract(g, average(g, axes, keepdims=True))
    return multiply(multiply(gamma, inverse), subtract(centred, slope))


def _sums_rule(u, out, g, x, gamma, beta, mean, inverse, epsilon, activation, wanted):
    composed = vjp(lambda g, x: _composed_sums(g, x, gamma, beta, epsilon, activation), g, x)
    return [*composed[1](u), None, None]


@primitive(joint=_sums_rule, keeps="g x gamma beta")
def _sums(g, x, gamma, beta, mean, inverse, epsilon, activation):
    """Rows sum(h) and sum(h hat), h = g f'(hat gamma + beta): the gradients of beta and gamma."""
    sums = of(g).memory.empty((2, g.shape[-1]), g.dtype)
    of(g).norm.batch_norm_sums(sums, _rows(g), _rows(x), mean, inverse, gamma, beta, activation)
    return sums


def _input_grad_rule(u, out, g, x, gamma, beta, sums, mean, inverse, epsilon, activation, wanted):
    composed = vjp(lambda *xs: _composed_grad(*xs, beta, epsilon, activation), g, x, gamma)
    return [*composed[1](u), None]


@primitive(joint=_input_grad_rule, keeps="g x gamma beta")
def _input_grad(g, x, gamma, beta, sums, mean, inverse, epsilon, activation):
    """gamma / std (h - mean(h) - hat mean(h hat)), with the sums already at hand."""
    out = of(g).memory.empty(x.shape, x.dtype)
    arrays = _rows(out), _rows(g), _rows(x), mean, inverse, gamma, beta
    of(g).norm.batch_norm_input_grad(*arrays, activation, sums)
    return out


def batch_normalization(
    inputs,
    gamma,
    beta,
    mean=None,
    variance=None,
    epsilon=1e-3,
    activation="linear",
    return_moments=False,
):
    """activation(gamma (inputs - mean) / sqrt(variance + epsilon) + beta), per channel.

    Parameters
    ----------
    inputs : (..., C) Tensor
    gamma, beta : (C,) Tensor
    mean, variance : (C,) array, optional
        Fixed statistics, as in inference: constants, no gradient goes to them. Without them those
        of this batch are used, and the gradient goes through them.
    epsilon : float
        Unit of variance.
    activation : {"linear", "relu"}
        Fused into the same pass.
    return_moments : bool
        Also give the mean and variance that were used, as raw arrays: what a moving average needs.

    Returns
    -------
    Tensor, or (Tensor, array (C,), array (C,))

    Raises
    ------
    ValueError
        If shapes differ, the batch is empty, or only one of mean and variance is given.
    TypeError
        If mean or variance is tracked.

    Notes
    -----
    One value per channel normalises to beta, with zero gradient to the input. A NaN makes its whole
    channel NaN when batch statistics are used.
    """
    x, gamma, beta = lift([inputs, gamma, beta])
    x = x if x.dtype.kind == "f" else x.astype(np.float32)
    if x.ndim == 0:
        raise ValueError("batch_normalization needs a channel axis, got a single value")
    for name, value in (("gamma", gamma), ("beta", beta), ("mean", mean), ("variance", variance)):
        if value is not None and tuple(np.shape(value)) != x.shape[-1:]:
            raise ValueError(
                f"{name} has shape {np.shape(value)}, expected {x.shape[-1:]} for inputs {x.shape}"
            )
    if (mean is None) != (variance is None):
        raise ValueError("give both mean and variance, or neither")
    if any(getattr(s, "requires_grad", False) for s in (mean, variance)):
        raise TypeError(
            "mean and variance are constants here, but a tracked tensor was given: detach() it, or "
            "leave both out to use, and differentiate through, those of the batch"
        )
    bounds.number("batch_normalization", "epsilon", epsilon, 0)
    if activation not in ("linear", "relu"):
        raise ValueError(f'activation={activation!r}: batch norm fuses "linear" or "relu"')
    gamma, beta = (p if p.dtype == x.dtype else p.astype(x.dtype) for p in (gamma, beta))
    normalize = _normalize_by_batch if mean is None else _normalize_by_fixed
    statistics = moments(x) if mean is None else lift([x, mean, variance])[1:]
    if mean is not None:
        statistics = [live.seen(s.data).astype(x.dtype) for s in statistics]
    centre, spread = statistics
    out = normalize(
        x, gamma, beta, mean=centre, variance=spread, epsilon=epsilon, activation=activation
    )
    return (out, centre, spread) if return_moments else out
