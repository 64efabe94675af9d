"""Solutions to the exercises of notebook 03, pooling and a first CNN."""

import numpy as np


def pool(x, size, how):
    """Summarise windows of size x size: split both axes in two, then reduce the inner ones."""
    n, height, width, channels = x.shape
    windows = x.reshape(n, height // size, size, width // size, size, channels)
    if how == "max":
        return windows.max((2, 4))
    if how == "average":
        return windows.mean((2, 4))
    if how == "sum":
        return windows.sum((2, 4))
    return np.sqrt((windows**2).sum((2, 4)))


def occlusion(model, image, kind, size=6):
    """Map how much the probability of `kind` drops when a square of the image is covered."""
    places = np.array(image.shape[:2]) - size + 1
    covered = np.repeat(image[None], places.prod(), axis=0)
    for k, (i, j) in enumerate(np.ndindex(*places)):
        covered[k, i : i + size, j : j + size] = 0
    before = model.predict(image[None], verbose=0)[0, kind]
    return (before - model.predict(covered, verbose=0)[:, kind]).reshape(places)
