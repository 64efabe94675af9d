"""Normalisation layers, with Keras's arguments and numbers."""

from tinygrad_astro import activations, initializers, ops
from tinygrad_astro.layers import checks
from tinygrad_astro.layers.layer import Elementwise
from tinygrad_astro.layers.weights import assign
from tinygrad_astro.modes import no_grad

__all__ = ["BatchNormalization", "GroupNormalization", "LayerNormalization"]


class _Affine(Elementwise):
    """The gamma and beta that follow a normalisation."""

    def set_affine(self, center, scale, beta_initializer, gamma_initializer) -> None:
        """Keep the arguments of gamma and beta."""
        self.center, self.scale = bool(center), bool(scale)
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.gamma = self.beta = None

    def add_affine(self, shape) -> None:
        """Make gamma, then beta."""
        if self.scale:
            self.gamma = self.add_weight(shape, self.gamma_initializer, name="gamma")
        if self.center:
            self.beta = self.add_weight(shape, self.beta_initializer, name="beta")

    def affine(self, hat):
        """gamma hat + beta, as far as they exist."""
        scaled = hat if self.gamma is None else hat * self.gamma
        return scaled if self.beta is None else scaled + self.beta


class BatchNormalization(_Affine):
    """gamma (x - mean) / sqrt(variance + epsilon) + beta, per channel.

    In training, mean and variance are those of the batch, over all axes but the last, and the
    moving statistics follow: moving = momentum moving + (1 - momentum) batch. In inference, and
    where the layer is frozen (`trainable=False`), the moving statistics are used.

    Parameters
    ----------
    axis : int
        Only the last, -1.
    momentum : float
        Weight of the old statistics (PyTorch counts the other way: its 0.1 is 0.9 here).
    epsilon : float
        Added to the variance, in its unit.
    center, scale : bool
        Whether there is a beta, a gamma.
    beta_initializer, gamma_initializer : str or Initializer
        First values.
    moving_mean_initializer, moving_variance_initializer : str or Initializer
        First values of the moving statistics.
    activation : str or callable, optional
        Beyond Keras: applied to the result; "relu" runs in the same pass over memory.
    **kwargs
        `name`, `trainable`, `dtype`, `input_shape`.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    Weights: gamma, beta, moving_mean, moving_variance, each (C,). The variance is the biased one,
    for the moving average too. A batch with one value per channel gives beta. A NaN makes its
    channel NaN in training, and the moving statistics of that channel with it.

    References
    ----------
    Ioffe & Szegedy 2015 (arXiv:1502.03167), algorithms 1 and 2.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> layer = ta.layers.BatchNormalization(center=False, scale=False)
    >>> layer([[1.0], [3.0]], training=True).numpy().round(2).ravel()
    array([-1.,  1.], dtype=float32)
    """

    def __init__(
        self,
        axis=-1,
        momentum=0.99,
        epsilon=1e-3,
        center=True,
        scale=True,
        beta_initializer="zeros",
        gamma_initializer="ones",
        moving_mean_initializer="zeros",
        moving_variance_initializer="ones",
        activation=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.axis = axis
        self.momentum = checks.fraction(self, "momentum", momentum)
        self.epsilon = checks.not_negative(self, "epsilon", epsilon)
        self.set_affine(center, scale, beta_initializer, gamma_initializer)
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)
        self.activation = activations.get(activation)

    def build(self, input_shape):
        checks.last_axis(self, self.axis, len(input_shape))
        channels = checks.known_channels(self, input_shape)
        self.add_affine((channels,))
        self.moving_mean = self.add_weight(
            (channels,), self.moving_mean_initializer, trainable=False, name="moving_mean"
        )
        self.moving_variance = self.add_weight(
            (channels,), self.moving_variance_initializer, trainable=False, name="moving_variance"
        )
        self.input_channels = channels

    def call(self, inputs, training=False):
        gamma = ops.ones_like(self.moving_mean) if self.gamma is None else self.gamma
        beta = ops.zeros_like(self.moving_mean) if self.beta is None else self.beta
        fused = self.activation is activations.relu
        last = {"epsilon": self.epsilon, "activation": "relu" if fused else "linear"}
        if training and self.trainable:
            outputs, *batch = ops.batch_normalization(
                inputs, gamma, beta, return_moments=True, **last
            )
            self._follow(batch)
        else:
            statistics = (self.moving_mean.data, self.moving_variance.data)
            outputs = ops.batch_normalization(inputs, gamma, beta, *statistics, **last)
        return outputs if fused else self.activation(outputs)

    def _follow(self, moments) -> None:
        """Move the statistics towards those of this batch."""
        with no_grad():
            followers = (self.moving_mean, self.moving_variance)
            for moving, batch in zip(followers, moments, strict=True):
                assign(moving, moving * self.momentum + batch * (1 - self.momentum))


