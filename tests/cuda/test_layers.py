"""Every layer on the card gives the values and the gradients that it gives on the CPU."""

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro import layers

IMAGE, SPECTRUM, ROW = (2, 4, 6, 3), (2, 8, 3), (3, 5)
CASES = [
    (lambda: layers.Conv2D(4, 3, padding="same", activation="relu"), IMAGE),
    (lambda: layers.Conv2D(4, 2, strides=2, use_bias=False), IMAGE),
    (lambda: layers.Conv2D(3, 3, dilation_rate=2, padding="same", groups=3), IMAGE),
    (lambda: layers.Conv1D(4, 3, padding="causal", activation="tanh"), SPECTRUM),
    (lambda: layers.Conv2DTranspose(2, 2, strides=2, activation="sigmoid"), IMAGE),
    (lambda: layers.Conv1DTranspose(2, 3, strides=2, padding="same"), SPECTRUM),
    (lambda: layers.DepthwiseConv2D(3, depth_multiplier=2), IMAGE),
    (lambda: layers.SeparableConv2D(4, 3), IMAGE),
    (lambda: layers.Dense(4, activation="softmax"), ROW),
    (lambda: layers.Dense(4, activation="elu"), IMAGE),
    (lambda: layers.Flatten(), IMAGE),
    (lambda: layers.Reshape((6, 12)), IMAGE),
    (lambda: layers.Permute((2, 1, 3)), IMAGE),
    (lambda: layers.RepeatVector(3), ROW),
    (lambda: layers.MaxPooling2D(2), IMAGE),
    (lambda: layers.MaxPooling2D(3, strides=1, padding="same"), IMAGE),
    (lambda: layers.MaxPooling1D(2), SPECTRUM),
    (lambda: layers.AveragePooling2D(2, padding="same", strides=1), IMAGE),
    (lambda: layers.AveragePooling1D(3), SPECTRUM),
    (lambda: layers.SumPooling2D(2), IMAGE),
    (lambda: layers.L2Pooling2D(2), IMAGE),
    (lambda: layers.GlobalMaxPooling2D(), IMAGE),
    (lambda: layers.GlobalAveragePooling1D(), SPECTRUM),
    (lambda: layers.UpSampling2D(2), IMAGE),
    (lambda: layers.UpSampling2D(2, interpolation="bilinear"), IMAGE),
    (lambda: layers.UpSampling1D(3), SPECTRUM),
    (lambda: layers.ZeroPadding2D(1), IMAGE),
    (lambda: layers.Cropping2D(1), IMAGE),
    (lambda: layers.Dropout(0.4, seed=3), IMAGE),
    (lambda: layers.SpatialDropout2D(0.4, seed=3), IMAGE),
    (lambda: layers.GaussianNoise(0.4, seed=3), IMAGE),
    (lambda: layers.BatchNormalization(), IMAGE),
    (lambda: layers.LayerNormalization(), IMAGE),
    (lambda: layers.GroupNormalization(groups=3), IMAGE),
    (lambda: layers.Activation("gelu"), IMAGE),
    (lambda: layers.Activation("silu"), IMAGE),
    (lambda: layers.Activation("softplus"), IMAGE),
    (lambda: layers.ReLU(), IMAGE),
    (lambda: layers.LeakyReLU(), IMAGE),
    (lambda: layers.PReLU(), ROW),
    (lambda: layers.ELU(0.5), IMAGE),
    (lambda: layers.Softmax(), IMAGE),
    (lambda: layers.Rescaling(0.5, 1.0), IMAGE),
    (lambda: layers.SumPooling1D(2), SPECTRUM),
    (lambda: layers.L2Pooling1D(2), SPECTRUM),
    (lambda: layers.GlobalMaxPooling1D(), SPECTRUM),
    (lambda: layers.GlobalAveragePooling2D(), IMAGE),
    (lambda: layers.ZeroPadding1D(2), SPECTRUM),
    (lambda: layers.Cropping1D(1), SPECTRUM),
    (lambda: layers.SpatialDropout1D(0.4, seed=3), SPECTRUM),
    (lambda: layers.Maxout(2), ROW),
    (lambda: layers.PadToMultiple(5), IMAGE),
]
PAIRS = ["Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate"]
# Called on values and a mask.
MASKED = [
    (lambda: layers.PartialConv2D(4, 3, padding="same", activation="relu"), IMAGE),
    (lambda: layers.PartialConv1D(4, 3), SPECTRUM),
    (lambda: layers.PartialConv2DTranspose(2, 2, strides=2), IMAGE),
    (lambda: layers.PartialConv1DTranspose(2, 2, strides=2), SPECTRUM),
    (lambda: layers.MaskedMaxPooling2D(2), IMAGE),
    (lambda: layers.MaskedMaxPooling1D(2), SPECTRUM),
    (lambda: layers.MaskedAveragePooling2D(2), IMAGE),
    (lambda: layers.MaskedAveragePooling1D(2), SPECTRUM),
    (lambda: layers.MaskedGlobalMaxPooling2D(), IMAGE),
    (lambda: layers.MaskedGlobalMaxPooling1D(), SPECTRUM),
    (lambda: layers.MaskedGlobalAveragePooling2D(), IMAGE),
    (lambda: layers.MaskedGlobalAveragePooling1D(), SPECTRUM),
    (lambda: layers.MaskedUpSampling2D(2), IMAGE),
    (lambda: layers.MaskedUpSampling1D(2), SPECTRUM),
    (lambda: layers.MaskedBatchNormalization(), IMAGE),
    (lambda: layers.Unmask(7.0), IMAGE),
]
# Tested below by themselves, or no layers with numbers of their own.
OTHERS = {"MaxUnpooling2D", "CropTo", "MaskedConcatenate", "Layer", "Input", "InputLayer", "Symbol"}


