"""Optimiser steps in place on flat arrays, each array read and written once; Keras 3's formulas."""

from . import namespace, reductions
from .target import T, U, cuda, kernel, math


@kernel("T* T* T* u T? T u T?")
def _sgd(w, g, velocity, count, rate, momentum, nesterov, kept):
    i = U(cuda.grid(1))
    if i >= count:
        return
    step = -rate * g[i]
    if momentum != T(0):
        v = momentum * velocity[i] + step
        velocity[i] = v
        step = momentum * v + step if nesterov else v
    w[i] = kept * w[i] + step


@kernel("T* T* T* T* T* u T? T T T T u")
def _rmsprop(
    w, g, mean_square, mean_gradient, velocity, count, rate, rho, rest, momentum, epsilon, centered
):
    i = U(cuda.grid(1))
    if i >= count:
        return
    square = rho * mean_square[i] + rest * (g[i] * g[i])
    mean_square[i] = square
    if centered:
        mean = rho * mean_gradient[i] + rest * g[i]
        mean_gradient[i] = mean
        square -= mean * mean
    step = rate * g[i] / math.sqrt(square + epsilon)
    if momentum != T(0):
        step = momentum * velocity[i] + step
        velocity[i] = step
    w[i] -= step


@kernel("T* T* T* T* u T? T T T T?")
def _adam(w, g, m, v, count, alpha, rest_1, rest_2, epsilon, kept):
    i = U(cuda.grid(1))
    if i >= count:
        return
    first = m[i] + (g[i] - m[i]) * rest_1
    second = v[i] + (g[i] * g[i] - v[i]) * rest_2
    m[i], v[i] = first, second
    w[i] = kept * w[i] - alpha * first / (math.sqrt(second) + epsilon)


def sgd(w, g, velocity, learning_rate, momentum, nesterov, weight_decay):
    """v = momentum v - lr g; w = (1 - lr decay) w + v, or + momentum v - lr g with Nesterov.

    `velocity` is not read when `momentum` is 0 and may then be an empty array.
    """
    kept = 1.0 - learning_rate * weight_decay
    numbers = w.size, learning_rate, momentum, int(nesterov), kept
    _sgd(w.size, w, g, velocity, *numbers, dtype=w.dtype)


def rmsprop(
    w, g, mean_square, mean_gradient, velocity, learning_rate, rho, momentum, epsilon, centered
):
    """s = rho s + (1 - rho) g^2; w -= lr g / sqrt(s - a^2 + epsilon), a the same mean of g or 0.

    With momentum, v = momentum v + that step and w -= v. `mean_gradient` is not read unless
    `centered`, nor `velocity` when `momentum` is 0; they may then be empty arrays.
    """
    numbers = w.size, learning_rate, rho, 1.0 - rho, momentum, epsilon, int(centered)
    _rmsprop(w.size, w, g, mean_square, mean_gradient, velocity, *numbers, dtype=w.dtype)


def adam(w, g, m, v, learning_rate, beta_1, beta_2, epsilon, step, weight_decay):
    """m += (1 - beta_1)(g - m); v += (1 - beta_2)(g^2 - v); w -= alpha m / (sqrt(v) + epsilon).

    alpha = lr sqrt(1 - beta_2^step) / (1 - beta_1^step), `step` counted from 1: Kingma & Ba 2015,
    the formula before section 2.1. First w -= lr decay w: Loshchilov & Hutter 2019, algorithm 2.
    """
    alpha = learning_rate * (1.0 - beta_2**step) ** 0.5 / (1.0 - beta_1**step)
    kept = 1.0 - learning_rate * weight_decay
    numbers = w.size, alpha, 1.0 - beta_1, 1.0 - beta_2, epsilon, kept
    _adam(w.size, w, g, m, v, *numbers, dtype=w.dtype)


def squared_norm(x):
    """Give sum x[i]^2 in float64, by chunks; it stays on the card, as an array of no axes."""
    return reductions.reduced("sum", namespace.square(x.astype("float64")))
