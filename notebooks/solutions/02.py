"""Solutions to the exercises of notebook 02, convolution."""

import numpy as np

from tinygrad_astro import ops


def conv_parameters(f, c_in, c_out):
    """(f f c_in + 1) c_out: a box of weights and one bias for each output channel."""
    return (f * f * c_in + 1) * c_out


def dense_parameters(n_in, n_out):
    """(n_in + 1) n_out: every input to every output, and the biases."""
    return (n_in + 1) * n_out


def dominguez_sanchez_total():
    """Add up the classifier layer by layer."""
    convolutions = [(6, 3, 32), (5, 32, 64), (2, 64, 128), (3, 128, 128)]
    total = sum(conv_parameters(*layer) for layer in convolutions)
    return total + dense_parameters(17 * 17 * 128, 64) + dense_parameters(64, 1)


def find_stars(image, spot, noise, threshold=5):
    """List (row, column) of peaks that a matched filter finds above `threshold` sigma."""
    kernel = spot / (noise * np.sqrt((spot**2).sum()))
    found = ops.conv(image[None, :, :, None], kernel[:, :, None, None], padding="same")
    significance = found.numpy()[0, :, :, 0]
    padded = np.pad(significance, 2, constant_values=-np.inf)
    around = np.lib.stride_tricks.sliding_window_view(padded, (5, 5)).max((2, 3))
    return np.argwhere((significance > threshold) & (significance == around))
