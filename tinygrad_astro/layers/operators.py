"""The operator table of symbols: `x + y` in a functional model is the layer Add, and so on."""

from numbers import Real

from tinygrad_astro.layers.core import Rescaling
from tinygrad_astro.layers.merging import Add, Multiply, Subtract
from tinygrad_astro.layers.symbolic import Symbol


def _add(x, y):
    return Rescaling(1.0, y)(x) if isinstance(y, Real) else Add()([x, y])


def _subtract(x, y):
    return Rescaling(1.0, -y)(x) if isinstance(y, Real) else Subtract()([x, y])


def _multiply(x, y):
    return Rescaling(y)(x) if isinstance(y, Real) else Multiply()([x, y])


def _divide(x, y):
    if not isinstance(y, Real):
        raise TypeError(f"{x!r} / {type(y).__name__}: a symbol can be divided by a number only")
    return Rescaling(1.0 / y)(x)


OPERATORS = {
    "__add__": _add,
    "__radd__": _add,
    "__sub__": _subtract,
    "__rsub__": lambda x, y: Rescaling(-1.0, y)(x),
    "__mul__": _multiply,
    "__rmul__": _multiply,
    "__truediv__": _divide,
    "__neg__": lambda x: Rescaling(-1.0)(x),
}
for name, function in OPERATORS.items():
    setattr(Symbol, name, function)
