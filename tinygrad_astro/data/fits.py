"""FITS images into native arrays plus a mask, whole or by section.

Conventions: an image is `(H, W)`, a cube `(H, W, C)` (channels last; a FITS cube is stored
`(C, H, W)` and is turned). Pixel `[y, x]` is FITS pixel `(x + 1, y + 1)`. In a mask True is bad.
"""

import threading
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from typing import Any

import numpy as np

from tinygrad_astro.data.compressed import PlainFile
from tinygrad_astro.data.fits_extensions import (
    Extension,
    check_complete,
    clean_header,
    image_shape,
    is_compressed,
    open_hdus,
    pick,
    result_dtype,
)
from tinygrad_astro.extras import optional

Section = tuple[slice, slice]

_STORED = {8: "u1", 16: "i2", 32: "i4", 64: "i8", -32: "f4", -64: "f8"}


@dataclass
class Image:
    """Pixels of one image with everything that must travel with them.

    Attributes
    ----------
    data : numpy.ndarray (H, W) or (H, W, C)
        Native float32 or float64, in the file's unit after BSCALE and BZERO. Integers of up to 16
        bits become float32 (exact), wider ones float64. A BLANK pixel is NaN.
    mask : numpy.ndarray of bool, same shape as `data`
        True where a pixel is bad: NaN, infinite, BLANK, or flagged by the mask extension.
    header : astropy.io.fits.Header
        The header of the extension; CRPIX follows the section that was read.
    path : str
    ext : int
        Index of the extension in the file.
    """

    data: np.ndarray
    mask: np.ndarray
    header: Any
    path: str
    ext: int


