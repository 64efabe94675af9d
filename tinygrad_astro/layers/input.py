"""Where a functional model begins."""

import numpy as np

from tinygrad_astro.layers.layer import Elementwise
from tinygrad_astro.layers.symbolic import Node

__all__ = ["Input", "InputLayer"]


class InputLayer(Elementwise):
    """The place of an input in a model; it has no weights and passes data through.

    Parameters
    ----------
    shape : tuple of int or None
        Without the batch axis. None where any size will do.
    batch_size : int, optional
        Accepted for Keras's sake; models take any batch size.
    name : str, optional

    Raises
    ------
    ValueError
        If `shape` is not a tuple of positive integers and None.
    """

    def __init__(self, shape=None, batch_size=None, dtype=None, **kwargs):
        if dtype is not None and np.dtype(dtype).kind in "iub":
            dtype = None  # integers and masks become float32
        super().__init__(dtype=dtype, **kwargs)
        sizes = (shape,) if isinstance(shape, int) else shape
        if not isinstance(sizes, (tuple, list)) or not all(_is_size(n) for n in sizes):
            raise ValueError(
                f"Input got shape={shape!r}, expected a tuple of positive integers, None where "
                "the size is free, without the batch axis: Input((128, 128, 1))"
            )
        self.shape = tuple(sizes)
        self.batch_size = batch_size
        self.built = True
        node = Node(self, (), {}, None, (None, *self.shape))
        self.nodes.append(node)

    def call(self, inputs):
        return inputs


def _is_size(n) -> bool:
    return n is None or (hasattr(n, "__index__") and not isinstance(n, bool) and n > 0)


def Input(shape=None, batch_size=None, dtype=None, name=None):
    """Begin a functional model: a symbol on which layers can be called.

    Parameters
    ----------
    shape : tuple of int or None
        Without the batch axis, e.g. `(None, None, 5)` for images of any size in five bands.
    batch_size : int, optional
        Accepted for Keras's sake; models take any batch size.
    dtype : str, optional
        Integer data are converted to float32.
    name : str, optional
        Of the input layer.

    Returns
    -------
    Symbol of shape (None, *shape)

    Raises
    ------
    ValueError
        If `shape` is not a tuple of positive integers and None.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> x = ta.Input((8,))
    >>> y = ta.layers.Dense(2)(x)
    >>> ta.Model(x, y).count_params()
    18
    """
    layer = InputLayer(shape=shape, batch_size=batch_size, dtype=dtype, name=name)
    return layer.output