class LayerNormalization(_Affine):
    """gamma (x - mean) / sqrt(variance + epsilon) + beta, for each example and position alone.

    Parameters
    ----------
    axis : int or tuple of int
        The axes that are averaged over; by default the channels.
    epsilon : float
        Added to the variance, in its unit.
    center, scale : bool
        Whether there is a beta, a gamma.
    beta_initializer, gamma_initializer : str or Initializer
        First values.
    **kwargs
        `name`, `trainable`, `dtype`, `input_shape`.

    Raises
    ------
    ValueError
        If an axis is the batch, or its size is not known.

    Notes
    -----
    Weights: gamma, beta, of the sizes of the averaged axes.

    References
    ----------
    Ba et al. 2016 (arXiv:1607.06450), equation 4.
    """

    def __init__(
        self,
        axis=-1,
        epsilon=1e-3,
        center=True,
        scale=True,
        beta_initializer="zeros",
        gamma_initializer="ones",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.axis = tuple(axis) if isinstance(axis, list) else axis
        self.epsilon = checks.not_negative(self, "epsilon", epsilon)
        self.set_affine(center, scale, beta_initializer, gamma_initializer)

    def build(self, input_shape):
        sizes = [input_shape[a] for a in self._axes(len(input_shape))]
        if None in sizes:
            raise ValueError(
                f"{self.title}: axis={self.axis!r} of input {tuple(input_shape)} has an unknown "
                "size; average over axes of fixed size"
            )
        self.add_affine(tuple(sizes))

    def _axes(self, rank):
        given = (self.axis,) if isinstance(self.axis, int) else self.axis
        if any(not -rank <= a < rank or a % rank == 0 for a in given):
            raise ValueError(
                f"{self.title}: axis={self.axis!r} for inputs of {rank} axes, expected axes after "
                "the batch"
            )
        return tuple(sorted(a % rank for a in given))

    def call(self, inputs):
        axes = self._axes(inputs.ndim)
        centred = inputs - ops.mean(inputs, axis=axes, keepdims=True)
        variance = ops.mean(ops.square(centred), axis=axes, keepdims=True)
        hat = centred / ops.sqrt(variance + self.epsilon)
        if axes == tuple(range(inputs.ndim - len(axes), inputs.ndim)):
            return self.affine(hat)
        wide = [n if a in axes else 1 for a, n in enumerate(inputs.shape)]
        scaled = hat if self.gamma is None else hat * ops.reshape(self.gamma, wide)
        return scaled if self.beta is None else scaled + ops.reshape(self.beta, wide)

    def sees(self, axis, low, high):
        averaged = self.axis if isinstance(self.axis, tuple) else (self.axis,)
        return (low, high) if averaged == (-1,) else None


class GroupNormalization(_Affine):
    """gamma (x - mean) / sqrt(variance + epsilon) + beta, over all positions of a channel group.

    Parameters
    ----------
    groups : int
        Number of groups; -1: each channel alone.
    axis : int
        Only the last, -1.
    epsilon : float
        Added to the variance, in its unit.
    center, scale : bool
        Whether there is a beta, a gamma.
    beta_initializer, gamma_initializer : str or Initializer
        First values.
    **kwargs
        `name`, `trainable`, `dtype`, `input_shape`.

    Raises
    ------
    ValueError
        If the groups do not divide the channels.

    Notes
    -----
    Weights: gamma, beta, each (C,). It does not depend on the batch, nor on `training`.

    References
    ----------
    Wu & He 2018 (arXiv:1803.08494), equation 7.
    """

    def __init__(
        self,
        groups=32,
        axis=-1,
        epsilon=1e-3,
        center=True,
        scale=True,
        beta_initializer="zeros",
        gamma_initializer="ones",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.groups = groups if groups == -1 else checks.positive(self, "groups", groups)
        self.axis = axis
        self.epsilon = checks.not_negative(self, "epsilon", epsilon)
        self.set_affine(center, scale, beta_initializer, gamma_initializer)

    def build(self, input_shape):
        checks.last_axis(self, self.axis, len(input_shape))
        channels = checks.known_channels(self, input_shape)
        if self.groups != -1 and channels % self.groups:
            raise ValueError(
                f"{self.title}: groups={self.groups} does not divide the {channels} channels of "
                f"its input {tuple(input_shape)}"
            )
        self.add_affine((channels,))
        self.input_channels = channels

    def call(self, inputs):
        channels = inputs.shape[-1]
        groups = channels if self.groups == -1 else self.groups
        parts = ops.reshape(inputs, (*inputs.shape[:-1], groups, channels // groups))
        axes = (*range(1, inputs.ndim - 1), inputs.ndim)
        centred = parts - ops.mean(parts, axis=axes, keepdims=True)
        variance = ops.mean(ops.square(centred), axis=axes, keepdims=True)
        hat = centred / ops.sqrt(variance + self.epsilon)
        return self.affine(ops.reshape(hat, inputs.shape))

    def sees(self, axis, low, high):
        return None
