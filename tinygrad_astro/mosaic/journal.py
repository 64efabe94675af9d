"""What a mosaic's prediction has finished, in a file beside it, so that a killed run can go on."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike, fspath

from tinygrad_astro._version import __version__
from tinygrad_astro.data.fits_output import ImageWriter
from tinygrad_astro.models.saving import fingerprint


def identity(model, images: Sequence[str], tile: int, **others) -> dict:
    """Describe what tiles depend on, as JSON values: they may be mixed only if all of it is equal.

    An image is told by its path, size and time of change; its pixels are not read for this.
    """
    files = [
        [os.path.abspath(path), (s := os.stat(path)).st_size, s.st_mtime_ns] for path in images
    ]
    told = {"library": __version__, "model": fingerprint(model), "images": files, "tile": tile}
    return json.loads(json.dumps(told | others))


class Journal:
    """How many tiles are finished, and of what: one line of JSON, then a line per finished tile.

    Parameters
    ----------
    path : str
        The file; made by `start`.
    told : dict
        As `identity` gave it.
    """

    def __init__(self, path: str, told: dict):
        self.path, self.told, self.done = path, told, 0

    def start(self) -> None:
        """Begin a new file: nothing is finished."""
        self.done = 0
        with open(self.path, "w", encoding="utf-8") as stream:
            stream.write(json.dumps(self.told) + "\n")

    def go_on(self) -> None:
        """Read how many tiles are finished.

        Raises
        ------
        ValueError
            If the file tells of another model, image or tile, or is damaged.
        """
        with open(self.path, encoding="utf-8") as stream:
            head, *lines = stream.read().split("\n")
        try:
            before = json.loads(head)
            differing = [
                key
                for key in {**self.told, **before}
                if before.get(key, 0) != self.told.get(key, 0)
            ]
        except (ValueError, TypeError, AttributeError):
            before, differing = {}, ["first line"]
        if differing:
            key = differing[0]
            raise ValueError(
                f"{self.path} tells of an unfinished run with another {key}: {before.get(key)!r}, "
                f"now {self.told.get(key)!r}; start anew without resume, or give what it had"
            )
        self.done = lines.count("tile")  # a line that a kill has cut short does not count

    def add(self) -> None:
        """Note one more tile, all of whose pixels are in the file."""
        with open(self.path, "a", encoding="utf-8") as stream:
            stream.write("tile\n")
        self.done += 1

    def remove(self) -> None:
        """Remove the file, where there is one."""
        if os.path.exists(self.path):
            os.remove(self.path)


@contextmanager
def unfinished(
    path: str | PathLike, images: Mapping[str, tuple], header, told: dict, resume: bool
) -> Iterator[tuple[ImageWriter, Journal]]:
    """Open the file to be written, and its journal: new ones, or those that a killed run left.

    With `resume`, an error inside the block leaves both for the next attempt; otherwise it removes
    them. At the end of the block the file is complete; the journal is the caller's to remove, once
    the file bears its last name.

    Raises
    ------
    ValueError
        If what a killed run left does not fit.
    """
    journal = Journal(fspath(path) + ".tiles", told)
    resume_now = resume and os.path.exists(fspath(path) + ".part") and os.path.exists(journal.path)
    if resume_now:
        journal.go_on()
    else:
        journal.remove()  # first, lest a kill in between leave it beside an empty file
    writer = ImageWriter(path, images, header, resume=resume_now)
    if not resume_now:
        journal.start()
    try:
        yield writer, journal
    except BaseException:
        writer.abandon(keep=resume)
        if not resume:
            journal.remove()
        raise
    writer.close()
