"""The synthetic sky: fields and stamps with their truth, in NumPy alone; same seed, same bits.

Counts are electrons, lengths pixels, angles degrees counter-clockwise from +x, and pixel `[y, x]`
has its centre at (x, y), counted from 0. Galaxies are a de Vaucouleurs bulge, an exponential disc
with logarithmic arms, a bar or a ring, or an irregular crowd of clumps; their colours follow from
redshift (`tinygrad_astro.data.sky.seds`).
"""

import math
from dataclasses import dataclass

import numpy as np

from tinygrad_astro import bounds
from tinygrad_astro.data.sky.blends import Blends, blends
from tinygrad_astro.data.sky.camera import Camera, Stamp
from tinygrad_astro.data.sky.catalogue import catalogue_type, fill_row
from tinygrad_astro.data.sky.galaxies import make_galaxy, make_star
from tinygrad_astro.data.sky.population import absolute_magnitude, effective_radius, redshift_of
from tinygrad_astro.data.sky.source import TYPES, Source
from tinygrad_astro.data.sky.stamps import Galaxies, galaxies

__all__ = ["TYPES", "Blends", "Camera", "Field", "Galaxies", "Stamp", "blends", "field", "galaxies"]

_MIX = {"spheroid": 0.3, "disc": 0.5, "irregular": 0.2}
# Number counts rise as 10^(slope m): galaxies outnumber stars among the faint.
_STAR_SLOPE, _GALAXY_SLOPE = 0.1, 0.25


