"""Solutions of the exercises of notebook 07."""

import numpy as np


def coverage(pits, probability):
    """Give the share of galaxies whose truth lies in the central part of this probability."""
    return np.mean(np.abs(np.asarray(pits) - 0.5) <= probability / 2)


def half_light(image, x, y, axis_ratio, angle):
    """Give the semi-major axis of the ellipse that holds half of the light of an image."""
    rows, columns = np.indices(image.shape)
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    u = (columns - x) * c + (rows - y) * s
    v = ((rows - y) * c - (columns - x) * s) / axis_ratio
    radius = np.hypot(u, v).ravel()
    order = np.argsort(radius)
    growth = np.cumsum(image.ravel()[order])
    return np.interp(0.5 * growth[-1], growth, radius[order])
