"""The 1-D network: convolutions that see lines, and dense layers that see where they are."""

from tinygrad_astro import layers
from tinygrad_astro.models import Model

BLOCKS = ((16, 9, 4), (32, 7, 2), (48, 5, 2), (64, 5, 2))


def line_net(
    pixels: int,
    channels: int,
    outputs: dict[str, int],
    width: int = 128,
    dropout: float = 0.3,
    blocks: tuple[tuple[int, int, int], ...] = BLOCKS,
) -> Model:
    """Make a network on spectra (N, pixels, channels) with one linear end per entry of `outputs`.

    Each block convolves, normalises, cuts at 0 and takes the largest of a few neighbours. What is
    left keeps its place in wavelength, for a redshift is the place of a pattern.

    Parameters
    ----------
    pixels, channels : int
    outputs : dict of str to int
        Numbers to give, by name; several make a list of outputs in this order.
    width : int
        Of the dense layer.
    dropout : float
        In front of and behind it.
    blocks : tuple of (filters, kernel, pooling)

    Examples
    --------
    >>> line_net(940, 3, {"class": 3, "redshift": 180}).count_params()
    288999
    """
    given = layers.Input((pixels, channels))
    x = given
    for filters, kernel, pool in blocks:
        x = layers.Conv1D(filters, kernel, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
        x = layers.MaxPooling1D(pool)(x)
    x = layers.Dropout(dropout)(layers.Flatten()(x))
    x = layers.Dropout(dropout)(layers.Dense(width, activation="relu")(x))
    ends = [layers.Dense(count, name=name)(x) for name, count in outputs.items()]
    return Model(given, ends if len(ends) > 1 else ends[0])
