"""Optimiser steps in place on flat arrays, each array read and written once; Keras 3's formulas."""

import math

import numpy as np
from numba import prange

from .chunks import CHUNK, launch
from .target import inline, parallel, serial

# Numbers kept between two loops of one step: a part of the first-level cache.
BLOCK = 1024


def sgd(w, g, velocity, learning_rate, momentum, nesterov, weight_decay):
    """v = momentum v - lr g; w = (1 - lr decay) w + v, or + momentum v - lr g with Nesterov.

    `velocity` is not read when `momentum` is 0 and may then be an empty array.
    """
    kept = 1.0 - learning_rate * weight_decay
    arguments = w, g, velocity, float(learning_rate), float(momentum), bool(nesterov), kept
    launch(_sgd, _sgd_parallel, arguments, w.size, CHUNK, w.size)


def rmsprop(
    w, g, mean_square, mean_gradient, velocity, learning_rate, rho, momentum, epsilon, centered
):
    """s = rho s + (1 - rho) g^2; w -= lr g / sqrt(s - a^2 + epsilon), a the same mean of g or 0.

    With momentum, v = momentum v + that step and w -= v. `mean_gradient` is not read unless
    `centered`, nor `velocity` when `momentum` is 0; they may then be empty arrays.
    """
    arguments = w, g, mean_square, mean_gradient, velocity
    arguments += (float(learning_rate), float(rho), float(momentum), float(epsilon), bool(centered))
    launch(_rmsprop, _rmsprop_parallel, arguments, w.size, CHUNK, w.size)


def adam(w, g, m, v, learning_rate, beta_1, beta_2, epsilon, step, weight_decay):
    """m += (1 - beta_1)(g - m); v += (1 - beta_2)(g^2 - v); w -= alpha m / (sqrt(v) + epsilon).

    alpha = lr sqrt(1 - beta_2^step) / (1 - beta_1^step), `step` counted from 1: Kingma & Ba 2015,
    the formula before section 2.1. First w -= lr decay w: Loshchilov & Hutter 2019, algorithm 2.
    """
    alpha = learning_rate * math.sqrt(1.0 - beta_2**step) / (1.0 - beta_1**step)
    kept = 1.0 - learning_rate * weight_decay
    arguments = w, g, m, v, alpha, 1.0 - beta_1, 1.0 - beta_2, float(epsilon), kept
    launch(_adam, _adam_parallel, arguments, w.size, CHUNK, w.size)


def squared_norm(x):
    """Give sum x[i]^2 as a float, by chunks in float64."""
    partial = np.empty(-(-x.size // CHUNK))
    arguments = partial, x.reshape(-1)
    launch(_squared_norm, _squared_norm_parallel, arguments, len(partial), 1, x.size)
    return float(partial.sum())


@parallel
def _sgd_parallel(w, g, velocity, learning_rate, momentum, nesterov, kept, count, step):
    for k in prange((count + step - 1) // step):
        stop = min(count, (k + 1) * step)
        _sgd(w, g, velocity, learning_rate, momentum, nesterov, kept, k * step, stop)


@serial
def _sgd(w, g, velocity, learning_rate, momentum, nesterov, kept, start, stop):
    kind = w.dtype.type
    rate, inertia, rest = kind(learning_rate), kind(momentum), kind(kept)
    y, u, v = w[start:stop], g[start:stop], velocity[start:stop]
    if momentum == 0:
        for i in range(y.size):
            y[i] = rest * y[i] - rate * u[i]
    elif nesterov:
        for i in range(y.size):
            v[i] = inertia * v[i] - rate * u[i]
            y[i] = rest * y[i] + (inertia * v[i] - rate * u[i])
    else:
        for i in range(y.size):
            v[i] = inertia * v[i] - rate * u[i]
            y[i] = rest * y[i] + v[i]


@parallel
def _rmsprop_parallel(
    w, g, mean_square, mean_gradient, velocity, rate, rho, momentum, epsilon, centered, count, step
):
    for k in prange((count + step - 1) // step):
        a, b = k * step, min(count, (k + 1) * step)
        s, m, v = mean_square, mean_gradient, velocity
        _rmsprop(w, g, s, m, v, rate, rho, momentum, epsilon, centered, a, b)


@serial
def _rmsprop(
    w, g, mean_square, mean_gradient, velocity, rate, rho, momentum, epsilon, centered, start, stop
):
    kind = w.dtype.type
    numbers = kind(rate), kind(rho), kind(1.0 - rho), kind(epsilon)
    step = np.empty(BLOCK, w.dtype)
    for first in range(start, stop, BLOCK):
        last = min(stop, first + BLOCK)
        y, u, s, m = w[first:last], g[first:last], mean_square[first:last], mean_gradient
        if centered:
            m = mean_gradient[first:last]
        _rmsprop_step(step, u, s, m, numbers, centered)
        if momentum != 0:
            _rmsprop_momentum(step, velocity[first:last], kind(momentum))
        for i in range(y.size):
            y[i] = y[i] - step[i]


@inline
def _rmsprop_step(step, g, mean_square, mean_gradient, numbers, centered):
    """Loops that write one array each: with all in one, LLVM gives up proving them disjoint."""
    rate, rho, rest, epsilon = numbers
    for i in range(g.size):
        mean_square[i] = rho * mean_square[i] + rest * (g[i] * g[i])
        step[i] = mean_square[i]
    if centered:
        for i in range(g.size):
            mean_gradient[i] = rho * mean_gradient[i] + rest * g[i]
            step[i] -= mean_gradient[i] * mean_gradient[i]
    for i in range(g.size):
        step[i] = rate * g[i] / np.sqrt(step[i] + epsilon)


@inline
def _rmsprop_momentum(step, velocity, momentum):
    for i in range(velocity.size):
        velocity[i] = momentum * velocity[i] + step[i]
        step[i] = velocity[i]


@parallel
def _adam_parallel(w, g, m, v, alpha, rest_1, rest_2, epsilon, kept, count, step):
    for k in prange((count + step - 1) // step):
        a, b = k * step, min(count, (k + 1) * step)
        _adam(w, g, m, v, alpha, rest_1, rest_2, epsilon, kept, a, b)


@serial
def _adam(w, g, m, v, alpha, rest_1, rest_2, epsilon, kept, start, stop):
    kind = w.dtype.type
    a, r1, r2, e, rest = kind(alpha), kind(rest_1), kind(rest_2), kind(epsilon), kind(kept)
    y, u, first, second = w[start:stop], g[start:stop], m[start:stop], v[start:stop]
    for i in range(y.size):
        first[i] += (u[i] - first[i]) * r1
        second[i] += (u[i] * u[i] - second[i]) * r2
        y[i] = rest * y[i] - a * first[i] / (np.sqrt(second[i]) + e)


@parallel
def _squared_norm_parallel(partial, x, count, _):
    for k in prange(count):
        _squared_norm(partial, x, k, k + 1)


@serial
def _squared_norm(partial, x, start, stop):
    for k in range(start, stop):
        total = 0.0
        piece = x[k * CHUNK : (k + 1) * CHUNK]
        for i in range(piece.size):
            total += np.float64(piece[i]) * np.float64(piece[i])
        partial[k] = total
