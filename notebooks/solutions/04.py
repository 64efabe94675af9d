"""Solutions to the exercises of notebook 04, going deep."""

import numpy as np

from tinygrad_astro import layers


def batch_norm(x, gamma, beta, moving_mean, moving_variance, momentum=0.99, epsilon=1e-3):
    """Normalise each channel by its own batch: (output, new moving mean, new moving variance)."""
    axes = tuple(range(x.ndim - 1))
    mean, variance = x.mean(axes), x.var(axes)
    out = gamma * (x - mean) / np.sqrt(variance + epsilon) + beta
    moving_mean = momentum * moving_mean + (1 - momentum) * mean
    moving_variance = momentum * moving_variance + (1 - momentum) * variance
    return out, moving_mean, moving_variance


def residual_block(x, filters, strides=1):
    """Give relu(shortcut(x) + f(x)) with f = 0 at the start."""
    y = layers.Conv2D(filters, 3, strides, padding="same", use_bias=False)(x)
    y = layers.BatchNormalization(activation="relu")(y)
    y = layers.Conv2D(filters, 3, padding="same", use_bias=False)(y)
    y = layers.BatchNormalization(gamma_initializer="zeros")(y)
    if strides != 1 or x.shape[-1] != filters:
        x = layers.Conv2D(filters, 1, strides, padding="same")(x)
    return layers.ReLU()(layers.Add()([x, y]))
