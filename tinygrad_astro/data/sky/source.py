"""What is simulated: one object with its components and all that is true of it."""

import math
from dataclasses import dataclass, field

import numpy as np

from tinygrad_astro.data.sky.components import Component, enclosing_radius, light_points

TYPES = ("spheroid", "disc", "irregular", "point source", "unclassifiable")


@dataclass
class Source:
    """One object: its components (none for a point source) and what is true of it.

    Attributes
    ----------
    type : str
        One of `TYPES`.
    components : list of Component
    flux : numpy.ndarray (C,)
        Total counts per band.
    redshift : float
        0 for a star.
    axis_ratio, angle : float
        Of the disc, or of the bulge where there is no disc.
    bulge_fraction, bulge_radius, disc_radius : float
        Share of the bulge in the reference band; effective radii in pixels along the major axis.
        NaN where the part does not exist.
    arms : int
        Number of spiral arms, 0 for none.
    bar, ring : float
        Their share of the flux of the reference band.
    """

    type: str
    flux: np.ndarray
    components: list[Component] = field(default_factory=list)
    redshift: float = 0.0
    axis_ratio: float = 1.0
    angle: float = 0.0
    bulge_fraction: float = math.nan
    bulge_radius: float = math.nan
    disc_radius: float = math.nan
    arms: int = 0
    bar: float = 0.0
    ring: float = 0.0

    def scaled(self, factor: float) -> "Source":
        """Multiply all fluxes in place by `factor`."""
        self.flux = self.flux * factor
        for component in self.components:
            component.flux = component.flux * factor
        return self


def measured_radius(source: Source, reference: int) -> tuple[float, float]:
    """Give the half-light radius along the major axis of the source, and of the circle."""
    if not source.components:
        return 0.0, 0.0
    points = light_points(source.components, reference)
    along = enclosing_radius(*points, source.axis_ratio, source.angle)
    return along, enclosing_radius(*points, 1.0, 0.0)
