"""The network that shares light out, and the fluxes that follow.

It is told where the source is and where its neighbours are (`inputs`), and says for each pixel and
band which share of the light belongs to the source, to the neighbours, and to nothing.
"""

from dataclasses import dataclass

import numpy as np

from tinygrad_astro.deblending.inputs import input_channels, network_input
from tinygrad_astro.models import Model, unet
from tinygrad_astro.models.saving import load_model_for

TASK = "deblending"
SHARES = 3


def sharing_net(bands: int, filters: int = 16, depth: int = 3) -> Model:
    """Make the U-Net: what `network_input` gives in, logits (N, H, W, 3 bands) out.

    Examples
    --------
    >>> sharing_net(3).output_shape
    (None, None, None, 9)
    """
    return unet((None, None, input_channels(bands)), SHARES * bands, filters=filters, depth=depth)


@dataclass
class Sharer:
    """Share the light of blends out.

    Attributes
    ----------
    model : Model
        From `sharing_net`.
    bands : tuple of str
    """

    model: Model
    bands: tuple[str, ...]

    def shares(self, image: np.ndarray, sigma: np.ndarray, places) -> np.ndarray:
        """Give the share of each pixel that each source has, float32 (K, H, W, C).

        The network is asked for one source after the other; where the shares sum to more than 1
        they are scaled to 1.

        Parameters
        ----------
        image : numpy.ndarray (H, W, C)
            Counts, sky subtracted.
        sigma : numpy.ndarray (C,)
        places : sequence of (float, float)
            (x, y) of K sources.

        Raises
        ------
        ValueError
            If the bands are not those of the training.
        """
        if image.ndim != 3 or image.shape[2] != len(self.bands):
            raise ValueError(
                f"the image has shape {image.shape}, expected (height, width, {len(self.bands)}): "
                f"bands {', '.join(self.bands)}"
            )
        places = list(places)
        given = [
            network_input(image, sigma, place, places[:k] + places[k + 1 :])
            for k, place in enumerate(places)
        ]
        own = self.own_shares(np.stack(given))
        return own / np.maximum(own.sum(axis=0), 1.0)

    def own_shares(self, inputs: np.ndarray) -> np.ndarray:
        """Give the share of the source asked for, (N, H, W, C): the mean of all eight views.

        A blend that is turned or mirrored is the same blend, so what the network says of its eight
        views is turned back and averaged.
        """
        total = np.zeros((*inputs.shape[:3], len(self.bands)), np.float32)
        for mirrored in (False, True):
            seen = inputs[:, ::-1] if mirrored else inputs
            for turn in range(4):
                view = np.ascontiguousarray(np.rot90(seen, turn, (1, 2)))
                back = np.rot90(self._own(view), -turn, (1, 2))
                total += back[:, ::-1] if mirrored else back
        return total / 8

    def _own(self, inputs: np.ndarray) -> np.ndarray:
        logits = self.model.predict(inputs, batch_size=32, verbose=0)
        logits = logits.reshape(*logits.shape[:3], len(self.bands), SHARES)
        share = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return share[..., 0] / share.sum(axis=-1)

    def fluxes(self, image: np.ndarray, sigma: np.ndarray, places) -> np.ndarray:
        """Add up each source's share of the image, (K, C), in counts."""
        shares = self.shares(image, sigma, places)
        return (shares * np.nan_to_num(image)).sum(axis=(1, 2), dtype=np.float64)

    def save(self, path) -> None:
        """Write the network and its bands into one .safetensors file."""
        self.model.metadata |= {"task": TASK, "bands": list(self.bands)}
        self.model.save(path)


def load(path) -> Sharer:
    """Read what `Sharer.save` wrote.

    Raises
    ------
    ValueError
        If the file holds another kind of model.
    """
    model = load_model_for(TASK, path)
    return Sharer(model, tuple(model.metadata["bands"]))
