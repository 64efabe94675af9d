"""Every public layer in one table: derivatives by inputs and weights, adjoints, where a NaN goes.

Values are compared with NumPy, scipy and Keras in the files of the families.
"""

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro import layers as ls
from tinygrad_astro.testing import check_adjoint, check_grads

RNG = np.random.default_rng(13)
IMAGE, SPECTRUM, TABLE = (2, 4, 5, 2), (2, 6, 2), (3, 4)
WIDE = {"dtype": "float64"}
BARE = {"dtype": "float64", "use_bias": False}
TWO = (IMAGE, IMAGE)
WHERE = np.array([[[[3], [2]], [[8], [11]]]])  # of 2x2 maxima in 4x4

# name: layer, shape of the input or of several; the third says that it is linear
ROWS = {
    "Activation": (ls.Activation("softplus"), TABLE), "Add": (ls.Add(), TWO, "linear"),
    "Average": (ls.Average(), TWO, "linear"),
    "AveragePooling1D": (ls.AveragePooling1D(2), SPECTRUM, "linear"),
    "AveragePooling2D": (ls.AveragePooling2D(2), IMAGE, "linear"),
    "BatchNormalization": (ls.BatchNormalization(**WIDE), IMAGE),
    "Concatenate": (ls.Concatenate(), TWO, "linear"),
    "Conv1D": (ls.Conv1D(3, 2, **BARE), SPECTRUM, "linear"),
    "Conv1DTranspose": (ls.Conv1DTranspose(3, 2, 2, **BARE), SPECTRUM, "linear"),
    "Conv2D": (ls.Conv2D(3, 2, **BARE), IMAGE, "linear"),
    "Conv2DTranspose": (ls.Conv2DTranspose(3, 2, 2, **BARE), IMAGE, "linear"),
    "CropTo": (ls.CropTo(1), TWO), "Cropping1D": (ls.Cropping1D(1), SPECTRUM, "linear"),
    "Cropping2D": (ls.Cropping2D(1), IMAGE, "linear"),
    "Dense": (ls.Dense(3, **BARE), TABLE, "linear"),
    "DepthwiseConv2D": (ls.DepthwiseConv2D(2, **BARE), IMAGE, "linear"),
    "Dropout": (ls.Dropout(0.4), TABLE, "linear"), "ELU": (ls.ELU(0.5), TABLE),
    "Flatten": (ls.Flatten(), IMAGE, "linear"), "GaussianNoise": (ls.GaussianNoise(0.1), TABLE),
    "GlobalAveragePooling1D": (ls.GlobalAveragePooling1D(), SPECTRUM, "linear"),
    "GlobalAveragePooling2D": (ls.GlobalAveragePooling2D(), IMAGE, "linear"),
    "GlobalMaxPooling1D": (ls.GlobalMaxPooling1D(), SPECTRUM),
    "GlobalMaxPooling2D": (ls.GlobalMaxPooling2D(), IMAGE),
    "GroupNormalization": (ls.GroupNormalization(2, **WIDE), (2, 3, 4)),
    "L2Pooling1D": (ls.L2Pooling1D(2), SPECTRUM), "L2Pooling2D": (ls.L2Pooling2D(2), IMAGE),
    "LayerNormalization": (ls.LayerNormalization(**WIDE), TABLE),
    "LeakyReLU": (ls.LeakyReLU(), TABLE), "MaxPooling1D": (ls.MaxPooling1D(2), SPECTRUM),
    "MaxPooling2D": (ls.MaxPooling2D(2), IMAGE), "Maximum": (ls.Maximum(), TWO),
    "MaxUnpooling2D": (ls.MaxUnpooling2D(2), (1, 2, 2, 1), "linear"),
    "Maxout": (ls.Maxout(3, 2, **WIDE), TABLE), "Minimum": (ls.Minimum(), TWO),
    "Multiply": (ls.Multiply(), TWO), "PReLU": (ls.PReLU("ones", **WIDE), TABLE),
    "PadToMultiple": (ls.PadToMultiple(4), IMAGE, "linear"),
    "Permute": (ls.Permute((3, 1, 2)), IMAGE, "linear"), "ReLU": (ls.ReLU(1.0, 0.1), TABLE),
    "RepeatVector": (ls.RepeatVector(2), TABLE, "linear"), "Rescaling": (ls.Rescaling(2, 1), TABLE),
    "Reshape": (ls.Reshape((4, -1)), IMAGE, "linear"),
    "SeparableConv2D": (ls.SeparableConv2D(3, 2, **BARE), IMAGE, "linear"),
    "Softmax": (ls.Softmax(), TABLE),
    "SpatialDropout1D": (ls.SpatialDropout1D(0.4), SPECTRUM, "linear"),
    "SpatialDropout2D": (ls.SpatialDropout2D(0.4), IMAGE, "linear"),
    "Subtract": (ls.Subtract(), TWO, "linear"),
    "SumPooling1D": (ls.SumPooling1D(2), SPECTRUM, "linear"),
    "SumPooling2D": (ls.SumPooling2D(2), IMAGE, "linear"),
    "UpSampling1D": (ls.UpSampling1D(2), SPECTRUM, "linear"),
    "UpSampling2D": (ls.UpSampling2D(2), IMAGE, "linear"),
    "ZeroPadding1D": (ls.ZeroPadding1D(1), SPECTRUM, "linear"),
    "ZeroPadding2D": (ls.ZeroPadding2D(1), IMAGE, "linear"),
}  # fmt: skip

