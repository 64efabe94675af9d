"""Files that are either whole or not there: the new content replaces the old in one move.

And the one text for the commonest reason why a file cannot be written: its folder is missing.
"""

import os
from pathlib import Path

__all__ = ["check_folder", "write_atomically"]


def check_folder(path) -> None:
    """Raise unless a file of this name has a folder to be written into.

    Parameters
    ----------
    path : path
        The file that will be written; it may exist.

    Raises
    ------
    FileNotFoundError
        If its folder does not exist; the text names the folder, and the line that makes it.
    NotADirectoryError
        If a file stands where the folder should be.
    IsADirectoryError
        If the path is that of a folder.

    Examples
    --------
    >>> check_folder("results.csv")
    """
    path = Path(path)
    folder = path.parent
    if path.is_dir():
        raise IsADirectoryError(f"cannot write {path}: it is a folder; expected a file's name")
    if folder.is_dir():
        return
    for part in (folder, *folder.parents):
        if part.exists() and not part.is_dir():
            raise NotADirectoryError(
                f"cannot write {path}: {part} is a file, expected a folder; choose another name"
            )
    raise FileNotFoundError(
        f"cannot write {path}: there is no folder {folder}; make it first: "
        f"os.makedirs({os.fspath(folder)!r})"
    )


def write_atomically(path, data: bytes) -> None:
    """Write a file so that a kill or a power cut leaves the old one or the new one, never a part.

    The bytes go to a hidden file in the same folder, reach the disk, and then take the name. What a
    kill leaves of the hidden file, the next write replaces.

    Parameters
    ----------
    path : path
        The file; its folder must exist.
    data : bytes
        All of it.

    Raises
    ------
    OSError
        If the folder is missing (see `check_folder`) or cannot be written to.
    """
    path = Path(path)
    check_folder(path)
    part = path.with_name(f".{path.name}.part")
    with open(part, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
    if os.name == "posix":  # elsewhere a folder cannot be opened to be synchronised
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
