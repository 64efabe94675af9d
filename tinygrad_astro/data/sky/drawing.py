"""One object for a stamp: drawn at a random distance, and scaled to a signal-to-noise ratio."""

import math
from collections.abc import Mapping

import numpy as np

from tinygrad_astro.data.sky.camera import Camera
from tinygrad_astro.data.sky.galaxies import make_galaxy, make_star
from tinygrad_astro.data.sky.population import (
    absolute_magnitude,
    apparent_magnitude,
    effective_radius,
)
from tinygrad_astro.data.sky.source import TYPES, Source

Range = tuple[float, float]
Types = Mapping[str, float] | tuple[str, ...]


def generator(seed: int, purpose: int, index: int) -> np.random.Generator:
    """Give the generator of object `index`, independent of all others."""
    sequence = np.random.SeedSequence(seed, spawn_key=(purpose, index))
    return np.random.Generator(np.random.Philox(sequence))


def draw_object(
    rng: np.random.Generator,
    camera: Camera,
    kind: str,
    radius: Range,
    bars: float = 0.3,
    rings: float = 0.12,
    arms: float = 1.0,
) -> Source:
    """Draw distance and luminosity until the size on the sky lies within `radius`, in pixels."""
    if kind == "point source":
        counts = camera.counts(rng.uniform(17.0, 22.0))
        return make_star(rng, camera.bands, camera.reference, counts)
    for _ in range(200):
        absolute = absolute_magnitude(rng, kind)
        redshift = float(np.clip(rng.gamma(2.5, 0.1), 0.01, 1.2))
        size = effective_radius(rng, kind, absolute, redshift, camera.pixel_scale)
        if radius[0] <= size <= radius[1]:
            break
    size = float(np.clip(size, *radius))
    counts = camera.counts(apparent_magnitude(kind, absolute, redshift))
    place = counts, redshift, size
    return make_galaxy(rng, kind, camera.bands, camera.reference, *place, bars, rings, arms)


def draw_model(
    camera: Camera, source: Source, size: int, x: float, y: float, snr: float | None
) -> np.ndarray:
    """Draw a source without noise, (size, size, C), and scale its fluxes until its S/N is `snr`.

    The S/N rises with the flux, so bisection in the logarithm of the flux finds it.
    """
    model = camera.draw(source, (size, size), x, y)
    if snr is None:
        return model
    signal, low, high = model[..., camera.reference].ravel(), -30.0, 30.0
    noise = camera.variance(np.zeros(len(camera.bands)))[camera.reference]
    for _ in range(50):
        middle = 0.5 * (low + high)
        scaled = signal * math.exp(middle)
        if math.sqrt((scaled * scaled / np.maximum(scaled + noise, 1e-300)).sum()) < snr:
            low = middle
        else:
            high = middle
    source.scaled(math.exp(middle))
    return model * math.exp(middle)


def draw_snr(rng: np.random.Generator, snr: Range | None) -> float | None:
    """Draw a S/N, uniform in its logarithm; None stays None."""
    return None if snr is None else math.exp(rng.uniform(*np.log(snr)))


def type_shares(types: Types) -> tuple[list[str], np.ndarray]:
    """Give the names of the types asked for and their cumulative shares.

    Raises
    ------
    ValueError
        If a type is unknown or the shares cannot be.
    """
    given = dict(types) if isinstance(types, Mapping) else dict.fromkeys(types, 1.0)
    unknown = [name for name in given if name not in TYPES]
    shares = np.array(list(given.values()), dtype=np.float64)
    if unknown or not given or (shares < 0).any() or not shares.sum() > 0:
        raise ValueError(
            f"types must be out of {', '.join(TYPES)}, with shares >= 0; received {types!r}"
        )
    return list(given), np.cumsum(shares / shares.sum())


def pick_type(names: list[str], cumulative: np.ndarray, draw: float) -> str:
    """Turn a number in [0, 1) into a type according to the shares."""
    return names[min(int(np.searchsorted(cumulative, draw, "right")), len(names) - 1)]


def check_request(n: int, size: int, snr: Range | None, radius: Range) -> None:
    """Raise ValueError where a number or a range cannot be."""
    if n < 0 or size < 8:
        raise ValueError(f"n must be >= 0 and size >= 8, received {n} and {size}")
    if snr is not None and not 0 < snr[0] <= snr[1]:
        raise ValueError(f"snr must be (low, high) with 0 < low <= high, received {snr}")
    if not 0 < radius[0] <= radius[1]:
        raise ValueError(f"radius must be (low, high) with 0 < low <= high, received {radius}")
