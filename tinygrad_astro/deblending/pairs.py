"""Blends for training: galaxies drawn once, put on top of each other anew in every batch."""

from dataclasses import dataclass

import numpy as np

from tinygrad_astro.data.simulate import galaxies
from tinygrad_astro.data.sky.camera import Camera
from tinygrad_astro.deblending.inputs import network_input

TYPES = ("spheroid", "disc", "irregular")
BANDS = "gri"
SNR, RADIUS = (20.0, 200.0), (2.5, 6.0)
PSFS = (2.5, 3.0, 3.5, 4.0)


@dataclass
class Pool:
    """Galaxies without noise, each within a pixel of the middle of a wide stamp; all of one PSF.

    Attributes
    ----------
    models : numpy.ndarray (N, W, W, C) float32
        Counts.
    truth : numpy.ndarray (N,), structured
        As `data.simulate.galaxies` gives it.
    camera : Camera
    """

    models: np.ndarray
    truth: np.ndarray
    camera: Camera


def pool(n: int, size: int, psf: float, seed: int = 0, start: int = 0) -> Pool:
    """Draw galaxies for stamps of `size` pixels, with room to be moved about."""
    made = galaxies(
        n, size + 2 * reach(size), BANDS, seed, TYPES, SNR, RADIUS, psf=psf, start=start
    )
    return Pool(made.models, made.truth, made.camera)


def reach(size: int) -> int:
    """Give how far from the middle a source of a blend may lie, in pixels."""
    return size // 2 - 2


class Draws:
    """An iterable of batches (inputs, labels) of blends of two or three galaxies.

    A blend is made of the galaxies of one pool. One of them is the source asked for, at random; the
    others are its neighbours. Separations and S/N are as in `data.simulate.blends`. Each batch has
    blends of all pools: were they of one PSF, batch normalisation would learn with statistics of
    that PSF and be used with those of all.

    Parameters
    ----------
    pools : list of Pool
    size, batch, steps : int
        Side of the stamps, blends per batch, and batches per pass.
    seed : int
    third : float
        Share of the blends with a third galaxy.

    Attributes
    ----------
    epoch : int
        The pass to make next; the same epoch gives the same bits.
    """

    def __init__(self, pools, size=48, batch=16, steps=100, seed=0, third=0.15):
        self.pools, self.size, self.batch, self.steps = pools, size, batch, steps
        self.seed, self.third, self.epoch = seed, third, 0

    def __len__(self) -> int:
        return self.steps

    def __iter__(self):
        sequence = np.random.SeedSequence(self.seed, spawn_key=(self.epoch,))
        self.epoch += 1
        rng = np.random.Generator(np.random.Philox(sequence))
        for _ in range(self.steps):
            chosen = rng.integers(len(self.pools), size=self.batch)
            made = [self._blend(rng, self.pools[k]) for k in chosen]
            yield tuple(np.stack(part) for part in zip(*made, strict=True))

    def _blend(self, rng: np.random.Generator, one: Pool):
        count = 3 if rng.random() < self.third else 2
        rows = rng.choice(len(one.models), count, replace=False)
        bands = one.models.shape[-1]
        own, others = np.zeros((2, self.size, self.size, bands), np.float32)
        places = []
        asked = int(rng.integers(count))
        radii = one.truth["half_light_radius"][rows]
        middle = rng.uniform(-2, 2, 2)
        for k, row in enumerate(rows):
            apart = rng.uniform(0.5, 2.0) * (radii[0] + radii[k] + one.camera.fwhm) if k else 0.0
            turn = rng.uniform(0, 2 * np.pi)
            shift = np.rint(middle + apart * np.array([np.sin(turn), np.cos(turn)])).astype(int)
            shift = np.clip(shift, -reach(self.size), reach(self.size))
            wanted = np.exp(rng.uniform(*np.log(SNR)))
            model, off = self._turned(rng, one.models[row], one.truth[row])
            part, place = self._cut(model * np.float32(wanted / one.truth["snr"][row]), shift, off)
            places.append(place)
            (own if k == asked else others)[...] += part
        image = one.camera.expose(rng, (own + others).astype(np.float64))
        sigma = np.sqrt(one.camera.variance(np.zeros(image.shape[-1])))
        near = [p for k, p in enumerate(places) if k != asked]
        inputs = network_input(image, sigma, places[asked], near)
        return inputs, np.concatenate([own / sigma, others / sigma, image / sigma], -1).astype("f4")

    def _turned(self, rng, model, true):
        """Turn a galaxy, perhaps mirror it; give it and how far it is off the middle (x, y)."""
        x, y = (true[name] - (len(model) - 1) / 2 for name in "xy")
        turns = int(rng.integers(4))
        for _ in range(turns):
            x, y = y, -x
        model = np.rot90(model, turns)
        return (model[::-1], (x, -y)) if rng.random() < 0.5 else (model, (x, y))

    def _cut(self, model, shift, off):
        """Give the stamp in which the galaxy is moved by `shift`, and its place there (x, y)."""
        far = reach(self.size)
        y, x = far - shift
        middle = (self.size - 1) / 2
        place = middle + shift[1] + off[0], middle + shift[0] + off[1]
        return model[y : y + self.size, x : x + self.size], place
