"""Learning rates that change with the optimizer's step: `schedule(step) -> rate`.

Every schedule is a frozen record of its numbers and a pure function of the step, so a resumed run
needs nothing but the step to go on.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tinygrad_astro import bounds

__all__ = [
    "CosineDecay",
    "ExponentialDecay",
    "LearningRateSchedule",
    "OneCycle",
    "PiecewiseConstantDecay",
    "get",
]


class LearningRateSchedule:
    """What an optimizer takes as `learning_rate` besides a number: a function of the step."""

    def __call__(self, step: int) -> float:
        """Give the learning rate at `step`, the number of updates made so far."""
        raise NotImplementedError(f"{type(self).__name__} does not define __call__(step)")

    def get_config(self) -> dict:
        """Give the arguments that make this schedule again."""
        return dict(vars(self))

    @classmethod
    def from_config(cls, config: dict) -> "LearningRateSchedule":
        """Make a schedule from what `get_config` gave."""
        return cls(**config)


@dataclass(frozen=True)
class ExponentialDecay(LearningRateSchedule):
    """rate(step) = initial * decay_rate ** (step / decay_steps).

    Parameters
    ----------
    initial_learning_rate : float
        The rate at step 0.
    decay_steps : int
        Steps in which the rate falls by the factor `decay_rate`.
    decay_rate : float
        That factor.
    staircase : bool
        Round `step / decay_steps` down, so that the rate falls in steps.
    name : str
        Kept for Keras's sake.

    Raises
    ------
    ValueError
        If `decay_steps` is not above 0, or a rate is negative, infinite or NaN.

    Examples
    --------
    >>> ExponentialDecay(0.1, decay_steps=100, decay_rate=0.5)(200)
    0.025
    """

    initial_learning_rate: float
    decay_steps: int
    decay_rate: float
    staircase: bool = False
    name: str = "ExponentialDecay"

    def __post_init__(self):
        bounds.number(self, "initial_learning_rate", self.initial_learning_rate, 0)
        bounds.number(self, "decay_steps", self.decay_steps, above=0)
        bounds.number(self, "decay_rate", self.decay_rate, 0)

    def __call__(self, step: int) -> float:
        """Give the learning rate at `step`."""
        fraction = step // self.decay_steps if self.staircase else step / self.decay_steps
        return self.initial_learning_rate * self.decay_rate**fraction


@dataclass(frozen=True)
class CosineDecay(LearningRateSchedule):
    """A straight warm-up, then half a cosine: rate = peak * ((1 - a) * (1 + cos(pi t)) / 2 + a).

    The peak is `warmup_target`, or `initial_learning_rate` where no warm-up is asked; t runs from 0
    to 1 in `decay_steps`. Loshchilov & Hutter 2017 (SGDR), equation 5, without restarts.

    Parameters
    ----------
    initial_learning_rate : float
        The rate at step 0.
    decay_steps : int
        Length of the cosine, after the warm-up.
    alpha : float
        The last rate, as a fraction of the peak.
    name : str
        Kept for Keras's sake.
    warmup_target : float, optional
        The rate at the end of the warm-up; None: no warm-up.
    warmup_steps : int
        Length of the warm-up.

    Raises
    ------
    ValueError
        If `decay_steps` is not above 0, or another number is negative, infinite or NaN.

    Examples
    --------
    >>> rate = CosineDecay(0.0, decay_steps=100, warmup_target=1.0, warmup_steps=10)
    >>> rate(5), rate(10), round(rate(60), 6), rate(110)
    (0.5, 1.0, 0.5, 0.0)
    """

    initial_learning_rate: float
    decay_steps: int
    alpha: float = 0.0
    name: str = "CosineDecay"
    warmup_target: float | None = None
    warmup_steps: int = 0

    def __post_init__(self):
        bounds.number(self, "initial_learning_rate", self.initial_learning_rate, 0)
        bounds.number(self, "decay_steps", self.decay_steps, above=0)
        bounds.number(self, "alpha", self.alpha, 0)
        bounds.number(self, "warmup_steps", self.warmup_steps, 0)
        if self.warmup_target is not None:
            bounds.number(self, "warmup_target", self.warmup_target, 0)

    def __call__(self, step: int) -> float:
        """Give the learning rate at `step`."""
        start, peak, warmup = self.initial_learning_rate, self.initial_learning_rate, 0
        if self.warmup_target is not None:
            peak, warmup = self.warmup_target, self.warmup_steps
        if step < warmup:
            return start + (peak - start) * step / warmup
        return peak * (self.alpha + (1 - self.alpha) * _falling((step - warmup) / self.decay_steps))


@dataclass(frozen=True)
class PiecewiseConstantDecay(LearningRateSchedule):
    """rate(step) = values[i], where boundaries[i - 1] < step <= boundaries[i].

    Parameters
    ----------
    boundaries : sequence of int
        Increasing; at a boundary itself the earlier value still holds.
    values : sequence of float
        One more than there are boundaries.
    name : str
        Kept for Keras's sake.

    Raises
    ------
    ValueError
        If the lengths do not fit, the boundaries do not increase, or a value is negative or NaN.

    Examples
    --------
    >>> rate = PiecewiseConstantDecay([10, 20], [1.0, 0.5, 0.1])
    >>> rate(10), rate(11), rate(21)
    (1.0, 0.5, 0.1)
    """

    boundaries: Sequence[int]
    values: Sequence[float]
    name: str = "PiecewiseConstant"

    def __post_init__(self):
        for name in ("boundaries", "values"):
            given = getattr(self, name)
            if not isinstance(given, Iterable) or isinstance(given, str):
                raise ValueError(f"PiecewiseConstantDecay got {name}={given!r}, expected a list")
            object.__setattr__(self, name, list(given))
        for boundary in self.boundaries:
            bounds.number(self, "a boundary", boundary)
        for value in self.values:
            bounds.number(self, "a value", value, 0)
        if len(self.boundaries) != len(self.values) - 1:
            raise ValueError(
                f"PiecewiseConstantDecay got {len(self.boundaries)} boundaries and "
                f"{len(self.values)} values, expected one value more than boundaries"
            )
        if any(a >= b for a, b in zip(self.boundaries, self.boundaries[1:], strict=False)):
            raise ValueError(
                f"PiecewiseConstantDecay got boundaries={self.boundaries}, expected an increase"
            )

    def __call__(self, step: int) -> float:
        """Give the learning rate at `step`."""
        return self.values[bisect_left(self.boundaries, step)]


@dataclass(frozen=True)
class OneCycle(LearningRateSchedule):
    """Half a cosine up to `max_learning_rate`, then half a cosine down to almost nothing.

    Smith & Topin 2018 (super-convergence), section 3, with cosines for the straight lines.

    Parameters
    ----------
    max_learning_rate : float
        The rate at the top.
    total_steps : int
        Length of the whole cycle; after it the rate stays at the bottom.
    warmup_fraction : float
        Part of the cycle that goes up, between 0 and 1.
    div_factor : float
        The first rate is `max_learning_rate / div_factor`.
    final_div_factor : float
        The last rate is the first divided by this.

    Raises
    ------
    ValueError
        If `total_steps` is below 2, `warmup_fraction` is not between 0 and 1, a factor is not above
        0, or the rate is negative, infinite or NaN.

    Examples
    --------
    >>> rate = OneCycle(1.0, total_steps=101, warmup_fraction=0.5)
    >>> round(rate(0), 6), round(rate(100), 9)
    (0.04, 4e-06)
    """

    max_learning_rate: float
    total_steps: int
    warmup_fraction: float = 0.3
    div_factor: float = 25.0
    final_div_factor: float = 1e4

    def __post_init__(self):
        bounds.number(self, "max_learning_rate", self.max_learning_rate, 0)
        bounds.number(self, "total_steps", self.total_steps, 2)
        bounds.number(self, "div_factor", self.div_factor, above=0)
        bounds.number(self, "final_div_factor", self.final_div_factor, above=0)
        if not 0 < self.warmup_fraction < 1:
            raise ValueError(
                f"OneCycle got warmup_fraction={self.warmup_fraction}, expected between 0 and 1"
            )

    def __call__(self, step: int) -> float:
        """Give the learning rate at `step`."""
        first = self.max_learning_rate / self.div_factor
        last = first / self.final_div_factor
        top, end = self.warmup_fraction * self.total_steps - 1, self.total_steps - 1
        if step < top:
            return self.max_learning_rate + (first - self.max_learning_rate) * _falling(step / top)
        return last + (self.max_learning_rate - last) * _falling((step - top) / (end - top))


def _falling(fraction):
    """Half a cosine from 1 at 0 to 0 at 1 and beyond."""
    return 0.5 * (1.0 + math.cos(math.pi * min(fraction, 1.0)))


def get(identifier):
    """Give a schedule from a schedule, or from `{"class_name": ..., "config": {...}}`.

    Raises
    ------
    ValueError
        If the class is unknown.
    """
    if isinstance(identifier, LearningRateSchedule):
        return identifier
    known = (CosineDecay, ExponentialDecay, OneCycle, PiecewiseConstantDecay)
    classes = {cls.__name__: cls for cls in known}
    name = identifier.get("class_name") if isinstance(identifier, dict) else identifier
    if name not in classes:
        raise ValueError(f"unknown schedule {name!r}, expected one of {', '.join(classes)}")
    return classes[name].from_config(identifier.get("config", {}))
