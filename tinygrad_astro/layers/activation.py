"""Activations as layers."""

from tinygrad_astro import activations, bounds, initializers, ops
from tinygrad_astro.layers import checks
from tinygrad_astro.layers.layer import Elementwise

__all__ = ["Activation", "ELU", "LeakyReLU", "PReLU", "ReLU", "Softmax"]


class Activation(Elementwise):
    """activation(x), by name or as a function.

    Parameters
    ----------
    activation : str or callable
        E.g. "relu", "sigmoid", "softmax".
    **kwargs
        `name`.

    Raises
    ------
    ValueError
        If the name is not known.
    """

    def __init__(self, activation, **kwargs):
        super().__init__(**kwargs)
        self.activation = activations.get(activation)

    def call(self, inputs):
        return self.activation(inputs)


class ReLU(Elementwise):
    """x at or above the threshold, at most max_value; negative_slope (x - threshold) below.

    Parameters
    ----------
    max_value : float, optional
        Where it stops to grow.
    negative_slope : float
        Slope below the threshold.
    threshold : float
        Same unit as x.
    **kwargs
        `name`.

    Raises
    ------
    ValueError
        If an argument is negative.

    Notes
    -----
    NaN stays NaN. With the default arguments the gradient at 0 is 0.
    """

    def __init__(self, max_value=None, negative_slope=0.0, threshold=0.0, **kwargs):
        super().__init__(**kwargs)
        self.max_value = (
            None if max_value is None else checks.not_negative(self, "max_value", max_value)
        )
        self.negative_slope = checks.not_negative(self, "negative_slope", negative_slope)
        self.threshold = checks.not_negative(self, "threshold", threshold)

    def call(self, inputs):
        if not self.negative_slope and not self.threshold:
            outputs = ops.relu(inputs)
        else:
            below = (inputs - self.threshold) * self.negative_slope
            outputs = ops.where(inputs < self.threshold, below, inputs)
        return outputs if self.max_value is None else ops.clip(outputs, None, self.max_value)


class LeakyReLU(Elementwise):
    """x where positive, negative_slope x elsewhere.

    Parameters
    ----------
    negative_slope : float
        At least 0.
    **kwargs
        `name`.

    Raises
    ------
    ValueError
        If the slope is negative.
    """

    def __init__(self, negative_slope=0.3, **kwargs):
        super().__init__(**kwargs)
        self.negative_slope = checks.not_negative(self, "negative_slope", negative_slope)

    def call(self, inputs):
        return ops.leaky_relu(inputs, self.negative_slope)


class PReLU(Elementwise):
    """x where positive, alpha x elsewhere, alpha learned.

    Parameters
    ----------
    alpha_initializer : str or Initializer
        First values.
    shared_axes : tuple of int, optional
        Axes along which one alpha serves all: (1, 2) for one per channel of images of any size.
    **kwargs
        `name`, `trainable`, `dtype`, `input_shape`.

    Raises
    ------
    ValueError
        If an axis that is not shared has no known size.

    Notes
    -----
    Weights: alpha, of the input's shape without the batch, 1 along shared axes.

    References
    ----------
    He et al. 2015 (arXiv:1502.01852), equation 1.
    """

    def __init__(self, alpha_initializer="zeros", shared_axes=None, **kwargs):
        super().__init__(**kwargs)
        self.alpha_initializer = initializers.get(alpha_initializer)
        shared = (shared_axes,) if isinstance(shared_axes, int) else shared_axes
        self.shared_axes = None if shared is None else tuple(shared)

    def build(self, input_shape):
        rank = len(input_shape)
        shared = [a % rank for a in self.shared_axes or ()]
        shape = [1 if a in shared else input_shape[a] for a in range(1, rank)]
        if None in shape:
            raise ValueError(
                f"{self.title}: input {tuple(input_shape)} has axes of unknown size; share alpha "
                f"along them with shared_axes={tuple(range(1, rank - 1))}"
            )
        self.alpha = self.add_weight(shape, self.alpha_initializer, name="alpha")

    def call(self, inputs):
        return ops.prelu(inputs, self.alpha)


class ELU(Elementwise):
    """x where positive, alpha (e**x - 1) elsewhere.

    Parameters
    ----------
    alpha : float
        Minus the limit for very negative x.
    **kwargs
        `name`.

    References
    ----------
    Clevert et al. 2016 (arXiv:1511.07289), equation 15.
    """

    def __init__(self, alpha=1.0, **kwargs):
        super().__init__(**kwargs)
        self.alpha = float(bounds.number(self.title, "alpha", alpha))

    def call(self, inputs):
        return ops.elu(inputs, self.alpha)


class Softmax(Elementwise):
    """e**x / sum e**x along an axis: probabilities that add up to 1.

    Parameters
    ----------
    axis : int
        By default the channels.
    **kwargs
        `name`.
    """

    def __init__(self, axis=-1, **kwargs):
        super().__init__(**kwargs)
        self.axis = checks.whole_axis(self, axis)

    def call(self, inputs):
        return ops.softmax(inputs, axis=self.axis)

    def sees(self, axis, low, high):
        return (low, high) if self.axis == -1 else None
