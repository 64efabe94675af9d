"""Colour cut-outs of real galaxies, tagged by volunteers: ring or not, and shares of votes."""

from dataclasses import dataclass, replace
from os import PathLike

import numpy as np

from tinygrad_astro.data.npz import read_npz

ARRAYS = ("images", "ring", "fractions", "fraction_names", "id_str")


@dataclass
class Rings:
    """Cut-outs of N galaxies.

    Attributes
    ----------
    pictures : numpy.ndarray (N, S, S, 3) float32
        Red, green, blue from 0 to 255.
    ring : numpy.ndarray (N,) int
        1 where volunteers tagged a ring. Such tags are noisy: not every ring gets one.
    fractions : numpy.ndarray (N, F) float32
        Shares of the votes for answers to other questions, from 0 to 1.
    questions : tuple of str (F,)
        Their names.
    identifier : numpy.ndarray (N,) of str

    Raises
    ------
    ValueError
        If shapes do not fit, tags are not 0 or 1, or a galaxy occurs twice.
    """

    pictures: np.ndarray
    ring: np.ndarray
    fractions: np.ndarray
    questions: tuple[str, ...]
    identifier: np.ndarray

    def __post_init__(self):
        n = len(self.ring)
        if self.pictures.shape[:1] != (n,) or self.pictures.shape[3:] != (3,):
            raise ValueError(
                f"{n} tags for images of shape {self.pictures.shape}, expected ({n}, S, S, 3)"
            )
        if self.fractions.shape != (n, len(self.questions)) or len(self.identifier) != n:
            raise ValueError(
                f"{n} galaxies with vote fractions of shape {self.fractions.shape} and "
                f"{len(self.identifier)} names; expected one of each per galaxy and "
                f"{len(self.questions)} fractions"
            )
        if not np.isin(self.ring, (0, 1)).all():
            raise ValueError(f"ring must be 0 or 1, received {np.unique(self.ring).tolist()}")
        if len(np.unique(self.identifier)) != n:
            raise ValueError("a galaxy occurs more than once; keep one cut-out of each")

    def __len__(self) -> int:
        return len(self.ring)

    def __getitem__(self, rows) -> "Rings":
        """Give some of the galaxies."""
        names = ("pictures", "ring", "fractions", "identifier")
        return replace(self, **{name: getattr(self, name)[rows] for name in names})


def read_rings(path: str | PathLike, size: int = 56) -> Rings:
    """Read `images`, `ring`, `fractions`, `fraction_names`, `id_str` from an .npz file.

    Parameters
    ----------
    path : str or path
    size : int
        Side of the cut-outs that are given; pixels are averaged, so the file's must be a multiple.

    Raises
    ------
    ValueError
        If an array is missing, or images are not squares whose side is a multiple of `size`.
    """
    table = read_npz(path, ARRAYS)
    images = table["images"]
    if images.ndim != 4 or images.shape[1] != images.shape[2] or images.shape[1] % size:
        raise ValueError(
            f"{path}: images of shape {images.shape}, expected squares whose side is a multiple of "
            f"{size}, with three colours last"
        )
    return Rings(
        binned(images, images.shape[1] // size),
        table["ring"].astype(int),
        table["fractions"].astype(np.float32),
        tuple(table["fraction_names"].astype(str).tolist()),
        table["id_str"].astype(str),
    )


def binned(images: np.ndarray, factor: int) -> np.ndarray:
    """Average squares of `factor` x `factor` pixels, float32.

    Examples
    --------
    >>> import numpy as np
    >>> binned(np.arange(4.0).reshape(1, 2, 2, 1), 2).ravel()
    array([1.5], dtype=float32)
    """
    n, height, width, channels = images.shape
    parts = (n, height // factor, factor, width // factor, factor, channels)
    return images.reshape(parts).mean(axis=(2, 4), dtype=np.float64).astype(np.float32)


def network_inputs(pictures: np.ndarray) -> np.ndarray:
    """Give what a network sees: 0 to 255 becomes -1 to 3, so that sky and disc lie around 0."""
    return pictures * np.float32(4 / 255) - np.float32(1)
