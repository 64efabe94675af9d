"""Which wavelengths a class hangs on: gradients of its score, stacked in the frame of the source.

Fabbro et al. 2018 (MNRAS 475, 2978; StarNet) look at d(output) / d(input) in the same way.
"""

from dataclasses import dataclass

import numpy as np

from tinygrad_astro.explain.saliency import saliency
from tinygrad_astro.spectra.classifier import Classifier, fitted
from tinygrad_astro.spectra.inputs import CHANNELS, network_inputs
from tinygrad_astro.spectra.lines import MARKED
from tinygrad_astro.spectra.survey import CLASSES, Spectra

# A line reaches this far to each side, in km/s.
LINE_REACH = {"star": 1500.0, "galaxy": 1000.0, "quasar": 4000.0}
LIGHT = 299792.458
FEWEST = 3


@dataclass
class Stack:
    """Mean spectrum and mean saliency of a class in its own frame.

    Attributes
    ----------
    kind : str
    wavelength : numpy.ndarray (R,)
        At rest, in Angstrom.
    flux : numpy.ndarray (R,)
        Mean of the first channel; NaN where fewer than three spectra reach.
    strength : numpy.ndarray (R,)
        Mean d score / d contrast, in units of each spectrum's mean of its absolute value: positive
        where more light speaks for the class, negative where a deeper line does; NaN as above.
    objects : int
    """

    kind: str
    wavelength: np.ndarray
    flux: np.ndarray
    strength: np.ndarray
    objects: int

    def at_lines(self) -> dict[str, float]:
        """Give the mean |strength| near each known line, over the mean far from all of them.

        Lines that the stack does not reach are left out.
        """
        reach, known = LINE_REACH[self.kind] / LIGHT, MARKED[self.kind]
        seen = np.isfinite(self.strength)
        near = {name: np.abs(self.wavelength / at - 1) <= reach for name, at in known.items()}
        elsewhere = seen & ~np.any(list(near.values()), axis=0)
        if not elsewhere.any():
            return {}
        level = max(float(np.abs(self.strength[elsewhere]).mean()), 1e-12)
        return {
            name: float(np.abs(self.strength[place & seen]).mean() / level)
            for name, place in near.items()
            if (place & seen).any()
        }


def stack(classifier: Classifier, spectra: Spectra, kind: str, smooth: int = 0) -> Stack:
    """Stack the saliency of all spectra of a class, by their true class and redshift.

    Parameters
    ----------
    classifier : Classifier
    spectra : Spectra
    kind : {"star", "galaxy", "quasar"}
        Whose score, in front of the softmax, and whose spectra.
    smooth : int
        As in `explain.saliency`: noisy copies to average over.

    Raises
    ------
    ValueError
        If there are no such spectra.
    """
    number = CLASSES.index(kind)
    chosen = spectra[(spectra.label == number) & np.isfinite(spectra.redshift)]
    if not len(chosen):
        raise ValueError(f"no spectrum is of class {kind!r} with a redshift")
    chosen = fitted(chosen, classifier.wavelength)
    x = network_inputs(chosen)
    gradient = saliency(lambda x: classifier.model(x)[0], x, target=number, smooth=smooth)
    strength = gradient[..., CHANNELS.index("contrast")].astype(np.float64)
    seen = chosen.ivar > 0
    size = np.where(seen, np.abs(strength), 0.0).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
    strength = strength / np.where(size > 0, size, 1.0)[:, None]
    step = float(np.log(classifier.wavelength[1] / classifier.wavelength[0]))
    shift = np.round(np.log1p(chosen.redshift) / step).astype(int)
    length, most = len(classifier.wavelength), int(max(shift.max(), 0))
    total, light, count = np.zeros((3, length + most))
    for s, f, g, back in zip(strength, x[..., 0], seen, np.maximum(shift, 0), strict=True):
        place = slice(most - back, most - back + length)
        total[place] += np.where(g, s, 0.0)
        light[place] += np.where(g, f, 0.0)
        count[place] += g
    enough = count >= min(FEWEST, len(chosen))
    safe = np.where(enough, count, 1)
    rest = classifier.wavelength[0] * np.exp(step * (np.arange(length + most) - most))
    return Stack(
        kind,
        rest,
        np.where(enough, light / safe, np.nan),
        np.where(enough, total / safe, np.nan),
        len(chosen),
    )
