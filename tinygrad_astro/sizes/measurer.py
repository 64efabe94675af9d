"""What measures galaxies: the network, its scales, its calibration; and the densities it gives."""

from dataclasses import dataclass

import numpy as np

from tinygrad_astro import ops
from tinygrad_astro.models import Model
from tinygrad_astro.models.saving import load_model_for
from tinygrad_astro.photoz.calibration import Calibration
from tinygrad_astro.photoz.heads import Mixture
from tinygrad_astro.photoz.losses import mixture_of
from tinygrad_astro.photoz.pdf import Pdf, from_mixture
from tinygrad_astro.sizes.networks import image_input, psf_input
from tinygrad_astro.sizes.quantities import QUANTITIES

TASK = "sizes"
# Central probabilities of one and two standard deviations.
ONE_SIGMA, TWO_SIGMA = 0.6827, 0.9545
# Of the grids on which densities are kept. Steps are half a per cent of the range of a quantity,
# less than half of the narrowest standard deviation.
POINTS = 201


@dataclass
class Densities:
    """A density for each quantity of each galaxy, kept on the scale on which it was learned.

    Attributes
    ----------
    pdfs : dict of str to Pdf
        By name of the quantity.
    """

    pdfs: dict[str, Pdf]

    def quantile(self, name: str, probability: float) -> np.ndarray:
        """Give the value of a quantity below which this much probability lies, (N,)."""
        quantity = next(q for q in QUANTITIES if q.name == name)
        return quantity.backward(self.pdfs[name].quantile(probability))

    def value(self, name: str) -> np.ndarray:
        """Give the median, (N,)."""
        return self.quantile(name, 0.5)

    def interval(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Give the ends of the central 68.27 %, (N,) each."""
        return self.quantile(name, 0.5 - ONE_SIGMA / 2), self.quantile(name, 0.5 + ONE_SIGMA / 2)

    def pit(self, name: str, truth: np.ndarray) -> np.ndarray:
        """Give the probability below the true values, (N,): level from 0 to 1 if honest."""
        quantity = next(q for q in QUANTITIES if q.name == name)
        return self.pdfs[name].at(quantity.forward(truth))


@dataclass
class Measurer:
    """Turn images and PSFs into densities.

    Attributes
    ----------
    model : Model
        From `networks.whole`.
    heads : dict of str to Mixture
        The scale of each quantity.
    calibrations : dict of str to Calibration
    """

    model: Model
    heads: dict[str, Mixture]
    calibrations: dict[str, Calibration]

    @property
    def size(self) -> int:
        """Side of the stamps, in pixels."""
        return self.model.input_shape[0][1]

    def measure(
        self,
        images: np.ndarray,
        psfs: np.ndarray,
        sigma,
        passes: int = 0,
        calibrated: bool = True,
        batch: int = 64,
    ) -> Densities:
        """Give densities for galaxies in the middle of their stamps.

        Parameters
        ----------
        images : numpy.ndarray (N, S, S)
            Counts, sky subtracted; NaN counts as sky.
        psfs : numpy.ndarray (N, P, P)
            At the same pixel scale, P odd and at least 21.
        sigma : float or numpy.ndarray (N,)
            Standard deviation of the sky, in counts.
        passes : int
            Ask the head so often with dropout on, and average (Gal & Ghahramani 2016,
            arXiv:1506.02142, equation 6); 0: once, without. Batch normalisation uses its moving
            statistics either way.
        calibrated : bool
        batch : int
            Galaxies at a time.

        Returns
        -------
        Densities

        Raises
        ------
        ValueError
            If the stamps have another size than those of the training, or numbers differ.
        """
        images = np.asarray(images)
        if images.ndim != 3 or images.shape[1:] != (self.size, self.size):
            raise ValueError(
                f"images have shape {images.shape}, expected (N, {self.size}, {self.size})"
            )
        if len(psfs) != len(images):
            raise ValueError(f"{len(images)} images got {len(psfs)} PSFs, expected one each")
        inputs = [image_input(images, sigma), psf_input(psfs)]
        if passes:
            outputs = self._ask_again(inputs, passes, batch)
        else:
            outputs = self.model.predict(inputs, batch_size=batch, verbose=0)
        return self.densities(outputs, calibrated)

    def densities(self, outputs: list[np.ndarray], calibrated: bool = True) -> Densities:
        """Read outputs, (N, 3 K) or (N, passes, 3 K) per quantity."""
        pdfs = {}
        for quantity, output in zip(QUANTITIES, outputs, strict=True):
            one = self.heads[quantity.name]
            count = output.shape[1] if output.ndim == 3 else 1
            weight, mean, sigma = (part.reshape(len(output), -1) for part in mixture_of(output))
            grid = np.linspace(one.low, one.high, POINTS)
            pdf = from_mixture(
                weight / count, one.centre + one.spread * mean, one.spread * sigma, grid
            )
            pdfs[quantity.name] = self.calibrations[quantity.name].apply(pdf) if calibrated else pdf
        return Densities(pdfs)

    def _ask_again(self, inputs, passes: int, batch: int) -> list[np.ndarray]:
        trunk, head = self.model.get_layer("trunk"), self.model.get_layer("head")
        found: list[list] = [[] for _ in QUANTITIES]
        for start in range(0, len(inputs[0]), batch):
            features = trunk([x[start : start + batch] for x in inputs], training=False).detach()
            repeated = ops.concatenate([features] * passes)
            for some, end in zip(found, head(repeated, training=True), strict=True):
                rows = end.numpy().reshape(passes, len(features), -1)
                some.append(rows.transpose(1, 0, 2))
        return [np.concatenate(some) for some in found]

    def save(self, path) -> None:
        """Write network, scales and calibration into one .safetensors file."""
        self.model.metadata |= {
            "task": TASK,
            "heads": {name: one.to_dict() for name, one in self.heads.items()},
            "calibrations": {name: one.to_dict() for name, one in self.calibrations.items()},
        }
        self.model.save(path)


def load(path) -> Measurer:
    """Read what `Measurer.save` wrote.

    Raises
    ------
    ValueError
        If the file holds another kind of model.
    """
    model = load_model_for(TASK, path)
    heads = {
        name: Mixture(**{k: v for k, v in given.items() if k != "head"})
        for name, given in model.metadata["heads"].items()
    }
    calibrations = {
        name: Calibration.from_dict(given) for name, given in model.metadata["calibrations"].items()
    }
    return Measurer(model, heads, calibrations)
