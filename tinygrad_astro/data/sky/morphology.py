"""The structure of a galaxy drawn at random: which parts it has, where, and what stars they hold.

Every function gives a `Source` with the geometry that is true of it, and its parts with their share
of the light; fluxes follow in `galaxies`, where redshift and bands are known.
"""

import math
from dataclasses import dataclass, field

import numpy as np

from tinygrad_astro.data.sky.components import Component, spiral_arms
from tinygrad_astro.data.sky.profiles import Ring, Sersic
from tinygrad_astro.data.sky.source import Source

_UNKNOWN = np.zeros(0)
_THICKNESS = 0.18


@dataclass
class Part(Component):
    """A component whose flux is still open.

    Attributes
    ----------
    share : float
        Of the light of the reference band.
    stars : (float, float)
        Share of young light and A_V, as `seds.galaxy_spectrum` takes them.
    """

    flux: np.ndarray = field(default_factory=lambda: _UNKNOWN)
    share: float = 0.0
    stars: tuple[float, float] = (0.0, 0.0)


def spheroid(rng: np.random.Generator, radius: float) -> tuple[Source, list[Part]]:
    """Draw a de Vaucouleurs bulge of effective radius `radius`, in 2 of 5 cases within a disc."""
    q, angle = rng.uniform(0.5, 1.0), rng.uniform(0, 180)
    young = rng.uniform(0.0, 0.04)
    share = 1.0 if rng.random() < 0.6 else rng.uniform(0.7, 1.0)
    source = Source("spheroid", _UNKNOWN, axis_ratio=q, angle=angle)
    source.bulge_fraction, source.bulge_radius = share, radius
    parts = [Part(Sersic(radius, 4.0), _UNKNOWN, q, angle, share=share, stars=(young, 0.0))]
    if share < 1:
        source.disc_radius = radius * rng.uniform(1.5, 2.2)
        profile = Sersic(source.disc_radius, 1.0)
        parts.append(Part(profile, _UNKNOWN, q, angle, share=1 - share, stars=(young + 0.05, 0.0)))
    return source, parts


def disc(
    rng: np.random.Generator, radius: float, bars: float, rings: float, arms: float = 1.0
) -> tuple[Source, list[Part]]:
    """Draw an inclined exponential disc of effective radius `radius`, with arms and maybe a bulge.

    The axis ratio is that of a disc of thickness 0.18 under a random inclination (Hubble 1926);
    `bars`, `rings` and `arms` are probabilities. A disc without arms is a lenticular: smooth, and
    of older stars.
    """
    cosine, angle = rng.uniform(0.0, 1.0), rng.uniform(0, 180)
    q = math.sqrt(_THICKNESS**2 + (1 - _THICKNESS**2) * cosine**2)
    young, dust = rng.uniform(0.35, 0.6), rng.uniform(0.05, 0.2) / max(q, 0.3)
    source = Source("disc", _UNKNOWN, axis_ratio=q, angle=angle, disc_radius=radius)
    source.bulge_fraction = 0.0 if rng.random() < 0.15 else 0.45 * rng.beta(1.3, 2.2)
    left, parts = 1 - source.bulge_fraction, []
    if source.bulge_fraction:
        source.bulge_radius = radius * rng.uniform(0.12, 0.3)
        profile, round_ = Sersic(source.bulge_radius, 4.0), max(q, rng.uniform(0.6, 0.9))
        stars = (rng.uniform(0.02, 0.1), 0.1)
        parts.append(
            Part(profile, _UNKNOWN, round_, angle, share=source.bulge_fraction, stars=stars)
        )
    if q > 0.45 and rng.random() < bars:
        source.bar = left * rng.uniform(0.15, 0.3)
        parts.append(_bar(rng, source, radius, young))
    if q > 0.3 and rng.random() < rings:
        source.ring = left * rng.uniform(0.2, 0.4)
        at = radius * rng.uniform(0.9, 1.5)
        stars = (young + 0.35, dust)
        parts.append(Part(Ring(at, 0.12 * at), _UNKNOWN, q, angle, share=source.ring, stars=stars))
    left -= source.bar + source.ring
    # Not even asked where all have arms, so that such a sky keeps its bits.
    if arms < 1 and rng.random() >= arms:
        stars = (young * rng.uniform(0.05, 0.5), 0.5 * dust)
        smooth = Part(Sersic(radius, 1.0), _UNKNOWN, q, angle, share=left, stars=stars)
        return source, [*parts, smooth]
    return source, parts + _armed_disc(rng, source, left, young, dust)