NOT_LAYERS = {"Input", "InputLayer", "Layer", "Symbol"}
NOT_LAYERS |= set("add average concatenate maximum minimum multiply subtract".split())


def left_out(names):
    """List the public layers without a row; those on pairs of image and mask have a file of it."""
    on_pairs = {name for name in names if name.startswith(("Masked", "Partial", "Unmask"))}
    return sorted(set(names) - NOT_LAYERS - on_pairs - set(ROWS))


def test_every_public_layer_has_a_row():
    assert left_out(ls.__all__) == [], "give each new layer a row"
    assert left_out([*ls.__all__, "Conv9D"]) == ["Conv9D"]
    for name, (layer, *_) in ROWS.items():
        assert type(layer) is getattr(ls, name)


def bound(name):
    """Give a function of the inputs and the weights, random ones, and the points to try it at."""
    layer, shapes, *linear = ROWS[name]
    shapes = shapes if isinstance(shapes[0], tuple) else (shapes,)
    inputs = [RNG.standard_normal(shape) for shape in shapes]
    layer.build([(None, *s[1:]) for s in shapes] if len(shapes) > 1 else (None, *shapes[0][1:]))
    weights = layer.trainable_weights
    held = [next(n for n, value in vars(layer).items() if value is w) for w in weights]
    values = [RNG.uniform(0.5, 1.5, w.shape) for w in weights]

    def f(*given):
        x = [a if isinstance(a, ta.Tensor) else ta.tensor(a) for a in given]
        x, own = x[: len(inputs)], x[len(inputs) :]
        x = x + [ta.tensor(WHERE)] if name == "MaxUnpooling2D" else x
        ta.manual_seed(9)  # the same mask, the same noise in every call
        with_own = dict(zip(held, own, strict=True))
        before = {n: getattr(layer, n) for n in with_own}
        try:
            vars(layer).update(with_own)
            return layer(x if len(x) > 1 else x[0], training=True)
        finally:
            vars(layer).update(before)

    return f, inputs, values, bool(linear)


@pytest.mark.parametrize("name", ROWS)
def test_first_and_second_derivatives_by_inputs_and_weights(name):
    f, inputs, weights, _ = bound(name)
    check_grads(lambda *a: ta.ops.square(f(*a)), *inputs, *weights)


@pytest.mark.parametrize("name", [n for n, (_, _, *linear) in ROWS.items() if linear])
def test_adjoint(name):
    f, inputs, weights, _ = bound(name)
    if len(inputs) == 1:
        check_adjoint(lambda x: f(x, *weights), inputs[0])
    else:
        both = np.stack(inputs)
        check_adjoint(lambda x: f(x[0], x[1]), both)


@pytest.mark.parametrize("name", ROWS)
def test_a_nan_in_the_input_reaches_what_depends_on_it_and_nothing_else(name):
    f, (x, *others), weights, _ = bound(name)
    before = f(x, *others, *weights).numpy()
    for index in list(np.ndindex(x.shape))[:: 1 + x.size // 6]:
        reached = np.zeros(before.shape, bool)
        for value in (30.37, -30.37):
            moved = x.copy()
            moved[index] += value
            reached |= f(moved, *others, *weights).numpy() != before
        moved[index] = np.nan
        found = np.isnan(f(moved, *others, *weights).numpy())
        np.testing.assert_array_equal(found, reached)


def test_pooling_and_transposition_of_spectra():
    """What the other files compare with Keras alone, here with NumPy."""
    x = RNG.standard_normal((1, 6, 1))
    np.testing.assert_allclose(ls.GlobalAveragePooling1D()(ta.tensor(x)).numpy(), x.mean(1))
    np.testing.assert_array_equal(ls.GlobalMaxPooling1D()(ta.tensor(x)).numpy(), x.max(1))
    layer = ls.Conv1DTranspose(1, 3, strides=2, **BARE)
    spread = np.zeros(11)
    spread[::2] = x[0, :, 0]
    made = layer(ta.tensor(x)).numpy()[0, :, 0]
    kernel = layer.get_weights()[0][:, 0, 0]
    np.testing.assert_allclose(made, np.convolve(spread, kernel), rtol=1e-12)
