"""What all optimizers share: a step is clipping, decay, one kernel per weight, and a count.

A step clips the gradients, shrinks the weights (decay), moves them, and counts. Kernels write
`weight.data` in place. Slots (momenta and the like) belong to weights by position.

A step can be recorded as a part of a CUDA graph: `learning_rate` and `iterations` go through
`kernels.live`, so that each replay has its own, and norms stay on the card.
"""

import functools
import math
import operator
from numbers import Real
from typing import Any

import numpy as np

from tinygrad_astro import bounds, schedules
from tinygrad_astro.kernels import live, moved, of, xp
from tinygrad_astro.losses.loss import snake_case
from tinygrad_astro.tape import Tensor
from tinygrad_astro.writes import written


class Optimizer:
    """What all optimizers share: the rate, clipping, decay, the count of steps, and their state.

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule
        Size of a step, or a function of `iterations`.
    weight_decay : float, optional
        Before a step, w -= learning_rate * weight_decay * w, decoupled from the gradient.
    clipnorm : float, optional
        Scale each weight's gradient down to this Euclidean norm.
    clipvalue : float, optional
        Limit each component to [-clipvalue, clipvalue].
    global_clipnorm : float, optional
        Scale all gradients together down to this norm.
    name : str, optional

    Raises
    ------
    ValueError
        If more than one way to clip is given, or a number is negative.
    """

    slots: tuple[str, ...] = ()

    def __init__(
        self,
        learning_rate,
        weight_decay=None,
        clipnorm=None,
        clipvalue=None,
        global_clipnorm=None,
        name=None,
    ):
        clips = dict(clipnorm=clipnorm, clipvalue=clipvalue, global_clipnorm=global_clipnorm)
        given = {key: value for key, value in clips.items() if value is not None}
        if len(given) > 1:
            raise ValueError(f"{type(self).__name__} got {given}, expected one way to clip at most")
        for key, value in {**given, "weight_decay": weight_decay}.items():
            if value is not None:
                bounds.number(self, key, value, 0)
        self.name = name or snake_case(type(self).__name__)
        self.weight_decay = weight_decay
        self.clipnorm, self.clipvalue, self.global_clipnorm = clipnorm, clipvalue, global_clipnorm
        self._iterations = 0
        self.state: dict[str, list] = {}
        self._weights: list = []
        self.learning_rate = learning_rate

    @property
    def iterations(self) -> int:
        """The steps made so far; in a recorded step, at each of its replays."""
        return live.number(lambda: self._iterations, (id(self), "iterations"))

    @iterations.setter
    def iterations(self, value: int) -> None:
        self._iterations = value

    @property
    def learning_rate(self) -> float:
        """The rate of the next step; set a number or a schedule."""
        return live.number(self._rate, (id(self), "rate"))

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        if isinstance(value, dict):
            value = schedules.get(value)
        if not isinstance(value, schedules.LearningRateSchedule):
            number = isinstance(value, Real) and not isinstance(value, bool)
            if not (number and 0 <= value < math.inf):
                raise ValueError(
                    f"learning_rate={value!r}: expected a finite number of at least 0, or a "
                    "schedule of ta.optimizers.schedules"
                )
            value = float(value)
        self._learning_rate = value

    def _rate(self) -> float:
        if isinstance(self._learning_rate, schedules.LearningRateSchedule):
            return float(self._learning_rate(self._iterations))
        return self._learning_rate

    @property
    def schedule(self):
        """The schedule of the rate, None where it is a number."""
        scheduled = isinstance(self._learning_rate, schedules.LearningRateSchedule)
        return self._learning_rate if scheduled else None

    def build(self, weights) -> None:
        """Make the slots of `weights`, all zero; later calls must bring the same weights."""
        weights = list(weights)
        if self._weights:
            if [w.shape for w in weights] != [w.shape for w in self._weights]:
                raise ValueError(
                    f"{self.name} was built for {len(self._weights)} weights and got {len(weights)}"
                    ", or others; after freezing or adding layers, compile() the model again"
                )
            device = weights[0].device
            for values in self.state.values():
                if getattr(values[0], "device", "cpu") != device:  # the weights have moved
                    values[:] = [moved(value, device) for value in values]
            return
        self._weights = weights
        with live.outside():
            for slot in self.slots:
                self.state[slot] = [xp(w.data).zeros_like(w.data) for w in weights]

    def apply_gradients(self, grads_and_weights) -> None:
        """Make one step from (gradient, weight) pairs; see `apply`."""
        grads, weights = zip(*grads_and_weights, strict=True)
        self.apply(grads, weights)

    def apply(self, grads, weights) -> None:
        """Make one step.

        Parameters
        ----------
        grads : sequence of Tensor
            One per weight, of its shape; None leaves the weight where it is.
        weights : sequence of Tensor
            Always the same ones, in the same order.

        Raises
        ------
        ValueError
            If no gradient is given, one has another shape than its weight, or the weights are not
            those of the first call.
        TypeError
            If a gradient is no Tensor.
        """
        grads, weights = list(grads), list(weights)
        self._check(grads, weights)
        self.build(weights)
        if all(g is None for g in grads):
            raise ValueError(f"{self.name} got no gradient for any of {len(weights)} weights")
        found = [(i, g.data, weights[i].data) for i, g in enumerate(grads) if g is not None]
        scales = self._scales([g for _, g, _ in found])
        rate, decay = self.learning_rate, self.weight_decay or 0.0
        states = [self.state[slot] for slot in self.slots]
        for (i, g, w), scale in zip(found, scales, strict=True):
            g = xp(g).ascontiguousarray(g).reshape(-1)
            if scale is not None:
                g = g * scale
            elif self.clipvalue:
                g = xp(g).clip(g, -self.clipvalue, self.clipvalue)
            self.step(w.reshape(-1), g, [state[i].reshape(-1) for state in states], rate, decay)
            written(w)
        live.do(self._count)

    def _count(self):
        self._iterations += 1

    def _check(self, grads, weights):
        if len(grads) != len(weights):
            raise ValueError(f"{self.name} got {len(grads)} gradients for {len(weights)} weights")
        for i, (g, w) in enumerate(zip(grads, weights, strict=True)):
            if g is None:
                continue
            if type(g) is not Tensor or type(w) is not Tensor:
                raise TypeError(
                    f"{self.name} got a {type(g).__name__} as gradient of a {type(w).__name__} "
                    f"(number {i}), expected Tensors: ta.tensor(...)"
                )
            if g.data.shape != w.data.shape:
                raise ValueError(
                    f"{self.name} got a gradient of shape {g.shape} for weight {i} of shape "
                    f"{w.shape}; expected the weight's shape"
                )

    def step(self, w, g, slots, learning_rate, weight_decay) -> None:
        """Move one flat weight in place."""
        raise NotImplementedError(f"{type(self).__name__} does not define step")

    def _scales(self, grads):
        """Give the factor of each gradient, None where it stays as it is."""
        limit = self.clipnorm or self.global_clipnorm
        if not limit:
            return [None] * len(grads)
        squares = [of(g).optimizers.squared_norm(xp(g).ascontiguousarray(g)) for g in grads]
        if not self.global_clipnorm:
            return [_scale(s, limit, g.dtype) for s, g in zip(squares, grads, strict=True)]
        total = functools.reduce(operator.add, squares)  # sum() rounds otherwise, from Python 3.12
        scales = {dtype: _scale(total, limit, dtype) for dtype in {g.dtype for g in grads}}
        return [scales[g.dtype] for g in grads]

    def get_state(self) -> dict[str, np.ndarray]:
        """Give steps, rate and slots as arrays, for a checkpoint."""
        found = {"iterations": np.array(self.iterations, np.int64)}
        if self.schedule is None:
            found["learning_rate"] = np.array(self.learning_rate, np.float64)
        for slot, values in self.state.items():
            for i, value in enumerate(values):
                found[f"{slot}/{i}"] = np.array(moved(value, "cpu"))
        return found

    def set_state(self, state: dict[str, np.ndarray], weights=None) -> None:
        """Continue from what `get_state` gave.

        Parameters
        ----------
        state : dict of arrays
            See there.
        weights : sequence of Tensor, optional
            What the optimizer is for; needed before its first step.

        Raises
        ------
        ValueError
            If the slots in `state` are not those of this optimizer and these weights.
        """
        if weights is not None:
            self.build(weights)
        expected = {
            f"{slot}/{i}": value
            for slot, values in self.state.items()
            for i, value in enumerate(values)
        }
        got = {key: state[key].shape for key in state if "/" in key}
        if got and got != {key: value.shape for key, value in expected.items()}:
            raise ValueError(
                f"{self.name} cannot continue from a state with the slots {_summary(got)}, "
                f"expected {_summary(expected)}: the optimizer or the model has changed"
            )
        for key in got:
            expected[key][...] = state[key]
        self.iterations = int(state["iterations"])
        if self.schedule is None and "learning_rate" in state:
            self.learning_rate = float(state["learning_rate"])

    def get_config(self) -> dict:
        """Give the arguments that make this optimizer again."""
        config = {k: v for k, v in vars(self).items() if not k.startswith("_")}
        for name in ("state", "slots"):
            config.pop(name, None)
        rate: Any = self.learning_rate
        if self.schedule is not None:
            name = type(self.schedule).__name__
            rate = {"class_name": name, "config": self.schedule.get_config()}
        return {"learning_rate": rate, **config}

    @classmethod
    def from_config(cls, config: dict) -> "Optimizer":
        """Make an optimizer from what `get_config` gave."""
        return cls(**config)


def _scale(square, limit, dtype):
    """Give limit / norm of a longer gradient, else None; on the card, where nobody looks, 1."""
    if isinstance(square, float):
        norm = math.sqrt(square)  # as NumPy rounds it; square**0.5 may not
        return None if norm <= limit else dtype.type(limit / norm)
    norm = xp(square).sqrt(square)
    return (limit / xp(norm).maximum(norm, limit)).astype(dtype)


def _summary(slots) -> str:
    """List slots and shapes, shortened."""
    listed = [f"{key} {getattr(value, 'shape', value)}" for key, value in slots.items()]
    return ", ".join(listed[:4]) + (f" and {len(listed) - 4} more" if len(listed) > 4 else "")
