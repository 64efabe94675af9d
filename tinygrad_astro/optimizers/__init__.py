"""Optimizers with Keras's arguments, defaults and order of steps; `get` finds one by name."""

from tinygrad_astro import schedules
from tinygrad_astro.optimizers.adam import Adam, AdamW
from tinygrad_astro.optimizers.descent import SGD, RMSprop
from tinygrad_astro.optimizers.optimizer import Optimizer

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "RMSprop", "get", "schedules"]


def get(identifier) -> Optimizer:
    """Give an optimizer from an optimizer, a name, or `{"class_name": ..., "config": {...}}`.

    Raises
    ------
    ValueError
        If the name is unknown.
    TypeError
        If `identifier` is none of these.

    Examples
    --------
    >>> get("adam").learning_rate
    0.001
    """
    if isinstance(identifier, Optimizer):
        return identifier
    if isinstance(identifier, type) and issubclass(identifier, Optimizer):
        return identifier.from_config({})
    name, config = identifier, {}
    if isinstance(identifier, dict):
        name, config = identifier.get("class_name"), identifier.get("config", {})
    if not isinstance(name, str):
        raise TypeError(f"an optimizer is a name or an Optimizer; got {identifier!r}")
    classes = {cls.__name__.lower(): cls for cls in (SGD, RMSprop, Adam, AdamW)}
    if name.lower() not in classes:
        raise ValueError(f"unknown optimizer {name!r}, expected one of {', '.join(classes)}")
    return classes[name.lower()].from_config(config)
