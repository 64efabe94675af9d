"""From survey images and a model file to one FITS file: labels, probabilities, a catalogue."""

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tinygrad_astro import mosaic
from tinygrad_astro._version import __version__
from tinygrad_astro.data.bands import BandReader
from tinygrad_astro.data.stretch import AsinhStretch, bad_pixels
from tinygrad_astro.extras import optional
from tinygrad_astro.mosaic.files import check_target
from tinygrad_astro.mosaic.journal import identity, unfinished
from tinygrad_astro.segmentation.catalogue import UNITS, Measurements
from tinygrad_astro.segmentation.stitching import TiledLabels
from tinygrad_astro.segmentation.survey import band_names

# Sources are measured in blocks of this side whatever the tile, so that sums have the same bits.
MEASURING_BLOCK = 512

Progress = Callable[[str, int, int], Any]


@dataclass(frozen=True)
class Detection:
    """What counts as a source: connected pixels where one is more likely than `threshold`.

    Attributes
    ----------
    threshold : float
        Of the probability of being any kind of source, above 0 and below 1.
    min_pixels : int
        Smaller groups of pixels are dropped.
    """

    threshold: float = 0.5
    min_pixels: int = 9

    def __post_init__(self):
        if not 0 < self.threshold < 1:
            raise ValueError(f"threshold={self.threshold}: expected a number between 0 and 1")
        if self.min_pixels < 1:
            raise ValueError(f"min_pixels={self.min_pixels}: expected at least 1")


def source_probability(probabilities: np.ndarray) -> np.ndarray:
    """Sum the probabilities (..., classes) of all classes but the first, the sky."""
    return probabilities[..., 1:].sum(axis=-1)


def segment_files(
    model,
    images: Sequence[str],
    path: str,
    detection: Detection | None = None,
    tile: int = 512,
    progress: Progress | None = None,
    resume: bool = False,
) -> dict[str, np.ndarray]:
    """Segment survey images of any size into one FITS file, holding no more than tiles in memory.

    The extensions are LABEL (int32, 0 is sky), PROB (probability of a source), with several kinds
    of source PROB_<KIND>, and CATALOGUE. All carry the cards of the first image's header. Nothing
    in the file depends on `tile`.

    Parameters
    ----------
    model : Model
        What `recipe.train` gave, or a file of it holds: metadata name bands, classes and stretch.
    images : sequence of path
        The bands the model was trained on, in that order.
    path : path
        The file to write, .fits; it appears only when it is complete.
    detection : Detection, optional
    tile : int
        Side of a tile in pixels.
    progress : callable, optional
        Called as `progress(stage, done, total)`, stage "predicting" or "measuring".
    resume : bool
        Go on where a run of the same model, images, detection and tile was killed, and leave
        unfinished what an error interrupts; see `mosaic.predict_files`.

    Returns
    -------
    dict of str to numpy.ndarray
        The catalogue: see `Measurements.table`; with `ra` and `dec` (degrees) where the header
        holds sky coordinates.

    Raises
    ------
    FileNotFoundError, ImportError
        If a file, or astropy, is missing.
    ValueError
        If the images do not fit each other or the model, the model is none for segmentation, or a
        run that was killed had another model, image, detection or tile.
    """
    detection = detection or Detection()
    tell = progress or (lambda stage, done, total: None)
    stretch, bands, names = told_by(model)
    check_target(path, images)
    partial = f"{os.fspath(path)}.unfinished"
    with BandReader(images) as reader:
        check_bands(images, reader.shape[2], bands)
        header = history(reader.header, detection)
        size = {name: (reader.shape[:2], dtype) for name, dtype in planes(names).items()}
        told = identity(model, reader.paths, tile, detection=asdict(detection))
        with unfinished(partial, size, header, told, resume) as (writer, journal):
            labels = TiledLabels(writer["LABEL"])
            find(model, reader, stretch, writer, labels, names, detection, tile, tell, journal)
            count = labels.finish(detection.min_pixels)
            sums = Measurements(count, bands, names[1:])
            measure(reader, stretch, writer, labels, names, sums, tell)
        table = with_sky(sums.table(), reader.header)
    append_table(partial, table, {**UNITS, "ra": "deg", "dec": "deg"})
    os.replace(partial, path)
    journal.remove()
    return table


def planes(names: Sequence[str]) -> dict[str, str]:
    """Name the images to be written, and their dtypes."""
    images = {"LABEL": "int32", "PROB": "float32"}
    if len(names) > 2:
        images |= {f"PROB_{name.upper()}": "float32" for name in names[1:]}
    return images


