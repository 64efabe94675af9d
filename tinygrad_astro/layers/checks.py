"""What layers ask of their inputs and arguments; the text of every such complaint is here."""

from numbers import Real
from typing import Any

from tinygrad_astro.layers.symbolic import flat_shapes

LAYOUTS = {2: "(N, C)", 3: "(N, L, C)", 4: "(N, H, W, C)"}


def input_shape(layer, shape) -> None:
    """Check the rank and the channels of one input of `layer`.

    Raises
    ------
    ValueError
        If the layer wants another rank, or was built for another number of channels.
    """
    rank, channels = layer.input_rank, layer.input_channels
    if rank is not None and len(shape) != rank:
        hint = ""
        if len(shape) == rank - 1:
            hint = "; add the missing axis: x[..., None] for channels, x[None] for the batch"
        raise ValueError(
            f"{layer.title} got an input of shape {_text(shape)}, expected {rank} axes "
            f"{LAYOUTS[rank]}{hint}"
        )
    if channels is not None and shape[-1] != channels:
        raise ValueError(
            f"{layer.title} got {shape[-1]} channels (input shape {_text(shape)}), but it was "
            f"built for {channels}; give it {channels}, or make a new layer"
        )


def same_build(layer, before, shape) -> None:
    """Check what `build` got for a layer that is built already; None and the batch fit anything.

    Raises
    ------
    ValueError
        If the weights were made for another shape.
    """
    old, new = flat_shapes(before or ()), flat_shapes(shape)
    same = len(old) == len(new) and all(
        len(a) == len(b) and all(m == n or None in (m, n) for m, n in zip(a[1:], b[1:]))
        for a, b in zip(old, new)
    )
    if before is not None and not same:
        told = [", ".join(map(_text, shapes)) for shapes in (new, old)]
        raise ValueError(
            f"{layer.title}: build got {told[0]}, but it is built for {told[1]} already, and its "
            "weights are made once; make a new one for another shape"
        )


def known_channels(layer, shape) -> int:
    """Give the size of the last axis.

    Raises
    ------
    ValueError
        If it is not known: weights depend on it.
    """
    if len(shape) < 2:
        raise ValueError(
            f"{layer.title} got an input of {len(shape)} axes, expected the batch and at least the "
            "channels: x[None] for one example, x[:, None] for one number per example"
        )
    if shape[-1] is None:
        raise ValueError(
            f"{layer.title} got the input shape {_text(shape)}, whose last axis must be known; "
            "fix it in Input(shape=...)"
        )
    return int(shape[-1])


def positive(layer, name: str, value) -> int:
    """Check an argument that counts something.

    Raises
    ------
    ValueError
        If it is not an integer of at least 1.
    """
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < 1:
        raise ValueError(f"{layer.title}: {name}={value!r}, expected an integer of at least 1")
    return int(value)


def fraction(layer, name: str, value: Any) -> float:
    """Check an argument in [0, 1].

    Raises
    ------
    ValueError
        If it is outside.
    """
    if not _is_real(value) or not 0 <= value <= 1:
        raise ValueError(f"{layer.title}: {name}={value!r}, expected a number from 0 to 1")
    return float(value)


def not_negative(layer, name: str, value: Any) -> float:
    """Check an argument that is at least 0.

    Raises
    ------
    ValueError
        If it is negative or no number.
    """
    if not _is_real(value) or not value >= 0:
        raise ValueError(f"{layer.title}: {name}={value!r}, expected a number of at least 0")
    return float(value)


def channels_last(layer, data_format) -> str:
    """Check `data_format`.

    Raises
    ------
    ValueError
        For anything but "channels_last" or None.
    """
    if data_format not in (None, "channels_last"):
        raise ValueError(
            f"{layer.title}: data_format={data_format!r}, but images are (N, H, W, C) everywhere; "
            "leave it out, and move the channels last with np.moveaxis(x, 1, -1)"
        )
    return "channels_last"


def last_axis(layer, axis, rank: int | None = None) -> int:
    """Check an `axis` that can only be the channels.

    Raises
    ------
    ValueError
        If it names another axis.
    """
    axis = axis[0] if isinstance(axis, (list, tuple)) and len(axis) == 1 else axis
    if axis == -1 or (rank is not None and axis == rank - 1):
        return -1
    raise ValueError(
        f"{layer.title}: axis={axis!r}, but it works along the last axis only, axis=-1"
    )


def whole_axis(layer, axis) -> int:
    """Check an `axis` that may be any.

    Raises
    ------
    ValueError
        If it is no integer.
    """
    if isinstance(axis, bool) or not hasattr(axis, "__index__"):
        raise ValueError(f"{layer.title}: axis={axis!r}, expected an integer")
    return int(axis)


def several(layer, inputs, exactly: int | None = None) -> None:
    """Check that a merging layer got a list of inputs.

    Raises
    ------
    ValueError
        If it is not a list, or of the wrong length.
    """
    expected = f"a list of {exactly}" if exactly else "a list of at least one"
    if not isinstance(inputs, (list, tuple)) or (exactly and len(inputs) != exactly) or not inputs:
        count = f" of {len(inputs)}" if isinstance(inputs, (list, tuple)) else ""
        raise ValueError(
            f"{layer.title} got a {type(inputs).__name__}{count}, expected {expected} tensors: "
            f"{type(layer).__name__}()([x, y])"
        )


def values_and_mask(layer, shapes) -> None:
    """Check that a masked layer got values, and a mask of their shape or of one channel.

    Raises
    ------
    ValueError
        If it got something else.
    """
    call = f"{type(layer).__name__}(...)(x, valid)"
    flat = [flat_shapes(shape) for shape in shapes]
    if len(flat) != 2 or any(len(part) != 1 for part in flat):
        raise ValueError(
            f"{layer.title} got {sum(map(len, flat))} tensors in {len(flat)} arguments, expected "
            f"values and their mask: {call}"
        )
    values, mask = flat[0][0], flat[1][0]
    fits = len(values) == len(mask) and mask[-1] in (1, values[-1])
    if not fits or any(m != n and None not in (m, n) for m, n in zip(mask[:-1], values[:-1])):
        raise ValueError(
            f"{layer.title} got values of shape {_text(values)} and a mask of shape {_text(mask)}, "
            f"expected {_text((*values[:-1], 1))} or the values' own shape: {call}"
        )


def _is_real(value) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _text(shape) -> str:
    return "(" + ", ".join("None" if n is None else str(n) for n in shape) + ")"
