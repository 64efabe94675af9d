"""Tables of photometry with redshifts: how they are read, cut in two, and kept apart."""

import hashlib
from dataclasses import dataclass
from os import PathLike

import numpy as np

from tinygrad_astro.data.tables import Table, read_table

# How surveys name a magnitude and its error; "{}" is the band.
NAMINGS = (("mag_{}", "magerr_{}"), ("mag_{}", "mag_err_{}"), ("{}", "e{}"), ("{}", "{}_err"))
BANDS = ("u", "g", "r", "i", "z", "y", "Y", "J", "H", "K", "Ks")
REDSHIFTS = ("z_spec", "zspec", "redshift", "specz")
IDENTIFIERS = ("identifier", "objid", "object_id", "id")


@dataclass
class Catalogue:
    """Magnitudes of objects, and their redshifts where they are known.

    Attributes
    ----------
    magnitudes, errors : numpy.ndarray (N, B) float64
        AB magnitudes and their standard deviations; NaN where there is no measurement.
    bands : tuple of str
        Names, in the order of the last axis.
    redshift : numpy.ndarray (N,) float64
        Spectroscopic; NaN where unknown.
    identifier : numpy.ndarray (N,) of str
        One name per object: what keeps training and test apart.
    images : numpy.ndarray (N, H, W, C) float32, optional
        Stretched cut-outs, where a network sees them too.

    Raises
    ------
    ValueError
        If the lengths do not fit or an identifier occurs twice.
    """

    magnitudes: np.ndarray
    errors: np.ndarray
    bands: tuple[str, ...]
    redshift: np.ndarray
    identifier: np.ndarray
    images: np.ndarray | None = None

    def __post_init__(self):
        count, bands = len(self.redshift), len(self.bands)
        shapes = {
            "magnitudes": (self.magnitudes, (count, bands)),
            "errors": (self.errors, (count, bands)),
            "identifier": (self.identifier, (count,)),
        }
        for name, (values, expected) in shapes.items():
            if values.shape != expected:
                raise ValueError(
                    f"catalogue of {count} objects in {bands} bands: {name} has shape "
                    f"{values.shape}, expected {expected}"
                )
        if self.images is not None and len(self.images) != count:
            raise ValueError(f"catalogue of {count} objects got {len(self.images)} images")
        names, times = np.unique(self.identifier, return_counts=True)
        if (times > 1).any():
            raise ValueError(
                f"{(times > 1).sum()} objects occur more than once, the first of them "
                f"{str(names[times > 1][0])!r}; keep one row of each"
            )

    def __len__(self) -> int:
        return len(self.redshift)

    def __getitem__(self, rows) -> "Catalogue":
        """Give some of the rows."""
        return Catalogue(
            self.magnitudes[rows],
            self.errors[rows],
            self.bands,
            self.redshift[rows],
            self.identifier[rows],
            None if self.images is None else self.images[rows],
        )

    @property
    def measured(self) -> np.ndarray:
        """Where a band was measured, bool (N, B): finite, error positive, no 99 or -9999."""
        usual = np.isfinite(self.magnitudes) & np.isfinite(self.errors) & (self.errors > 0)
        return usual & (np.abs(np.where(usual, self.magnitudes, 99.0)) < 50.0)


def read_catalogue(path: str | PathLike, bands="ugriz") -> Catalogue:
    """Read magnitudes, errors, redshifts and identifiers from a table.

    Parameters
    ----------
    path : str or path
        CSV, TSV, ECSV or FITS. The columns of a band are `mag_r` and `magerr_r`, or `r` and `er`,
        and the like (`NAMINGS`); that of the redshift is out of `REDSHIFTS` and may be absent;
        that of the identifier out of `IDENTIFIERS`. Without one, an object is known by a digest of
        its own measurements, so that the same object has the same name in every table.
    bands : str or sequence of str
        Those to read, blue to red.

    Returns
    -------
    Catalogue

    Raises
    ------
    ValueError
        If a band has no columns, naming those that the table has; or an object occurs twice.
    """
    table, bands = read_table(path), tuple(bands)
    pairs = [_columns(table, band) for band in bands]
    magnitudes = table.stack([pair[0] for pair in pairs], np.float64)
    errors = table.stack([pair[1] for pair in pairs], np.float64)
    found = next((name for name in REDSHIFTS if name in table), None)
    redshift = np.full(len(table), np.nan)
    if found is not None:
        redshift = table.stack([found], np.float64)[:, 0]
    named = next((name for name in IDENTIFIERS if name in table), None)
    if named is None:
        identifier = digests(np.concatenate([magnitudes, errors], axis=1))
    else:
        identifier = table[named].astype(str)
    return Catalogue(magnitudes, errors, bands, redshift, identifier)


def _columns(table: Table, band: str) -> tuple[str, str]:
    for pattern in NAMINGS:
        magnitude, error = (part.format(band) for part in pattern)
        if magnitude in table and error in table:
            return magnitude, error
    asked = ", ".join(f"{m.format(band)} with {e.format(band)}" for m, e in NAMINGS)
    raise ValueError(
        f"{table.path} has no magnitude of band {band!r} with its error; looked for {asked}; "
        f"it has {', '.join(table.names)}"
    )


def digests(rows: np.ndarray) -> np.ndarray:
    """Name rows of numbers by a digest of their bits: equal rows, equal names.

    Examples
    --------
    >>> import numpy as np
    >>> names = digests(np.array([[1.0, 2.0], [1.0, 3.0], [1.0, 2.0]]))
    >>> bool(names[0] == names[2]), bool(names[0] == names[1])
    (True, False)
    """
    rows = np.ascontiguousarray(rows, np.float64)
    return np.array([hashlib.sha256(row.tobytes()).hexdigest()[:16] for row in rows], "U16")


def split(catalogue: Catalogue, test: float | int, seed: int = 0) -> tuple[Catalogue, Catalogue]:
    """Draw a random test sample: (the rest, the test sample).

    Parameters
    ----------
    catalogue : Catalogue
    test : float or int
        Share, or number, of the objects for the test.
    seed : int

    Raises
    ------
    ValueError
        If one side would be empty.
    """
    count = round(test * len(catalogue)) if isinstance(test, float) else int(test)
    if not 0 < count < len(catalogue):
        raise ValueError(
            f"a test sample of {count} out of {len(catalogue)} objects; expected at least one on "
            "each side"
        )
    order = np.random.default_rng(seed).permutation(len(catalogue))
    return catalogue[order[count:]], catalogue[order[:count]]


def check_apart(training: Catalogue, test: Catalogue) -> None:
    """Make sure that no object is in both.

    Raises
    ------
    ValueError
        If one is, naming how many and the first; or if the bands differ.
    """
    if training.bands != test.bands:
        raise ValueError(
            f"the training sample has bands {', '.join(training.bands)}, the test sample "
            f"{', '.join(test.bands)}; expected the same in the same order"
        )
    both = np.intersect1d(training.identifier, test.identifier)
    if both.size:
        raise ValueError(
            f"{both.size} objects are in the training sample and in the test sample, the first of "
            f"them {str(both[0])!r}; remove them from one"
        )
