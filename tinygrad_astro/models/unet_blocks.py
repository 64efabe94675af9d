"""What a U-Net is built of: blocks on images, or on pairs of an image and its mask.

Between the blocks travels a tuple, (image,) or (image, mask), so that the U-Net reads the same with
masks and without.
"""

from typing import Any, NamedTuple

from tinygrad_astro import layers


class Kinds(NamedTuple):
    """The layers of one kind of U-Net."""

    convolution: Any
    normalization: Any
    pooling: Any
    transposed: Any
    copying: Any
    joining: Any


PLAIN = Kinds(
    layers.Conv2D,
    layers.BatchNormalization,
    layers.MaxPooling2D,
    layers.Conv2DTranspose,
    layers.UpSampling2D,
    layers.Concatenate,
)
MASKED = Kinds(
    layers.PartialConv2D,
    layers.MaskedBatchNormalization,
    layers.MaskedMaxPooling2D,
    layers.PartialConv2DTranspose,
    layers.MaskedUpSampling2D,
    layers.MaskedConcatenate,
)


def each(layer, x: tuple) -> tuple:
    """Apply a layer to image and mask alike: padding, cropping."""
    return tuple(layer(part) for part in x)


def through(layer, x: tuple) -> tuple:
    """Apply a layer to an image, or to image and mask together."""
    given = layer(*x)
    return tuple(given) if isinstance(given, (list, tuple)) else (given,)


class Blocks:
    """The blocks of one U-Net.

    Parameters
    ----------
    padding, batch_norm, use_bias, up, masked
        As in `unet`.
    """

    def __init__(self, padding, batch_norm, use_bias, up, masked):
        self.padding, self.batch_norm, self.use_bias = padding, batch_norm, use_bias
        self.up, self.kinds = up, MASKED if masked else PLAIN

    def convolve(self, x, filters, name) -> tuple:
        """Two 3x3 convolutions, each with batch norm (if wanted) and relu."""
        for i in (1, 2):
            conv = self.kinds.convolution(
                filters,
                3,
                padding=self.padding,
                use_bias=self.use_bias,
                activation=None if self.batch_norm else "relu",
                kernel_initializer="he_normal",
                name=f"{name}_conv{i}",
            )
            x = through(conv, x)
            if self.batch_norm:
                norm = self.kinds.normalization(activation="relu", name=f"{name}_norm{i}")
                x = through(norm, x)
        return x

    def drop(self, x, rate, name) -> tuple:
        """Dropout works on each pixel alone: the mask stays as it is."""
        return (layers.Dropout(rate, name=name)(x[0]), *x[1:])

    def sink(self, x, name) -> tuple[tuple, tuple]:
        """Halve the size: (the result, the skip to join later)."""
        if self.up == "unpool":
            pooled, indices = layers.MaxPooling2D(2, return_indices=True, name=name)(x[0])
            return (pooled,), (*x, indices)
        return through(self.kinds.pooling(2, name=name), x), x

    def rise(self, x, skip, filters, name) -> tuple[tuple, tuple]:
        """Double the size: (the result, the skip to join)."""
        if self.up == "transpose":
            grow = self.kinds.transposed(filters, 2, strides=2, name=f"{name}_transpose")
            return through(grow, x), skip
        conv = self.kinds.convolution
        if self.up == "upsample":
            x = through(self.kinds.copying(2, name=f"{name}_upsample"), x)
            return through(conv(filters, 2, padding="same", name=f"{name}_conv0"), x), skip
        skip, indices = skip
        (x,) = through(conv(filters, 1, name=f"{name}_conv0"), x)
        return (layers.MaxUnpooling2D(2, name=f"{name}_unpool")([x, indices]),), (skip,)

    def join(self, skip, x, name) -> tuple:
        """Put channels side by side, and the masks of each."""
        return through(self.kinds.joining(name=name), tuple(map(list, zip(skip, x, strict=True))))

    def head(self, x, classes, activation):
        """Give the output, 0 where no valid pixel is seen, by a 1x1 convolution."""
        return through(self.kinds.convolution(classes, 1, activation=activation, name="head"), x)[0]
