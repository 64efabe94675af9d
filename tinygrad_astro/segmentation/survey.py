"""Survey images and their label map, read for training and cut by columns into three parts."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tinygrad_astro.data.bands import read_bands
from tinygrad_astro.data.fits import read_labels
from tinygrad_astro.data.stretch import AsinhStretch

# Shares of the columns at which training ends and validation ends; the rest is for the report.
TRAINING_END, VALIDATION_END = 0.6, 0.8


@dataclass
class Survey:
    """A stretched image with its labels, whose columns are for three purposes.

    Attributes
    ----------
    image : numpy.ndarray of float32 (H, W, C)
        Stretched: in units of the noise of the sky, where faint; 0 where masked.
    mask : numpy.ndarray of bool (H, W, C)
        True where a pixel is bad.
    labels : numpy.ndarray of int (H, W)
        0 is sky, a positive number names a source.
    classes : numpy.ndarray of int (H, W)
        The class of each pixel: an index into `names`.
    names : list of str
        The first is the sky.
    stretch : AsinhStretch
        Fitted on the training columns.
    bands : list of str
    """

    image: np.ndarray
    mask: np.ndarray
    labels: np.ndarray
    classes: np.ndarray
    names: list[str]
    stretch: AsinhStretch
    bands: list[str]

    @property
    def parts(self) -> dict[str, slice]:
        """Columns by purpose: training, validation, report."""
        return split_columns(self.image.shape[1])


def split_columns(width: int) -> dict[str, slice]:
    """Cut columns into 60 % for training, 20 % for validation and 20 % for the report.

    Examples
    --------
    >>> split_columns(2600)["report"]
    slice(2080, 2600, None)
    """
    first, second = round(TRAINING_END * width), round(VALIDATION_END * width)
    return {
        "training": slice(0, first),
        "validation": slice(first, second),
        "report": slice(second, width),
    }


def read_survey(images: Sequence[str], labels: str) -> Survey:
    """Read aligned FITS images and a label map, and stretch them by their training columns.

    Parameters
    ----------
    images : sequence of path
        One band each (or a cube of them), aligned pixel by pixel; units may differ.
    labels : path
        A label map of the same size.

    Raises
    ------
    FileNotFoundError, ImportError
        If a file, or astropy, is missing.
    ValueError
        If sizes differ, a file cannot be read, or a part of the label map has no source.
    """
    read = read_bands(images)
    truth = read_labels(labels)
    if truth.shape != read.data.shape[:2]:
        raise ValueError(
            f"labels must have the images' pixels: {labels} is {_size(truth.shape)}, "
            f"{images[0]} is {_size(read.data.shape)} (height x width)"
        )
    return prepare(read.data, read.mask, truth, band_names(images, read.data.shape[2]))


def prepare(
    data: np.ndarray,
    mask: np.ndarray | None,
    labels: np.ndarray,
    bands: Sequence[str],
    classes: np.ndarray | None = None,
    names: Sequence[str] = ("sky", "source"),
) -> Survey:
    """Fit the stretch on the training columns and apply it to all.

    Parameters
    ----------
    data : numpy.ndarray (H, W, C)
    mask : numpy.ndarray of bool (H, W) or (H, W, C), optional
    labels : numpy.ndarray of int (H, W)
    bands : sequence of str (C,)
    classes : numpy.ndarray of int (H, W), optional
        By default 1 where there is a source.
    names : sequence of str
        Of the classes.

    Raises
    ------
    ValueError
        If a part of the label map has no source.
    """
    parts = split_columns(labels.shape[1])
    for name, columns in parts.items():
        if not (labels[:, columns] > 0).any():
            raise ValueError(
                f"the {name} columns {columns.start}..{columns.stop - 1} hold no source in the "
                "label map; expected positive labels in all three parts of the image"
            )
    fitted = parts["training"]
    stretch = AsinhStretch.fit(
        data[:, fitted], None if mask is None else mask[:, fitted], list(bands)
    )
    image, bad = stretch(data, mask)
    classes = (labels > 0).astype(np.int64) if classes is None else classes
    return Survey(image, bad, labels, classes, list(names), stretch, list(bands))


def band_names(paths: Sequence[str], count: int) -> list[str]:
    """Name bands by what their file names do not share.

    Parameters
    ----------
    paths : sequence of path
    count : int
        How many bands the files hold; where a file holds several, they are numbered.

    Examples
    --------
    >>> band_names(["south_g.fits", "south_Ks.fits.gz"], 2)
    ['g', 'Ks']
    """
    stems = [os.path.basename(os.fspath(path)).partition(".fit")[0] for path in paths]
    if len(stems) != count:
        return [f"band{i + 1}" for i in range(count)]
    before = len(os.path.commonprefix(stems)) if count > 1 else 0
    after = len(os.path.commonprefix([stem[before:][::-1] for stem in stems])) if count > 1 else 0
    names = [stem[before : len(stem) - after] for stem in stems]
    return names if all(names) and len(set(names)) == count else stems


def _size(shape: tuple) -> str:
    return f"{shape[0]} x {shape[1]}"
