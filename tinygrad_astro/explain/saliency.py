"""Which pixels, or wavelengths, a decision hangs on: the gradient of a score in the input."""

import numpy as np

from tinygrad_astro.explain.pictures import frame, picture
from tinygrad_astro.layers.structure import leaves, map_leaves
from tinygrad_astro.modes import no_grad
from tinygrad_astro.pullback import vjp
from tinygrad_astro.tape import Tensor


def saliency(model, x, target=None, smooth=0, noise=0.1, seed=0):
    """d score / d x, for each example by itself.

    Parameters
    ----------
    model : Model or callable
        Called on `x` with `training=False`.
    x : (N, ...) array_like, or list of them
        Images, spectra, or whatever the model takes.
    target : int, (N,) array of int, or callable, optional
        The score is the output of this number; of an image of scores, summed over its pixels. A
        callable takes the output and gives the score. Default: the largest output of each example.
    smooth : int
        SmoothGrad: average over this many copies of `x` with noise; 0 takes `x` as it is.
    noise : float
        Standard deviation of that noise in units of each example's range, max - min.
    seed : int
        Of the noise.

    Returns
    -------
    ndarray of x's shape, or list of them
        Signed, in units of the score per unit of x. Take `abs(...).max(-1)` for a map over bands.

    Raises
    ------
    ValueError
        If `target` is not an output of the model, or `smooth` is negative.

    Notes
    -----
    Behind a softmax or sigmoid that is nearly sure the gradient vanishes: take scores before it,
    or `target=lambda p: ta.ops.log(p[:, k])`. A NaN in the input gives NaN; mask it before.

    References
    ----------
    Simonyan et al. 2013 (arXiv:1312.6034), section 3, equation 4; Smilkov et al. 2017
    (arXiv:1706.03825), section 2.1.

    Examples
    --------
    >>> import numpy as np, tinygrad_astro as ta
    >>> ta.explain.saliency(lambda x: ta.ops.sum(x**2, axis=1, keepdims=True), np.ones((1, 3)))
    array([[2., 2., 2.]])
    """
    if isinstance(smooth, bool) or not isinstance(smooth, (int, np.integer)) or smooth < 0:
        raise ValueError(f"smooth={smooth!r}: expected a number of noisy copies, 0 for none")
    points = [_values(part) for part in leaves(x)]
    as_floats = [p if p.dtype.kind == "f" else p.astype(np.float32) for p in points]
    chosen = None if target is None or callable(target) else target
    if target is None:
        with no_grad():
            chosen = _largest(_evaluate(model, x, map(Tensor, as_floats)))
    rng = np.random.default_rng(seed)
    total = [np.zeros_like(p) for p in as_floats]
    for _ in range(max(smooth, 1)):
        at = [_noisy(p, noise, rng) for p in as_floats] if smooth else as_floats
        for part, g in zip(total, _gradients(model, x, at, target, chosen), strict=True):
            part += g.numpy() / max(smooth, 1)
    found = iter(total)
    return map_leaves(lambda _: next(found), x)


def _values(part) -> np.ndarray:
    return np.array(part.detach().numpy() if isinstance(part, Tensor) else part)


def _noisy(point, noise, rng):
    axes = tuple(range(1, point.ndim))
    width = np.nanmax(point, axes, keepdims=True) - np.nanmin(point, axes, keepdims=True)
    return point + (noise * width * rng.standard_normal(point.shape)).astype(point.dtype)


def _evaluate(model, like, points):
    parts = iter(points)
    return model(map_leaves(lambda _: next(parts), like))


def _gradients(model, like, points, target, chosen):
    def score(*tensors):
        out = _evaluate(model, like, tensors)
        return target(out) if callable(target) else out

    out, pullback = vjp(score, *points)
    with no_grad():
        if callable(target):
            return pullback(np.ones(out.shape, out.dtype))
        return pullback(_one_hot(out, chosen))


