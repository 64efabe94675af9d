"""Solutions to the exercises of notebook 05, galaxy morphology."""

import numpy as np


def ask_eight(predict, images):
    """Average over four quarter turns of the images, and of their mirror images."""
    answers = [
        predict(np.rot90(lain, k, axes=(1, 2)))
        for lain in (images, images[:, :, ::-1])
        for k in range(4)
    ]
    return np.mean(answers, axis=0)


def temperature(logits, labels):
    """Find the temperature of the smallest -log p(label), by trying 400, from 1/20 to 20.

    One number from many objects: no finer search is worth its lines.
    """

    def loss(t):
        z = logits / t
        z = z - z.max(axis=1, keepdims=True)
        said = z[np.arange(len(z)), labels] - np.log(np.exp(z).sum(axis=1))
        return -said.mean()

    tried = np.geomspace(0.05, 20, 400)
    return tried[np.argmin([loss(t) for t in tried])]
