"""First values of weights, with Keras's names, arguments and distributions.

An initializer is a callable `(shape, dtype) -> ndarray`. Its draws come from the library's one seed
(`ta.manual_seed`), unless it has a `seed` of its own: then it gives the same values every time.
"""

import math
import re

import numpy as np

from tinygrad_astro import bounds, random

__all__ = ["Constant", "GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "Initializer"]
__all__ += ["LecunNormal", "LecunUniform", "Ones", "Orthogonal", "RandomNormal", "RandomUniform"]
__all__ += ["TruncatedNormal", "VarianceScaling", "Zeros", "compute_fans", "get"]

# Standard deviation of a unit normal that is cut off at two standard deviations.
_TRUNCATED_STD = 0.87962566103423978
_MODES = ("fan_in", "fan_out", "fan_avg")
_DISTRIBUTIONS = ("truncated_normal", "untruncated_normal", "uniform")


def compute_fans(shape) -> tuple[int, int]:
    """Count (inputs, outputs) of one unit of a weight: taps x channels, as Keras does.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> ta.initializers.compute_fans((3, 3, 16, 32))
    (144, 288)
    """
    if len(shape) < 2:
        size = int(shape[0]) if shape else 1
        return size, size
    taps = math.prod(shape[:-2])
    return int(taps * shape[-2]), int(taps * shape[-1])


class Initializer:
    """Base of all initializers; a subclass defines `__call__` and keeps its arguments."""

    def __call__(self, shape, dtype="float32") -> np.ndarray:
        """Give an array of `shape`."""
        raise NotImplementedError(f"{type(self).__name__} does not define __call__(shape, dtype)")

    def get_config(self) -> dict:
        """Give the constructor's arguments."""
        return dict(vars(self))

    @classmethod
    def from_config(cls, config: dict) -> "Initializer":
        """Make an initializer from what `get_config` gave."""
        return cls(**config)

    def __repr__(self):
        given = self.get_config().items()
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in given)})"


class Constant(Initializer):
    """One value everywhere."""

    def __init__(self, value=0.0):
        for one in np.ravel(np.asarray(value, object)):
            bounds.number(self, "value", one)
        self.value = value

    def __call__(self, shape, dtype="float32"):
        return np.full(shape, self.value, dtype)


class Zeros(Initializer):
    """All zeros."""

    def __call__(self, shape, dtype="float32"):
        return np.zeros(shape, dtype)


class Ones(Initializer):
    """All ones."""

    def __call__(self, shape, dtype="float32"):
        return np.ones(shape, dtype)


class _Random(Initializer):
    """An initializer that draws; `seed=None` takes the library's stream."""

    def _generator(self):
        if self.seed is None:
            return random.generator()
        return np.random.Generator(np.random.Philox(key=self.seed & ((1 << 64) - 1)))


def _truncated_normal(generator, shape, dtype):
    """Draw unit normals again and again until all lie within two standard deviations."""
    values = generator.standard_normal(shape, dtype)
    outside = np.abs(values) > 2
    while outside.any():
        values[outside] = generator.standard_normal(int(outside.sum()), values.dtype)
        outside = np.abs(values) > 2
    return values


def _uniform(generator, low, high, shape, dtype):
    values = generator.random(shape, dtype)
    return (low + (high - low) * values).astype(dtype, copy=False)


class RandomNormal(_Random):
    """Normal of the given mean and standard deviation."""

    def __init__(self, mean=0.0, stddev=0.05, seed=None):
        self.mean, self.seed = bounds.number(self, "mean", mean), bounds.seed(self, seed)
        self.stddev = bounds.number(self, "stddev", stddev, 0)

    def __call__(self, shape, dtype="float32"):
        return (self.mean + self.stddev * self._generator().standard_normal(shape)).astype(dtype)


class RandomUniform(_Random):
    """Uniform in [minval, maxval)."""

    def __init__(self, minval=-0.05, maxval=0.05, seed=None):
        self.minval, self.seed = bounds.number(self, "minval", minval), bounds.seed(self, seed)
        self.maxval = bounds.number(self, "maxval", maxval, minval)

    def __call__(self, shape, dtype="float32"):
        return _uniform(self._generator(), self.minval, self.maxval, shape, np.dtype(dtype))


class TruncatedNormal(RandomNormal):
    """Normal, with values beyond two `stddev` from the mean drawn again."""

    def __call__(self, shape, dtype="float32"):
        values = _truncated_normal(self._generator(), shape, np.dtype(dtype))
        return (self.mean + self.stddev * values).astype(dtype, copy=False)