def _largest(out):
    """Give the number of the largest output of each example, summed over pixels if it has any."""
    summed = out.numpy().reshape(out.shape[0], -1, out.shape[-1]).sum(axis=1)
    return summed.argmax(axis=1)


def _one_hot(out, chosen) -> np.ndarray:
    """Give the cotangent that is 1 for the chosen output of each example."""
    number = np.asarray(chosen)
    classes = out.shape[-1] if out.ndim > 1 else 0
    fits = number.dtype.kind in "iu" and number.shape in ((), (out.shape[0],))
    if not fits or (number < -classes).any() or (number >= classes).any():
        raise ValueError(
            f"target={chosen!r}: expected an integer below {classes}, or one for each of the "
            f"{out.shape[0]} examples; the model's output has shape {out.shape}"
        )
    hot = np.zeros(out.shape, out.dtype)
    for example, k in enumerate(np.broadcast_to(number, (out.shape[0],))):
        hot[example, ..., k] = 1
    return hot


def draw_saliency(x, gradient, example=0, coordinate=None, lines=None):
    """Draw an input beside what `saliency` gave for it.

    Parameters
    ----------
    x : (N, H, W, C) or (N, L, C) array_like
        What the model was given.
    gradient : array_like of x's shape
        From `saliency`.
    example : int
        Which of the N.
    coordinate : (L,) array_like, optional
        Of spectra: the wavelength of each pixel, any unit. Default: the pixel's number.
    lines : mapping of str to float, optional
        Of spectra: where to mark spectral lines, by name, same unit as `coordinate`.

    Returns
    -------
    matplotlib.figure.Figure
        Of images, the mean over bands and the largest |gradient| over bands (Simonyan et al. 2013,
        section 3.1), side by side; of spectra, one above the other.

    Raises
    ------
    ValueError
        If the shapes differ or have no spatial axis.
    ImportError
        Without matplotlib, naming the extra.
    """
    x, gradient = _values(x), np.asarray(gradient)
    if x.shape != gradient.shape or x.ndim not in (3, 4):
        raise ValueError(
            f"draw_saliency got an input of shape {x.shape} and a gradient of shape "
            f"{gradient.shape}, expected the same shape, (N, H, W, C) or (N, L, C)"
        )
    one, strength = x[example], np.abs(gradient[example]).max(axis=-1)
    if one.ndim == 2:
        return _draw_spectrum(one, strength, coordinate, lines or {})
    figure = picture(7.2, 3.4 * one.shape[0] / one.shape[1] + 0.3)
    left, right = figure.subplots(1, 2)
    low, high = np.nanpercentile(one.mean(axis=-1), [1, 99.5])
    left.imshow(one.mean(axis=-1), cmap="gray", vmin=low, vmax=max(high, low + 1e-12))
    frame(left, "input, mean over bands")
    shown = right.imshow(strength, cmap="magma", vmin=0)
    frame(right, "|d score / d input|, largest over bands")
    figure.colorbar(shown, ax=right, shrink=0.85).ax.tick_params(labelsize=7)
    return figure


def _draw_spectrum(flux, strength, coordinate, lines):
    at = np.arange(len(flux)) if coordinate is None else np.asarray(coordinate)
    figure = picture(8, 3.8)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    top.plot(at, flux, linewidth=0.7)
    top.set_ylabel("input", fontsize=9)
    bottom.fill_between(at, strength, step="mid", color="#c2502e", linewidth=0)
    bottom.set_ylabel("|d score / d input|", fontsize=9)
    bottom.set_xlabel("pixel" if coordinate is None else "wavelength", fontsize=9)
    bottom.set_ylim(bottom=0)
    top.set_xlim(at.min(), at.max())
    for name, place in lines.items():
        if at.min() <= place <= at.max():
            for axes in (top, bottom):
                axes.axvline(place, color="0.6", linewidth=0.7, linestyle=":", zorder=0)
            top.text(place, 1.01, name, transform=top.get_xaxis_transform(), rotation=60,
                     fontsize=7, va="bottom", ha="left")  # fmt: skip
    return figure
