"""From FITS files to a FITS file through a network, section by section, with header and WCS."""

import os
from collections.abc import Callable, Sequence
from contextlib import contextmanager, nullcontext

from tqdm import tqdm

from tinygrad_astro._version import __version__
from tinygrad_astro.data.bands import BandReader
from tinygrad_astro.data.stretch import AsinhStretch
from tinygrad_astro.files import check_folder
from tinygrad_astro.mosaic.journal import identity, unfinished
from tinygrad_astro.mosaic.prediction import Progress, predict_tiles
from tinygrad_astro.mosaic.tiling import Reach, tiles

SUFFIXES = (".fits", ".fit", ".fts")


def predict_files(
    model,
    images: str | Sequence[str] | BandReader,
    path: str,
    tile: int = 512,
    prepare: Callable | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> None:
    """Predict FITS images of any size into the extension PREDICTION of one FITS file.

    Nothing but a few tiles is in memory at any time. The file carries the cards of the first
    image's header, sky coordinates among them, and bears its name only when it is complete. Until
    then it is `path` + ".part", and `path` + ".tiles" counts the tiles that are finished.

    Parameters
    ----------
    model : Model
        As in `mosaic.predict_tiles`.
    images : path, sequence of paths or BandReader
        The bands. A reader lets you choose extensions and masks; it stays open.
    path : path
        The file to write: .fits, (H, W) for one output and (H, W, K) for several.
    tile : int
        Side of a tile in pixels. The result does not depend on it; memory does.
    prepare : callable, optional
        Makes the network's input of an `Image`, a section that was read. Default: the asinh stretch
        in the model's metadata, if there is one, else as in `mosaic.predict_tiles`.
    resume : bool
        Go on where a run of the same model, images and tile was killed, and leave unfinished what
        an error interrupts. What `prepare` does is not compared. False: start anew.
    progress : callable, optional
        Called as `progress(done, total)` after every tile. Default: a bar on a terminal.

    Raises
    ------
    FileNotFoundError, ImportError
        If a file, a folder or astropy is missing.
    ValueError
        If the images do not fit each other or the model, if the path is one of them or no plain
        FITS file, or if a run that was killed had another model, image or tile.

    Examples
    --------
    >>> import numpy as np, tempfile, tinygrad_astro as ta
    >>> from tinygrad_astro.data import read_image, write_image
    >>> from tinygrad_astro.mosaic import predict_files
    >>> folder = tempfile.mkdtemp()
    >>> write_image(f"{folder}/sky.fits", np.ones((30, 40), np.float32), {"CRVAL1": 150.0})
    >>> model = ta.Sequential([ta.Input((None, None, 1)), ta.layers.Conv2D(1, 3, padding="same")])
    >>> predict_files(model, f"{folder}/sky.fits", f"{folder}/out.fits", tile=16)
    >>> image = read_image(f"{folder}/out.fits", "PREDICTION")
    >>> image.data.shape, image.header["CRVAL1"]
    ((30, 40), 150.0)
    """
    opened = nullcontext(images) if isinstance(images, BandReader) else BandReader(images)
    with opened as reader, _told(progress) as tell:
        check_target(path, reader.paths)
        height, width = reader.shape[:2]
        total = len(tiles((height, width), tile, Reach.of(model)))
        channels = model.output_shape[-1]
        shape = (height, width) if channels == 1 else (height, width, channels)
        header = reader.header.copy()
        header.add_history(f"predicted by tinygrad_astro {__version__}, model {model.name}")
        told = identity(model, reader.paths, tile, shape=[*reader.shape, channels])
        planes = {"PREDICTION": (shape, model.dtype)}
        prepare = prepare or stretched(model)
        with unfinished(path, planes, header, told, resume) as (writer, journal):
            tell(journal.done, total)
            for one, values in predict_tiles(model, reader, tile, prepare, journal.done):
                writer["PREDICTION"][one.core] = values if channels > 1 else values[..., 0]
                writer.flush()
                journal.add()
                tell(journal.done, total)
        journal.remove()


def stretched(model) -> Callable | None:
    """Give the stretch in a model's metadata as a `prepare`; None where there is none."""
    if "stretch" not in model.metadata:
        return None
    stretch = AsinhStretch.from_dict(model.metadata["stretch"])
    masked = len(model.traced().symbols) == 2

    def prepare(section):
        values, bad = stretch(section.data, section.mask)
        return (values, ~bad) if masked else values

    return prepare


def check_target(path, images: Sequence[str]) -> None:
    """Raise where the file to be written is no plain FITS file, or one of the images.

    Raises
    ------
    ValueError
        Saying which.
    FileNotFoundError
        If its folder is missing.
    """
    check_folder(path)
    if not os.fspath(path).lower().endswith(SUFFIXES):
        raise ValueError(
            f"{path}: the result is a FITS file written by tiles, so its name must end in .fits, "
            ".fit or .fts, not packed"
        )
    if os.path.exists(path) and any(
        os.path.exists(image) and os.path.samefile(path, image) for image in images
    ):
        raise ValueError(f"{path} is one of the images; write to another file")


@contextmanager
def _told(progress: Progress | None):
    """Give `progress`, or what moves a bar that only a terminal shows."""
    if progress is not None:
        yield progress
        return
    with tqdm(desc="predicting", unit="tile", dynamic_ncols=True, disable=None) as bar:

        def tell(done, total):
            bar.total = total
            bar.update(done - bar.n)

        yield tell
