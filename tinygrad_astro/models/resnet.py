"""Residual networks: He, Zhang, Ren & Sun 2016 (arXiv:1512.03385), table 1."""

from tinygrad_astro.layers import (
    Activation,
    Add,
    BatchNormalization,
    Conv2D,
    Dense,
    GlobalAveragePooling2D,
    Input,
    MaxPooling2D,
)
from tinygrad_astro.models.model import Model

__all__ = ["resnet18", "resnet34", "resnet50"]


def resnet18(input_shape=(224, 224, 3), classes=1000, activation=None, name="resnet18"):
    """Build ResNet-18: eight blocks of two 3x3 convolutions.

    Parameters
    ----------
    input_shape : (height, width, channels)
        Height and width may be None.
    classes : int
        Outputs.
    activation : str or callable, optional
        Of the last layer; None gives logits.
    name : str
        Of the model.

    Returns
    -------
    Model

    Notes
    -----
    Windows, strides and pads are those of PyTorch's models, so that their weights fit:
    convolutions without bias, batch normalisation with epsilon 1e-5 and momentum 0.9. For
    3 channels and 1000 classes it has 11,689,512 trainable parameters.

    References
    ----------
    He et al. 2016 (arXiv:1512.03385), table 1, projection shortcuts (option B).

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> model = ta.models.resnet18((64, 64, 3), classes=5)
    >>> model.output_shape
    (None, 5)
    """
    return _resnet(input_shape, classes, activation, name, (2, 2, 2, 2), _basic)


def resnet34(input_shape=(224, 224, 3), classes=1000, activation=None, name="resnet34"):
    """Build ResNet-34: sixteen blocks of two 3x3 convolutions; 21,797,672 parameters.

    Parameters
    ----------
    input_shape : (height, width, channels)
        Height and width may be None.
    classes : int
        Outputs.
    activation : str or callable, optional
        Of the last layer; None gives logits.
    name : str
        Of the model.

    Returns
    -------
    Model

    References
    ----------
    He et al. 2016 (arXiv:1512.03385), table 1.
    """
    return _resnet(input_shape, classes, activation, name, (3, 4, 6, 3), _basic)


def resnet50(input_shape=(224, 224, 3), classes=1000, activation=None, name="resnet50"):
    """Build ResNet-50: sixteen blocks of 1x1, 3x3, 1x1 convolutions; 25,557,032 parameters.

    Parameters
    ----------
    input_shape : (height, width, channels)
        Height and width may be None.
    classes : int
        Outputs.
    activation : str or callable, optional
        Of the last layer; None gives logits.
    name : str
        Of the model.

    Returns
    -------
    Model

    Notes
    -----
    The stride of a block is in its 3x3 convolution, as in PyTorch's model, not in the 1x1 before.

    References
    ----------
    He et al. 2016 (arXiv:1512.03385), table 1 and figure 5.
    """
    return _resnet(input_shape, classes, activation, name, (3, 4, 6, 3), _bottleneck)


def _resnet(input_shape, classes, activation, name, blocks, block):
    image = Input(tuple(input_shape), name=f"{name}_input")
    x = _conv_norm(image, 64, 7, 2, "stem", "relu")
    x = MaxPooling2D(3, 2, padding=1, name="stem_pool")(x)
    for stage, repeats in enumerate(blocks):
        for i in range(repeats):
            strides = 2 if i == 0 and stage > 0 else 1
            x = block(x, 64 * 2**stage, strides, f"stage{stage + 1}_block{i + 1}")
    x = GlobalAveragePooling2D(name="pool")(x)
    return Model(image, Dense(classes, activation, name="head")(x), name=name)


def _conv_norm(x, filters, size, strides, name, activation=None):
    """Convolve without bias, padded by half the window, then normalise."""
    x = Conv2D(
        filters,
        size,
        strides,
        padding=size // 2,
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)
    norm = BatchNormalization(
        momentum=0.9, epsilon=1e-5, activation=activation, name=f"{name}_norm"
    )
    return norm(x)


def _basic(x, filters, strides, name):
    """Two 3x3 convolutions beside a shortcut."""
    y = _conv_norm(x, filters, 3, strides, f"{name}_1", "relu")
    y = _conv_norm(y, filters, 3, 1, f"{name}_2")
    return _join(x, y, strides, name)


def _bottleneck(x, filters, strides, name):
    """1x1 to fewer channels, 3x3, 1x1 to four times as many, beside a shortcut."""
    y = _conv_norm(x, filters, 1, 1, f"{name}_1", "relu")
    y = _conv_norm(y, filters, 3, strides, f"{name}_2", "relu")
    y = _conv_norm(y, 4 * filters, 1, 1, f"{name}_3")
    return _join(x, y, strides, name)


def _join(x, y, strides, name):
    """Add the shortcut, projected by a 1x1 convolution where its shape differs."""
    if strides != 1 or x.shape[-1] != y.shape[-1]:
        x = _conv_norm(x, y.shape[-1], 1, strides, f"{name}_shortcut")
    return Activation("relu", name=f"{name}_relu")(Add(name=f"{name}_add")([y, x]))
