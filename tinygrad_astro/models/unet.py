"""The U-Net: a contracting path, an expanding path, and skips between them.

Ronneberger, Fischer & Brox 2015 (arXiv:1505.04597), figure 1.
"""

from tinygrad_astro.layers import (
    BatchNormalization,
    Concatenate,
    Conv2D,
    Conv2DTranspose,
    Cropping2D,
    CropTo,
    Dropout,
    Input,
    MaxPooling2D,
    MaxUnpooling2D,
    PadToMultiple,
    UpSampling2D,
)
from tinygrad_astro.models.model import Model

__all__ = ["unet", "valid_sizes"]

UPS = ("transpose", "upsample", "unpool")


def unet(
    input_shape,
    classes,
    filters=64,
    depth=4,
    padding="same",
    batch_norm=True,
    dropout=0.0,
    up="transpose",
    activation=None,
    use_bias=None,
    name="unet",
):
    """Build a U-Net: `depth` halvings, two 3x3 convolutions at each level, skips by concatenation.

    Parameters
    ----------
    input_shape : (height, width, channels)
        Height and width may be None: any size. Sizes that do not fit are padded by reflection
        inside the model, and the output is cropped back.
    classes : int
        Output channels.
    filters : int
        Channels at the first level; doubled at each halving.
    depth : int
        Number of halvings.
    padding : {"same", "valid"}
        "valid" is the original: the output is smaller, by 184 pixels at depth 4.
    batch_norm : bool
        Normalise between each 3x3 convolution and its relu.
    dropout : float
        Rate, at the end of the contracting path (its last two levels), as in the original.
    up : {"transpose", "upsample", "unpool"}
        How to double the size: a 2x2 transposed convolution; copying pixels, then a 2x2
        convolution; or a 1x1 convolution, then putting values back where pooling took them
        (needs padding="same").
    activation : str or callable, optional
        Of the last, 1x1 convolution; None gives logits.
    use_bias : bool, optional
        Biases in the 3x3 convolutions. Default: only without batch normalisation, whose beta does
        the same.
    name : str
        Of the model.

    Returns
    -------
    Model

    Raises
    ------
    ValueError
        If an argument is out of range, or a given size is too small for "valid".

    Notes
    -----
    At depth 4 an output pixel sees 188 to 204 input pixels along each axis, depending on where it
    lies in the 16 x 16 pixels that one pixel of the bottom stands for.

    References
    ----------
    Ronneberger et al. 2015 (arXiv:1505.04597), figure 1 and section 3.1 (dropout).

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> model = ta.models.unet((None, None, 5), classes=1, filters=8, depth=2)
    >>> model.output_shape
    (None, None, None, 1)
    """
    _check(input_shape, depth, padding, up)
    use_bias = not batch_norm if use_bias is None else use_bias
    block = _block(padding, batch_norm, use_bias)
    image = Input(tuple(input_shape), name=f"{name}_input")
    margin = shrinkage(depth) if padding == "valid" else 0
    fit = PadToMultiple(2**depth, remainder=-4 % 2**depth if margin else 0, name="pad")
    fits = all(n is not None and fit.missing(n) == 0 for n in input_shape[:2])
    x = image if fits else fit(image)
    skips = []
    for level in range(depth):
        x = block(x, filters * 2**level, f"down{level}")
        if dropout and level == depth - 1:
            x = Dropout(dropout, name=f"down{level}_dropout")(x)
        skips.append(x)
        pool = MaxPooling2D(2, return_indices=up == "unpool", name=f"pool{level}")
        x = pool(x)
        if up == "unpool":
            x, skips[-1] = x[0], (skips[-1], x[1])
    x = block(x, filters * 2**depth, "bottom")
    x = Dropout(dropout, name="bottom_dropout")(x) if dropout else x
    for level in reversed(range(depth)):
        x, skip = _rise(x, skips[level], filters * 2**level, f"up{level}", up)
        if margin:
            # What comes from below went through a U-Net of its own; the skip has not shrunk.
            skip = Cropping2D(shrinkage(depth - level - 1), name=f"up{level}_crop")(skip)
        x = Concatenate(name=f"up{level}_join")([skip, x])
        x = block(x, filters * 2**level, f"up{level}")
    x = Conv2D(classes, 1, activation=activation, name="head")(x)
    x = x if fits else CropTo(margin, name="crop")([x, image])
    return Model(image, x, name=name)


def valid_sizes(depth: int, up_to: int = 1024) -> list[int]:
    """List the input sizes that a U-Net with padding="valid" takes without being padded.

    Parameters
    ----------
    depth : int
        Number of halvings.
    up_to : int
        The largest size to list, in pixels.

    Returns
    -------
    list of int

    Examples
    --------
    >>> from tinygrad_astro.models.unet import valid_sizes
    >>> valid_sizes(4)[:2], 572 in valid_sizes(4)
    ([188, 204], True)
    """
    return list(range(shrinkage(depth) + 4, up_to + 1, 2**depth))


def shrinkage(depth: int) -> int:
    """Count the pixels that "valid" padding takes off each axis: 184 at depth 4."""
    return 4 * (2**depth + 2 * (2**depth - 1))


def _block(padding, batch_norm, use_bias):
    """Give a function that adds two 3x3 convolutions, each with batch norm (if wanted) and relu."""

    def block(x, filters, name):
        for i in (1, 2):
            last = None if batch_norm else "relu"
            conv = Conv2D(
                filters,
                3,
                padding=padding,
                use_bias=use_bias,
                activation=last,
                kernel_initializer="he_normal",
                name=f"{name}_conv{i}",
            )
            x = conv(x)
            if batch_norm:
                x = BatchNormalization(activation="relu", name=f"{name}_norm{i}")(x)
        return x

    return block


def _rise(x, skip, filters, name, up):
    """Double the size: (the result, the skip to join)."""
    if up == "transpose":
        return Conv2DTranspose(filters, 2, strides=2, name=f"{name}_transpose")(x), skip
    if up == "upsample":
        x = UpSampling2D(2, name=f"{name}_upsample")(x)
        return Conv2D(filters, 2, padding="same", name=f"{name}_conv0")(x), skip
    skip, indices = skip
    x = Conv2D(filters, 1, name=f"{name}_conv0")(x)
    return MaxUnpooling2D(2, name=f"{name}_unpool")([x, indices]), skip


def _check(input_shape, depth, padding, up):
    if not isinstance(input_shape, (tuple, list)) or len(input_shape) != 3:
        raise ValueError(
            f"unet got input_shape={input_shape!r}, expected (height, width, channels); height and "
            "width may be None"
        )
    if isinstance(depth, bool) or not isinstance(depth, int) or not 1 <= depth <= 8:
        raise ValueError(f"unet got depth={depth!r}, expected an integer from 1 to 8")
    if padding not in ("same", "valid"):
        raise ValueError(f'unet got padding={padding!r}, expected "same" or "valid"')
    if up not in UPS:
        raise ValueError(f"unet got up={up!r}, expected one of {', '.join(UPS)}")
    if up == "unpool" and padding == "valid":
        raise ValueError(
            'unet: up="unpool" needs padding="same": without padding, the positions that pooling '
            'remembers no longer fit; use padding="same", or up="transpose"'
        )
    sizes = [n for n in input_shape[:2] if n is not None]
    if padding == "valid" and any(n <= shrinkage(depth) for n in sizes):
        raise ValueError(
            f'unet with padding="valid" and depth={depth} shrinks its input by {shrinkage(depth)} '
            f"pixels, got input_shape={tuple(input_shape)}; use larger images, a smaller depth, or "
            'padding="same"'
        )
