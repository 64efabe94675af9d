"""A galaxy as a sum of components: each a profile, an ellipse, a flux per band, maybe arms."""

import math
from dataclasses import dataclass

import numpy as np

from tinygrad_astro.data.sky.profiles import Ring, Sersic, draw_profile, ellipse

_GOLDEN_ANGLE = math.pi * (3 - math.sqrt(5))
_ANGLES = 180


@dataclass
class Arms:
    """Light redistributed in azimuth: a table over (log radius, azimuth), of mean 1 at each radius.

    Since the mean over each circle of the disc's plane is 1, the radial profile and every
    quantity derived from it stay what they were without arms. Inside of `soft` pixels, where arms
    would be finer than the pixels, they fade away.
    """

    log_radius: np.ndarray
    table: np.ndarray
    soft: float

    def __call__(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """Give the factor at plane coordinates (u, v) in pixels."""
        r2 = u * u + v * v
        radius = 0.5 * np.log(r2 + 1e-12)
        span = self.log_radius[-1] - self.log_radius[0]
        row = (radius - self.log_radius[0]) / span * (len(self.log_radius) - 1)
        row = np.clip(row, 0, len(self.log_radius) - 1.001)
        column = np.arctan2(v, u) / (2 * math.pi) * _ANGLES % _ANGLES
        i, j = row.astype(np.intp), column.astype(np.intp) % _ANGLES
        fr, fc = row - i, column - np.floor(column)
        near = self.table[i, j] * (1 - fc) + self.table[i, (j + 1) % _ANGLES] * fc
        far = self.table[i + 1, j] * (1 - fc) + self.table[i + 1, (j + 1) % _ANGLES] * fc
        seen = 1 - np.exp(-r2 / self.soft**2)
        return 1 + seen * (near * (1 - fr) + far * fr - 1)


def spiral_arms(
    rng: np.random.Generator,
    radius: float,
    count: int,
    pitch: float,
    strength: float,
    start: float = 0.5,
    clumps: float = 0.4,
    axis_ratio: float = 1.0,
) -> Arms:
    """Make logarithmic arms: exp(k cos(m (theta - ln(r / R) / tan(pitch)))), and knots on them.

    Parameters
    ----------
    rng : numpy.random.Generator
    radius : float
        Effective radius R of the disc, pixels.
    count : int
        Number of arms m.
    pitch : float
        Angle between arm and circle, degrees; its sign is the sense of rotation.
    strength : float
        k: arms are exp(2k) times brighter than the gaps between them.
    start : float
        Radius at which the arms begin, in units of R.
    clumps : float
        Standard deviation of the logarithm of the knots along the arms.
    axis_ratio : float
        Of the disc on the sky: the flatter it looks, the further out its arms are resolved.

    Returns
    -------
    Arms
    """
    log_radius = np.linspace(math.log(0.15 * radius), math.log(5.0 * radius), 64)
    theta = np.arange(_ANGLES) * (2 * math.pi / _ANGLES)
    ratio = np.exp(log_radius)[:, None] / radius
    winding = np.log(ratio) / math.tan(math.radians(pitch))
    phase = count * (theta - winding) + rng.uniform(0, 2 * math.pi)
    wobble = sum(
        rng.normal(0, 0.35) * np.sin(k * np.log(ratio) * 2 + rng.uniform(0, 2 * math.pi))
        for k in (1, 2)
    )
    rise = 1 / (1 + np.exp(-(ratio / start - 1.2) * 6))
    knots = np.zeros_like(phase)
    for _ in range(12):
        along, across = rng.integers(3, 14), rng.uniform(-12, 12)
        knots += np.cos(
            along * (theta - winding * 0.5) + across * np.log(ratio) + rng.uniform(0, 6.3)
        )
    log_table = rise * (strength * np.cos(phase + wobble) + clumps / math.sqrt(6) * knots)
    table = np.exp(log_table)
    return Arms(log_radius, table / table.mean(axis=1, keepdims=True), 2.5 / axis_ratio)


@dataclass
class Component:
    """One part of a galaxy, centred at (dx, dy) pixels from the centre of the whole.

    Attributes
    ----------
    profile : Sersic or Ring
    flux : numpy.ndarray (C,)
        Total counts per band.
    axis_ratio, angle : float
        Minor over major axis; degrees counter-clockwise from +x.
    arms : Arms or None
    """

    profile: Sersic | Ring
    flux: np.ndarray
    axis_ratio: float = 1.0
    angle: float = 0.0
    dx: float = 0.0
    dy: float = 0.0
    arms: Arms | None = None

    def reach(self, fraction: float) -> float:
        """Give the distance from the centre of the galaxy that holds `fraction` of the light."""
        return math.hypot(self.dx, self.dy) + float(self.profile.quantile(fraction))

    def draw_smooth(self, shape: tuple[int, int], x: float, y: float) -> np.ndarray:
        """Draw it with flux 1 and without arms, for a galaxy centred at (x, y), (H, W)."""
        x, y = x + self.dx, y + self.dy
        return draw_profile(shape, self.profile, x, y, self.axis_ratio, self.angle)

    def draw_arms(self, shape: tuple[int, int], x: float, y: float) -> np.ndarray | float:
        """Give the factor that the arms put on the smooth light, (H, W); 1 without arms."""
        if self.arms is None:
            return 1.0
        dx = np.arange(shape[1])[None, :] - (x + self.dx)
        dy = np.arange(shape[0])[:, None] - (y + self.dy)
        return self.arms(*ellipse(dx, dy, self.axis_ratio, self.angle))

    def points(self, count: int = 4096) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Spread the light over points: positions relative to the galaxy, weights of sum 1.

        The points follow Vogel's spiral: equal light between radii, even in azimuth.
        """
        k = np.arange(count)
        radius, theta = self.profile.quantile((k + 0.5) / count), k * _GOLDEN_ANGLE
        u, v = radius * np.cos(theta), radius * np.sin(theta)
        weight = np.ones(count) if self.arms is None else self.arms(u, v)
        c, s = math.cos(math.radians(self.angle)), math.sin(math.radians(self.angle))
        v = v * self.axis_ratio
        return self.dx + u * c - v * s, self.dy + u * s + v * c, weight / weight.sum()


def half_light_radius(
    components: list[Component], band: int, axis_ratio: float = 1.0, angle: float = 0.0
) -> float:
    """Measure the ellipse around the centre that holds half of the light of one band.

    Parameters
    ----------
    components : list of Component
    band : int
        Index of the band.
    axis_ratio, angle : float
        Shape of the ellipse; the default is a circle.

    Returns
    -------
    float
        Its semi-major axis in pixels, before the PSF.

    Examples
    --------
    >>> disc = Component(Sersic(6.0, 1.0), np.array([1.0]), 0.4, 20.0)
    >>> round(half_light_radius([disc], 0, 0.4, 20.0), 2)
    6.0
    """
    return enclosing_radius(*light_points(components, band), axis_ratio, angle)


def light_points(
    components: list[Component], band: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Spread the light of one band over points: x and y from the centre, and counts."""
    parts = [component.points() for component in components]
    light = [p[2] * c.flux[band] for p, c in zip(parts, components, strict=True)]
    x, y = (np.concatenate([part[axis] for part in parts]) for axis in (0, 1))
    return x, y, np.concatenate(light)


def enclosing_radius(
    x: np.ndarray, y: np.ndarray, light: np.ndarray, axis_ratio: float, angle: float
) -> float:
    """Give the semi-major axis of the centred ellipse that holds half of the light of points."""
    radius = np.hypot(*ellipse(x, y, axis_ratio, angle))
    order = np.argsort(radius)
    enclosed = np.cumsum(light[order]) - 0.5 * light[order]
    return float(np.interp(0.5 * light.sum(), enclosed, radius[order]))


def draw_galaxy(
    components: list[Component], shape: tuple[int, int], x: float, y: float
) -> np.ndarray:
    """Draw all components before the PSF: counts per pixel and band, (H, W, C) float64."""
    total = np.zeros((*shape, len(components[0].flux)))
    smooth, drawn = np.zeros(shape), None
    for component in components:
        # The two layers of a disc, with and without arms, share one profile.
        if component.profile is not drawn:
            smooth, drawn = component.draw_smooth(shape, x, y), component.profile
        light = smooth * component.draw_arms(shape, x, y)
        total += light[..., None] * component.flux
    return total
