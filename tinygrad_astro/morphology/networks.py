"""The small network: four blocks that see ever wider, and one vote over the whole image."""

from tinygrad_astro import layers
from tinygrad_astro.models import Model

FILTERS = (16, 32, 64, 64)


def block_net(
    size: int,
    channels: int,
    outputs: dict[str, int],
    filters: tuple[int, ...] = FILTERS,
    dropout: float = 0.3,
) -> Model:
    """Make a network on images (N, size, size, channels) with one linear end per output.

    Each block convolves, normalises, cuts at 0 and takes the largest of 2 x 2; the first kernels
    are 5 x 5, so that they can be looked at. Mean and maximum over what is left do not depend on
    where in the image a thing is.

    Parameters
    ----------
    size, channels : int
    outputs : dict of str to int
        Numbers to give, by name; several make a list of outputs in this order.
    filters : tuple of int
        Of each block.
    dropout : float
        In front of the ends.

    Examples
    --------
    >>> block_net(56, 3, {"type": 5}).count_params()
    62453
    """
    given = x = layers.Input((size, size, channels))
    for number, count in enumerate(filters, 1):
        kernel = 5 if number == 1 else 3
        x = layers.Conv2D(count, kernel, padding="same", use_bias=False, name=f"conv{number}")(x)
        x = layers.BatchNormalization(momentum=0.9, activation="relu", name=f"norm{number}")(x)
        x = layers.MaxPooling2D(2, name=f"pool{number}")(x)
    seen = [layers.GlobalAveragePooling2D()(x), layers.GlobalMaxPooling2D()(x)]
    x = layers.Dropout(dropout)(layers.Concatenate()(seen))
    ends = [layers.Dense(count, name=name)(x) for name, count in outputs.items()]
    return Model(given, ends if len(ends) > 1 else ends[0])
