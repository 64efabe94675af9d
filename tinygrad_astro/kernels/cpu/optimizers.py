"""Optimiser steps in place on flat arrays, each array read and written once; Keras 3's formulas."""

import math

import numpy as np
from numba import prange

from .chunks import CHUNK, SERIAL
from .target import inline, parallel

# Numbers kept between two loops of one step: a part of the first-level cache.
BLOCK = 1024


def sgd(w, g, velocity, learning_rate, momentum, nesterov, weight_decay):
    """v = momentum v - lr g; w = (1 - lr decay) w + v, or + momentum v - lr g with Nesterov.

    `velocity` is not read when `momentum` is 0 and may then be an empty array.
    """
    _sgd(w, g, velocity, learning_rate, momentum, nesterov, learning_rate * weight_decay)


def rmsprop(
    w, g, mean_square, mean_gradient, velocity, learning_rate, rho, momentum, epsilon, centered
):
    """s = rho s + (1 - rho) g^2; w -= lr g / sqrt(s - a^2 + epsilon), a the same mean of g or 0.

    With momentum, v = momentum v + that step and w -= v. `mean_gradient` is not read unless
    `centered`, nor `velocity` when `momentum` is 0; they may then be empty arrays.
    """
    numbers = learning_rate, rho, momentum, epsilon
    _rmsprop(w, g, mean_square, mean_gradient, velocity, *numbers, centered)


def adam(w, g, m, v, learning_rate, beta_1, beta_2, epsilon, step, weight_decay):
    """m += (1 - beta_1)(g - m); v += (1 - beta_2)(g^2 - v); w -= alpha m / (sqrt(v) + epsilon).

    alpha = lr sqrt(1 - beta_2^step) / (1 - beta_1^step), `step` counted from 1: Kingma & Ba 2015,
    the formula before section 2.1. Before it w -= lr decay w: Loshchilov & Hutter 2019, algorithm 2.
    """
    alpha = learning_rate * math.sqrt(1.0 - beta_2**step) / (1.0 - beta_1**step)
    _adam(w, g, m, v, alpha, beta_1, beta_2, epsilon, learning_rate * weight_decay)


def squared_norm(x):
    """Give sum x[i]^2 as a float, by chunks in float64."""
    return _squared_norm(x.reshape(-1))


@parallel
def _sgd(w, g, velocity, learning_rate, momentum, nesterov, decay):
    kind = w.dtype.type
    rate, inertia, kept = kind(learning_rate), kind(momentum), kind(1.0 - decay)
    moving = momentum != 0
    n = w.size
    if n <= SERIAL:
        _sgd_piece(w, g, velocity, rate, inertia, kept, moving, nesterov)
    else:
        for k in prange((n + CHUNK - 1) // CHUNK):
            a, b = k * CHUNK, min(n, (k + 1) * CHUNK)
            _sgd_piece(w[a:b], g[a:b], velocity[a:b], rate, inertia, kept, moving, nesterov)


@inline
def _sgd_piece(w, g, velocity, rate, inertia, kept, moving, nesterov):
    if not moving:
        for i in range(w.size):
            w[i] = kept * w[i] - rate * g[i]
    elif nesterov:
        for i in range(w.size):
            velocity[i] = inertia * velocity[i] - rate * g[i]
            w[i] = kept * w[i] + (inertia * velocity[i] - rate * g[i])
    else:
        for i in range(w.size):
            velocity[i] = inertia * velocity[i] - rate * g[i]
            w[i] = kept * w[i] + velocity[i]


@parallel
def _rmsprop(
    w, g, mean_square, mean_gradient, velocity, learning_rate, rho, momentum, epsilon, centered
):
    kind = w.dtype.type
    numbers = kind(learning_rate), kind(rho), kind(1.0 - rho), kind(momentum), kind(epsilon)
    moving = momentum != 0
    n = w.size
    if n <= SERIAL:
        _rmsprop_piece(w, g, mean_square, mean_gradient, velocity, numbers, centered, moving)
    else:
        for k in prange((n + CHUNK - 1) // CHUNK):
            a, b = k * CHUNK, min(n, (k + 1) * CHUNK)
            s, m, v = mean_square[a:b], mean_gradient[a:b], velocity[a:b]
            _rmsprop_piece(w[a:b], g[a:b], s, m, v, numbers, centered, moving)


@inline
def _rmsprop_piece(w, g, mean_square, mean_gradient, velocity, numbers, centered, moving):
    """One loop per array written: with all five in one, LLVM gives up proving them disjoint."""
    rate, rho, rest, momentum, epsilon = numbers
    spread = np.empty(min(BLOCK, w.size), w.dtype)
    for start in range(0, w.size, BLOCK):
        part = slice(start, start + BLOCK)
        y, u, s = w[part], g[part], mean_square[part]
        for i in range(u.size):
            s[i] = rho * s[i] + rest * (u[i] * u[i])
            spread[i] = s[i] + epsilon
        if centered:
            m = mean_gradient[part]
            for i in range(u.size):
                m[i] = rho * m[i] + rest * u[i]
                spread[i] = s[i] - m[i] * m[i] + epsilon
        for i in range(u.size):
            spread[i] = rate * u[i] / np.sqrt(spread[i])
        if moving:
            v = velocity[part]
            for i in range(u.size):
                v[i] = momentum * v[i] + spread[i]
                spread[i] = v[i]
        for i in range(u.size):
            y[i] -= spread[i]


@parallel
def _adam(w, g, m, v, alpha, beta_1, beta_2, epsilon, decay):
    kind = w.dtype.type
    numbers = kind(alpha), kind(1.0 - beta_1), kind(1.0 - beta_2), kind(epsilon), kind(1.0 - decay)
    n = w.size
    if n <= SERIAL:
        _adam_piece(w, g, m, v, numbers)
    else:
        for k in prange((n + CHUNK - 1) // CHUNK):
            a, b = k * CHUNK, min(n, (k + 1) * CHUNK)
            _adam_piece(w[a:b], g[a:b], m[a:b], v[a:b], numbers)


@inline
def _adam_piece(w, g, m, v, numbers):
    alpha, rest_1, rest_2, epsilon, kept = numbers
    for i in range(w.size):
        m[i] += (g[i] - m[i]) * rest_1
        v[i] += (g[i] * g[i] - v[i]) * rest_2
        w[i] = kept * w[i] - alpha * m[i] / (np.sqrt(v[i]) + epsilon)


@parallel
def _squared_norm(x):
    chunks = (x.size + CHUNK - 1) // CHUNK
    partial = np.empty(chunks)
    if x.size <= SERIAL:
        for k in range(chunks):
            partial[k] = _sum_of_squares(x[k * CHUNK : (k + 1) * CHUNK])
    else:
        for k in prange(chunks):
            partial[k] = _sum_of_squares(x[k * CHUNK : (k + 1) * CHUNK])
    total = 0.0
    for k in range(chunks):
        total += partial[k]
    return total


@inline
def _sum_of_squares(x):
    total = 0.0
    for i in range(x.size):
        total += np.float64(x[i]) * np.float64(x[i])
    return total