class FitsImage:
    """One image extension, opened but not read: `image.read(section)` reads what is asked for.

    Plain files are memory-mapped, tile-compressed ones are decompressed tile by tile, and .gz and
    .bz2 files are unpacked once into a temporary file that `close` removes.

    Parameters
    ----------
    path : str or path
    ext : int, str, (str, int) or None
        Index, name, or (name, version) of the extension; None takes the first image with two or
        three axes.
    mask_ext : int, str, (str, int) or None
        Extension of the same shape whose non-zero pixels are bad.
    bad_bits : int or None
        The bits of `mask_ext` that make a pixel bad; None means any.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no FITS file, is truncated or empty, or has no such image; the text lists what the
        file holds.
    ImportError
        If astropy is not installed.
    """

    def __init__(self, path, ext: Extension = None, mask_ext: Extension = None, bad_bits=None):
        self.path = fspath(path)
        fits = optional("astropy.io.fits")
        self._lock = threading.Lock()
        self._plain = PlainFile(self.path)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._file = open_hdus(fits, self._plain.name, self.path)
                self.ext = pick(self._file, ext, self.path)
                self.header = clean_header(self._file[self.ext].header)
                self._mask_ext = None
                if mask_ext is not None:
                    self._mask_ext = pick(self._file, mask_ext, self.path)
                for index in {self.ext, self.ext if self._mask_ext is None else self._mask_ext}:
                    check_complete(self._file, index, self._plain.name, self.path)
        except BaseException:
            self.close()
            raise
        self._bad_bits = bad_bits
        self.shape = image_shape(self._file[self.ext])
        if self._mask_ext is not None and image_shape(self._file[self._mask_ext]) != self.shape:
            found = image_shape(self._file[self._mask_ext])
            self.close()
            raise ValueError(f"{self.path}: mask {mask_ext!r} is {found}, the image {self.shape}")
        self.dtype = result_dtype(self._file[self.ext])

    def read(self, section: Section | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Read `section`, a pair of slices (rows, columns); None reads all.

        Returns
        -------
        data : numpy.ndarray (h, w) or (h, w, C)
        mask : numpy.ndarray of bool, same shape
        """
        rows, columns = _bounds(section, self.shape, self.path)
        data = self._scaled(self._file[self.ext], rows, columns)
        mask = ~np.isfinite(data)
        if self._mask_ext is not None:
            flags = self._raw(self._file[self._mask_ext], rows, columns)
            bits = np.int64(-1 if self._bad_bits is None else self._bad_bits)
            mask |= (flags.astype(np.int64) & bits) != 0
        return data, mask

    def read_integers(self, section: Section | None = None) -> np.ndarray:
        """Read a label map as int64; BLANK becomes 0.

        Raises
        ------
        ValueError
            If a value is not a whole number.
        """
        data, mask = self.read(section)
        whole = np.where(mask, 0, data)
        if not np.array_equal(whole, np.rint(whole)):
            bad = whole[whole != np.rint(whole)].flat[0]
            raise ValueError(f"{self.path}: labels must be whole numbers, found {bad}")
        return whole.astype(np.int64)

    def close(self) -> None:
        """Close the file and remove the temporary copy; allowed more than once."""
        if getattr(self, "_file", None) is not None:
            self._file.close()
        self._plain.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def _raw(self, hdu, rows: slice, columns: slice) -> np.ndarray:
        lead = (0,) * (hdu.header["NAXIS"] - len(self.shape))
        planes = (slice(None),) * (len(self.shape) - 2)
        window = (*lead, *planes, rows, columns)
        if not is_compressed(hdu):
            # Mapped for this section only: what a lasting map has read stays in memory.
            pixels = np.dtype(_STORED[hdu.header["BITPIX"]]).newbyteorder(">")
            axes = [hdu.header[f"NAXIS{i}"] for i in range(hdu.header["NAXIS"], 0, -1)]
            place = hdu.fileinfo()["datLoc"]
            raw = np.memmap(self._plain.name, pixels, "r", place, tuple(axes))[window]
        else:
            with self._lock:
                try:
                    raw = np.asarray(hdu.section[window])
                except Exception as error:  # the codecs raise their own kinds for damaged tiles
                    raise ValueError(f"{self.path}: damaged compressed tiles ({error})") from error
        raw = np.moveaxis(raw, 0, -1) if raw.ndim == 3 else raw
        return np.array(raw, dtype=raw.dtype.newbyteorder("="), order="C")

    def _scaled(self, hdu, rows: slice, columns: slice) -> np.ndarray:
        raw = self._raw(hdu, rows, columns)
        scale, zero = hdu.header.get("BSCALE", 1), hdu.header.get("BZERO", 0)
        dtype = result_dtype(hdu)
        blank = None
        if raw.dtype.kind in "iu":
            level = hdu.header.get("BLANK")
            blank = None if level is None else raw == level
        data = raw.astype(dtype) if (scale, zero) == (1, 0) else (raw * float(scale) + float(zero))
        data = data.astype(dtype, copy=False)
        if blank is not None:
            data[blank] = np.nan
        return data


def read_image(
    path: str | PathLike,
    ext: Extension = None,
    section: Section | None = None,
    mask_ext: Extension = None,
    bad_bits: int | None = None,
) -> Image:
    """Read one FITS image, plain, .gz, .bz2 or tile-compressed.

    Parameters are those of `FitsImage`; `section` is a pair of slices (rows, columns) in pixels.

    Returns
    -------
    Image

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> from tinygrad_astro.data import read_image, write_image
    >>> path = tempfile.mkdtemp() + "/sky.fits"
    >>> write_image(path, np.array([[1, np.nan], [3, 4]], np.float32))
    >>> image = read_image(path)
    >>> image.data.dtype.name, int(image.mask.sum())
    ('float32', 1)
    """
    with FitsImage(path, ext, mask_ext, bad_bits) as opened:
        data, mask = opened.read(section)
        header = opened.header
        if section is not None:
            rows, columns = _bounds(section, opened.shape, opened.path)
            header = shift_reference(header, columns.start, rows.start)
        return Image(data, mask, header, opened.path, opened.ext)


def read_labels(path: str | PathLike, ext: Extension = None) -> np.ndarray:
    """Read a label map (H, W) as int64: 0 is sky, a positive number names a source.

    Raises
    ------
    ValueError
        As `FitsImage`, and if a value is not a whole number.
    """
    with FitsImage(path, ext) as opened:
        return opened.read_integers()


def shift_reference(header, x0: int, y0: int):
    """Copy `header` with CRPIX moved so that a crop that starts at (x0, y0) keeps its sky."""
    header = header.copy()
    for card in list(header.cards):
        if card.keyword[:6] in ("CRPIX1", "CRPIX2") and len(card.keyword) <= 7:
            header[card.keyword] = card.value - (x0 if card.keyword[5] == "1" else y0)
    return header


def _bounds(section: Section | None, shape: Sequence[int], path: str) -> Section:
    rows, columns = (slice(None), slice(None)) if section is None else section
    bounds = []
    for part, length in zip((rows, columns), shape[:2], strict=True):
        start, stop, step = part.indices(length)
        if step != 1 or stop <= start:
            raise ValueError(
                f"{path}: section {part} of an axis of {length} pixels is empty or has a step; "
                "give slices (rows, columns) with step 1 inside the image"
            )
        bounds.append(slice(start, stop))
    return bounds[0], bounds[1]
