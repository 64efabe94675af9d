"""The galaxy classifier of Dominguez Sanchez et al. 2018 (arXiv:1711.05744)."""

from tinygrad_astro.layers import Conv2D, Dense, Dropout, Flatten, Input, MaxPooling2D
from tinygrad_astro.models.sequential import Sequential

__all__ = ["dominguez_sanchez18"]


def dominguez_sanchez18(
    input_shape=(69, 69, 3), classes=1, activation="sigmoid", name="dominguez_sanchez18"
):
    """Build the small CNN that sorted 670,000 SDSS galaxies: four convolutions, two dense layers.

    Parameters
    ----------
    input_shape : (height, width, channels)
        The paper's: 69 x 69 pixels, g r i as colours, scaled to [0, 1].
    classes : int
        Outputs; 1 for a yes-or-no question of Galaxy Zoo, or for the T-type.
    activation : str or callable, optional
        Of the last layer: "sigmoid" for a probability, None for the T-type.
    name : str
        Of the model.

    Returns
    -------
    Sequential

    Notes
    -----
    2,602,849 trainable parameters for 69 x 69 x 3 and one output. The convolutions are "same";
    the two 2x2 max poolings follow the second and the third.

    References
    ----------
    Dominguez Sanchez et al. 2018 (arXiv:1711.05744), section 3 and figure 2.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> ta.models.dominguez_sanchez18().count_params()
    2602849
    """
    layers = [
        Input(tuple(input_shape), name=f"{name}_input"),
        Conv2D(32, 6, padding="same", activation="relu", name="conv1"),
        Dropout(0.5, name="dropout1"),
        Conv2D(64, 5, padding="same", activation="relu", name="conv2"),
        MaxPooling2D(2, name="pool2"),
        Dropout(0.25, name="dropout2"),
        Conv2D(128, 2, padding="same", activation="relu", name="conv3"),
        MaxPooling2D(2, name="pool3"),
        Dropout(0.25, name="dropout3"),
        Conv2D(128, 3, padding="same", activation="relu", name="conv4"),
        Dropout(0.25, name="dropout4"),
        Flatten(name="flatten"),
        Dense(64, "relu", name="dense"),
        Dropout(0.5, name="dropout5"),
        Dense(classes, activation, name="head"),
    ]
    return Sequential(layers, name=name)