def find(model, reader, stretch, writer, labels, names, detection, tile, tell, journal) -> None:
    """Predict all tiles that the journal lacks; write probabilities and provisional labels."""
    cut = mosaic.tiles(reader.shape[:2], tile, mosaic.Reach.of(model))

    def prepare(section):
        return stretch(section.data, section.mask)[0]

    # Labels are made anew for finished tiles: the numbers of a killed run may be half final ones.
    for one in cut[: journal.done]:
        labels.add(one.core, np.asarray(writer["PROB"][one.core]) > detection.threshold)
        writer.flush()
    tell("predicting", journal.done, len(cut))
    for one, values in mosaic.predict_tiles(model, reader, tile, prepare, journal.done):
        probability = source_probability(values)
        writer["PROB"][one.core] = probability
        if len(names) > 2:
            for i, name in enumerate(names[1:], 1):
                writer[f"PROB_{name.upper()}"][one.core] = values[..., i]
        labels.add(one.core, probability > detection.threshold)
        writer.flush()
        journal.add()
        tell("predicting", journal.done, len(cut))


def measure(reader, stretch, writer, labels, names, sums, tell) -> None:
    """Give sources their final labels, and measure them, block by block."""
    height, width = reader.shape[:2]
    corners = [
        (y, x) for y in range(0, height, MEASURING_BLOCK) for x in range(0, width, MEASURING_BLOCK)
    ]
    kinds = ["PROB"] if len(names) == 2 else [f"PROB_{name.upper()}" for name in names[1:]]
    for done, (y, x) in enumerate(corners, 1):
        block = (
            slice(y, min(y + MEASURING_BLOCK, height)),
            slice(x, min(x + MEASURING_BLOCK, width)),
        )
        final = labels.final(np.asarray(writer["LABEL"][block]))
        writer["LABEL"][block] = final
        if final.any():
            section = reader[block]
            good = ~bad_pixels(section.data, section.mask)
            flux = np.where(good, section.data - stretch.median, 0.0)
            probability = np.stack([writer[kind][block] for kind in kinds], axis=-1)
            sums.add(y, x, final, flux, flux / stretch.scale, probability)
        writer.flush()
        tell("measuring", done, len(corners))


def told_by(model) -> tuple[AsinhStretch, list[str], list[str]]:
    """Give the stretch, the bands and the class names that a model was trained with.

    Raises
    ------
    ValueError
        If its metadata lack one of them.
    """
    known = model.metadata
    absent = [key for key in ("stretch", "bands", "classes") if key not in known]
    if absent:
        raise ValueError(
            f"the model says nothing about {', '.join(absent)}: expected one that "
            "'tinygrad-astro train segmentation' wrote"
        )
    return AsinhStretch.from_dict(known["stretch"]), list(known["bands"]), list(known["classes"])


def check_bands(images: Sequence[str], count: int, bands: Sequence[str]) -> None:
    """Raise where images cannot be those bands, or are in another order.

    Raises
    ------
    ValueError
        If their number differs, or their names say that they are in another order.
    """
    if count != len(bands):
        raise ValueError(
            f"the model was trained on {len(bands)} bands ({' '.join(bands)}), received {count}"
        )
    names = band_names(images, count)
    if sorted(names) == sorted(bands) and names != list(bands):
        raise ValueError(
            f"the model was trained on the bands {' '.join(bands)} in this order, "
            f"received {' '.join(names)}"
        )


def history(header, detection: Detection):
    """Copy a header, with a note of what was done."""
    header = header.copy()
    header.add_history(f"segmented by tinygrad_astro {__version__}:")
    header.add_history(
        f"probability > {detection.threshold}, at least {detection.min_pixels} pixels"
    )
    return header


def with_sky(table: dict[str, np.ndarray], header) -> dict[str, np.ndarray]:
    """Add right ascension and declination after x and y, if the header has sky coordinates."""
    wcs = optional("astropy.wcs")
    solution = wcs.WCS(header, naxis=2)
    if not solution.has_celestial:
        return table
    ra, dec = solution.celestial.all_pix2world(table["x"], table["y"], 0)
    return {"id": table["id"], "ra": ra, "dec": dec} | table


def append_table(path: str, table: dict[str, np.ndarray], units: dict[str, str]) -> None:
    """Append a catalogue to a FITS file as the extension CATALOGUE, reading none of its images."""
    fits = optional("astropy.io.fits")
    columns = optional("astropy.table").Table(table)
    for name in set(units) & set(table):
        columns[name].unit = units[name]
    extension = fits.table_to_hdu(columns)
    extension.name = "CATALOGUE"
    fits.append(path, extension.data, extension.header, verify=False)
