"""Checkers, public because students need them: check_grads, check_adjoint, check_masked.

Each raises AssertionError with the worst element's index. tests/test_testing.py plants wrong rules
and demands that they are caught.
"""

import numpy as np

from tinygrad_astro.pullback import jvp, vjp
from tinygrad_astro.tape import Tensor
from tinygrad_astro.tensor import tensor

_MOST_ELEMENTS = 24  # per argument; the rest is covered by a random direction


def check_grads(f, *args, order=2, rtol=1e-5, atol=1e-7, step=1e-5, seed=0):
    """Compare f's derivatives with central finite differences, in float64.

    With a random cotangent u, s(x) = <u, f(x)>. Checked are: ds/dx element by element (a sample of
    large arguments) and along a random direction; the forward product; that the pullback leaves u
    alone and gives the same again; and, for `order` > 1, all of this for the gradient itself.

    Parameters
    ----------
    f : callable
        Takes Tensors, gives one Tensor; smooth near `args` (not at a kink or a tie).
    *args : array_like of any shape
    order : int
        Highest derivative to check.
    rtol, atol : float
        Accepted |analytic - numeric| is `atol + rtol * max(|numeric|, scale of the gradient)`.
    step : float
        Of the finite difference, in units of the argument.

    Raises
    ------
    AssertionError
        With the order, the argument, the worst index and both values.

    Examples
    --------
    >>> import numpy as np, tinygrad_astro as ta
    >>> ta.testing.check_grads(ta.ops.sin, np.linspace(0, 1, 5))
    """
    rng = np.random.default_rng(seed)
    points = [np.array(a.numpy() if isinstance(a, Tensor) else a, np.float64) for a in args]
    _check_order(f, points, 1, order, rtol, atol, step, rng)


def _check_order(f, points, level, order, rtol, atol, step, rng):
    out, pullback = vjp(f, *points)
    u = rng.standard_normal(out.shape)
    before = u.copy()
    grads = [g.numpy() for g in pullback(u)]
    again = [g.numpy() for g in pullback(u)]
    if not np.array_equal(u, before) or not all(map(np.array_equal, grads, again)):
        raise AssertionError(f"order {level}: the pullback changes its cotangent or its own tape")

    def projected(points):
        return float(np.sum(u * f(*map(Tensor, points)).numpy()))

    for position, (point, gradient) in enumerate(zip(points, grads, strict=True)):
        scale = np.abs(gradient).max(initial=0.0)
        _compare_elements(projected, points, position, gradient, level, rtol, atol, step, rng)
        direction = rng.standard_normal(point.shape)
        moved = [direction if p == position else None for p in range(len(points))]
        numeric = _difference(projected, points, moved, step)
        analytic = float(np.sum(gradient * direction))
        _demand(analytic, numeric, scale * max(direction.size, 1) ** 0.5, rtol, atol, level,
                f"argument {position} along a random direction")  # fmt: skip
    directions = [rng.standard_normal(p.shape) for p in points]
    pushed = float(np.sum(u * jvp(f, points, directions)[1].numpy()))
    pulled = sum(float(np.sum(g * d)) for g, d in zip(grads, directions, strict=True))
    size = sum(float(np.sum(np.abs(g * d))) for g, d in zip(grads, directions, strict=True))
    _demand(pushed, pulled, size, rtol, atol, level, "the forward product against the pullback")
    if level == order:
        return
    for position in range(len(points)):

        def derivative(*inputs, position=position):
            return vjp(f, *inputs)[1](u)[position]

        _check_order(derivative, points, level + 1, order, rtol, atol, step, rng)


def _difference(projected, points, directions, step):
    def at(sign):
        moved = [p if d is None else p + sign * step * d for p, d in zip(points, directions)]
        return projected([np.asarray(p) for p in moved])

    return (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * step)


def _compare_elements(projected, points, position, gradient, level, rtol, atol, step, rng):
    point = points[position]
    chosen = np.arange(point.size)
    if point.size > _MOST_ELEMENTS:
        chosen = np.sort(rng.choice(point.size, _MOST_ELEMENTS, replace=False))
    numeric = np.empty(len(chosen))
    for k, flat in enumerate(chosen):
        unit = np.zeros(point.shape)
        unit.reshape(-1)[flat] = 1.0
        directions = [unit if p == position else None for p in range(len(points))]
        numeric[k] = _difference(projected, points, directions, step)
    analytic = gradient.reshape(-1)[chosen]
    if not len(chosen):
        return
    error = np.abs(analytic - numeric)
    error[np.isnan(error)] = np.inf
    worst = int(np.argmax(error))
    index = tuple(int(i) for i in np.unravel_index(chosen[worst], point.shape))
    scale = np.abs(numeric).max()
    _demand(analytic[worst], numeric[worst], scale, rtol, atol, level,
            f"argument {position} at index {index}")  # fmt: skip


def _demand(analytic, numeric, scale, rtol, atol, level, where):
    if not abs(analytic - numeric) <= atol + rtol * max(abs(numeric), scale):
        raise AssertionError(
            f"order {level}: the derivative of {where} is {analytic:.10g}, but finite differences "
            f"give {numeric:.10g} (difference {abs(analytic - numeric):.3g})"
        )


