"""Pooling of valid pixels only, and up-sampling with a mask; see `masked` for what a mask is."""

from tinygrad_astro import ops
from tinygrad_astro.layers.masked import Masked
from tinygrad_astro.layers.pooling import GlobalPooling, Pooling
from tinygrad_astro.layers.resizing import UpSampling

__all__ = ["MaskedAveragePooling1D", "MaskedAveragePooling2D", "MaskedGlobalAveragePooling1D"]
__all__ += ["MaskedGlobalAveragePooling2D", "MaskedGlobalMaxPooling1D", "MaskedGlobalMaxPooling2D"]
__all__ += ["MaskedMaxPooling1D", "MaskedMaxPooling2D", "MaskedUpSampling1D", "MaskedUpSampling2D"]

_WINDOWS = """

    Parameters
    ----------
    pool_size, strides, padding
        As in the layer without a mask; padding is not valid.
    **kwargs
        `name`.

    Returns
    -------
    [Tensor, Tensor]
        Values and mask. A window is valid where it holds any valid pixel; elsewhere its value is 0.

    Raises
    ------
    ValueError
        If an argument is out of range, or values and mask do not fit each other.
    """

_GLOBAL = """

    Parameters
    ----------
    keepdims : bool
        Keep the pooled axes, with size 1.
    **kwargs
        `name`.

    Returns
    -------
    Tensor (N, C)
        Without a mask: a channel without a valid pixel gives 0.

    Raises
    ------
    ValueError
        If values and mask do not fit each other.
    """

_COPIES = """

    Parameters
    ----------
    size : int or one per axis
        Factors.
    **kwargs
        `name`.

    Returns
    -------
    [Tensor, Tensor]
        Values and mask, each pixel a block.

    Raises
    ------
    ValueError
        If an argument is out of range, or values and mask do not fit each other.
    """


class _Windows(Masked, Pooling):
    """Windows of values and windows of the mask, of the same geometry."""

    def compute_output_shape(self, input_shape, valid_shape):
        self.ensure_built(input_shape, valid_shape)
        pooled = super().compute_output_shape
        return [pooled(input_shape), pooled(valid_shape)]


class _MaskedMax(_Windows):
    def call(self, inputs, valid):
        x, good = self.hidden(inputs, valid, float("-inf"))
        geometry = (self.pool_size, self.strides, self.padding)
        seen = ops.max_pool(good, *geometry)
        return [ops.where(seen > 0, ops.max_pool(x, *geometry), 0.0), seen]


class _MaskedAverage(_Windows):
    def call(self, inputs, valid):
        x, good = self.hidden(inputs, valid)
        geometry = (self.pool_size, self.strides, self.padding)
        count = ops.sum_pool(good, *geometry)
        mean = ops.sum_pool(x, *geometry) / ops.maximum(count, 1.0)
        return [mean, (count > 0).astype(x.dtype)]


class _Whole(Masked, GlobalPooling):
    """All valid pixels of a channel."""

    def compute_output_shape(self, input_shape, valid_shape):
        self.ensure_built(input_shape, valid_shape)
        return super().compute_output_shape(input_shape)


class _MaskedGlobalMax(_Whole):
    def call(self, inputs, valid):
        x, good = self.hidden(inputs, valid, float("-inf"))
        kept = {"axis": self.axes, "keepdims": self.keepdims}
        return ops.where(ops.max(good, **kept) > 0, ops.max(x, **kept), 0.0)


class _MaskedGlobalAverage(_Whole):
    def call(self, inputs, valid):
        x, good = self.hidden(inputs, valid)
        kept = {"axis": self.axes, "keepdims": self.keepdims}
        return ops.sum(x, **kept) / ops.maximum(ops.sum(good, **kept), 1.0)


class _MaskedUpSampling(Masked, UpSampling):
    """Nearest: a copy is as valid as its pixel."""

    def __init__(self, size=2, **kwargs):
        super().__init__(**kwargs)
        self.set_size(size)

    def call(self, inputs, valid):
        return [ops.upsample(part, self.size) for part in self.hidden(inputs, valid)]

    def compute_output_shape(self, input_shape, valid_shape):
        self.ensure_built(input_shape, valid_shape)
        wide = super().compute_output_shape
        return [wide(input_shape), wide(valid_shape)]


class MaskedMaxPooling1D(_MaskedMax):
    __doc__ = "The largest valid value of each window of a spectrum." + _WINDOWS
    rank = 1


class MaskedMaxPooling2D(_MaskedMax):
    __doc__ = (
        "The largest valid value of each window of an image."
        + _WINDOWS
        + """
    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> x = [[[[-5.0], [float("nan")]], [[-7.0], [1e30]]]]
    >>> y, valid = ta.layers.MaskedMaxPooling2D(2)(x, [[[[1], [0]], [[1], [0]]]])
    >>> float(y.item()), float(valid.item())
    (-5.0, 1.0)
    """
    )
    rank = 2


class MaskedAveragePooling1D(_MaskedAverage):
    __doc__ = "The mean of the valid values of each window of a spectrum." + _WINDOWS
    rank = 1


class MaskedAveragePooling2D(_MaskedAverage):
    __doc__ = "The mean of the valid values of each window of an image." + _WINDOWS
    rank = 2


class MaskedGlobalMaxPooling1D(_MaskedGlobalMax):
    __doc__ = "The largest valid value of each channel of a spectrum." + _GLOBAL
    rank = 1


class MaskedGlobalMaxPooling2D(_MaskedGlobalMax):
    __doc__ = "The largest valid value of each channel of an image." + _GLOBAL
    rank = 2


class MaskedGlobalAveragePooling1D(_MaskedGlobalAverage):
    __doc__ = "The mean of the valid values of each channel of a spectrum." + _GLOBAL
    rank = 1


class MaskedGlobalAveragePooling2D(_MaskedGlobalAverage):
    __doc__ = "The mean of the valid values of each channel of an image." + _GLOBAL
    rank = 2


class MaskedUpSampling1D(_MaskedUpSampling):
    __doc__ = "(N, L, C) to (N, L size, C), values and mask." + _COPIES
    rank = 1


class MaskedUpSampling2D(_MaskedUpSampling):
    __doc__ = "(N, H, W, C) to (N, H sh, W sw, C), values and mask." + _COPIES
    rank = 2
