"""NumPy archives (.npz) into native arrays; nothing is ever unpickled."""

import os
import zipfile
import zlib
from collections.abc import Sequence
from os import PathLike, fspath

import numpy as np


def read_npz(path: str | PathLike, names: Sequence[str] | None = None) -> dict[str, np.ndarray]:
    """Read the arrays of an archive, all or those named, in native byte order.

    Parameters
    ----------
    path : str or path
        The archive, packed or not.
    names : sequence of str, optional
        Read only these.

    Returns
    -------
    dict of str to numpy.ndarray

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not an archive of arrays, is damaged, holds Python objects, or lacks a name (those
        that exist are listed).

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> path = tempfile.mkdtemp() + "/stamps.npz"
    >>> np.savez(path, images=np.ones((2, 3), ">f4"))
    >>> read_npz(path)["images"].dtype.isnative
    True
    """
    target = fspath(path)
    if not os.path.isfile(target):
        raise FileNotFoundError(f"{target}: no such file")
    if not zipfile.is_zipfile(target):
        raise ValueError(f"{target} is not an .npz archive, or it is truncated")
    try:
        with np.load(target, allow_pickle=False) as archive:
            absent = [name for name in names or () if name not in archive.files]
            if absent:
                raise ValueError(
                    f"no array {', '.join(map(repr, absent))}; it has {', '.join(archive.files)}"
                )
            return {name: _native(archive[name]) for name in names or archive.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{target}: {error}") from error


def _native(array: np.ndarray) -> np.ndarray:
    return array.astype(array.dtype.newbyteorder("="), copy=False)
