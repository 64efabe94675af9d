"""What kind of galaxy: the network with the stretch and the names that belong to it."""

from dataclasses import dataclass

import numpy as np

from tinygrad_astro.data.simulate import TYPES
from tinygrad_astro.data.stretch import AsinhStretch
from tinygrad_astro.models import Model
from tinygrad_astro.models.saving import load_model_for
from tinygrad_astro.morphology.orbit import orbit_mean
from tinygrad_astro.spectra.classifier import softmax

TASK = "morphology"


@dataclass
class Classifier:
    """A network on stamps.

    Attributes
    ----------
    model : Model
        Gives logits of the types, from stretched stamps.
    stretch : AsinhStretch
        Fitted on the training stamps.
    """

    model: Model
    stretch: AsinhStretch

    def inputs(self, images: np.ndarray) -> np.ndarray:
        """Give what the network takes; a pixel that is not finite becomes sky."""
        return self.stretch(images)[0]

    def classify(self, images: np.ndarray, orbit: bool = True) -> np.ndarray:
        """Say the share of volunteers that would name each type.

        Parameters
        ----------
        images : numpy.ndarray (N, S, S, C)
            Counts.
        orbit : bool
            Average over the eight flips and quarter turns.

        Returns
        -------
        numpy.ndarray (N, 5)
        """

        def shares(x):
            return softmax(self.model.predict(x, batch_size=256, verbose=0))

        x = self.inputs(images)
        return orbit_mean(shares, x) if orbit else shares(x)

    def save(self, path) -> None:
        """Write network, stretch and names into one .safetensors file."""
        self.model.metadata |= {
            "task": TASK,
            "types": list(TYPES),
            "stretch": self.stretch.to_dict(),
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
    return Classifier(model, AsinhStretch.from_dict(model.metadata["stretch"]))