class VarianceScaling(_Random):
    """Zero mean and variance `scale / n`, n the number of inputs, outputs, or their average.

    Parameters
    ----------
    scale : float
        Above 0.
    mode : str
        What n counts: "fan_in", "fan_out" or "fan_avg".
    distribution : str
        "truncated_normal" (cut at two standard deviations, then widened so that the variance is
        right), "untruncated_normal" or "uniform".
    seed : int, optional
        Give the same values at every call.

    Raises
    ------
    ValueError
        If an argument is not one of these.

    References
    ----------
    Glorot & Bengio 2010, equations 12 and 16; He et al. 2015, equation 10.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> w = ta.initializers.VarianceScaling(2.0, "fan_in", "uniform")((3, 3, 64, 64))
    >>> bool(abs(w.std() - (2.0 / 576) ** 0.5) < 1e-3)
    True
    """

    def __init__(self, scale=1.0, mode="fan_in", distribution="truncated_normal", seed=None):
        for given, known in ((mode, _MODES), (distribution, _DISTRIBUTIONS)):
            if given not in known:
                raise ValueError(f"VarianceScaling got {given!r}: expected one of {known}")
        self.scale = bounds.number(self, "scale", scale, above=0)
        self.mode, self.distribution, self.seed = mode, distribution, bounds.seed(self, seed)

    def __call__(self, shape, dtype="float32"):
        fan_in, fan_out = compute_fans(shape)
        count = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}
        variance = self.scale / max(1.0, count[self.mode])
        generator, dtype = self._generator(), np.dtype(dtype)
        if self.distribution == "uniform":
            limit = math.sqrt(3.0 * variance)
            return _uniform(generator, -limit, limit, shape, dtype)
        if self.distribution == "untruncated_normal":
            return (math.sqrt(variance) * generator.standard_normal(shape)).astype(dtype)
        return math.sqrt(variance) / _TRUNCATED_STD * _truncated_normal(generator, shape, dtype)


class _Named(VarianceScaling):
    """A VarianceScaling whose arguments have a name of their own."""

    _arguments: tuple[float, str, str]

    def __init__(self, seed=None):
        super().__init__(*self._arguments, seed=seed)

    def get_config(self):
        return {"seed": self.seed}


class GlorotUniform(_Named):
    """Uniform of variance 2 / (inputs + outputs), Glorot & Bengio 2010, equation 16."""

    _arguments = (1.0, "fan_avg", "uniform")


class GlorotNormal(_Named):
    """Truncated normal of variance 2 / (inputs + outputs), Glorot & Bengio 2010, equation 12."""

    _arguments = (1.0, "fan_avg", "truncated_normal")


class HeNormal(_Named):
    """Truncated normal of variance 2 / inputs, for layers before a ReLU (He+15, equation 10)."""

    _arguments = (2.0, "fan_in", "truncated_normal")


class HeUniform(_Named):
    """Uniform of variance 2 / inputs (He et al. 2015, equation 10)."""

    _arguments = (2.0, "fan_in", "uniform")


class LecunNormal(_Named):
    """Truncated normal of variance 1 / inputs (LeCun et al. 1998, equation 16)."""

    _arguments = (1.0, "fan_in", "truncated_normal")


class LecunUniform(_Named):
    """Uniform of variance 1 / inputs (LeCun et al. 1998, equation 16)."""

    _arguments = (1.0, "fan_in", "uniform")


class Orthogonal(_Random):
    """Rows or columns, whichever are fewer, orthonormal times `gain` (Saxe et al. 2014).

    The weight is taken as a matrix with all axes but the last joined.

    Raises
    ------
    ValueError
        If the shape has fewer than two axes.
    """

    def __init__(self, gain=1.0, seed=None):
        self.gain, self.seed = bounds.number(self, "gain", gain), bounds.seed(self, seed)

    def __call__(self, shape, dtype="float32"):
        if len(shape) < 2:
            raise ValueError(
                f"Orthogonal got shape {tuple(shape)}, expected at least two axes; use zeros"
            )
        rows, columns = math.prod(shape[:-1]), shape[-1]
        draws = self._generator().standard_normal((max(rows, columns), min(rows, columns)))
        q, r = np.linalg.qr(draws)
        q *= np.sign(np.diag(r))
        return (self.gain * (q.T if rows < columns else q)).reshape(shape).astype(dtype)


_PLAIN: tuple[type[Initializer], ...] = (Zeros, Ones, Constant, RandomNormal, RandomUniform)
_SCALED = (VarianceScaling, GlorotUniform, GlorotNormal, HeNormal, HeUniform)
_CLASSES = (*_PLAIN, TruncatedNormal, *_SCALED, LecunNormal, LecunUniform, Orthogonal)
_NAMES = {re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__).lower(): cls for cls in _CLASSES}
_BY_NAME = _NAMES | {cls.__name__: cls for cls in _CLASSES}


def get(identifier):
    """Give an initializer for a name, a configuration, a class, an instance or a callable.

    Raises
    ------
    ValueError
        If the name is not known, or `identifier` is none of these.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> ta.initializers.get("he_normal")
    HeNormal(seed=None)
    """
    if isinstance(identifier, dict):
        made = get(identifier.get("class_name"))
        return type(made).from_config(identifier.get("config", {}))
    if isinstance(identifier, str):
        if identifier not in _BY_NAME:
            raise ValueError(f"unknown initializer {identifier!r}; known are {', '.join(_NAMES)}")
        return _BY_NAME[identifier]()
    if isinstance(identifier, type) and issubclass(identifier, Initializer):
        return identifier()
    if callable(identifier):
        return identifier
    raise ValueError(
        f"initializer={identifier!r}: expected a name such as 'glorot_uniform', an Initializer, "
        "or a callable (shape, dtype) -> array"
    )
