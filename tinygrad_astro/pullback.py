"""Pullbacks and pushforwards of functions: vjp and jvp, the ground of all derivatives; they nest.

The function is called on *aliases* of its arguments. An alias is a record of its own, so the walk
back along the tape can stop there, even where the argument is tracked by an outer derivative. While
its function runs, an alias is tracked like a leaf: an inner derivative that meets it must stay on
the tape.
"""

from tinygrad_astro.kernels import xp
from tinygrad_astro.modes import is_recording, set_mode
from tinygrad_astro.reverse import cotangent, reachable, reverse
from tinygrad_astro.tape import Record, Tensor, lift, primitive


@primitive(lambda g, out, x, running: g, keeps="")
def _alias(x, running):
    return x


def _zeros(x):
    """Zeros like x, which 0 * x is not where x is infinite."""
    return Tensor(xp(x.data).zeros_like(x.data))


def demand_function(f):
    """Raise TypeError unless f can be called."""
    if not callable(f):
        raise TypeError(
            f"got {f!r} to differentiate, expected a callable: a function of Tensors, such as "
            "lambda x: (x * x).sum(); to differentiate a Tensor that was computed, call backward()"
        )


def trace(f, primals):
    """Call f on aliases of `primals`: (out, aliases, records reached, is anything else tracked)."""
    demand_function(f)
    primals = [p if isinstance(p, Tensor) else lift([p])[0] for p in primals]
    for position, p in enumerate(primals):
        if p.data.dtype.kind != "f":
            raise TypeError(
                f"argument {position} has dtype {p.data.dtype}; derivatives need floating point: "
                "convert it with .astype(np.float32)"
            )
    aliases = [Tensor(p.data) for p in primals]
    for alias, p in zip(aliases, primals, strict=True):
        alias.record = Record(_alias, [p], {"running": True}, p.data)
    try:
        with set_mode(recording=True):
            out = f(*aliases)
    finally:
        for alias in aliases:
            alias.record.params["running"] = False
    if not isinstance(out, Tensor):
        raise TypeError(f"the function returned {type(out).__name__}, expected one Tensor")
    stops = {alias.record for alias in aliases}
    if out.record is None:
        return out, aliases, [], out._leaf
    order, outside = reachable(out.record, stops)
    return out, aliases, order, outside


def vjp(f, *primals):
    """Evaluate f and give its pullback: (out, g -> (g . df/dx for each x)).

    Parameters
    ----------
    f : callable
        Takes Tensors, gives one Tensor.
    *primals : Tensor or array_like
        Where to evaluate.

    Returns
    -------
    out : Tensor
    pullback : callable
        Maps a cotangent of out's shape to a tuple of gradients, one per primal.

    Raises
    ------
    TypeError
        If a primal is not floating point or f does not return one Tensor.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> out, pullback = ta.vjp(lambda x: x * x, ta.tensor(3.0))
    >>> float(pullback(1.0)[0])
    6.0
    """
    out, aliases, order, outside = trace(f, primals)
    outside = outside and is_recording()
    stops = {alias.record for alias in aliases}

    def pullback(g=None):
        g = cotangent(g, out)
        grads = {}
        if out.record is not None:
            graph = is_recording() and (outside or g.requires_grad)
            grads = reverse(out.record, g, graph, stop=stops, order=order)
        found = [grads.get(alias.record) for alias in aliases]
        return tuple(
            _zeros(alias) if value is None else value
            for alias, value in zip(aliases, found, strict=True)
        )

    return (out if outside else out.detach()), pullback


def jvp(f, primals, tangents):
    """Evaluate f and push tangents forward: (out, df/dx . v), by transposing the pullback.

    The pullback u -> u . df/dx is linear in u; differentiating it with respect to u gives the
    forward product, so no second table of rules exists. Cost: about two reverse passes.

    Parameters
    ----------
    f : callable
        Takes Tensors, gives one Tensor.
    primals, tangents : Tensor or tuple of Tensors
        Where to evaluate, and the direction, of the same shapes.

    Returns
    -------
    out, tangent : Tensor
        Both of the shape of f's value.

    Raises
    ------
    ValueError
        If primals and tangents differ in number or shape.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> float(ta.jvp(lambda x: x**3, ta.tensor(2.0), ta.tensor(1.0))[1])
    12.0
    """
    primals = primals if isinstance(primals, (tuple, list)) else (primals,)
    tangents = tangents if isinstance(tangents, (tuple, list)) else (tangents,)
    primals, tangents = lift(primals), lift([*primals, *tangents])[len(primals) :]
    shapes = [p.data.shape for p in primals], [t.data.shape for t in tangents]
    if shapes[0] != shapes[1]:
        raise ValueError(f"tangents have shapes {shapes[1]}, expected the primals' {shapes[0]}")
    out, pullback = vjp(f, *primals)

    def paired(u):
        products = [(g * v).sum() for g, v in zip(pullback(u), tangents, strict=True)]
        return sum(products[1:], products[0])

    tangent = vjp(paired, _zeros(out))[1](1.0)[0]
    tracked = out.requires_grad or any(t.requires_grad for t in tangents)
    return out, (tangent if tracked else tangent.detach())
