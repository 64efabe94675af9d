"""Text tables: a line of names, then rows, separated by commas or tabs."""

import csv
import gzip
import zlib
from collections.abc import Mapping, Sequence

import numpy as np

Columns = dict[str, np.ndarray]

_MISSING = {"", "nan", "null", "none", "n/a", "--"}


def _open_text(path: str, mode: str):
    opener = gzip.open if path.lower().endswith(".gz") else open
    return opener(path, mode + "t", newline="", encoding="utf-8")


def read_text(path: str, delimiter: str) -> tuple[Columns, Columns]:
    """Read the columns of a text table and where their values are missing.

    The first line that is neither empty nor a comment (#) names the columns. Whole numbers become
    int64, other numbers float64, anything else str; an empty cell or a word for "missing" is NaN.

    Raises
    ------
    ValueError
        If a row is ragged (its line is named), a name repeats, or the file is no text.
    """
    names: list[str] | None = None
    rows: list[list[str]] = []
    try:
        with _open_text(path, "r") as stream:
            reader = csv.reader(stream, delimiter=delimiter, skipinitialspace=True)
            for row in reader:
                if not row or row[0].startswith("#"):
                    continue
                if names is None:
                    names = [name.strip() for name in row]
                elif len(row) != len(names):
                    raise ValueError(
                        f"{path}: line {reader.line_num} has {len(row)} values, "
                        f"expected {len(names)} ({', '.join(names)})"
                    )
                else:
                    rows.append(row)
    except (UnicodeDecodeError, csv.Error, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is not a text table ({error})") from error
    if names is None:
        raise ValueError(f"{path} is empty: expected a line of column names")
    if len(set(names)) != len(names):
        raise ValueError(f"{path}: column names repeat: {', '.join(names)}")
    cells = zip(*rows, strict=True) if rows else [()] * len(names)
    pairs = {name: _column(values) for name, values in zip(names, cells, strict=True)}
    return {n: p[0] for n, p in pairs.items()}, {n: p[1] for n, p in pairs.items()}


def _column(values: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Turn the cells of a column into whole numbers, else numbers, else text."""
    cells = [value.strip() for value in values]
    missing = np.array([cell.lower() in _MISSING for cell in cells], dtype=bool)
    if not missing.all() or not cells:
        filled = [cell if ok else "0" for cell, ok in zip(cells, ~missing, strict=True)]
        try:
            whole = np.array([int(cell) for cell in filled], dtype=np.int64)
            if not missing.any():
                return whole, missing
        except (ValueError, OverflowError):
            pass
    try:
        numbers = [np.nan if bad else float(c) for c, bad in zip(cells, missing, strict=True)]
    except ValueError:
        return np.array(cells, dtype=str), np.array([not cell for cell in cells], dtype=bool)
    return np.array(numbers, dtype=np.float64), missing


def write_text(path: str, columns: Mapping[str, np.ndarray], delimiter: str) -> None:
    """Write columns (rows,) as text; a masked value leaves its cell empty."""
    wide = [name for name, column in columns.items() if np.ndim(column) > 1]
    if wide:
        raise ValueError(f"{path}: text cannot hold columns of several axes: {', '.join(wide)}")
    cells = [
        ["" if gone else value for value, gone in zip(data, mask, strict=True)]
        for data, mask in (
            (np.ma.getdata(c).tolist(), np.ma.getmaskarray(c).tolist()) for c in columns.values()
        )
    ]
    with _open_text(path, "w") as stream:
        writer = csv.writer(stream, delimiter=delimiter, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*cells, strict=True))
