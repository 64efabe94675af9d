"""Stamps of single objects of five types, with their truth and the votes of volunteers."""

from dataclasses import dataclass

import numpy as np

from tinygrad_astro.data.sky.artefacts import ARTEFACTS, spoil
from tinygrad_astro.data.sky.camera import Camera
from tinygrad_astro.data.sky.catalogue import catalogue_type, fill_row
from tinygrad_astro.data.sky.drawing import (
    Range,
    Types,
    check_request,
    draw_model,
    draw_object,
    draw_snr,
    generator,
    pick_type,
    type_shares,
)
from tinygrad_astro.data.sky.source import TYPES
from tinygrad_astro.data.sky.votes import cast_votes, vote_column, vote_probabilities

_GOLDEN_RATIO = 0.6180339887498949


@dataclass
class Galaxies:
    """Stamps with one object each.

    Attributes
    ----------
    images : numpy.ndarray (N, S, S, C) float32
        Counts, sky subtracted, with noise.
    models : numpy.ndarray (N, S, S, C) float32
        The same without noise and artefacts.
    truth : numpy.ndarray (N,), structured
        The columns of `catalogue_type`, `artefact` (empty, "faint", "trail", "bleed" or "edge"),
        and `vote_<type>`, the fractions of the five answers.
    camera : Camera
    """

    images: np.ndarray
    models: np.ndarray
    truth: np.ndarray
    camera: Camera

    @property
    def labels(self) -> np.ndarray:
        """Index of the true type in `TYPES`, int64 (N,)."""
        return self.truth["type_index"].astype(np.int64)

    @property
    def votes(self) -> np.ndarray:
        """Vote fractions, float32 (N, 5) in the order of `TYPES`."""
        columns = [self.truth[vote_column(name)] for name in TYPES]
        return np.stack(columns, axis=-1).astype(np.float32)

    @property
    def variance(self) -> np.ndarray:
        """Variance of the noise, float32 (N, S, S, C), in counts squared."""
        return self.camera.variance(self.models).astype(np.float32)


def galaxies(
    n: int,
    size: int = 64,
    bands="gri",
    seed: int = 0,
    types: Types = TYPES,
    snr: Range | None = (20.0, 200.0),
    radius: Range = (3.0, 8.0),
    bars: float = 0.3,
    rings: float = 0.12,
    arms: float = 1.0,
    psf=3.0,
    sky=400.0,
    read_noise=5.0,
    zero_point: float = 30.0,
    pixel_scale: float = 0.2,
    voters: int = 40,
    start: int = 0,
) -> Galaxies:
    """Simulate single objects of five types, centred within a pixel.

    Object `id` depends on seed and id alone: `galaxies(10)` begins with `galaxies(5)`, and
    `galaxies(5, start=5)` gives the others, so that sets with different ids share no object.

    Parameters
    ----------
    n, size : int
        Number of stamps and their side in pixels.
    bands, psf, sky, read_noise, zero_point, pixel_scale
        See `Camera`.
    seed : int
        The same seed gives the same bits.
    types : sequence of str, or mapping from type to share
        Types out of `TYPES`; a sequence gives them equal shares.
    snr : (float, float) or None
        Range of the matched-filter S/N in the reference band, uniform in its logarithm: all fluxes
        of an object are scaled to it. None keeps the counts that distance and luminosity give.
        Objects that are unclassifiable because they are faint have 1 to 4 instead.
    radius : (float, float)
        Range of the effective radius of the main component, in pixels.
    bars, rings : float
        Probability that a disc that is not edge-on has a bar, a ring.
    arms : float
        Probability that a disc has arms; it is a smooth lenticular otherwise.
    voters : int
        Number of votes per object.
    start : int
        First object; the `id` counts from `start + 1`.

    Returns
    -------
    Galaxies

    Raises
    ------
    ValueError
        If a parameter is out of range or a type is unknown.

    Examples
    --------
    >>> made = galaxies(4, size=32, seed=2, types=("disc", "point source"))
    >>> made.images.shape, sorted(set(made.truth["type"].tolist()))
    ((4, 32, 32, 3), ['disc', 'point source'])
    """
    camera = Camera(bands, psf, sky, read_noise, zero_point, pixel_scale)
    check_request(n, size, snr, radius)
    names, shares = type_shares(types)
    columns = [*catalogue_type(camera.bands).descr, ("artefact", "U8")]
    truth = np.zeros(n, np.dtype(columns + [(vote_column(name), "f8") for name in TYPES]))
    images = np.zeros((n, size, size, len(camera.bands)), np.float32)
    models = np.zeros_like(images)
    for index, row in enumerate(truth):
        rng = generator(seed, 0, start + index)
        kind = pick_type(names, shares, _even(seed, start + index))
        true, artefact, target = kind, "", draw_snr(rng, snr)
        if kind == "unclassifiable":
            true = str(rng.choice(TYPES[:3]))
            artefact = str(rng.choice(("faint", *ARTEFACTS)))
            target = rng.uniform(1.0, 4.0) if artefact == "faint" else target
        x, y = (size - 1) / 2 + rng.uniform(-1, 1, 2)
        source = draw_object(rng, camera, true, radius, bars, rings, arms)
        model = draw_model(camera, source, size, x, y, target)
        source.type = kind
        fill_row(row, source, camera, x, y)
        row["id"], row["artefact"] = start + index + 1, artefact
        row["snr"] = camera.signal_to_noise(model)
        images[index], models[index] = camera.expose(rng, model), model
        if artefact in ARTEFACTS:
            sigma = np.sqrt(camera.variance(np.zeros(len(camera.bands))))
            images[index] = spoil(rng, artefact, images[index], sigma, camera.fwhm)
        _vote(rng, row, camera.fwhm, voters)
    return Galaxies(images, models, truth, camera)


def _vote(rng: np.random.Generator, row: np.void, fwhm: float, voters: int) -> None:
    seen = row["half_light_radius"] / fwhm
    chances = vote_probabilities(str(row["type"]), row["bulge_fraction"], seen, row["snr"])
    for name, fraction in zip(TYPES, cast_votes(rng, chances, voters), strict=True):
        row[vote_column(name)] = fraction


def _even(seed: int, index: int) -> float:
    """Give number `index` of a sequence that fills [0, 1) evenly, from a start that `seed` sets.

    So every run of ids holds the types in nearly their exact shares.
    """
    return (generator(seed, 2, 0).random() + index * _GOLDEN_RATIO) % 1.0
