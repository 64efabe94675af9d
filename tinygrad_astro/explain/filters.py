"""Pictures of what a network learned: its kernels, and what they make of an image."""

import numpy as np

from tinygrad_astro.explain.pictures import near_square, picture, show_tiles
from tinygrad_astro.layers.layer import Layer
from tinygrad_astro.layers.structure import leaves, map_leaves
from tinygrad_astro.modes import no_grad
from tinygrad_astro.tape import Tensor

_MOST_TILES = 256
_MOST_PANELS = 36


def filters(layer):
    """Draw the learned kernels of a convolution layer on one colour scale.

    Parameters
    ----------
    layer : Conv1D, Conv2D, their transposed, depthwise and separable kin
        Built. Of a separable one, the depthwise kernels are drawn.

    Returns
    -------
    matplotlib.figure.Figure
        2-D: a tile per kernel, blue negative, red positive; with several input channels a row for
        each of them, a column per filter. 1-D: a panel per filter, a line per input channel. Of
        very many, the first are shown, and the title says so.

    Raises
    ------
    ValueError
        If the layer has no convolution kernel, or is not built.
    ImportError
        Without matplotlib, naming the extra.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> layer = ta.layers.Conv2D(8, 5, input_shape=(32, 32, 1))
    >>> layer.build((None, 32, 32, 1))
    >>> ta.explain.filters(layer).savefig("filters.png")  # doctest: +SKIP
    """
    kernel = _kernel(layer)
    if kernel.ndim == 3:
        return _curves(layer.name, kernel)
    tiles, columns, title = kernel_tiles(layer)
    rows = -(-len(tiles) // columns)
    figure = picture(max(4.0, min(12.0, columns * 0.62) + 1), max(1.6, rows * 0.62 + 0.6))
    show_tiles(figure, tiles, columns, title, signed=True, label="weight")
    return figure


def kernel_tiles(layer) -> tuple[np.ndarray, int, str]:
    """Give the kernels of a 2-D convolution layer as tiles, for a figure of one's own.

    Parameters
    ----------
    layer : Conv2D or one of its kin
        As `filters` takes it.

    Returns
    -------
    tiles : numpy.ndarray (n, kh, kw)
        With several input channels a row of tiles for each of them.
    columns : int
        Tiles in a row.
    title : str
        What they are, and how many of how many.
    """
    kernel = _kernel(layer)
    if kernel.ndim != 4:
        raise ValueError(f"kernel_tiles got {layer.title}, expected a 2-D convolution layer")
    kh, kw, channels, count = kernel.shape
    if min(channels, count) == 1:
        tiles = kernel.reshape(kh, kw, -1).transpose(2, 0, 1)
        shown, columns = min(len(tiles), _MOST_TILES), near_square(min(len(tiles), _MOST_TILES))
        title = f"{layer.name}: {_some(shown, len(tiles), 'kernels')} of {kh} x {kw}"
        return tiles[:shown], columns, title
    columns = min(count, 32)
    rows = min(channels, _MOST_TILES // columns)
    title = (
        f"{layer.name}: {_some(columns, count, 'filters')} of {kh} x {kw} across, "
        f"{_some(rows, channels, 'input channels')} down"
    )
    return kernel.transpose(2, 3, 0, 1)[:rows, :columns].reshape(-1, kh, kw), columns, title


def _kernel(layer) -> np.ndarray:
    """Give (*window, input channels, filters)."""
    for name in ("depthwise_kernel", "kernel"):
        weight = getattr(layer, name, None)
        if isinstance(weight, Tensor) and weight.ndim in (3, 4):
            values = np.array(weight.detach().numpy())
            transposed = "Transpose" in type(layer).__name__
            return np.swapaxes(values, -1, -2) if transposed else values
    what = getattr(layer, "title", type(layer).__name__)
    raise ValueError(
        f"filters got {what}, which has no convolution kernel; expected a convolution layer, built "
        "by calling it or its model on data"
    )


def _some(shown: int, count: int, what: str) -> str:
    return f"{count} {what}" if shown == count else f"the first {shown} of {count} {what}"


def _curves(name, kernel):
    """Draw 1-D kernels (k, channels, filters)."""
    taps, channels, count = kernel.shape
    shown = min(count, _MOST_PANELS)
    columns = near_square(shown)
    rows = -(-shown // columns)
    figure = picture(max(4.0, 1.5 * columns), 1.2 * rows + 0.5)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    at = np.arange(taps) - (taps - 1) / 2
    for i, axes in enumerate(panels):
        if i >= shown:
            axes.set_visible(False)
            continue
        axes.axhline(0, color="0.8", linewidth=0.8)
        axes.plot(at, kernel[:, :, i], linewidth=1.1)
        axes.tick_params(labelsize=6, labelbottom=i + columns >= shown)
        axes.text(0.03, 0.95, str(i), transform=axes.transAxes, fontsize=7, va="top", color="0.4")
    title = f"{name}: {_some(shown, count, 'filters')} of {taps} taps"
    lines = f", a line for each of {channels} channels" if channels > 1 else ""
    figure.suptitle(title + lines, fontsize=9)
    figure.supxlabel("pixels from the centre", fontsize=8)
    return figure


def feature_maps(model, x, layer) -> np.ndarray:
    """Give what one layer inside a model makes of an input, `training=False`.

    Parameters
    ----------
    model : Model
    x : (N, ...) array_like
        What the model takes.
    layer : Layer or str
        A layer at any depth of the model, or its name.

    Returns
    -------
    (N, ...) ndarray
        The layer's output; of its last call, if the model calls it several times. A list for a
        layer with several outputs.

    Raises
    ------
    ValueError
        If the model has no such layer, or does not call it.

    Examples
    --------
    >>> import numpy as np, tinygrad_astro as ta
    >>> model = ta.Sequential([ta.layers.Conv2D(4, 3, name="first"), ta.layers.ReLU()])
    >>> ta.explain.feature_maps(model, np.ones((1, 8, 8, 1)), "first").shape
    (1, 6, 6, 4)
    """
    seen: list = []
    with no_grad():
        if not model.built:
            model(x)
        inner = _inside(model, layer)
        inner.call = _noting(inner.call, seen)
        try:
            model(x)
        finally:
            del inner.call
    if not seen:
        raise ValueError(f"{inner.title} is in {model.title}, but this input does not pass through")
    return map_leaves(lambda out: np.array(out.numpy()), seen[-1])


def _inside(model, layer):
    inside = model.sublayers()
    for candidate in inside:
        if candidate is layer or candidate.name == layer:
            return candidate
    what = layer.title if isinstance(layer, Layer) else repr(layer)
    known = ", ".join(candidate.name for candidate in inside)
    raise ValueError(f"{model.title} has no layer {what}; it has {known}")


def _noting(call, seen):
    def noted(*args, **kwargs):
        out = call(*args, **kwargs)
        seen.append(out)
        return out

    return noted


def draw_maps(maps, example=0):
    """Draw the channels of feature maps side by side.

    Parameters
    ----------
    maps : (N, H, W, C) or (N, L, C) array_like
        From `feature_maps`; of spectra, each channel is a row of one image.
    example : int
        Which of the N.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If `maps` has no spatial axis.
    ImportError
        Without matplotlib, naming the extra.
    """
    maps = np.asarray(leaves(maps)[0] if isinstance(maps, (list, tuple)) else maps)
    if maps.ndim not in (3, 4):
        raise ValueError(
            f"draw_maps got an array of shape {maps.shape}, expected (N, H, W, C) or (N, L, C)"
        )
    one = maps[example]
    signed = bool((one < 0).any())
    if one.ndim == 2:
        figure = picture(8, max(1.6, 0.16 * one.shape[1] + 0.8))
        title = f"{one.shape[1]} channels down, {one.shape[0]} pixels across"
        show_tiles(figure, one.T[None], 1, title, signed, "activation")
        figure.axes[0].set_aspect("auto")
        return figure
    tiles = one.transpose(2, 0, 1)[:_MOST_TILES]
    columns = near_square(len(tiles))
    rows = -(-len(tiles) // columns)
    title = f"{_some(len(tiles), one.shape[2], 'channels')} of {one.shape[0]} x {one.shape[1]}"
    shape = one.shape[0] / one.shape[1]
    figure = picture(columns * 1.1 + 1, rows * 1.1 * shape + 0.5)
    show_tiles(figure, tiles, columns, title, signed, "activation")
    return figure
