"""Adam and its variants: steps scaled by running means of the gradient and its square."""

from tinygrad_astro import bounds
from tinygrad_astro.kernels import number_for, of, xp
from tinygrad_astro.optimizers.optimizer import Optimizer


class Adam(Optimizer):
    """m += (1 - b1)(g - m); v += (1 - b2)(g**2 - v); w -= a m / (sqrt(v) + epsilon).

    With a = rate sqrt(1 - b2**t) / (1 - b1**t) at step t: Kingma & Ba 2015, the formula before
    their section 2.1.

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule
        Size of a step, or a function of the step.
    beta_1, beta_2 : float
        How much of the old means is kept.
    epsilon : float
        Keeps the division finite.
    amsgrad : bool
        Divide by the largest v so far: Reddi et al. 2018, algorithm 2.
    weight_decay, clipnorm, clipvalue, global_clipnorm, name
        As in `Optimizer`.

    Raises
    ------
    ValueError
        If a beta is not in [0, 1), or another number negative, infinite or NaN.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> w = ta.tensor([1.0], requires_grad=True)
    >>> Adam(0.1).apply([ta.tensor([5.0])], [w])
    >>> w.numpy().round(4)
    array([0.9], dtype=float32)
    """

    def __init__(
        self,
        learning_rate=0.001,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-7,
        amsgrad=False,
        **kwargs,
    ):
        super().__init__(learning_rate, **kwargs)
        for name, value in (("beta_1", beta_1), ("beta_2", beta_2)):
            if bounds.number(self, name, value, 0, 1) == 1:
                raise ValueError(f"{type(self).__name__} got {name}=1, expected a number below 1")
        bounds.number(self, "epsilon", epsilon, 0)
        self.beta_1, self.beta_2, self.epsilon = float(beta_1), float(beta_2), float(epsilon)
        self.amsgrad = bool(amsgrad)
        self.slots = ("momentum", "velocity") + (("velocity_hat",) if amsgrad else ())

    def step(self, w, g, slots, learning_rate, weight_decay) -> None:
        """Move one flat weight in place."""
        if self.amsgrad:
            self._step_amsgrad(w, g, slots, learning_rate, weight_decay)
            return
        of(w).optimizers.adam(
            w,
            g,
            *slots,
            learning_rate,
            self.beta_1,
            self.beta_2,
            self.epsilon,
            self.iterations + 1,
            weight_decay,
        )

    def _step_amsgrad(self, w, g, slots, learning_rate, weight_decay):
        m, v, largest = slots
        t, kind = self.iterations + 1, w.dtype.type
        alpha = learning_rate * (1 - self.beta_2**t) ** 0.5 / (1 - self.beta_1**t)
        m += (g - m) * kind(1 - self.beta_1)
        v += (g * g - v) * kind(1 - self.beta_2)
        xp(w).maximum(largest, v, out=largest)
        w *= number_for(w, 1 - learning_rate * weight_decay)
        w -= number_for(w, alpha) * m / (xp(w).sqrt(largest) + kind(self.epsilon))


class AdamW(Adam):
    """Adam with decay: first w -= rate decay w. Loshchilov & Hutter 2019, algorithm 2.

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule
        Size of a step, or a function of the step.
    weight_decay : float
    beta_1, beta_2, epsilon, amsgrad
        As in `Adam`.
    clipnorm, clipvalue, global_clipnorm, name
        As in `Optimizer`.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> w = ta.tensor([1.0], requires_grad=True)
    >>> AdamW(0.1, weight_decay=0.5).apply([ta.tensor([5.0])], [w])
    >>> w.numpy().round(4)
    array([0.85], dtype=float32)
    """

    def __init__(
        self,
        learning_rate=0.001,
        weight_decay=0.004,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-7,
        amsgrad=False,
        **kwargs,
    ):
        if weight_decay is None:
            raise ValueError("AdamW got weight_decay=None, expected a number; without decay: Adam")
        super().__init__(
            learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay=weight_decay, **kwargs
        )
