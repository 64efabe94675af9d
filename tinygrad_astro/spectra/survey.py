"""Spectra on a logarithmic grid of wavelengths, with the noise of every pixel, and their truth."""

from dataclasses import dataclass, replace
from os import PathLike

import numpy as np

from tinygrad_astro.data.npz import read_npz

CLASSES = ("star", "galaxy", "quasar")
# The BOSS pipeline, and what eyes said in the DR12 quasar catalogue (Paris et al. 2017): 30 is a
# quasar with broad absorption lines.
PIPELINE = {"STAR": 0, "GALAXY": 1, "QSO": 2}
INSPECTED = {1: 0, 4: 1, 3: 2, 30: 2}


@dataclass
class Spectra:
    """Spectra of N objects in L pixels.

    Attributes
    ----------
    wavelength : numpy.ndarray (L,) float64
        In Angstrom, in vacuum; equal steps of its logarithm.
    flux, ivar : numpy.ndarray (N, L) float32
        In any one unit, and its inverse square. A pixel whose `ivar` is 0 or whose flux is no
        number says nothing.
    label : numpy.ndarray (N,) int
        Index in `CLASSES`; -1 where unknown.
    redshift : numpy.ndarray (N,) float64
        NaN where unknown.
    identifier : numpy.ndarray (N,) of str
        One name per object.

    Raises
    ------
    ValueError
        If shapes do not fit, the grid is not logarithmic, or an object occurs twice.
    """

    wavelength: np.ndarray
    flux: np.ndarray
    ivar: np.ndarray
    label: np.ndarray
    redshift: np.ndarray
    identifier: np.ndarray

    def __post_init__(self):
        shape = (len(self.label), len(self.wavelength))
        for name in ("flux", "ivar"):
            if getattr(self, name).shape != shape:
                raise ValueError(
                    f"{name} has shape {getattr(self, name).shape}, expected {shape}: spectra by "
                    "wavelengths"
                )
        steps = np.diff(np.log10(self.wavelength))
        if len(steps) and not np.allclose(steps, steps.mean(), rtol=0.02):
            raise ValueError(
                "the wavelengths do not rise in equal steps of their logarithm; resample first"
            )
        if len(np.unique(self.identifier)) != len(self.label):
            raise ValueError("an object occurs more than once; keep one spectrum of each")

    def __len__(self) -> int:
        return len(self.label)

    def __getitem__(self, rows) -> "Spectra":
        """Give some of the spectra."""
        names = ("flux", "ivar", "label", "redshift", "identifier")
        return replace(self, **{name: getattr(self, name)[rows] for name in names})

    @property
    def good(self) -> np.ndarray:
        """Where a pixel says something, bool (N, L)."""
        return np.isfinite(self.flux) & np.isfinite(self.ivar) & (self.ivar > 0)

    def rebinned(self, factor: int) -> "Spectra":
        """Give spectra of 1 / factor as many pixels: means weighted by inverse variance.

        What is left over at the red end is dropped. Pixels that say nothing do not enter; if none
        is left, `ivar` is 0.

        Examples
        --------
        >>> import numpy as np
        >>> names = np.array(["a"])
        >>> grid = 10 ** (3.5 + 1e-4 * np.arange(4))
        >>> flux, ivar = np.array([[1.0, 3.0, np.nan, 5.0]]), np.array([[1.0, 3.0, 1.0, 0.0]])
        >>> out = Spectra(grid, flux, ivar, np.zeros(1, int), np.zeros(1), names).rebinned(2)
        >>> out.flux, out.ivar
        (array([[2.5, 0. ]], dtype=float32), array([[4., 0.]], dtype=float32))
        """
        kept = len(self.wavelength) // max(factor, 1)
        if factor < 1 or kept < 1:
            raise ValueError(
                f"rebinning {len(self.wavelength)} pixels by {factor}: expected a factor from 1 to "
                f"{len(self.wavelength)}"
            )
        shape, pixels = (len(self), kept, factor), kept * factor
        good = self.good[:, :pixels]
        weight = np.where(good, self.ivar[:, :pixels], 0.0).astype(np.float64).reshape(shape)
        flux = np.where(good, self.flux[:, :pixels], 0.0).astype(np.float64).reshape(shape)
        total = weight.sum(axis=2)
        mean = (flux * weight).sum(axis=2) / np.where(total > 0, total, 1.0)
        grid = 10 ** np.log10(self.wavelength[:pixels]).reshape(kept, factor).mean(axis=1)
        mean, total = mean.astype(np.float32), total.astype(np.float32)
        return replace(self, wavelength=grid, flux=mean, ivar=total)


def read_boss(path: str | PathLike, labels: str = "inspected") -> Spectra:
    """Read BOSS spectra from an .npz file with `wavelength`, `flux`, `ivar` and a catalogue.

    Parameters
    ----------
    path : str or path
    labels : {"inspected", "pipeline"}
        Whose classes and redshifts: those of visual inspection (`vi_class`, `vi_z`) or of the
        survey's own pipeline (`pipe_class`, `pipe_z`).

    Returns
    -------
    Spectra
        Identified by plate, date and fibre.

    Raises
    ------
    ValueError
        If `labels` is neither.
    KeyError
        If an array is missing.
    """
    table = read_npz(path)
    if labels == "inspected":
        label = [INSPECTED.get(int(c), -1) for c in table["vi_class"]]
        redshift = table["vi_z"]
    elif labels == "pipeline":
        label = [PIPELINE.get(str(c), -1) for c in table["pipe_class"]]
        redshift = table["pipe_z"]
    else:
        raise ValueError(f"labels={labels!r}, expected inspected or pipeline")
    names = zip(table["plate"], table["mjd"], table["fiber"], strict=True)
    return Spectra(
        table["wavelength"].astype(np.float64),
        table["flux"],
        table["ivar"],
        np.array(label),
        redshift.astype(np.float64),
        np.array(["-".join(str(part) for part in name) for name in names]),
    )


def folds(label: np.ndarray, parts: int, seed: int = 0) -> np.ndarray:
    """Deal objects out to folds that hold each class in nearly equal shares, int (N,).

    Raises
    ------
    ValueError
        If there are fewer objects than folds.

    Examples
    --------
    >>> import numpy as np
    >>> label = np.repeat([0, 1], [10, 5])
    >>> made = folds(label, 5)
    >>> np.bincount(made[label == 0]).tolist(), np.bincount(made[label == 1]).tolist()
    ([2, 2, 2, 2, 2], [1, 1, 1, 1, 1])
    """
    if parts < 2 or len(label) < parts:
        raise ValueError(f"{len(label)} objects in {parts} folds; expected at least 2 folds")
    rng, fold, dealt = np.random.default_rng(seed), np.zeros(len(label), int), 0
    for kind in np.unique(label):
        rows = rng.permutation(np.flatnonzero(label == kind))
        fold[rows] = (dealt + np.arange(len(rows))) % parts
        dealt += len(rows)
    return fold


def check_apart(training, test) -> None:
    """Make sure that no object is in both.

    Parameters
    ----------
    training, test : Spectra, or anything with an `identifier`

    Raises
    ------
    ValueError
        If one is, naming how many and the first.
    """
    both = np.intersect1d(training.identifier, test.identifier)
    if both.size:
        raise ValueError(
            f"{both.size} objects are in the training sample and in the test sample, the first of "
            f"them {str(both[0])!r}; remove them from one"
        )