def outcome(layer, inputs, device, training):
    """Give output, gradients of inputs and weights, and all weights, as arrays."""
    layer.to(device)
    given = [ta.tensor(x, device=device, requires_grad=True) for x in inputs]
    out = layer(given if len(given) > 1 else given[0], training=training)
    weights = layer.trainable_weights
    u = np.cos(np.arange(out.size, dtype=np.float32)).reshape(out.shape)
    ta.ops.sum(out * ta.tensor(u, device=device)).backward()
    assert out.device == device
    assert all(g.device == device for g in [*given, *weights] if g.grad is not None)
    return [
        out.detach(),
        *[t.grad for t in (*given, *weights)],
        *[w.detach() for w in layer.weights],
    ]


def compare(make, inputs):
    for training in (False, True):
        found = {}
        for device in ("cpu", "cuda"):
            ta.manual_seed(4)
            layer = make()
            layer(inputs if len(inputs) > 1 else inputs[0])
            ta.manual_seed(5)
            found[device] = outcome(layer, inputs, device, training)
        assert len(found["cpu"]) == len(found["cuda"])
        for a, b in zip(found["cuda"], found["cpu"]):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda i: f"{CASES[i][0]().name}{i}")
def test_layer(rng, number):
    make, shape = CASES[number]
    compare(make, [rng.standard_normal(shape).astype(np.float32)])


@pytest.mark.parametrize("name", PAIRS)
def test_merging_layer(rng, name):
    arrays = [rng.standard_normal(IMAGE).astype(np.float32) for _ in range(2)]
    compare(getattr(layers, name), arrays)


@pytest.mark.parametrize("number", range(len(MASKED)), ids=lambda i: MASKED[i][0]().name)
def test_masked_layer(rng, number):
    make, shape = MASKED[number]
    x = rng.standard_normal(shape).astype(np.float32)
    valid = (rng.random((*shape[:-1], 1)) > 0.3).astype(np.float32)
    x[..., :1][valid == 0] = np.nan
    found = []
    for device in ("cpu", "cuda"):
        ta.manual_seed(4)
        layer = make()
        layer(x, valid)
        layer.to(device)
        given = ta.tensor(x, device=device, requires_grad=True)
        out = layer(given, ta.tensor(valid, device=device), training=True)
        parts = out if isinstance(out, (tuple, list)) else [out]
        ta.ops.sum(ta.ops.square(parts[0])).backward()
        assert all(part.device == device for part in parts)
        grads = [given.grad, *[w.grad for w in layer.trainable_weights]]
        found.append([t.numpy() for t in (*parts, *grads, *layer.weights)])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(b, a, rtol=2e-5, atol=2e-5)


def test_no_layer_is_forgotten():
    tested = {type(make()).__name__ for make, _ in CASES + MASKED} | {*PAIRS} | OTHERS
    public = {name for name in layers.__all__ if isinstance(getattr(layers, name), type)}
    assert not public - tested


def test_masks_side_by_side_and_cropping(rng):
    one, two = (rng.standard_normal(IMAGE).astype(np.float32) for _ in range(2))
    found = []
    for device in ("cpu", "cuda"):
        a, b = (ta.tensor(x, device=device) for x in (one, two))
        joined = layers.MaskedConcatenate()([a, b], [a > 0, b > 0])
        cropped = layers.CropTo()([layers.PadToMultiple(5)(a), a])
        found.append([t.numpy() for t in (*joined, cropped)])
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)


def test_max_unpooling(rng):
    x = rng.standard_normal(IMAGE).astype(np.float32)
    found = []
    for device in ("cpu", "cuda"):
        pooled, indices = ta.ops.max_pool(ta.tensor(x, device=device), 2, return_indices=True)
        found.append(ta.ops.max_unpool(pooled, indices, IMAGE[1:3]).numpy())
    np.testing.assert_array_equal(*found)
