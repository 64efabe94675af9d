"""Random crops of one large image, for training on a survey field."""

import numpy as np

from tinygrad_astro.data.augmentation import Augmentation
from tinygrad_astro.data.batches import Stream
from tinygrad_astro.data.samples import native, trimmed, without_masked


class RandomCrops(Stream):
    """Square crops at random places of one large image: `x`, `(x, y)` or `(x, y, weights)`.

    Parameters
    ----------
    image : numpy.ndarray (H, W, C)
    labels : numpy.ndarray (H, W) or (H, W, K), optional
    weights : numpy.ndarray (H, W), optional
    mask : numpy.ndarray of bool (H, W) or (H, W, C), optional
        True where a pixel is bad; as in `Batches`.
    size : int
        Side of a crop in pixels.
    batch_size : int
    steps : int
        Batches per epoch.
    seed : int, optional
        None draws one from the library's seed.
    augment : callable, optional
    ahead : int
        Batches prepared ahead; 0 uses no thread.

    Raises
    ------
    ValueError
        If a crop does not fit into the image, or the maps are not aligned with it.

    Examples
    --------
    >>> import numpy as np
    >>> crops = RandomCrops(np.zeros((50, 60, 3)), np.zeros((50, 60)), size=16, steps=2, seed=0)
    >>> [(x.shape, y.shape) for x, y in crops]
    [((8, 16, 16, 3), (8, 16, 16)), ((8, 16, 16, 3), (8, 16, 16))]
    """

    def __init__(
        self,
        image: np.ndarray,
        labels: np.ndarray | None = None,
        weights: np.ndarray | None = None,
        mask: np.ndarray | None = None,
        size: int = 128,
        batch_size: int = 8,
        steps: int = 100,
        seed: int | None = None,
        augment: Augmentation | None = None,
        ahead: int = 2,
    ):
        if np.ndim(image) != 3:
            raise ValueError(f"expected an image (H, W, C), received shape {np.shape(image)}")
        for name, value in (("size", size), ("batch_size", batch_size), ("steps", steps)):
            if int(value) != value or value < 1:
                raise ValueError(f"{name} must be a whole number >= 1, received {value!r}")
        height, width = image.shape[:2]
        if size > min(height, width):
            raise ValueError(f"a crop of {size} pixels does not fit into {height} x {width}")
        for name, part in (("labels", labels), ("weights", weights), ("mask", mask)):
            if part is not None and np.shape(part)[:2] != (height, width):
                raise ValueError(
                    f"{name} of shape {np.shape(part)} is not aligned with {height} x {width}"
                )
        super().__init__(int(steps), seed, ahead)
        self.parts = (image, labels, weights, mask)
        self.size, self.batch_size, self.augment = int(size), int(batch_size), augment

    def _batch(self, epoch: int, step: int):
        rng = self._rng(epoch, step)
        samples = [self._crop(rng) for _ in range(self.batch_size)]
        columns = zip(*samples, strict=True)
        x, y, weights, mask = (None if c[0] is None else np.stack(c) for c in columns)
        if mask is not None:
            x, weights = without_masked(x, y, weights, mask)
        return trimmed(x, y, weights)

    def _crop(self, rng: np.random.Generator) -> tuple:
        height, width = self.parts[0].shape[:2]
        y0, x0 = rng.integers(height - self.size + 1), rng.integers(width - self.size + 1)
        window = (slice(y0, y0 + self.size), slice(x0, x0 + self.size))
        crop = tuple(None if part is None else native(part[window]) for part in self.parts)
        return crop if self.augment is None else self.augment(rng, *crop)
