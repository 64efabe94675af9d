"""Files packed with gzip or bzip2, told by their first bytes and not by their name."""

import bz2
import gzip
import os
import shutil
import tempfile
import zlib

_OPENERS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open}


class PlainFile:
    """A path under which the unpacked content of `path` can be mapped into memory.

    `name` is `path` itself for a plain file and a temporary copy otherwise; `close` removes the
    copy.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is a folder, or packed data that are damaged or cut short.
    """

    def __init__(self, path: str):
        self._copy: str | None = None
        if os.path.isdir(path):
            raise ValueError(f"{path} is a folder, expected a file")
        if not os.path.exists(path):
            raise FileNotFoundError(f"{path}: no such file")
        self.name = path
        with open(path, "rb") as stream:
            start = stream.read(3)
        opener = next((o for magic, o in _OPENERS.items() if start.startswith(magic)), None)
        if opener is not None:
            self._unpack(path, opener)

    def _unpack(self, path: str, opener) -> None:
        handle, copy = tempfile.mkstemp(prefix="tinygrad_astro-", suffix=".unpacked")
        self._copy = copy
        try:
            with os.fdopen(handle, "wb") as target, opener(path, "rb") as source:
                shutil.copyfileobj(source, target, 1 << 20)
        except (OSError, EOFError, zlib.error) as error:
            self.close()
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise ValueError(
                f"{path}: the packed data are damaged or truncated ({error})"
            ) from error
        self.name = copy

    def close(self) -> None:
        """Remove the temporary copy, where there is one."""
        if self._copy is not None and os.path.exists(self._copy):
            os.remove(self._copy)
        self._copy = None
