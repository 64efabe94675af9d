"""The network that shares light out, and the fluxes that follow.

It is told where the source is and where its neighbours are, and says for each pixel and band which
share of the light belongs to the source, to the neighbours, and to nothing.
"""

from dataclasses import dataclass

import numpy as np

from tinygrad_astro.models import Model, unet
from tinygrad_astro.models.saving import load_model_for

TASK = "deblending"
SHARES = 3
_SPOT = 1.5  # standard deviation of the spot that marks a place, in pixels


def sharing_net(bands: int, filters: int = 16, depth: int = 3) -> Model:
    """Make the U-Net: images and two maps of places in, logits (N, H, W, 3 bands) out.

    Examples
    --------
    >>> sharing_net(3).output_shape
    (None, None, None, 9)
    """
    return unet((None, None, bands + 2), SHARES * bands, filters=filters, depth=depth)


def spots(shape: tuple[int, int], places) -> np.ndarray:
    """Mark places (x, y) with Gaussian spots of height 1; the highest counts, (H, W) float32.

    Examples
    --------
    >>> spots((3, 4), [(2.0, 1.0)])[1].round(2).tolist()
    [0.4099999964237213, 0.800000011920929, 1.0, 0.800000011920929]
    """
    made = np.zeros(shape, np.float32)
    for x, y in places:
        dx, dy = np.arange(shape[1]) - x, np.arange(shape[0]) - y
        r2 = dy[:, None] ** 2 + dx**2
        made = np.maximum(made, np.exp(-0.5 * r2 / _SPOT**2)).astype(np.float32)
    return made


def network_input(image: np.ndarray, sigma: np.ndarray, place, others) -> np.ndarray:
    """Give asinh(image / sigma) and the two maps, float32 (H, W, C + 2).

    Parameters
    ----------
    image : numpy.ndarray (H, W, C)
        Counts, sky subtracted.
    sigma : numpy.ndarray (C,)
        Noise of the sky.
    place : (float, float)
        (x, y) of the source, in pixels counted from 0.
    others : sequence of (float, float)
    """
    seen = np.arcsinh(np.where(np.isfinite(image), image, 0.0) / sigma).astype(np.float32)
    maps = [spots(image.shape[:2], [place]), spots(image.shape[:2], others)]
    return np.concatenate([seen, np.stack(maps, axis=-1)], axis=-1)


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
