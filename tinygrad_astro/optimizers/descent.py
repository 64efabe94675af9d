"""Gradient descent with a momentum, and with steps scaled by the mean square: SGD, RMSprop."""

from tinygrad_astro import bounds
from tinygrad_astro.kernels import number_for, of
from tinygrad_astro.optimizers.optimizer import Optimizer


class SGD(Optimizer):
    """v = momentum v - rate g; w += v. With Nesterov, w += momentum v - rate g.

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule
        Size of a step, or a function of the step.
    momentum : float
        From 0 to 1.
    nesterov : bool
        Look ahead: Sutskever et al. 2013, section 2.
    weight_decay, clipnorm, clipvalue, global_clipnorm, name
        As in `Optimizer`.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> w = ta.tensor([1.0], requires_grad=True)
    >>> SGD(0.1).apply([ta.tensor([2.0])], [w])
    >>> w.numpy().round(4)
    array([0.8], dtype=float32)
    """

    def __init__(self, learning_rate=0.01, momentum=0.0, nesterov=False, **kwargs):
        super().__init__(learning_rate, **kwargs)
        bounds.number(self, "momentum", momentum, 0, 1)
        self.momentum, self.nesterov = float(momentum), bool(nesterov)
        self.slots = ("momentum",) if momentum else ()

    def step(self, w, g, slots, learning_rate, weight_decay) -> None:
        """Move one flat weight in place."""
        velocity = slots[0] if slots else w[:0]
        of(w).optimizers.sgd(
            w, g, velocity, learning_rate, self.momentum, self.nesterov, weight_decay
        )


class RMSprop(Optimizer):
    """s = rho s + (1 - rho) g**2; w -= rate g / sqrt(s + epsilon). Hinton 2012, lecture 6e.

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule
        Size of a step, or a function of the step.
    rho : float
        How much of the old mean square is kept.
    momentum : float
        Keep this part of the last step.
    epsilon : float
        Keeps the division finite.
    centered : bool
        Subtract the squared mean of the gradient from s.
    weight_decay, clipnorm, clipvalue, global_clipnorm, name
        As in `Optimizer`.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> w = ta.tensor([1.0], requires_grad=True)
    >>> RMSprop(0.1, rho=0.75).apply([ta.tensor([8.0])], [w])
    >>> w.numpy().round(4)
    array([0.8], dtype=float32)
    """

    def __init__(
        self,
        learning_rate=0.001,
        rho=0.9,
        momentum=0.0,
        epsilon=1e-7,
        centered=False,
        **kwargs,
    ):
        super().__init__(learning_rate, **kwargs)
        bounds.number(self, "rho", rho, 0, 1)
        bounds.number(self, "momentum", momentum, 0, 1)
        bounds.number(self, "epsilon", epsilon, 0)
        self.rho, self.momentum, self.epsilon = float(rho), float(momentum), float(epsilon)
        self.centered = bool(centered)
        self.slots = ("velocity",)
        self.slots += ("average_gradient",) if centered else ()
        self.slots += ("momentum",) if momentum else ()

    def step(self, w, g, slots, learning_rate, weight_decay) -> None:
        """Move one flat weight in place."""
        if weight_decay:
            w *= number_for(w, 1.0 - learning_rate * weight_decay)
        named = dict(zip(self.slots, slots, strict=True))
        of(w).optimizers.rmsprop(
            w,
            g,
            named["velocity"],
            named.get("average_gradient", w[:0]),
            named.get("momentum", w[:0]),
            learning_rate,
            self.rho,
            self.momentum,
            self.epsilon,
            self.centered,
        )
