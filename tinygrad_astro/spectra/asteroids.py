"""Reflectance spectra of asteroids, grouped by what they are made of; read, or simulated."""

from dataclasses import dataclass, replace
from os import PathLike

import numpy as np

from tinygrad_astro.data.npz import read_npz

# Classes of Bus & DeMeo (DeMeo et al. 2009, Icarus 202, 160) in groups large enough to learn. The
# rare extremes (pyroxene, olivine: V, A, O, R) are one group; U, unusual, is none.
GROUPS = {
    "C": ("B", "C", "Cb", "Cg", "Cgh", "Ch"),
    "S": ("S", "Sa", "Sq", "Sqw", "Sr", "Srw", "Sv", "Svw", "Sw"),
    "X": ("X", "Xc", "Xe", "Xk", "Xn"),
    "D": ("D", "T"),
    "K": ("K", "L"),
    "Q": ("Q",),
    "V": ("V", "Vw", "A", "O", "R"),
}
NAMES = tuple(GROUPS)
# Centre and standard deviation in nm of the two absorption bands of pyroxene and olivine.
BAND_I, BAND_II = (940.0, 110.0), (1930.0, 230.0)
# Per group: slope per micron and its scatter, depth of bands I and II, drop towards the blue.
_RECIPES = {
    "C": (0.08, 0.08, 0.01, 0.00, 0.05), "S": (0.18, 0.06, 0.15, 0.06, 0.20),
    "X": (0.22, 0.07, 0.02, 0.00, 0.08), "D": (0.55, 0.12, 0.00, 0.00, 0.08),
    "K": (0.18, 0.12, 0.08, 0.02, 0.15), "Q": (0.10, 0.04, 0.22, 0.08, 0.12),
    "V": (0.25, 0.12, 0.42, 0.28, 0.20),
}  # fmt: skip


@dataclass
class Reflectance:
    """Reflectance spectra of N asteroids, 1 at 550 nm.

    Attributes
    ----------
    wavelength : numpy.ndarray (L,)
        In nm.
    reflectance : numpy.ndarray (N, L) float32
    group : numpy.ndarray (N,) int
        Index in `NAMES`.
    identifier : numpy.ndarray (N,) of str

    Raises
    ------
    ValueError
        If shapes do not fit, a value is not finite, or an asteroid occurs twice.
    """

    wavelength: np.ndarray
    reflectance: np.ndarray
    group: np.ndarray
    identifier: np.ndarray

    def __post_init__(self):
        expected = (len(self.group), len(self.wavelength))
        if self.reflectance.shape != expected:
            raise ValueError(f"reflectance of shape {self.reflectance.shape}, expected {expected}")
        if not np.isfinite(self.reflectance).all():
            raise ValueError("a reflectance is not finite; leave this asteroid out")
        if len(np.unique(self.identifier)) != len(self.group):
            raise ValueError("an asteroid occurs more than once; keep one spectrum of each")

    def __len__(self) -> int:
        return len(self.group)

    def __getitem__(self, rows) -> "Reflectance":
        """Give some of the asteroids."""
        names = ("reflectance", "group", "identifier")
        return replace(self, **{name: getattr(self, name)[rows] for name in names})


def group_of(taxonomy: str) -> int:
    """Give the group of a Bus-DeMeo class as an index in `NAMES`, -1 for none.

    Examples
    --------
    >>> NAMES[group_of("Cgh")], NAMES[group_of("Sqw")], group_of("U")
    ('C', 'S', -1)
    """
    found = (k for k, name in enumerate(NAMES) if taxonomy.strip() in GROUPS[name])
    return next(found, -1)


def read_asteroids(path: str | PathLike) -> Reflectance:
    """Read `spectra`, `wavelength_nm`, `taxonomy` and `asteroid` from an .npz file.

    Asteroids of no group are left out.
    """
    table = read_npz(path, ["spectra", "wavelength_nm", "taxonomy", "asteroid"])
    group = np.array([group_of(str(name)) for name in table["taxonomy"]])
    whole = np.where((group >= 0)[:, None], table["spectra"], 1.0)
    names = table["asteroid"].astype(str)
    kept = group >= 0
    return Reflectance(table["wavelength_nm"], whole[kept], group[kept], names[kept])


def simulate_asteroids(n: int, seed: int = 0, start: int = 0) -> Reflectance:
    """Simulate reflectance spectra: a slope, a drop to the blue, two absorption bands, noise.

    Groups have their shares in the survey of DeMeo et al. 2009, roughly: half are S. Asteroid
    `start + i` depends on seed and number alone.

    Examples
    --------
    >>> made = simulate_asteroids(5, seed=1)
    >>> made.reflectance.shape, made.identifier.tolist()[0]
    ((5, 401), '1-0')
    """
    wavelength = np.arange(450.0, 2455.0, 5.0)
    share = np.array([0.14, 0.48, 0.10, 0.05, 0.09, 0.07, 0.07])
    reflectance, group = np.zeros((n, len(wavelength)), np.float32), np.zeros(n, int)
    for i in range(n):
        sequence = np.random.SeedSequence(seed, spawn_key=(start + i,))
        rng = np.random.Generator(np.random.Philox(sequence))
        group[i] = rng.choice(len(NAMES), p=share)
        reflectance[i] = _draw(rng, wavelength, _RECIPES[NAMES[group[i]]])
    names = np.array([f"{seed}-{start + i}" for i in range(n)])
    return Reflectance(wavelength, reflectance, group, names)


def _draw(rng, wavelength, recipe):
    slope, scatter, first, second, drop = recipe
    light = 1 + rng.normal(slope, scatter) * (wavelength - 550) / 1000
    light -= drop * rng.uniform(0.7, 1.3) * np.clip((700 - wavelength) / 250, 0, None) ** 1.5
    for depth, (centre, width) in ((first, BAND_I), (second, BAND_II)):
        place = rng.normal(centre, 0.02 * centre)
        deep = depth * rng.uniform(0.75, 1.25) + abs(rng.normal(0, 0.005))
        light *= 1 - deep * np.exp(-0.5 * ((wavelength - place) / width) ** 2)
    light /= np.interp(550.0, wavelength, light)
    return light + rng.normal(0, 0.004, len(wavelength))


def network_inputs(spectra: Reflectance) -> np.ndarray:
    """Give what a network sees, float32 (N, L, 2): reflectance, and what a straight line leaves.

    Both about the size of 1: (reflectance - 1) / 0.3, and 10 (reflectance - line) with the
    line fitted by least squares.

    Examples
    --------
    >>> network_inputs(simulate_asteroids(3)).shape
    (3, 401, 2)
    """
    values = spectra.reflectance.astype(np.float64)
    x = spectra.wavelength - spectra.wavelength.mean()
    mean = values.mean(axis=1, keepdims=True)
    slope = (values - mean) @ x / (x @ x)
    line = mean + slope[:, None] * x
    return np.stack([(values - 1) / 0.3, 10 * (values - line)], axis=-1).astype(np.float32)
