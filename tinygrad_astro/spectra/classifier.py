"""Star, galaxy or quasar, and at what redshift: the network with all that belongs to it."""

from dataclasses import dataclass

import numpy as np

from tinygrad_astro.models import Model
from tinygrad_astro.models.saving import load_model_for
from tinygrad_astro.photoz.heads import Bins
from tinygrad_astro.spectra.inputs import network_inputs
from tinygrad_astro.spectra.survey import CLASSES, Spectra

TASK = "spectra"
# Bins of ln(1 + z), in which a redshift is a shift: from 0 to z = 6.
BINS, FARTHEST = 192, 6.0


def redshift_bins() -> Bins:
    """Give the bins of ln(1 + z), each about 1 % of 1 + z wide."""
    return Bins(BINS, -0.02, float(np.log1p(FARTHEST)), blur=1.0)


@dataclass
class Verdict:
    """What a network says of N spectra.

    Attributes
    ----------
    probability : numpy.ndarray (N, 3)
        Of star, galaxy, quasar.
    redshift : numpy.ndarray (N,)
        0 where star is the most probable.
    spread : numpy.ndarray (N,)
        Standard deviation of ln(1 + z) about its peak and beyond; 0 for stars.
    """

    probability: np.ndarray
    redshift: np.ndarray
    spread: np.ndarray

    @property
    def label(self) -> np.ndarray:
        """Most probable class, int (N,); the first of equals."""
        return self.probability.argmax(axis=1)


@dataclass
class Classifier:
    """A network with two ends, and the grid that it takes.

    Attributes
    ----------
    model : Model
        Gives logits of the classes and of the redshift bins.
    wavelength : numpy.ndarray (L,)
        Of the pixels that it was trained on, in Angstrom.
    """

    model: Model
    wavelength: np.ndarray

    def inputs(self, spectra: Spectra) -> np.ndarray:
        """Give what the network takes, from spectra on its grid or on one that is finer.

        Raises
        ------
        ValueError
            If the wavelengths do not match.
        """
        fitting = fitted(spectra, self.wavelength)
        return network_inputs(fitting)

    def classify(self, spectra: Spectra) -> Verdict:
        """Say class and redshift of spectra."""
        logits, places = self.model.predict(self.inputs(spectra), batch_size=256, verbose=0)
        return verdict(softmax(logits), softmax(places))

    def save(self, path) -> None:
        """Write the network and its grid into one .safetensors file."""
        self.model.metadata |= {
            "task": TASK,
            "classes": list(CLASSES),
            "first_wavelength": float(self.wavelength[0]),
            "log10_step": float(np.log10(self.wavelength[1] / self.wavelength[0])),
            "pixels": len(self.wavelength),
        }
        self.model.save(path)


def load(path) -> Classifier:
    """Read what `Classifier.save` wrote.

    Raises
    ------
    ValueError
        If the file holds another kind of model.
    """
    model = load_model_for(TASK, path)
    told = model.metadata
    grid = told["first_wavelength"] * 10 ** (told["log10_step"] * np.arange(told["pixels"]))
    return Classifier(model, grid)


def fitted(spectra: Spectra, wavelength: np.ndarray) -> Spectra:
    """Rebin spectra onto a grid, if its pixels are whole numbers of theirs.

    Raises
    ------
    ValueError
        If they are not, naming both grids.
    """
    step, theirs = (np.log10(w[1] / w[0]) for w in (wavelength, spectra.wavelength))
    made = spectra.rebinned(max(1, round(step / theirs)))
    same = len(made.wavelength) == len(wavelength)
    if not same or not np.allclose(made.wavelength, wavelength, rtol=0.2 * step):
        raise ValueError(
            f"spectra of {len(spectra.wavelength)} pixels from {spectra.wavelength[0]:.1f} to "
            f"{spectra.wavelength[-1]:.1f} Angstrom do not fit the network's {len(wavelength)} "
            f"pixels from {wavelength[0]:.1f} to {wavelength[-1]:.1f}; resample them to its grid, "
            "or to a whole fraction of its steps"
        )
    return made


def softmax(logits: np.ndarray) -> np.ndarray:
    """Turn logits into probabilities along the last axis."""
    logits = np.asarray(logits, np.float64)
    share = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return share / share.sum(axis=-1, keepdims=True)


def verdict(probability: np.ndarray, places: np.ndarray) -> Verdict:
    """Read redshifts off the probabilities of bins: the mean over the peak and two bins beside it.

    Parameters
    ----------
    probability : numpy.ndarray (N, 3)
    places : numpy.ndarray (N, bins)
    """
    edges = redshift_bins().edges
    centres = 0.5 * (edges[1:] + edges[:-1])
    peak = places.argmax(axis=1)[:, None]
    near = np.abs(np.arange(places.shape[1]) - peak) <= 2
    weight = np.where(near, places, 0.0)
    shift = (weight * centres).sum(axis=1) / weight.sum(axis=1)
    spread = np.sqrt((places * (centres - shift[:, None]) ** 2).sum(axis=1))
    star = probability.argmax(axis=1) == 0
    return Verdict(probability, np.where(star, 0.0, np.expm1(shift)), np.where(star, 0.0, spread))
