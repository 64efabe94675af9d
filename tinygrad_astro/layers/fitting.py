"""Layers that fit images of any size to a network: pad to a size it can halve, and crop back."""

import numpy as np

from tinygrad_astro import ops
from tinygrad_astro.layers import checks
from tinygrad_astro.layers.layer import Layer

__all__ = ["CropTo", "PadToMultiple"]


class PadToMultiple(Layer):
    """Pad height and width at the end to the next size n with n mod multiple = remainder.

    The image is mirrored (without repeating the edge pixel); where it is too small for that, the
    edge pixel is repeated. Only the end is padded, so that the pixels keep their place in the
    windows of pooling layers: a tile gives what the whole image gives.

    Parameters
    ----------
    multiple : int
        2**depth for a U-Net.
    remainder : int
        At least 0, less than multiple; it is 0 except for networks that shrink their input.
    **kwargs
        `name`.

    Raises
    ------
    ValueError
        If an argument is out of range, or the image is empty.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> ta.layers.PadToMultiple(16).compute_output_shape((None, 50, None, 3))
    (None, 64, None, 3)
    """

    input_rank = 4

    def __init__(self, multiple, remainder=0, **kwargs):
        super().__init__(**kwargs)
        self.multiple = checks.positive(self, "multiple", multiple)
        if not isinstance(remainder, int) or not 0 <= remainder < self.multiple:
            raise ValueError(
                f"{self.title}: remainder={remainder!r}, expected 0 to {self.multiple - 1}"
            )
        self.remainder = remainder

    @property
    def note(self):
        sizes = f"a multiple of {self.multiple}"
        if self.remainder:
            sizes += f" plus {self.remainder}"
        return (
            f"Inputs whose height or width is not {sizes} are padded by reflection at the end, "
            "and the output is cropped back."
        )

    def missing(self, n: int) -> int:
        """Count the pixels to add to n."""
        return (self.remainder - n) % self.multiple

    def call(self, inputs):
        if 0 in inputs.shape[1:3]:
            raise ValueError(f"{self.title} got an empty image of shape {inputs.shape}")
        for axis in (1, 2):
            n = inputs.shape[axis]
            after = self.missing(n)
            if after:
                mode = "reflect" if after < n else "edge"
                inputs = ops.take(inputs, np.pad(np.arange(n), (0, after), mode=mode), axis)
        return inputs

    def compute_output_shape(self, input_shape):
        checks.input_shape(self, input_shape)
        sizes = [None if n is None else n + self.missing(n) for n in input_shape[1:3]]
        return (input_shape[0], *sizes, input_shape[3])

    def sees(self, axis, low, high):
        return low, high


class CropTo(Layer):
    """[image, reference] to the image, cut at the end to the reference's size less `margin`.

    Parameters
    ----------
    margin : int
        Pixels by which a network without padding is to shrink its input.
    **kwargs
        `name`.

    Raises
    ------
    ValueError
        If it is not called on two images, or the reference is too small.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> ta.layers.CropTo().compute_output_shape([(None, 64, 64, 2), (None, 50, 60, 3)])
    (None, 50, 60, 2)
    """

    def __init__(self, margin=0, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(margin, int) or margin < 0:
            raise ValueError(f"{self.title}: margin={margin!r}, expected an integer of at least 0")
        self.margin = margin

    def call(self, inputs):
        image, reference = inputs
        _, rows, columns, _ = self.compute_output_shape([image.shape, reference.shape])
        if (rows, columns) == image.shape[1:3]:
            return image
        return image[:, :rows, :columns]

    def compute_output_shape(self, input_shape):
        checks.several(self, input_shape, exactly=2)
        image, reference = input_shape
        sizes = [None if n is None else n - self.margin for n in reference[1:3]]
        too_small = any(n is not None and n < 1 for n in sizes)
        too_large = any(
            n is not None and m is not None and n > m
            for n, m in zip(sizes, image[1:3], strict=True)
        )
        if too_small or too_large:
            raise ValueError(
                f"{self.title} got an image of {tuple(image[1:3])} pixels to crop to "
                f"{tuple(reference[1:3])} less a margin of {self.margin}; the input must be larger "
                f"than {self.margin} pixels on each side"
            )
        return (image[0], *sizes, image[3])

    def sees(self, axis, low, high):
        return low, high
