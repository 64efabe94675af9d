"""Every layer beside Keras's own: shapes, values, order of weights, training and inference."""

import os

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro import layers as ours

os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras")
pytestmark = [
    pytest.mark.peer,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:keras"),  # its own, about NumPy 2
]

IMAGE, SPECTRUM, TABLE = (2, 7, 6, 4), (2, 9, 4), (3, 5)

SAME_IN_BOTH = [
    ("Conv1D", (6, 3), {}, SPECTRUM),
    ("Conv1D", (6, 3), {"padding": "causal", "dilation_rate": 2}, SPECTRUM),
    ("Conv1D", (6, 4), {"padding": "same", "strides": 2, "activation": "gelu"}, SPECTRUM),
    ("Conv2D", (6, 3), {"activation": "relu"}, IMAGE),
    ("Conv2D", (6, (3, 2), (2, 1), "same"), {"activation": "sigmoid"}, IMAGE),
    ("Conv2D", (6, 3), {"dilation_rate": 2, "use_bias": False, "activation": "tanh"}, IMAGE),
    ("Conv2D", (6, 2), {"groups": 2, "activation": "softmax"}, IMAGE),
    ("Conv1DTranspose", (3, 3), {"strides": 2}, SPECTRUM),
    ("Conv2DTranspose", (3, 2), {"strides": 2, "activation": "relu"}, IMAGE),
    ("Conv2DTranspose", (3, 3), {"strides": 2, "padding": "same"}, IMAGE),
    ("Conv2DTranspose", (3, 1), {"strides": 2}, IMAGE),
    ("DepthwiseConv2D", (3,), {"depth_multiplier": 2, "activation": "elu"}, IMAGE),
    ("SeparableConv2D", (5, 3), {"padding": "same", "depth_multiplier": 2}, IMAGE),
    ("Dense", (3,), {"activation": "softmax"}, TABLE),
    ("Dense", (3,), {"activation": "silu", "use_bias": False}, IMAGE),
    ("Flatten", (), {}, IMAGE),
    ("Reshape", ((6, -1),), {}, IMAGE),
    ("Permute", ((3, 1, 2),), {}, IMAGE),
    ("RepeatVector", (3,), {}, TABLE),
    ("Rescaling", (0.5, -1.0), {}, IMAGE),
    ("MaxPooling1D", (2,), {}, SPECTRUM),
    ("MaxPooling2D", ((3, 2), 2, "same"), {}, IMAGE),
    ("AveragePooling1D", (3, 2), {"padding": "same"}, SPECTRUM),
    ("AveragePooling2D", (2,), {}, IMAGE),
    ("GlobalMaxPooling1D", (), {}, SPECTRUM),
    ("GlobalMaxPooling2D", (), {"keepdims": True}, IMAGE),
    ("GlobalAveragePooling1D", (), {"keepdims": True}, SPECTRUM),
    ("GlobalAveragePooling2D", (), {}, IMAGE),
    ("UpSampling1D", (3,), {}, SPECTRUM),
    ("UpSampling2D", ((2, 3),), {}, IMAGE),
    ("UpSampling2D", (2,), {"interpolation": "bilinear"}, IMAGE),
    ("ZeroPadding1D", ((1, 2),), {}, SPECTRUM),
    ("ZeroPadding2D", (((1, 2), (0, 3)),), {}, IMAGE),
    ("Cropping1D", ((1, 2),), {}, SPECTRUM),
    ("Cropping2D", (((1, 2), (0, 3)),), {}, IMAGE),
    ("BatchNormalization", (), {}, IMAGE),
    ("BatchNormalization", (), {"momentum": 0.5, "scale": False, "epsilon": 0.1}, TABLE),
    ("BatchNormalization", (), {"center": False}, SPECTRUM),
    ("LayerNormalization", (), {}, IMAGE),
    ("LayerNormalization", ((2, 3),), {"epsilon": 0.1}, IMAGE),
    ("GroupNormalization", (2,), {}, IMAGE),
    ("GroupNormalization", (-1,), {"scale": False}, SPECTRUM),
    ("Activation", ("softplus",), {}, TABLE),
    ("ReLU", (), {"max_value": 1.0, "negative_slope": 0.1, "threshold": 0.2}, IMAGE),
    ("ReLU", (), {}, IMAGE),
    ("LeakyReLU", (), {}, TABLE),
    ("PReLU", (), {"shared_axes": [1, 2]}, IMAGE),
    ("PReLU", (), {"alpha_initializer": "ones"}, TABLE),
    ("ELU", (), {"alpha": 0.5}, TABLE),
    ("Softmax", (1,), {}, TABLE),
]
NAMES = [f"{name}-{i}" for i, (name, *_) in enumerate(SAME_IN_BOTH)]


