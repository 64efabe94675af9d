"""FITS files out: whole arrays at once, or sized beforehand and filled tile by tile."""

import math
import mmap
import os
import warnings
from collections.abc import Mapping
from os import PathLike, fspath

import numpy as np

from tinygrad_astro.extras import optional
from tinygrad_astro.files import check_folder

_STRUCTURE = (
    "SIMPLE XTENSION BITPIX NAXIS EXTEND PCOUNT GCOUNT GROUPS BSCALE BZERO BLANK DATAMIN DATAMAX "
    "EXTNAME EXTVER EXTLEVEL CHECKSUM DATASUM TFIELDS INHERIT"
).split()
_BLOCK = 2880
_TYPES = {"b": np.uint8, "u1": np.uint8, "i1": np.int16, "u2": np.int32, "u4": np.int64}


def write_image(
    path: str | PathLike,
    data: np.ndarray | Mapping[str, np.ndarray],
    header=None,
    overwrite: bool = True,
) -> None:
    """Write one image, or one extension per entry of a mapping, keeping the header given.

    Parameters
    ----------
    path : str or path
        A name that ends in .gz is packed.
    data : numpy.ndarray (H, W) or (H, W, C), or mapping from extension name to such arrays
        A single array goes into the primary HDU; a mapping into image extensions. Booleans are
        stored as 0 and 1; unsigned integers in the next wider signed type.
    header : astropy.io.fits.Header or mapping, optional
        Every card but those of the file's structure is copied to each HDU, so that the sky
        coordinates are found wherever they are looked for.
    overwrite : bool
        Replace a file of that name.

    Raises
    ------
    FileExistsError
        If the file exists and `overwrite` is false.
    ValueError
        If an array is empty or has not two or three axes.
    """
    fits = optional("astropy.io.fits")
    target = fspath(path)
    if os.path.exists(target) and not overwrite:
        raise FileExistsError(f"{target} exists; pass overwrite=True to replace it")
    check_folder(target)
    kept = _kept(fits, header)
    if isinstance(data, Mapping):
        hdus = [fits.PrimaryHDU(header=kept)]
        hdus += [fits.ImageHDU(_planes(a, name), kept, name=name) for name, a in data.items()]
    else:
        hdus = [fits.PrimaryHDU(_planes(data, "the image"), kept)]
    partial = _partial(target)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fits.HDUList(hdus).writeto(partial, overwrite=True)
    os.replace(partial, target)


class ImageWriter:
    """A FITS file of known size, filled by assignment to sections; it never is in memory whole.

    The pixels are mapped: `writer["LABEL"][y0:y1, x0:x1] = tile`. What is never assigned is 0.
    The file bears its name only once `close` has run: until then it is `path` + ".part".

    Parameters
    ----------
    path : str or path
        Plain FITS: a mapped file cannot be packed.
    images : mapping from name to (shape, dtype)
        Shape (H, W) or (H, W, C); dtype uint8, int16, int32, int64, float32 or float64.
    header : astropy.io.fits.Header or mapping, optional
        Kept as in `write_image`.
    resume : bool
        Go on with the unfinished file `path` + ".part" that a killed run left, as it is.

    Raises
    ------
    ValueError
        If the name ends in .gz or .bz2, a shape or dtype cannot be stored, or the unfinished file
        has other headers.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> from tinygrad_astro.data import ImageWriter, read_image
    >>> path = tempfile.mkdtemp() + "/out.fits"
    >>> with ImageWriter(path, {"PROB": ((100, 80), "float32")}) as writer:
    ...     writer["PROB"][10:20, 30:40] = 0.5
    >>> float(read_image(path, "PROB").data.sum())
    50.0
    """

    def __init__(
        self,
        path: str | PathLike,
        images: Mapping[str, tuple],
        header=None,
        resume: bool = False,
    ):
        fits = optional("astropy.io.fits")
        self.path = fspath(path)
        if self.path.endswith((".gz", ".bz2")):
            raise ValueError(f"{self.path}: a packed file cannot be written by tiles; use .fits")
        check_folder(self.path)
        self._part = _partial(self.path)
        kept = _kept(fits, header)
        texts = [(0, fits.PrimaryHDU(header=kept).header.tostring().encode("ascii"))]
        places, end = {}, len(texts[0][1])
        for name, image in images.items():
            text, stored_type, stored = _extension(fits, name, image, kept)
            texts.append((end, text))
            places[name] = (end + len(text), stored_type, stored)
            end += len(text) + _padded(stored, stored_type)
        if resume:
            self._check_unfinished(texts, end)
        else:
            with open(self._part, "wb") as stream:
                for place, text in texts:
                    stream.seek(place)
                    stream.write(text)
                stream.truncate(end)
        with open(self._part, "r+b") as stream:
            self._mapped: mmap.mmap | None = mmap.mmap(stream.fileno(), 0)
        self._maps: dict[str, np.ndarray] = {}
        for name, (place, stored_type, stored) in places.items():
            array = np.frombuffer(self._mapped, stored_type, math.prod(stored), place)
            array = array.reshape(stored)
            self._maps[name] = np.moveaxis(array, 0, -1) if len(stored) == 3 else array

    def _check_unfinished(self, texts: list[tuple[int, bytes]], end: int) -> None:
        with open(self._part, "rb") as stream:
            same = os.path.getsize(self._part) == end
            for place, text in texts:
                stream.seek(place)
                same = same and stream.read(len(text)) == text
        if not same:
            raise ValueError(
                f"{self._part} has other headers than the file to be written: it is left from "
                "another run; remove it, or start anew without resume"
            )

    def __getitem__(self, name: str) -> np.ndarray:
        """Give the mapped array (H, W) or (H, W, C) of one extension; assign to its sections."""
        if name not in self._maps:
            raise KeyError(f"{self.path} has no image {name!r}; it has {', '.join(self._maps)}")
        return self._maps[name]

    def flush(self) -> None:
        """Hand all that was assigned to the file system, and the memory it took back."""
        if self._mapped is not None:
            self._mapped.flush()
            if hasattr(mmap, "MADV_DONTNEED"):
                self._mapped.madvise(mmap.MADV_DONTNEED)

    def close(self) -> None:
        """Finish the file under its own name; allowed more than once."""
        if self._maps:
            self.flush()
            self._maps, self._mapped = {}, None
            os.replace(self._part, self.path)

    def abandon(self, keep: bool = False) -> None:
        """Give up: remove the unfinished file, or `keep` it for a later `resume`."""
        if keep:
            self.flush()
        self._maps, self._mapped = {}, None
        if not keep:
            os.remove(self._part)

    def __enter__(self):
        return self

    def __exit__(self, kind, *exception):
        if kind is None:
            self.close()
        else:
            self.abandon()


