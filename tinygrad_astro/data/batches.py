"""Batches for training: shuffled by seed and epoch, augmented, prepared ahead by a thread."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinygrad_astro.data.augmentation import Augmentation
from tinygrad_astro.data.prefetch import prefetch
from tinygrad_astro.data.samples import (
    as_samples,
    common_length,
    leaves,
    map_leaves,
    native,
    structure,
    trimmed,
    without_masked,
)
from tinygrad_astro.random import next_seed


class Stream:
    """What all sources of batches share: a length, a seed, an epoch that counts the passes.

    The content of a batch depends only on (seed, epoch, index of the batch): setting `epoch`
    before iterating gives the batches of that epoch again, which is how a resumed run goes on.

    Attributes
    ----------
    epoch : int
        The pass that the next iteration makes; each iteration adds 1.
    seed : int
    """

    def __init__(self, steps: int, seed: int | None, ahead: int):
        self.steps = steps
        self.seed = next_seed() if seed is None else int(seed)
        self.epoch = 0
        self.ahead = ahead

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[Any]:
        epoch, self.epoch = self.epoch, self.epoch + 1
        return prefetch((self._batch(epoch, step) for step in range(self.steps)), self.ahead)

    def _rng(self, *key: int) -> np.random.Generator:
        return np.random.Generator(
            np.random.Philox(np.random.SeedSequence(self.seed, spawn_key=key))
        )

    def _batch(self, epoch: int, step: int):
        raise NotImplementedError


class Batches(Stream):
    """Batches of samples: `x`, `(x, y)` or `(x, y, weights)`.

    Parameters
    ----------
    x : array (N, ...), or tuple or dict of arrays
        Anything with a shape that NumPy integers index (`HDF5Array` too). Several arrays are
        several inputs; those with the pixels of the first move with it under augmentation.
    y : array (N, ...), or tuple or dict of arrays, optional
    weights : array (N,) or (N, H, W), optional
    mask : array of bool (N, H, W) or (N, H, W, C), optional
        True where a pixel of x (of its first array) is bad. Such a pixel is set to 0, and where y
        is a map over the same pixels, its weight is set to 0 if it is bad in any band.
    batch_size : int
    shuffle : bool
        A new order in every epoch.
    seed : int, optional
        None draws one from the library's seed.
    augment : callable, optional
        See `tinygrad_astro.data.augmentation`.
    drop_remainder : bool
        Leave out a last batch that is smaller than the others.
    ahead : int
        Batches prepared ahead; 0 uses no thread.

    Raises
    ------
    ValueError
        If there are no samples, the lengths differ, or a batch size is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> batches = Batches(np.arange(10), np.arange(10) ** 2, batch_size=4, seed=1)
    >>> len(batches), [x.shape for x, y in batches]
    (3, [(4,), (4,), (2,)])
    >>> batches.epoch = 0
    >>> first = [y.tolist() for x, y in batches]
    >>> batches.epoch = 0
    >>> first == [y.tolist() for x, y in batches]
    True
    """

    def __init__(
        self,
        x,
        y=None,
        weights=None,
        mask=None,
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        augment: Augmentation | None = None,
        drop_remainder: bool = False,
        ahead: int = 2,
    ):
        self.x, self.y = structure(x, "x"), None if y is None else structure(y, "y")
        self.weights = None if weights is None else as_samples(weights, "weights")
        self.mask = None if mask is None else as_samples(mask, "mask")
        self.samples = common_length(self.x, self.y, self.weights, self.mask)
        if int(batch_size) != batch_size or batch_size < 1:
            raise ValueError(f"batch_size must be a whole number >= 1, received {batch_size!r}")
        self.batch_size, self.shuffle, self.augment = int(batch_size), shuffle, augment
        self._order = (-1, np.arange(self.samples))
        whole, rest = divmod(self.samples, self.batch_size)
        if drop_remainder and not whole:
            raise ValueError(
                f"drop_remainder leaves no batch: {self.samples} samples, batch_size {batch_size}"
            )
        super().__init__(whole + bool(rest and not drop_remainder), seed, ahead)

    def order(self, epoch: int) -> np.ndarray:
        """Give the order of the samples in `epoch`, int64 (N,)."""
        known, order = self._order
        if not self.shuffle:
            return order
        if known != epoch:
            order = self._rng(epoch).permutation(self.samples)
            self._order = (epoch, order)
        return order

    def _batch(self, epoch: int, step: int):
        chosen = self.order(epoch)[step * self.batch_size : (step + 1) * self.batch_size]
        parts = (self.x, self.y, self.weights, self.mask)
        x, y, weights, mask = (map_leaves(part, lambda a: native(a[chosen])) for part in parts)
        if self.augment is not None:
            rng = self._rng(epoch, step)
            x, y, weights, mask = _augmented(self.augment, rng, (x, y, weights, mask))
        if mask is not None:
            x, weights = without_masked(x, y, weights, mask)
        return trimmed(x, y, weights)


def _augmented(augment: Augmentation, rng: np.random.Generator, parts: tuple) -> list:
    """Augment sample by sample; the arrays of all parts go through as one list."""
    columns = [leaf for part in parts for leaf in leaves(part)]
    samples = [augment(rng, *sample) for sample in zip(*columns, strict=True)]
    stacked = iter([np.stack(column) for column in zip(*samples, strict=True)])
    return [map_leaves(part, lambda _: next(stacked)) for part in parts]
