"""Tables into native columns plus masks, and out again: CSV by itself, FITS and ECSV by astropy."""

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike, fspath
from typing import Any

import numpy as np

from tinygrad_astro.data.text_tables import read_text, write_text
from tinygrad_astro.extras import optional
from tinygrad_astro.files import check_folder

_FITS, _ECSV, _TEXT = (".fits", ".fit", ".fts"), (".ecsv",), {".csv": ",", ".tsv": "\t"}
_ACCEPTED = ".csv, .tsv, .ecsv, .fits, .fit or .fts, each also with .gz"


@dataclass
class Table:
    """Columns by name, each a native array with rows first, and where a value is missing.

    Attributes
    ----------
    columns : dict of str to numpy.ndarray (rows,) or (rows, ...)
        Numbers as int64 or as stored, text as str. A missing number is NaN in a float column and
        0 in an integer one.
    mask : dict of str to numpy.ndarray of bool, same shapes
        True where the value is missing or NaN.
    path : str

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "cat.csv"
    >>> _ = path.write_text("id,mag\\n1,20.5\\n2,\\n")
    >>> table = read_table(path)
    >>> table["id"], table["mag"], table.mask["mag"]
    (array([1, 2]), array([20.5,  nan]), array([False,  True]))
    """

    columns: dict[str, np.ndarray]
    mask: dict[str, np.ndarray]
    path: str = field(default="")

    @property
    def names(self) -> list[str]:
        """Names of the columns, in the order of the file."""
        return list(self.columns)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.columns:
            raise KeyError(f"{self.path} has no column {name!r}; it has {', '.join(self.columns)}")
        return self.columns[name]

    def stack(self, names: Sequence[str], dtype=np.float32) -> np.ndarray:
        """Put columns side by side: `(rows, len(names))` of `dtype`, missing values NaN.

        Raises
        ------
        KeyError
            If a column is absent; the text lists those that exist.
        ValueError
            If a column is text.
        """
        parts = []
        for name in names:
            column = self[name]
            if column.dtype.kind not in "biuf":
                raise ValueError(f"{self.path}: column {name!r} is text, expected numbers")
            parts.append(np.where(self.mask[name], np.nan, column))
        return np.stack(parts, axis=-1).astype(dtype)


def read_table(
    path: str | PathLike,
    columns: Sequence[str] | None = None,
    ext: int | str | None = None,
) -> Table:
    """Read a table, its kind told by the suffix: CSV, TSV, ECSV or a FITS binary table.

    Parameters
    ----------
    path : str or path
        The suffix tells the kind.
    columns : sequence of str, optional
        Only these, in this order.
    ext : int or str, optional
        Extension of a FITS file; None takes its first table.

    Returns
    -------
    Table

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the suffix is unknown, a row is ragged (its line is named), the file is no table, or a
        column asked for is absent (those that exist are named).
    ImportError
        If astropy is needed and not installed.
    """
    target = fspath(path)
    suffix = _suffix(target)
    if not os.path.isfile(target):
        raise FileNotFoundError(f"{target}: no such file")
    if suffix in _TEXT:
        table = Table(*read_text(target, _TEXT[suffix]), target)
    else:
        table = _read_astropy(target, suffix, ext)
    if columns is None:
        return table
    absent = [name for name in columns if name not in table]
    if absent:
        raise ValueError(
            f"{target}: no column {', '.join(map(repr, absent))}; it has {', '.join(table.names)}"
        )
    kept = {name: table.columns[name] for name in columns}
    return Table(kept, {name: table.mask[name] for name in columns}, target)


def write_catalogue(
    path: str | PathLike,
    catalogue: Mapping[str, np.ndarray] | np.ndarray | Table,
    units: Mapping[str, str] | None = None,
    overwrite: bool = True,
) -> None:
    """Write columns as CSV, TSV, ECSV or a FITS binary table, by the suffix of the name.

    Parameters
    ----------
    path : str or path
        The suffix tells the kind; .gz after it packs.
    catalogue : mapping from name to numpy.ndarray (rows,), structured numpy.ndarray, or Table
        A masked array, or a Table with its mask, leaves missing values empty.
    units : mapping from name to unit, optional
        Stored by ECSV and FITS, for example `{"x": "pixel"}`.
    overwrite : bool
        Replace a file of that name.

    Raises
    ------
    ValueError
        If the suffix is unknown, the columns differ in length, or CSV is asked to hold a column
        of more than one axis.
    FileExistsError
        If the file exists and `overwrite` is false.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> path = tempfile.mkdtemp() + "/sources.csv"
    >>> write_catalogue(path, {"id": np.array([1, 2]), "x": np.array([3.5, 4.25])})
    >>> read_table(path)["x"]
    array([3.5 , 4.25])
    """
    target = fspath(path)
    suffix = _suffix(target)
    if os.path.exists(target) and not overwrite:
        raise FileExistsError(f"{target} exists; pass overwrite=True to replace it")
    check_folder(target)
    columns = _masked_columns(catalogue)
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"{target}: columns differ in length: {lengths}")
    if suffix in _TEXT:
        write_text(target, columns, _TEXT[suffix])
        return
    table = optional("astropy.table").Table(columns)
    for name, unit in (units or {}).items():
        table[name].unit = unit
    kind = "ascii.ecsv" if suffix in _ECSV else "fits"
    table.write(target, format=kind, overwrite=True)


def _suffix(path: str) -> str:
    name = path.lower().removesuffix(".gz")
    suffix = os.path.splitext(name)[1]
    if suffix not in (*_FITS, *_ECSV, *_TEXT):
        raise ValueError(f"{path}: unknown kind of table {suffix!r}; accepted are {_ACCEPTED}")
    return suffix


def _masked_columns(catalogue) -> dict[str, np.ndarray]:
    if isinstance(catalogue, Table):
        return {n: np.ma.array(c, mask=catalogue.mask[n]) for n, c in catalogue.columns.items()}
    if isinstance(catalogue, np.ndarray):
        if catalogue.dtype.names is None:
            raise ValueError(
                f"expected a mapping or a structured array, received {catalogue.dtype}"
            )
        return {name: catalogue[name] for name in catalogue.dtype.names}
    if not isinstance(catalogue, Mapping) and not hasattr(catalogue, "items"):
        raise TypeError(
            f"a catalogue is a mapping from name to column, or a structured array; received "
            f"{type(catalogue).__name__}"
        )
    return {name: np.ma.asanyarray(column) for name, column in catalogue.items()}


def _read_astropy(path: str, suffix: str, ext) -> Table:
    table_class = optional("astropy.table").Table
    options = {"format": "ascii.ecsv"} if suffix in _ECSV else {"format": "fits"}
    if suffix in _FITS and ext is not None:
        options["hdu"] = ext
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = table_class.read(path, **options)
    except (OSError, ValueError, TypeError, KeyError, IndexError) as error:
        raise ValueError(f"{path}: no table could be read from it ({error})") from error
    columns, masks = {}, {}
    for name in table.colnames:
        values = np.ma.asarray(table[name])
        mask = np.ma.getmaskarray(values).copy()
        fill: Any = {"f": np.nan, "S": b"", "U": ""}.get(values.dtype.kind, 0)
        plain = np.array(values.filled(fill))
        if plain.dtype.kind == "S":
            plain = np.char.decode(plain, "utf-8")
        if plain.dtype.kind == "f":
            mask |= np.isnan(plain)
        columns[name] = plain.astype(plain.dtype.newbyteorder("="), copy=False)
        masks[name] = mask
    return Table(columns, masks, path)