def pair(name, args, kwargs, shape, rng):
    """Make the layer of both libraries, with the same weights, random ones."""
    mine = getattr(ours, name)(*args, **kwargs)
    theirs = getattr(keras.layers, name)(*args, **kwargs)
    theirs.build(shape)
    mine.build((None, *shape[1:]))
    weights = [rng.uniform(0.5, 1.5, w.shape).astype("float32") for w in theirs.get_weights()]
    theirs.set_weights(weights)
    mine.set_weights(weights)
    return mine, theirs


@pytest.mark.parametrize("case", SAME_IN_BOTH, ids=NAMES)
def test_values_shapes_and_weights_are_those_of_keras(case, rng):
    name, args, kwargs, shape = case
    mine, theirs = pair(name, args, kwargs, shape, rng)
    assert [w.shape for w in mine.get_weights()] == [w.shape for w in theirs.get_weights()]
    assert [w.name for _, w in mine.named_weights()] == [w.name for w in theirs.weights]
    assert len(mine.trainable_weights) == len(theirs.trainable_weights)
    assert mine.count_params() == theirs.count_params()
    free = (None, *shape[1:])
    assert mine.compute_output_shape(free) == tuple(theirs.compute_output_shape(free))
    x = rng.standard_normal(shape).astype("float32")
    for training in (False, True):
        expected = np.asarray(theirs(x, **training_argument(theirs, training)).detach())
        found = mine(x, training=training).numpy()
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-5)
    for found, expected in zip(mine.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def training_argument(layer, training):
    return {"training": training} if isinstance(layer, keras.layers.BatchNormalization) else {}


@pytest.mark.parametrize("case", SAME_IN_BOTH, ids=NAMES)
def test_arguments_have_the_names_and_defaults_of_keras(case):
    name, args, kwargs, _ = case
    mine = getattr(ours, name)(*args, **kwargs).get_config()
    theirs = getattr(keras.layers, name)(*args, **kwargs).get_config()
    shared = (set(mine) & set(theirs)) - {"name", "dtype"}
    left_out = {key for key in set(theirs) - set(mine) if theirs[key] is not None}
    assert left_out <= {"synchronized", "renorm", "renorm_momentum", "rms_scaling"}
    for key in shared:
        if not key.endswith("_initializer"):
            assert ours.structure.leaves([mine[key]]) == ours.structure.leaves([theirs[key]]), key


@pytest.mark.parametrize("name", ["Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"])
def test_merging_layers(name, rng):
    x, y = rng.standard_normal((2, *IMAGE)).astype("float32")
    expected = getattr(keras.layers, name)()([x, y])
    np.testing.assert_allclose(getattr(ours, name)()([x, y]).numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("axis", [-1, 1])
def test_concatenate(axis, rng):
    x, y = rng.standard_normal((2, *IMAGE)).astype("float32")
    expected = keras.layers.Concatenate(axis=axis)([x, y])
    np.testing.assert_array_equal(ours.Concatenate(axis=axis)([x, y]).numpy(), expected)


@pytest.mark.parametrize(
    "name", ["Conv2D", "MaxPooling2D", "BatchNormalization", "ReLU", "PReLU", "ELU", "LeakyReLU"]
)
def test_automatic_names_are_those_of_keras(name):
    args = {"Conv2D": (1, 1)}.get(name, ())
    stem = getattr(keras.layers, name)(*args).name.rstrip("0123456789").rstrip("_")
    assert getattr(ours, name)(*args).name.startswith(stem)


@pytest.mark.parametrize(
    "name", ["glorot_uniform", "glorot_normal", "he_normal", "he_uniform", "lecun_normal"]
)
@pytest.mark.parametrize("shape", [(400, 300), (3, 3, 32, 64)])
def test_initializers_have_the_spread_of_keras(name, shape):
    found = ta.initializers.get(name)(shape)
    expected = np.asarray(keras.initializers.get(name)(shape).cpu())
    assert abs(found.std() / expected.std() - 1) < 0.02
    assert abs(found.mean()) < 0.02 * found.std()
