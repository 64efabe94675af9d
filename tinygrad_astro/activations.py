"""Activation functions by Keras's names, for the `activation=` argument of layers."""

from tinygrad_astro import ops
from tinygrad_astro.ops import (
    elu,
    exp,
    gelu,
    hard_sigmoid,
    leaky_relu,
    linear,
    log_sigmoid,
    log_softmax,
    relu,
    sigmoid,
    silu,
    softmax,
    softplus,
    softsign,
    tanh,
)

exponential = exp
swish = silu

__all__ = ["elu", "exponential", "gelu", "get", "hard_sigmoid", "leaky_relu", "linear"]
__all__ += ["log_sigmoid", "log_softmax", "name_of", "relu", "sigmoid", "silu", "softmax"]
__all__ += ["softplus", "softsign", "swish", "tanh", "with_bias"]

_BY_NAME = {
    "elu": elu,
    "exponential": exponential,
    "gelu": gelu,
    "hard_sigmoid": hard_sigmoid,
    "leaky_relu": leaky_relu,
    "linear": linear,
    "log_sigmoid": log_sigmoid,
    "log_softmax": log_softmax,
    "relu": relu,
    "sigmoid": sigmoid,
    "silu": silu,
    "softmax": softmax,
    "softplus": softplus,
    "softsign": softsign,
    "tanh": tanh,
    "swish": silu,
}
_NAMES = {function: name for name, function in reversed(_BY_NAME.items())}
_FUSED = ("linear", "relu", "sigmoid", "tanh", "elu")


def get(identifier):
    """Give an activation for its name, for None (linear), or for a callable, which is itself.

    Raises
    ------
    ValueError
        If the name is not known, or `identifier` is none of these.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> from tinygrad_astro import activations
    >>> activations.get("relu") is ta.ops.relu
    True
    """
    if identifier is None:
        return linear
    if isinstance(identifier, str):
        if identifier not in _BY_NAME:
            raise ValueError(
                f"unknown activation {identifier!r}; known are {', '.join(sorted(_BY_NAME))}"
            )
        return _BY_NAME[identifier]
    if callable(identifier):
        return identifier
    raise ValueError(
        f"activation={identifier!r}: expected a name such as 'relu', or a function of one tensor"
    )


def name_of(function) -> str | None:
    """Give the name of an activation function, None if it is not one of the library's."""
    return _NAMES.get(function) if callable(function) else None


def fused_name(function) -> str | None:
    """Give the name of an activation that ops compute together with the bias, else None."""
    name = name_of(function)
    return name if name in _FUSED else None


def with_bias(inputs, bias, function):
    """activation(inputs + bias), in one pass over memory where the activation allows it.

    Parameters
    ----------
    inputs : (..., C) Tensor
        Any unit.
    bias : (C,) Tensor or None
        Same unit as inputs.
    function : callable
        What `get` gave.

    Returns
    -------
    (..., C) Tensor
    """
    if bias is None:
        return inputs if function is linear else function(inputs)
    name = fused_name(function)
    if name is not None:
        return ops.bias_activation(inputs, bias, name)
    return function(ops.bias_activation(inputs, bias))
