"""Pooling layers against plain loops; unpooling; what NaN, ties and edges do."""

import numpy as np
import pytest
import reference

import tinygrad_astro as ta
from tinygrad_astro import layers

REDUCE = {
    "Max": (np.max, -np.inf),
    "Average": (np.nanmean, np.nan),
    "Sum": (np.sum, 0.0),
    "L2": (lambda w, axis: np.sqrt((w**2).sum(axis)), 0.0),
}


@pytest.mark.parametrize("kind", REDUCE)
@pytest.mark.parametrize(
    ("size", "strides", "padding", "pads"),
    [
        ((2, 2), None, "valid", ((0, 0), (0, 0))),
        ((3, 2), (2, 1), "same", ((1, 1), (0, 1))),
        ((3, 3), (2, 2), 1, ((1, 1), (1, 1))),
    ],
)
def test_2d_pooling_equals_plain_loops(kind, size, strides, padding, pads, rng):
    x = rng.standard_normal((2, 7, 6, 3))
    layer = getattr(layers, f"{kind}Pooling2D")(size, strides, padding)
    found = layer(ta.tensor(x)).numpy()
    expected = reference.pool(x, size, strides or size, pads, *REDUCE[kind])
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert layer.compute_output_shape((None, 7, 6, 3)) == (None, *found.shape[1:])


@pytest.mark.parametrize("kind", REDUCE)
def test_1d_pooling_is_2d_pooling_of_height_one(kind, rng):
    x = rng.standard_normal((2, 9, 3))
    found = getattr(layers, f"{kind}Pooling1D")(3, 2)(ta.tensor(x)).numpy()
    deep = reference.pool(x[:, None], (1, 3), (1, 2), ((0, 0), (0, 0)), *REDUCE[kind])
    np.testing.assert_allclose(found, deep[:, 0], rtol=1e-12)


def test_unpooling_undoes_pooling_at_the_maxima(rng):
    x = rng.standard_normal((2, 6, 8, 3))
    pooled, indices = layers.MaxPooling2D(2, return_indices=True)(ta.tensor(x))
    back = layers.MaxUnpooling2D(2)([pooled, indices]).numpy()
    kept = back != 0
    np.testing.assert_array_equal(back[kept], x[kept])
    assert kept.sum() == 2 * 3 * 4 * 3 and back.shape == x.shape


def test_unpooling_is_differentiable(rng):
    x = rng.standard_normal((1, 4, 4, 2))
    pool, unpool = layers.MaxPooling2D(2, return_indices=True), layers.MaxUnpooling2D(2)
    ta.testing.check_grads(lambda x: ta.ops.sum(ta.ops.square(unpool(pool(x)))), x)


def test_global_pooling(rng):
    x = rng.standard_normal((2, 5, 4, 3))
    given = ta.tensor(x)
    np.testing.assert_allclose(
        layers.GlobalAveragePooling2D()(given).numpy(), x.mean((1, 2)), rtol=1e-12
    )
    np.testing.assert_array_equal(layers.GlobalMaxPooling2D()(given).numpy(), x.max((1, 2)))
    kept = layers.GlobalMaxPooling2D(keepdims=True)
    assert kept(given).shape == (2, 1, 1, 3)
    assert kept.compute_output_shape((None, None, None, 3)) == (None, 1, 1, 3)
    assert layers.GlobalMaxPooling1D().compute_output_shape((None, None, 3)) == (None, 3)


def test_nan_wins_and_the_first_of_equal_values_gets_the_gradient():
    x = np.array([[[1.0], [np.nan], [2.0], [2.0]]])
    assert np.isnan(layers.MaxPooling1D(2)(x).numpy()[0, 0, 0])
    x = ta.tensor([[[2.0], [2.0]]], requires_grad=True)
    layers.MaxPooling1D(2)(x).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy().ravel(), [1.0, 0.0])


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: layers.MaxPooling2D(0), "pool_size=0: expected integers of at least 1"),
        (lambda: layers.MaxPooling2D((2, 2, 2)), "expected an integer or 2 integers"),
        (lambda: layers.MaxPooling2D(2, padding="full"), "padding='full'"),
        (lambda: layers.MaxPooling2D(5)(np.ones((1, 4, 4, 1))), "does not fit: height 4"),
        (lambda: layers.MaxPooling2D(2)(np.ones((4, 4, 1))), "add the missing axis"),
        (lambda: layers.MaxUnpooling2D(2)(np.ones((1, 4, 4, 1))), "expected a list of 2 tensors"),
        (lambda: layers.MaxUnpooling2D((2,)), "expected an integer or 2 integers"),
        (
            lambda: layers.MaxUnpooling2D(2).compute_output_shape([(1, 4, 4, 1), (1, 2, 4, 1)]),
            "the two outputs of MaxPooling2D",
        ),
        (lambda: layers.GlobalAveragePooling2D()(np.ones((1, 0, 4, 1))), "got no pixels"),
        (lambda: layers.MaxPooling2D(2, data_format="channels_first"), "moveaxis"),
    ],
)
def test_errors_name_what_was_received_and_expected(call, text):
    with pytest.raises(ValueError, match=text):
        call()
