"""Numbers given as arguments: of which kind and how large they may be, and what to say."""

import math
from numbers import Integral, Real
from typing import Any


def number(owner, name: str, value: Any, low=-math.inf, high=math.inf, above=None) -> Any:
    """Give a finite number back, as it came.

    Parameters
    ----------
    owner : object
        Whose argument it is; its class is named.
    name : str
        Of the argument.
    value : number
    low, high : float
        The least and the greatest that is accepted.
    above : float, optional
        It must exceed this; used in place of `low`.

    Raises
    ------
    ValueError
        If it is none, NaN or infinite, or outside.

    Examples
    --------
    >>> number("Huber", "delta", -1, above=0)
    Traceback (most recent call last):
    ValueError: Huber got delta=-1, expected a number above 0
    """
    real = isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    if real and low <= value <= high and (above is None or value > above):
        return value
    raise ValueError(f"{_title(owner)} got {name}={value!r}, expected a {_range(low, high, above)}")


def whole(owner, name: str, value: Any, least: int = 0) -> Any:
    """Give a whole number back, as it came.

    Raises
    ------
    ValueError
        If it is none, or less than `least`.
    """
    if isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least:
        return value
    raise ValueError(
        f"{_title(owner)} got {name}={value!r}, expected a whole number of at least {least}"
    )


def seed(owner, value: Any) -> Any:
    """Give a seed back, as it came: a whole number, or None.

    Raises
    ------
    ValueError
        If it is neither.
    """
    if value is None or (isinstance(value, Integral) and not isinstance(value, bool)):
        return value
    raise ValueError(
        f"{_title(owner)} got seed={value!r}, expected a whole number, or None for the library's "
        "stream"
    )


def _title(owner) -> str:
    return owner if isinstance(owner, str) else type(owner).__name__


def _range(low, high, above) -> str:
    if above is not None:
        upper = "" if high == math.inf else f" and at most {high}"
        return f"number above {above}{upper}"
    if low == -math.inf:
        return "finite number" if high == math.inf else f"number of at most {high}"
    return f"number of at least {low}" if high == math.inf else f"number from {low} to {high}"