def check_adjoint(f, x, rtol=1e-12, seed=0):
    """Check that f is linear and its pullback its transpose: <f(x), g> = <x, f^T(g)>, in float64.

    There is no step size to tune, so this is far sharper than finite differences; use it for every
    linear op (convolution, pooling by sum, padding, indexing).

    Parameters
    ----------
    f : callable
        Linear, takes one Tensor, gives one.
    x : array_like
    rtol : float
        Accepted difference relative to |f(x)| |g|.

    Raises
    ------
    AssertionError
        If f is not linear, or with both products and the index where the transpose differs most
        from the dense matrix of f (for small x).

    Examples
    --------
    >>> import numpy as np, tinygrad_astro as ta
    >>> ta.testing.check_adjoint(lambda x: ta.ops.flip(x, 0), np.arange(5.0))
    """
    rng = np.random.default_rng(seed)
    x = np.array(x, np.float64)
    out, pullback = vjp(f, x)
    value, y = out.numpy(), np.asarray(rng.standard_normal(x.shape))
    other = f(Tensor(y)).numpy()
    both = f(Tensor(np.asarray(2.0 * x - 3.0 * y))).numpy()
    size = np.abs(value).max(initial=0.0) + np.abs(other).max(initial=0.0)
    if not np.allclose(both, 2.0 * value - 3.0 * other, rtol=0, atol=1e-10 * size + 1e-300):
        raise AssertionError("f is not linear: f(2 x - 3 y) differs from 2 f(x) - 3 f(y)")
    g = rng.standard_normal(value.shape)
    transposed = pullback(g)[0].numpy()
    left, right = float(np.sum(value * g)), float(np.sum(x * transposed))
    norm = np.linalg.norm(value) * np.linalg.norm(g)
    if abs(left - right) <= rtol * max(norm, 1e-300):
        return
    worst = "unknown (x is large)"
    if x.size <= 256:
        units = np.eye(x.size).reshape(x.size, *x.shape)
        dense = np.array([np.sum(f(Tensor(e)).numpy() * g) for e in units])
        flat = int(np.argmax(np.abs(dense - transposed.reshape(-1))))
        worst = str(tuple(int(i) for i in np.unravel_index(flat, x.shape)))
    raise AssertionError(
        f"<f(x), g> = {left:.15g} but <x, f^T(g)> = {right:.15g}; the transpose is worst at index "
        f"{worst}"
    )


def check_masked(f, x, valid, weights=(), plants=(np.nan, np.inf, -np.inf, 1e30)):
    """Check that what masked pixels hold changes no bit of f, nor of its gradients.

    The masked pixels of `x` are filled with 0, then with each of `plants`, then with all of them by
    turns. Compared bit by bit are f(x), its gradient in x, and its gradients in `weights`; the
    gradient in a masked pixel must be exactly 0.

    Parameters
    ----------
    f : callable
        Takes a Tensor, gives one: a network's output, or its loss.
    x : array_like
    valid : array_like of bool, broadcastable to x
        True where a pixel counts.
    weights : sequence of Tensor
        Tracked tensors that f uses.
    plants : sequence of float

    Raises
    ------
    AssertionError
        Saying what was planted, and the first index where a bit differs.
    ValueError
        If no pixel is masked, so that nothing could be checked.

    Examples
    --------
    >>> import numpy as np, tinygrad_astro as ta
    >>> x, valid = np.ones((2, 3)), np.array([[1, 1, 0], [1, 0, 1]], bool)
    >>> ta.testing.check_masked(lambda x: ta.ops.where(valid, x, 0.0) ** 2, x, valid)
    """
    x = np.array(x.numpy() if isinstance(x, Tensor) else x)
    bad = np.broadcast_to(~np.asarray(valid, bool), x.shape)
    if not bad.any():
        raise ValueError(f"all {x.size} pixels are valid: mask some, or nothing is checked")
    fills = {"0": np.zeros(int(bad.sum()))} | {str(p): np.full(bad.sum(), p) for p in plants}
    fills["all of them"] = np.resize(np.asarray(plants), bad.sum())
    first: dict[str, np.ndarray] = {}
    for what, fill in fills.items():
        planted = x.copy()
        planted[bad] = fill
        found = _gradients(f, planted, weights)
        for name, value in found.items():
            _demand_bits(first.setdefault(name, value), value, name, what)
        inside = found["the gradient in x"][bad]
        if (inside != 0).any():
            raise AssertionError(f"a masked pixel has the gradient {inside[inside != 0][0]}, not 0")


def _gradients(f, x, weights) -> dict[str, np.ndarray]:
    """Give f(x) and its gradients as arrays, by what they are; weights keep the `grad` they had."""
    kept = [w.grad for w in weights]
    leaf = tensor(x, requires_grad=True)
    try:
        for w in weights:
            w.grad = None
        with np.errstate(all="ignore"):
            out = f(leaf)
            cotangent = np.random.default_rng(0).standard_normal(out.shape)
            out.backward(cotangent.astype(out.dtype))
        found = {"the output": out, "the gradient in x": leaf.grad}
        for i, w in enumerate(weights):
            found[f"the gradient in weights[{i}]"] = 0 * w if w.grad is None else w.grad
        return {name: np.array(value.detach().numpy()) for name, value in found.items()}
    finally:
        for w, grad in zip(weights, kept, strict=True):
            w.grad = grad


def _demand_bits(expected, found, name, what):
    bits = [array.reshape(-1, 1).view(np.uint8) for array in (expected, found)]
    same = (bits[0] == bits[1]).all(axis=1)
    if not same.all():
        index = tuple(int(i) for i in np.unravel_index(int(np.argmin(same)), expected.shape))
        raise AssertionError(
            f"with {what} in masked pixels, {name} at index {index} is {found[index]}, "
            f"and with 0 there it is {expected[index]}"
        )
