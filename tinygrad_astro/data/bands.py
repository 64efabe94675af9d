"""Several aligned FITS images as one array `(H, W, C)`, at once or section by section."""

from collections.abc import Sequence
from contextlib import ExitStack
from os import PathLike

import numpy as np

from tinygrad_astro.data.fits import FitsImage, Image, Section, shift_reference
from tinygrad_astro.data.fits_extensions import Extension

Paths = str | PathLike | Sequence[str | PathLike]


class BandReader:
    """Aligned images opened together; a section is read only when it is asked for.

    A file with a cube gives all its planes, in order. The bands need not share a unit.

    Parameters
    ----------
    paths : path or sequence of paths
    ext, mask_ext : int, str, (str, int), None, or a list with one of these per path
        As in `FitsImage`.
    bad_bits : int or None

    Attributes
    ----------
    shape : (int, int, int)
        `(H, W, C)`.
    header : astropy.io.fits.Header
        Header of the first band.
    paths : list of str

    Raises
    ------
    ValueError
        If the images differ in height or width (both files are named), or a file is unreadable.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> from tinygrad_astro.data import BandReader, write_image
    >>> folder = tempfile.mkdtemp()
    >>> for band in "gr": write_image(f"{folder}/{band}.fits", np.ones((30, 40), np.float32))
    >>> with BandReader([f"{folder}/g.fits", f"{folder}/r.fits"]) as bands:
    ...     bands.shape, bands[5:9, 10:].data.shape
    ((30, 40, 2), (4, 30, 2))
    """

    def __init__(
        self,
        paths: Paths,
        ext: Extension | list[Extension] = None,
        mask_ext: Extension | list[Extension] = None,
        bad_bits: int | None = None,
    ):
        listed = [paths] if isinstance(paths, str | PathLike) else list(paths)
        if not listed:
            raise ValueError("expected at least one image path, received none")
        exts, masks = _per_path(ext, listed, "ext"), _per_path(mask_ext, listed, "mask_ext")
        with ExitStack() as stack:
            self._images = [
                stack.enter_context(FitsImage(path, one, mask, bad_bits))
                for path, one, mask in zip(listed, exts, masks, strict=True)
            ]
            first = self._images[0]
            for image in self._images[1:]:
                if image.shape[:2] != first.shape[:2]:
                    raise ValueError(
                        f"bands must be aligned pixel by pixel: {first.path} is "
                        f"{_size(first)}, {image.path} is {_size(image)} pixels (height x width)"
                    )
            self._stack = stack.pop_all()
        self.paths = [image.path for image in self._images]
        self.header = first.header
        planes = sum(image.shape[2] if len(image.shape) == 3 else 1 for image in self._images)
        self.shape = (*first.shape[:2], planes)
        self.dtype = np.result_type(*(image.dtype for image in self._images))

    def read(self, section: Section | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Read data and mask, `(h, w, C)`, of a pair of slices (rows, columns); None means all."""
        parts = [image.read(section) for image in self._images]
        data, mask = zip(*parts, strict=True)
        return np.dstack(data).astype(self.dtype, copy=False), np.dstack(mask)

    def __getitem__(self, section: Section) -> Image:
        rows, columns = section[:2]
        data, mask = self.read((rows, columns))
        y0, x0 = rows.indices(self.shape[0])[0], columns.indices(self.shape[1])[0]
        header = shift_reference(self.header, x0, y0)
        return Image(data, mask, header, self.paths[0], self._images[0].ext)

    def close(self) -> None:
        """Close all files; allowed more than once."""
        self._stack.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


def read_bands(
    paths: Paths,
    ext: Extension | list[Extension] = None,
    section: Section | None = None,
    mask_ext: Extension | list[Extension] = None,
    bad_bits: int | None = None,
) -> Image:
    """Read aligned images into one `Image` of shape (H, W, C); arguments as `BandReader`."""
    with BandReader(paths, ext, mask_ext, bad_bits) as reader:
        return reader[section or (slice(None), slice(None))]


def _per_path(value, paths, name: str) -> list:
    if not isinstance(value, list):
        return [value] * len(paths)
    if len(value) != len(paths):
        raise ValueError(f"{name} has {len(value)} entries for {len(paths)} paths")
    return value


def _size(image: FitsImage) -> str:
    return f"{image.shape[0]} x {image.shape[1]}"
