"""The U-Net: a contracting path, an expanding path, and skips between them.

Ronneberger, Fischer & Brox 2015 (arXiv:1505.04597), figure 1.
"""

from tinygrad_astro.layers import Cropping2D, CropTo, Input, PadToMultiple
from tinygrad_astro.models.model import Model
from tinygrad_astro.models.unet_blocks import Blocks, each

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
    masked=False,
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
    masked : bool
        Two inputs, pixels and which of them are valid (both of `input_shape`), through layers that
        see valid pixels only. What a masked pixel holds changes no bit of outputs, losses and
        gradients; its own output is told from the valid pixels around it, and is 0 where the
        network sees none. Padding counts as masked. Not with up="unpool".

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
    Ronneberger et al. 2015 (arXiv:1505.04597), figure 1 and section 3.1 (dropout); with masks
    Liu et al. 2018 (arXiv:1804.07723), section 3.2.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> model = ta.models.unet((None, None, 5), classes=1, filters=8, depth=2)
    >>> model.output_shape
    (None, None, None, 1)
    """
    _check(input_shape, depth, padding, up, masked)
    use_bias = not batch_norm if use_bias is None else use_bias
    blocks = Blocks(padding, batch_norm, use_bias, up, masked)
    images = (Input(tuple(input_shape), name=f"{name}_input"),)
    images += (Input(tuple(input_shape), name=f"{name}_mask"),) if masked else ()
    margin = shrinkage(depth) if padding == "valid" else 0
    fit = PadToMultiple(2**depth, remainder=-4 % 2**depth if margin else 0, name="pad")
    fits = all(n is not None and fit.missing(n) == 0 for n in input_shape[:2])
    x = images if fits else each(fit, images)
    skips = []
    for level in range(depth):
        x = blocks.convolve(x, filters * 2**level, f"down{level}")
        if dropout and level == depth - 1:
            x = blocks.drop(x, dropout, f"down{level}_dropout")
        x, skip = blocks.sink(x, f"pool{level}")
        skips.append(skip)
    x = blocks.convolve(x, filters * 2**depth, "bottom")
    x = blocks.drop(x, dropout, "bottom_dropout") if dropout else x
    for level in reversed(range(depth)):
        x, skip = blocks.rise(x, skips[level], filters * 2**level, f"up{level}")
        if margin:
            # What comes from below went through a U-Net of its own; the skip has not shrunk.
            skip = each(Cropping2D(shrinkage(depth - level - 1), name=f"up{level}_crop"), skip)
        x = blocks.join(skip, x, f"up{level}_join")
        x = blocks.convolve(x, filters * 2**level, f"up{level}")
    x = blocks.head(x, classes, activation)
    x = x if fits else CropTo(margin, name="crop")([x, images[0]])
    return Model(list(images) if masked else images[0], x, name=name)


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


def _check(input_shape, depth, padding, up, masked):
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
    if up == "unpool" and masked:
        raise ValueError(
            'unet: up="unpool" puts values back without their mask; with masked=True use '
            'up="transpose" or up="upsample"'
        )
    sizes = [n for n in input_shape[:2] if n is not None]
    if padding == "valid" and any(n <= shrinkage(depth) for n in sizes):
        raise ValueError(
            f'unet with padding="valid" and depth={depth} shrinks its input by {shrinkage(depth)} '
            f"pixels, got input_shape={tuple(input_shape)}; use larger images, a smaller depth, or "
            'padding="same"'
        )
