"""The networks: a small perceptron, and one that sees an image beside the magnitudes."""

from tinygrad_astro import layers
from tinygrad_astro.models import Model, Sequential


def perceptron(
    inputs: int, outputs: int, width: int = 64, depth: int = 2, activation="silu", dropout=0.0
) -> Sequential:
    """Make `depth` hidden layers of `width`, each with dropout where asked, and a linear end.

    Examples
    --------
    >>> perceptron(19, 15).count_params()
    6415
    """
    made = [layers.Input((inputs,))]
    for _ in range(depth):
        made.append(layers.Dense(width, activation=activation))
        if dropout:
            made.append(layers.Dropout(dropout))
    return Sequential([*made, layers.Dense(outputs)])


def image_and_magnitudes(
    image_shape: tuple[int, int, int],
    inputs: int,
    outputs: int,
    width: int = 64,
    depth: int = 2,
    activation="silu",
    dropout=0.0,
    filters: int = 16,
) -> Model:
    """Make a network of two inputs: an image (H, W, C), and the numbers of `Features`.

    Two blocks of 3 x 3 convolution, batch normalisation and max pooling shrink the image; what is
    left, averaged over the pixels (so turned images look nearly the same), joins the numbers in
    front of a perceptron. Pasquet et al. 2019 (A&A 621, A26) join the reddening likewise.

    Examples
    --------
    >>> model = image_and_magnitudes((32, 32, 5), 19, 15)
    >>> [shape for shape in model.input_shape], model.output_shape
    ([(None, 32, 32, 5), (None, 19)], (None, 15))
    """
    image, numbers = layers.Input(image_shape), layers.Input((inputs,))
    x = image
    for block in range(2):
        x = layers.Conv2D(filters << block, 3, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
        x = layers.MaxPooling2D(2)(x)
    x = layers.Conv2D(filters << 2, 3, padding="same", activation="relu")(x)
    x = layers.Concatenate()([layers.GlobalAveragePooling2D()(x), numbers])
    for _ in range(depth):
        x = layers.Dense(width, activation=activation)(x)
        if dropout:
            x = layers.Dropout(dropout)(x)
    return Model([image, numbers], layers.Dense(outputs)(x))


def together(members: list[Model]) -> Model:
    """Join networks with the same inputs into one that gives (N, members, outputs), for one file.

    Examples
    --------
    >>> together([perceptron(19, 15), perceptron(19, 15)]).output_shape
    (None, 2, 15)
    """
    shape = members[0].input_shape
    several = isinstance(shape, list)
    inputs = [layers.Input(s[1:]) for s in (shape if several else [shape])]
    given = inputs if several else inputs[0]
    rows = [layers.Reshape((1, m.output_shape[-1]))(m(given)) for m in members]
    return Model(given, rows[0] if len(rows) == 1 else layers.Concatenate(axis=1)(rows))
