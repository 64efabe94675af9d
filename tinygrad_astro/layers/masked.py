"""Layers that see valid pixels only: called as `layer(x, valid)`, they give values and a mask.

`valid` has the shape of x, or one channel for all of them; it is true (not 0) where a pixel counts,
as in the losses. What x holds elsewhere (NaN, inf, 1e30) is replaced by 0 before any arithmetic: it
reaches no value, no statistic and no gradient, and changes not one bit of them. What is not valid
in a result is 0. Layers that work on each pixel alone, ReLU or Dropout, may stand in between.

    x, valid = PartialConv2D(16, 3, padding="same", activation="relu")(x, valid)
    x, valid = MaskedMaxPooling2D(2)(x, valid)
    y = Unmask(value=float("nan"))(x, valid)
"""

from tinygrad_astro import ops
from tinygrad_astro.layers import checks
from tinygrad_astro.layers.layer import Layer
from tinygrad_astro.layers.merging import Concatenate
from tinygrad_astro.tensor import tensor

__all__ = ["MaskedConcatenate", "Unmask"]


class Masked(Layer):
    """A layer that is called on values and their mask."""

    def ensure_built(self, *shapes):
        checks.values_and_mask(self, shapes)
        super().ensure_built(*shapes)

    @staticmethod
    def hidden(inputs, valid, fill=0.0):
        """Give the inputs with `fill` where they are not valid, and what is valid as 0 and 1."""
        good = ops.not_equal(valid.detach(), 0.0)
        return ops.where(good, inputs, fill), good.astype(inputs.dtype)


class MaskedConcatenate(Layer):
    """Channels side by side, with the mask of each: the skip connection of a U-Net.

    Called on a list of values and a list of their masks, `layer([x, skip], [valid, seen])`.

    Parameters
    ----------
    **kwargs
        `name`.

    Returns
    -------
    [Tensor (..., sum of C), Tensor (..., sum of C)]
        Values and mask, which now has a channel for each of theirs.

    Raises
    ------
    ValueError
        If the lists differ in length, or sizes differ in another axis than the last.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> one, two = ta.tensor([[1.0]]), ta.tensor([[2.0, 3.0]])
    >>> x, valid = ta.layers.MaskedConcatenate()([one, two], [one, 0 * one])
    >>> valid.numpy()
    array([[1., 0., 0.]], dtype=float32)
    """

    def call(self, inputs, valid):
        self._check([x.shape for x in inputs], [v.shape for v in valid])
        pairs = [Masked.hidden(x, good) for x, good in zip(inputs, valid, strict=True)]
        masks = [ops.broadcast_to(good, x.shape) for x, good in pairs]
        return [ops.concatenate([x for x, _ in pairs], axis=-1), ops.concatenate(masks, axis=-1)]

    def _check(self, shapes, masks) -> tuple:
        for given in (shapes, masks):
            checks.several(self, given, exactly=len(shapes))
        for pair in zip(shapes, masks, strict=True):
            checks.values_and_mask(self, pair)
        return Concatenate(name=self.name).compute_output_shape(shapes)

    def compute_output_shape(self, input_shape, valid_shape):
        shape = self._check(list(map(tuple, input_shape)), list(map(tuple, valid_shape)))
        return [shape, shape]

    def sees(self, axis, low, high):
        return low, high


class Unmask(Masked):
    """x where it is valid, `value` elsewhere: the way out to layers and files without a mask.

    Parameters
    ----------
    value : float
        In the unit of x; NaN marks in a FITS image what no valid pixel tells about.
    **kwargs
        `name`.

    Returns
    -------
    Tensor, of the shape of x

    Raises
    ------
    ValueError
        If values and mask do not fit each other.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> ta.layers.Unmask(-1.0)([[1.0, 2.0]], [[1, 0]]).numpy()
    array([[ 1., -1.]], dtype=float32)
    """

    def __init__(self, value=0.0, **kwargs):
        super().__init__(**kwargs)
        self.value = float(value)

    def call(self, inputs, valid):
        fill = tensor(self.value, inputs.dtype, inputs.device)
        return self.hidden(inputs, valid, fill)[0]

    def compute_output_shape(self, input_shape, valid_shape):
        self.ensure_built(input_shape, valid_shape)
        return tuple(input_shape)

    def sees(self, axis, low, high):
        return low, high
