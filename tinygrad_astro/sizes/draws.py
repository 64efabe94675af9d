"""Batches for training: every pass turns each galaxy anew, with another S/N and other noise."""

import numpy as np

from tinygrad_astro.data.augmentation import d4
from tinygrad_astro.sizes.networks import image_input, psf_input
from tinygrad_astro.sizes.sky import SKY_VARIANCE, SNR, Sample, counts_for


class Draws:
    """An iterable of batches (inputs, labels, weights) that `Model.fit` reads anew in every epoch.

    Parameters
    ----------
    sample : Sample
    labels, weights : list of numpy.ndarray (N, 1) and (N,)
        Per quantity.
    batch, seed : int
    snr : (float, float)
        Range of the S/N, uniform in its logarithm.

    Attributes
    ----------
    epoch : int
        The pass to make next; the same epoch gives the same bits.
    """

    def __init__(self, sample: Sample, labels, weights, batch=64, seed=0, snr=SNR):
        self.sample, self.labels, self.weights = sample, labels, weights
        self.batch, self.seed, self.snr, self.epoch = batch, seed, snr, 0

    def __len__(self) -> int:
        return -(-len(self.sample) // self.batch)

    def __iter__(self):
        sequence = np.random.SeedSequence(self.seed, spawn_key=(self.epoch,))
        self.epoch += 1
        rng = np.random.Generator(np.random.Philox(sequence))
        order = rng.permutation(len(self.sample))
        for start in range(0, len(order), self.batch):
            rows = order[start : start + self.batch]
            snr = np.exp(rng.uniform(*np.log(self.snr), len(rows)))
            models = self.sample.models[rows]
            images = models * counts_for(models, snr)[:, None, None]
            noise = rng.standard_normal(images.shape, np.float32)
            images += np.sqrt(images + np.float32(SKY_VARIANCE)) * noise
            turns = rng.integers(8, size=len(rows))
            images, psfs = (
                np.stack([d4(one[..., None], k)[..., 0] for one, k in zip(many, turns)])
                for many in (images, self.sample.psfs[rows])
            )
            inputs = [image_input(images, np.sqrt(SKY_VARIANCE)), psf_input(psfs)]
            yield inputs, [y[rows] for y in self.labels], [w[rows] for w in self.weights]