@dataclass
class Field:
    """A piece of synthetic sky and everything that is true of it.

    Attributes
    ----------
    image : numpy.ndarray (H, W, C) float32
        Counts, sky subtracted.
    variance : numpy.ndarray (H, W, C) float32
        Of the noise, in counts squared.
    model : numpy.ndarray (H, W, C) float32
        The sum of all sources without noise.
    label_map : numpy.ndarray (H, W) int32
        `id` of the source that is the brightest in a pixel, where it stands out of the noise of
        the sky by `threshold`; 0 elsewhere.
    class_map : numpy.ndarray (H, W) int32
        0 sky, 1 galaxy, 2 star.
    stamps : list of Stamp
        Each source alone, without noise, in the order of the catalogue.
    catalogue : numpy.ndarray, structured
        See `tinygrad_astro.data.sky.catalogue.catalogue_type`.
    camera : Camera
    """

    image: np.ndarray
    variance: np.ndarray
    model: np.ndarray
    label_map: np.ndarray
    class_map: np.ndarray
    stamps: list[Stamp]
    catalogue: np.ndarray
    camera: Camera

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of the bands, in the order of the last axis."""
        return self.camera.bands


def field(
    shape: tuple[int, int] = (512, 512),
    n_sources: int | None = None,
    density: float = 6.0,
    bands="gri",
    seed: int = 0,
    psf=3.5,
    sky=400.0,
    read_noise=5.0,
    zero_point: float = 30.0,
    pixel_scale: float = 0.2,
    magnitudes: tuple[float, float] = (17.0, 23.5),
    star_fraction: float = 0.2,
    blend_fraction: float = 0.2,
    threshold: float = 1.0,
) -> Field:
    """Simulate a field of stars and galaxies.

    Parameters
    ----------
    shape : (int, int)
        Height and width in pixels.
    n_sources : int, optional
        Number of sources; by default `density` times the area.
    density : float
        Sources per 100 x 100 pixels.
    bands, psf, sky, read_noise, zero_point, pixel_scale
        See `Camera`.
    seed : int
        The same seed gives the same bits.
    magnitudes : (float, float)
        Brightest and faintest AB magnitude in r; galaxy counts rise as 10^(0.25 m),
        star counts as 10^(0.1 m).
    star_fraction : float
        Share of point sources.
    blend_fraction : float
        Share of sources that are put next to another one; more touch by chance.
    threshold : float
        A pixel belongs to a source where the source exceeds this many standard deviations of the
        sky, all bands weighted by their inverse variance.

    Returns
    -------
    Field

    Raises
    ------
    ValueError
        If a parameter is out of range or a band is unknown.

    Examples
    --------
    >>> sky = field((64, 64), n_sources=5, seed=1)
    >>> sky.image.shape, len(sky.catalogue), len(sky.stamps)
    ((64, 64, 3), 5, 5)
    """
    camera = Camera(bands, psf, sky, read_noise, zero_point, pixel_scale)
    height, width = _checked_shape(shape)
    bright, faint = magnitudes
    if not bright < faint:
        raise ValueError(f"magnitudes must be (bright, faint), received {magnitudes}")
    for name, value in (("star_fraction", star_fraction), ("blend_fraction", blend_fraction)):
        if not 0 <= value <= 1:
            raise ValueError(f"{name} must lie in [0, 1], received {value}")
    if n_sources is None:
        bounds.number("field", "density", density, 0)
    else:
        bounds.whole("field", "n_sources", n_sources)
    if seed is not None:
        bounds.whole("field", "seed", seed)
    count = round(density * height * width / 1e4) if n_sources is None else int(n_sources)
    rng = np.random.Generator(np.random.Philox(np.random.SeedSequence(seed)))
    catalogue = np.zeros(count, catalogue_type(camera.bands))
    stamps, model = [], np.zeros((height, width, len(camera.bands)), np.float32)
    for index in range(count):
        source = _draw_source(rng, camera, bright, faint, star_fraction, min(height, width))
        near = index > 0 and rng.random() < blend_fraction
        place = _beside(rng, catalogue[:index], source, camera) if near else None
        if place is None or not (0 <= place[0] <= width - 1 and 0 <= place[1] <= height - 1):
            place = rng.uniform(-0.5, width - 0.5), rng.uniform(-0.5, height - 0.5)
        fill_row(catalogue[index], source, camera, *place)
        catalogue[index]["id"] = index + 1
        stamps.append(camera.stamp(source, (height, width), *place))
        model[stamps[-1].window] += stamps[-1].data
    labels = _label(camera, catalogue, stamps, model, threshold)
    classes = np.zeros_like(labels)
    star = catalogue["type_index"] == TYPES.index("point source")
    found = labels > 0
    classes[found] = 1 + star[labels[found] - 1]
    image = camera.expose(rng, model.astype(np.float64))
    variance = camera.variance(model).astype(np.float32)
    return Field(image, variance, model, labels, classes, stamps, catalogue, camera)


def _checked_shape(shape) -> tuple[int, int]:
    if np.shape(shape) != (2,) or min(shape) < 8:
        raise ValueError(f"shape must be (height, width), at least 8 pixels, received {shape}")
    return int(shape[0]), int(shape[1])


def _draw_source(
    rng, camera: Camera, bright: float, faint: float, stars: float, side: int
) -> Source:
    star = rng.random() < stars
    slope = _STAR_SLOPE if star else _GALAXY_SLOPE
    magnitude = math.log10(rng.uniform(10 ** (slope * bright), 10 ** (slope * faint))) / slope
    counts = camera.counts(magnitude)
    if star:
        return make_star(rng, camera.bands, camera.reference, counts)
    kind = _choose(rng)
    absolute = absolute_magnitude(rng, kind)
    redshift = redshift_of(kind, magnitude, absolute)
    radius = effective_radius(rng, kind, absolute, redshift, camera.pixel_scale)
    radius = float(np.clip(radius, 0.5, side / 8))
    return make_galaxy(rng, kind, camera.bands, camera.reference, counts, redshift, radius)


def _choose(rng: np.random.Generator) -> str:
    return str(rng.choice(list(_MIX), p=list(_MIX.values())))


def _beside(rng, placed: np.ndarray, source: Source, camera: Camera) -> tuple[float, float]:
    """Find a place so near to an earlier source that both overlap."""
    other = placed[rng.integers(len(placed))]
    own = max((part.profile.radius for part in source.components), default=0.0)
    apart = rng.uniform(0.6, 1.6) * (
        other["half_light_radius"] + min(own, 20.0) + 0.7 * camera.fwhm
    )
    around = rng.uniform(0, 2 * math.pi)
    return other["x"] + apart * math.cos(around), other["y"] + apart * math.sin(around)


def _label(camera: Camera, catalogue, stamps, model, threshold: float) -> np.ndarray:
    """Give each pixel to its brightest source and note S/N and blendedness of all sources."""
    noise = camera.variance(np.zeros(len(camera.bands)))
    weight = 1.0 / np.maximum(noise, 1e-12)
    scale = 1.0 / math.sqrt(weight.sum())
    labels = np.zeros(model.shape[:2], np.int32)
    best = np.full(model.shape[:2], threshold, np.float64)
    for row, stamp in zip(catalogue, stamps, strict=True):
        strength = stamp.data @ (weight * scale)
        window = stamp.window
        wins = strength > best[window]
        best[window][wins] = strength[wins]
        labels[window][wins] = row["id"]
        row["snr"] = camera.signal_to_noise(stamp.data)
        own, total = (
            a[..., camera.reference].astype(np.float64) for a in (stamp.data, model[window])
        )
        shared = float((own * total).sum())
        row["blendedness"] = 1 - float((own * own).sum()) / shared if shared > 0 else 0.0
    return labels