def _armed_disc(rng, source: Source, share: float, young: float, dust: float) -> list[Part]:
    """Split a disc into smooth old light and bluer light in arms, on one profile."""
    source.arms = 2 if source.bar else int(rng.choice([2, 2, 2, 3, 4]))
    pitch = rng.uniform(12, 28) * rng.choice([-1, 1])
    strength, start = rng.uniform(0.9, 1.7), 0.7 if source.bar else 0.4
    q, angle, radius = source.axis_ratio, source.angle, source.disc_radius
    arms = spiral_arms(rng, radius, source.arms, pitch, strength, start, axis_ratio=q)
    armed, profile = rng.uniform(0.55, 0.8), Sersic(radius, 1.0)
    old, new = (young * 0.6, dust), (min(young + 0.35, 1.0), dust)
    return [
        Part(profile, _UNKNOWN, q, angle, share=share * (1 - armed), stars=old),
        Part(profile, _UNKNOWN, q, angle, share=share * armed, stars=new, arms=arms),
    ]


def _bar(rng: np.random.Generator, source: Source, radius: float, young: float) -> Part:
    """Lay an ellipse into the plane of the disc and give its image on the sky."""
    turn, thin = math.radians(rng.uniform(0, 180)), rng.uniform(0.2, 0.35)
    c, s = math.cos(turn), math.sin(turn)
    plane = np.array([[c, -s], [s, c]]) @ np.diag([1.0, thin])
    axes, lengths, _ = np.linalg.svd(np.diag([1.0, source.axis_ratio]) @ plane)
    angle = source.angle + math.degrees(math.atan2(axes[1, 0], axes[0, 0]))
    profile, flat = Sersic(0.55 * radius * lengths[0], 0.5), lengths[1] / lengths[0]
    return Part(profile, _UNKNOWN, flat, angle, share=source.bar, stars=(young * 0.4, 0.2))


def irregular(rng: np.random.Generator, radius: float) -> tuple[Source, list[Part]]:
    """Draw a faint disc of effective radius `radius` with 4 to 10 bright clumps, off centre.

    The position of the whole is its centre of light.
    """
    q, angle = rng.uniform(0.45, 0.95), rng.uniform(0, 180)
    young, smooth = rng.uniform(0.55, 0.9), rng.uniform(0.25, 0.5)
    source = Source("irregular", _UNKNOWN, axis_ratio=q, angle=angle)
    source.bulge_fraction, source.disc_radius = 0.0, radius
    parts = [Part(Sersic(radius, 1.0), _UNKNOWN, q, angle, share=smooth, stars=(young, 0.2))]
    brightness = rng.gamma(1.5, 1.0, int(rng.integers(4, 11))) + 0.2
    c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    for light in brightness * (1 - smooth) / brightness.sum():
        away, around = radius * rng.uniform(0.3, 1.6), rng.uniform(0, 2 * math.pi)
        u, v = away * math.cos(around), q * away * math.sin(around)
        profile = Sersic(radius * rng.uniform(0.12, 0.35), 0.5)
        clump = Part(profile, _UNKNOWN, rng.uniform(0.5, 1), rng.uniform(0, 180), share=light)
        clump.dx, clump.dy = u * c - v * s, u * s + v * c
        clump.stars = (min(young + rng.uniform(0, 0.4), 1.0), 0.1)
        parts.append(clump)
    x, y = (sum(p.share * d for p, d in zip(parts, ds, strict=True))
            for ds in ([p.dx for p in parts], [p.dy for p in parts]))  # fmt: skip
    for part in parts:
        part.dx, part.dy = part.dx - x, part.dy - y
    return source, parts
