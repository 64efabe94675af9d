"""Arrays of an HDF5 file, read row by row as they are asked for (Galaxy10 and its like)."""

import os
import threading
from collections.abc import Iterator, Mapping
from os import PathLike, fspath

import numpy as np

from tinygrad_astro.extras import optional


class HDF5Array:
    """A data set of an open file: indexing its first axis reads those rows and no others.

    `a[5]`, `a[2:9]`, and `a[indices]` with indices in any order, repeats allowed, or a boolean
    array of the length of the file; the result is a native NumPy array.
    """

    def __init__(self, dataset, lock, path: str):
        self._dataset, self._lock, self._path = dataset, lock, path
        self.shape: tuple[int, ...] = dataset.shape
        self.dtype = dataset.dtype.newbyteorder("=")

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key) -> np.ndarray:
        rows, rest = (key[0], key[1:]) if isinstance(key, tuple) and key else (key, ())
        if isinstance(rows, list | np.ndarray):
            found = self._pick(np.asarray(rows))
            return found[(slice(None), *rest)] if rest else found
        with self._lock:
            return np.asarray(self._dataset[key]).astype(self.dtype, copy=False)

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        if copy is False:
            raise ValueError(f"{self._path}: reading from a file always makes a copy")
        return np.asarray(self[:], dtype=dtype)

    def _pick(self, rows: np.ndarray) -> np.ndarray:
        if rows.dtype == bool:
            if rows.shape != self.shape[:1]:
                raise IndexError(f"boolean index of shape {rows.shape} for {len(self)} rows")
            rows = np.flatnonzero(rows)
        rows = rows.astype(np.int64)
        if rows.size and (rows.min() < -len(self) or rows.max() >= len(self)):
            raise IndexError(f"{self._path}: row {rows.max()} asked for, it has {len(self)}")
        # h5py wants increasing indices without repeats.
        unique, place = np.unique(rows % max(len(self), 1), return_inverse=True)
        with self._lock:
            found = np.asarray(self._dataset[unique]) if unique.size else self._dataset[:0]
        return found.astype(self.dtype, copy=False)[place.reshape(rows.shape)]


class HDF5File(Mapping):
    """An HDF5 file as a mapping from the names of its data sets to `HDF5Array`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not an HDF5 file, or is damaged.
    ImportError
        If h5py is not installed.

    Examples
    --------
    >>> import h5py, numpy as np, tempfile
    >>> path = tempfile.mkdtemp() + "/galaxies.h5"
    >>> with h5py.File(path, "w") as made: made["images"] = np.arange(12).reshape(4, 3)
    >>> with HDF5File(path) as opened:
    ...     opened["images"].shape, opened["images"][[3, 0]].tolist()
    ((4, 3), [[9, 10, 11], [0, 1, 2]])
    """

    def __init__(self, path: str | PathLike):
        h5py = optional("h5py")
        self.path = fspath(path)
        if not os.path.isfile(self.path):
            raise FileNotFoundError(f"{self.path}: no such file")
        try:
            self._file = h5py.File(self.path, "r")
        except OSError as error:
            raise ValueError(f"{self.path} is not an HDF5 file, or is damaged ({error})") from error
        self._lock = threading.Lock()
        self._names: list[str] = []

        def note(name, item):
            if isinstance(item, h5py.Dataset):
                self._names.append(name)

        self._file.visititems(note)

    def __getitem__(self, name: str) -> HDF5Array:
        if name not in self._names:
            raise KeyError(f"{self.path} has no array {name!r}; it has {', '.join(self._names)}")
        return HDF5Array(self._file[name], self._lock, self.path)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def close(self) -> None:
        """Close the file; its arrays can no longer be read."""
        self._file.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()
