"""Batches for training: a new order in every epoch, bands hidden and images turned at random."""

import numpy as np

from tinygrad_astro.data.augmentation import d4
from tinygrad_astro.photoz.features import hide_bands


class Draws:
    """An iterable of batches (x, y) that `Model.fit` reads anew in every epoch.

    Parameters
    ----------
    inputs : numpy.ndarray (N, F)
        From `Features.transform`.
    labels : numpy.ndarray (N, K)
        From a head.
    images : numpy.ndarray (N, S, S, C) or None
        Where there are some, x is the list of images and inputs.
    bands : int
        Number of bands in `inputs`.
    hide : float
        Chance that a band is hidden.
    batch, seed : int

    Attributes
    ----------
    epoch : int
        The pass to make next; the same epoch gives the same bits.
    """

    def __init__(self, inputs, labels, images, bands, hide=0.0, batch=64, seed=0):
        self.inputs, self.labels, self.images = inputs, labels, images
        self.bands, self.hide, self.batch, self.seed = bands, hide, batch, seed
        self.epoch = 0

    def __len__(self) -> int:
        return -(-len(self.inputs) // self.batch)

    def __iter__(self):
        sequence = np.random.SeedSequence(self.seed, spawn_key=(self.epoch,))
        self.epoch += 1
        rng = np.random.Generator(np.random.Philox(sequence))
        order = rng.permutation(len(self.inputs))
        for start in range(0, len(order), self.batch):
            rows = order[start : start + self.batch]
            x = self.inputs[rows]
            if self.hide:
                x = hide_bands(x, self.bands, self.hide, rng)
            if self.images is None:
                yield x, self.labels[rows]
                continue
            turned = [
                d4(image, k)
                for image, k in zip(self.images[rows], rng.integers(8, size=len(rows)), strict=True)
            ]
            yield [np.stack(turned), x], self.labels[rows]
