"""Derivatives of functions: gradient, Hessian product, Jacobian; all follow from vjp, and nest."""

import numpy as np

from tinygrad_astro import ops
from tinygrad_astro.kernels import xp
from tinygrad_astro.pullback import demand_function, vjp
from tinygrad_astro.tape import Tensor, lift


def _demand_arguments(argnums, picked, args):
    if any(not isinstance(a, int) or not -len(args) <= a < len(args) for a in picked):
        raise ValueError(
            f"argnums={argnums!r}, but {len(args)} positional arguments were given, numbered from 0"
        )


def value_and_grad(f, argnums=0):
    """Give a function that evaluates f and its gradient: (f(x), df/dx).

    Parameters
    ----------
    f : callable
        Takes Tensors (and whatever else), gives one Tensor of a single value.
    argnums : int or tuple of int
        Which positional arguments to differentiate with respect to.

    Returns
    -------
    callable
        Takes f's arguments, gives (value, gradient); a tuple of gradients for a tuple `argnums`.

    Raises
    ------
    TypeError
        If f is no function, or `argnums` no integer or tuple.
    ValueError
        If f gives more than one value, or `argnums` is not among the arguments.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> value, slope = ta.value_and_grad(lambda x: ta.ops.sin(x))(ta.tensor(0.0))
    >>> float(value), float(slope)
    (0.0, 1.0)
    """
    demand_function(f)
    if not isinstance(argnums, (int, tuple, list)):
        raise TypeError(f"argnums={argnums!r}, expected an integer or a tuple of integers")
    picked = (argnums,) if isinstance(argnums, int) else tuple(argnums)

    def evaluate(*args, **kwargs):
        _demand_arguments(argnums, picked, args)

        def of_picked(*chosen):
            full = list(args)
            for a, value in zip(picked, chosen, strict=True):
                full[a] = value
            return f(*full, **kwargs)

        out, pullback = vjp(of_picked, *[args[a] for a in picked])
        if out.size != 1:
            raise ValueError(
                f"the function gave a tensor of shape {out.shape}; a gradient needs a single "
                "value: reduce with .sum() or .mean(), or use ta.jacobian"
            )
        grads = pullback()
        return out, (grads[0] if isinstance(argnums, int) else grads)

    return evaluate


def grad(f, argnums=0):
    """Give the function df/dx of a function f of a single value.

    Parameters, errors: as in `value_and_grad`.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> third = ta.grad(ta.grad(ta.grad(lambda x: x**4)))
    >>> float(third(ta.tensor(2.0)))
    48.0
    """
    evaluate = value_and_grad(f, argnums)
    return lambda *args, **kwargs: evaluate(*args, **kwargs)[1]


def hvp(f, x, v):
    """Give the Hessian of f at x times v: d/dx (df/dx . v).

    Parameters
    ----------
    f : callable
        Takes one Tensor, gives a single value.
    x, v : Tensor
        Where, and the direction, of one shape.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> ta.hvp(lambda x: (x**3).sum(), ta.tensor([1.0, 2.0]), ta.tensor([1.0, 1.0])).numpy()
    array([ 6., 12.], dtype=float32)
    """
    demand_function(f)
    x, v = lift([x, v])
    if x.shape != v.shape:
        raise ValueError(f"the direction has shape {v.shape}, expected that of x, {x.shape}")
    return grad(lambda y: (grad(f)(y) * v).sum())(x)


def jacobian(f, argnums=0):
    """Give the function df_i/dx_j of a function of one array, by one pullback per output value.

    Parameters
    ----------
    f : callable
        Takes Tensors, gives one Tensor of any shape.
    argnums : int
        Which positional argument to differentiate with respect to.

    Returns
    -------
    callable
        Takes f's arguments, gives a Tensor of shape `out.shape + x.shape`.

    Raises
    ------
    TypeError
        If f is no function.
    ValueError
        If `argnums` is not among the arguments.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> ta.jacobian(lambda x: x * x)(ta.tensor([1.0, 2.0])).numpy()
    array([[2., 0.],
           [0., 4.]], dtype=float32)
    """
    demand_function(f)

    def evaluate(*args, **kwargs):
        _demand_arguments(argnums, (argnums,), args)

        def of_one(x):
            full = list(args)
            full[argnums] = x
            return f(*full, **kwargs)

        out, pullback = vjp(of_one, args[argnums])
        rows = []
        for i in range(out.size):
            g = xp(out.data).zeros(out.size, out.dtype)
            g[i] = 1
            rows.append(pullback(Tensor(g.reshape(out.shape)))[0])
        inner = rows[0].shape if rows else tuple(np.shape(args[argnums]))
        if not rows:
            return Tensor(np.zeros(out.shape + inner, out.dtype))
        return ops.reshape(ops.stack(rows), out.shape + inner)

    return evaluate
