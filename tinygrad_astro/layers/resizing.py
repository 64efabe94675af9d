"""Layers that resize spectra and images by whole pixels: up-sampling, padding, cropping."""

from tinygrad_astro import ops, shapes
from tinygrad_astro.layers import checks
from tinygrad_astro.layers.layer import Layer

__all__ = ["Cropping1D", "Cropping2D", "UpSampling1D", "UpSampling2D"]
__all__ += ["ZeroPadding1D", "ZeroPadding2D"]


class UpSampling(Layer):
    """Each pixel becomes a block of `size` pixels."""

    rank: int
    interpolation = "nearest"

    def set_size(self, size) -> None:
        """Check and keep the factors."""
        size = tuple(size) if isinstance(size, list) else size
        self.size = shapes.per_axis(size, self.rank, f"{self.title}: size")
        self.input_rank = self.rank + 2

    def call(self, inputs):
        return ops.upsample(inputs, self.size, self.interpolation)

    def compute_output_shape(self, input_shape):
        checks.input_shape(self, input_shape)
        sizes = [
            None if n is None else n * f for n, f in zip(input_shape[1:-1], self.size, strict=True)
        ]
        return (input_shape[0], *sizes, input_shape[-1])

    def sees(self, axis, low, high):
        f = self.size[axis]
        if self.interpolation == "nearest":
            return low // f, high // f
        return (2 * low + 1 - f) // (2 * f), -((f - 2 * high - 1) // (2 * f))


class UpSampling1D(UpSampling):
    """(N, L, C) to (N, L size, C), each value `size` times.

    Parameters
    ----------
    size : int
        Factor.
    **kwargs
        `name`, `input_shape`.
    """

    rank = 1

    def __init__(self, size=2, **kwargs):
        super().__init__(**kwargs)
        self.set_size(size)


class UpSampling2D(UpSampling):
    """(N, H, W, C) to (N, H sh, W sw, C): each pixel a block, or interpolated between centres.

    Parameters
    ----------
    size : int or (height, width)
        Factors.
    interpolation : {"nearest", "bilinear"}
        "bilinear" holds the values at the border.
    **kwargs
        `name`, `input_shape`.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """

    rank = 2

    def __init__(self, size=(2, 2), data_format=None, interpolation="nearest", **kwargs):
        super().__init__(**kwargs)
        self.data_format = checks.channels_last(self, data_format)
        self.set_size(size)
        if interpolation not in ("nearest", "bilinear"):
            raise ValueError(
                f'{self.title}: interpolation={interpolation!r}, expected "nearest" or "bilinear"'
            )
        self.interpolation = interpolation


class _ZeroPadding(Layer):
    """Zeros around."""

    rank: int

    def __init__(self, padding=1, data_format=None, **kwargs):
        super().__init__(**kwargs)
        self.data_format = checks.channels_last(self, data_format)
        self.padding = margins(self, "padding", padding)
        self.input_rank = self.rank + 2

    def call(self, inputs):
        return ops.pad(inputs, ((0, 0), *self.padding, (0, 0)))

    def compute_output_shape(self, input_shape):
        checks.input_shape(self, input_shape)
        sizes = zip(input_shape[1:-1], self.padding, strict=True)
        padded = [None if n is None else n + sum(pair) for n, pair in sizes]
        return (input_shape[0], *padded, input_shape[-1])

    def sees(self, axis, low, high):
        return low - self.padding[axis][0], high - self.padding[axis][0]


class ZeroPadding1D(_ZeroPadding):
    """(N, L, C) to (N, before + L + after, C).

    Parameters
    ----------
    padding : int or (before, after)
        Zeros to add.
    **kwargs
        `name`, `input_shape`.
    """

    rank = 1


class ZeroPadding2D(_ZeroPadding):
    """(N, H, W, C) to (N, top + H + bottom, left + W + right, C).

    Parameters
    ----------
    padding : int, (height, width) or ((top, bottom), (left, right))
        Zeros to add.
    **kwargs
        `name`, `input_shape`.
    """

    rank = 2


class _Cropping(Layer):
    """Pixels cut off."""

    rank: int

    def set_cropping(self, cropping, data_format) -> None:
        """Check and keep the margins."""
        self.data_format = checks.channels_last(self, data_format)
        self.cropping = margins(self, "cropping", cropping)
        self.input_rank = self.rank + 2

    def call(self, inputs):
        self.compute_output_shape(inputs.shape)
        sizes = zip(inputs.shape[1:-1], self.cropping, strict=True)
        return inputs[(slice(None), *[slice(a, n - b) for n, (a, b) in sizes])]

    def compute_output_shape(self, input_shape):
        checks.input_shape(self, input_shape)
        sizes = zip(input_shape[1:-1], self.cropping, strict=True)
        left = [None if n is None else n - sum(pair) for n, pair in sizes]
        if any(n is not None and n < 1 for n in left):
            raise ValueError(
                f"{self.title}: cropping {self.cropping} leaves nothing of an input of shape "
                f"{tuple(input_shape)}; crop less than its size"
            )
        return (input_shape[0], *left, input_shape[-1])

    def sees(self, axis, low, high):
        return low + self.cropping[axis][0], high + self.cropping[axis][0]


class Cropping1D(_Cropping):
    """(N, L, C) to (N, L - before - after, C).

    Parameters
    ----------
    cropping : int or (before, after)
        Pixels to cut off.
    **kwargs
        `name`, `input_shape`.

    Raises
    ------
    ValueError
        If nothing would be left.
    """

    rank = 1

    def __init__(self, cropping=(1, 1), **kwargs):
        super().__init__(**kwargs)
        self.set_cropping(cropping, None)


class Cropping2D(_Cropping):
    """(N, H, W, C) to (N, H - top - bottom, W - left - right, C).

    Parameters
    ----------
    cropping : int, (height, width) or ((top, bottom), (left, right))
        Pixels to cut off.
    **kwargs
        `name`, `input_shape`.

    Raises
    ------
    ValueError
        If nothing would be left.
    """

    rank = 2

    def __init__(self, cropping=((0, 0), (0, 0)), data_format=None, **kwargs):
        super().__init__(**kwargs)
        self.set_cropping(cropping, data_format)


def margins(layer, name: str, value) -> tuple[tuple[int, int], ...]:
    """Check pixels to add or cut, given as an integer, one per axis, or pairs; Keras's forms.

    Raises
    ------
    ValueError
        If they are none of these.
    """
    given = value
    if layer.rank == 1 and isinstance(value, (list, tuple)) and len(value) == 2:
        given = (tuple(value),)
    elif isinstance(value, (list, tuple)):
        given = tuple(tuple(part) if isinstance(part, list) else part for part in value)
    try:
        return shapes.explicit_pads(given, layer.rank)
    except ValueError:
        form = "(before, after)" if layer.rank == 1 else "((top, bottom), (left, right))"
        raise ValueError(
            f"{layer.title}: {name}={value!r}, expected an integer of at least 0, or {form}"
        ) from None
