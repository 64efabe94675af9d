"""Files that are either whole or not there: the new content replaces the old in one move."""

import os
from pathlib import Path

__all__ = ["write_atomically"]


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
        If the folder cannot be written to.
    """
    path = Path(path)
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
