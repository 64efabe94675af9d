"""FITS files out: whole arrays at once, or sized beforehand and filled tile by tile."""

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

    Raises
    ------
    ValueError
        If the name ends in .gz or .bz2, or a shape or dtype cannot be stored.

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

    def __init__(self, path: str | PathLike, images: Mapping[str, tuple], header=None):
        fits = optional("astropy.io.fits")
        self.path = fspath(path)
        if self.path.endswith((".gz", ".bz2")):
            raise ValueError(f"{self.path}: a packed file cannot be written by tiles; use .fits")
        check_folder(self.path)
        self._part = _partial(self.path)
        kept = _kept(fits, header)
        self._maps: dict[str, np.ndarray] = {}
        self._files: list[np.memmap] = []
        with open(self._part, "wb") as stream:
            stream.write(fits.PrimaryHDU(header=kept).header.tostring().encode("ascii"))
            places = [_reserve(fits, stream, name, images[name], kept) for name in images]
        for name, (offset, dtype, stored) in zip(images, places, strict=True):
            mapped = np.memmap(self._part, dtype, "r+", offset, stored)
            self._files.append(mapped)
            self._maps[name] = np.moveaxis(mapped, 0, -1) if len(stored) == 3 else mapped

    def __getitem__(self, name: str) -> np.ndarray:
        """Give the mapped array (H, W) or (H, W, C) of one extension; assign to its sections."""
        if name not in self._maps:
            raise KeyError(f"{self.path} has no image {name!r}; it has {', '.join(self._maps)}")
        return self._maps[name]

    def flush(self) -> None:
        """Hand all that was assigned to the file system."""
        for mapped in self._files:
            mapped.flush()

    def close(self) -> None:
        """Finish the file under its own name; allowed more than once."""
        if self._maps:
            self.flush()
            self._maps, self._files = {}, []
            os.replace(self._part, self.path)

    def __enter__(self):
        return self

    def __exit__(self, kind, *exception):
        if kind is None:
            self.close()
        else:
            self._maps, self._files = {}, []
            os.remove(self._part)


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


def _reserve(fits, stream, name: str, image, kept) -> tuple[int, np.dtype, tuple]:
    """Append one extension: its header, and a hole as large as its pixels."""
    shape, dtype = image
    stored_type = _stored_type(dtype, name)
    if len(shape) not in (2, 3) or min(shape) < 1:
        raise ValueError(f"{name}: expected (H, W) or (H, W, C) pixels, received {tuple(shape)}")
    stored = tuple(shape) if len(shape) == 2 else (shape[2], *shape[:2])
    header = fits.ImageHDU(np.zeros((1,) * len(stored), stored_type), kept, name=name).header
    for axis, length in enumerate(reversed(stored)):
        header[f"NAXIS{axis + 1}"] = length
    stream.write(header.tostring().encode("ascii"))
    offset = stream.tell()
    length = int(np.prod(stored)) * stored_type.itemsize
    stream.truncate(offset + -(-length // _BLOCK) * _BLOCK)
    stream.seek(0, os.SEEK_END)
    return offset, stored_type.newbyteorder(">"), stored