def _partial(path: str) -> str:
    """Name a file beside `path` that keeps its suffix's meaning for the packer."""
    stem, suffix = os.path.splitext(path)
    return f"{stem}.part{suffix}" if suffix in (".gz", ".bz2") else path + ".part"


def _kept(fits, header):
    """Copy the cards that do not describe the structure of the file that they come from."""
    if header is None:
        return fits.Header()
    kept = fits.Header(header, copy=True) if not hasattr(header, "cards") else header.copy()
    for keyword in set(kept):
        if keyword in _STRUCTURE or keyword.startswith(("NAXIS", "TFORM", "TTYPE")):
            kept.remove(keyword, remove_all=True)
    return kept


def _planes(array: np.ndarray, name: str) -> np.ndarray:
    array = np.asarray(array)
    if array.ndim not in (2, 3) or not array.size:
        raise ValueError(f"{name}: expected (H, W) or (H, W, C) pixels, received {array.shape}")
    stored = array.astype(_stored_type(array.dtype, name), copy=False)
    return stored if stored.ndim == 2 else np.moveaxis(stored, -1, 0)


def _stored_type(dtype, name: str) -> np.dtype:
    dtype = np.dtype(dtype).newbyteorder("=")
    key = "b" if dtype.kind == "b" else f"{dtype.kind}{dtype.itemsize}"
    dtype = np.dtype(_TYPES.get(key, dtype))
    if dtype.name not in ("uint8", "int16", "int32", "int64", "float32", "float64"):
        raise ValueError(
            f"{name}: FITS cannot hold {dtype}; use uint8, int16, int32, int64, float32 or float64"
        )
    return dtype


def _extension(fits, name: str, image, kept) -> tuple[bytes, np.dtype, tuple]:
    """Give the header of one extension, and the type and shape in which its pixels are stored."""
    shape, dtype = image
    stored_type = _stored_type(dtype, name)
    if len(shape) not in (2, 3) or min(shape) < 1:
        raise ValueError(f"{name}: expected (H, W) or (H, W, C) pixels, received {tuple(shape)}")
    stored = tuple(shape) if len(shape) == 2 else (shape[2], *shape[:2])
    header = fits.ImageHDU(np.zeros((1,) * len(stored), stored_type), kept, name=name).header
    for axis, length in enumerate(reversed(stored)):
        header[f"NAXIS{axis + 1}"] = length
    return header.tostring().encode("ascii"), stored_type.newbyteorder(">"), stored


def _padded(stored: tuple, dtype: np.dtype) -> int:
    return -(-math.prod(stored) * dtype.itemsize // _BLOCK) * _BLOCK
