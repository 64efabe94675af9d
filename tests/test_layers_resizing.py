"""Up-sampling, padding and cropping against NumPy and scipy; fitting images to networks."""

import numpy as np
import pytest
from scipy import ndimage

import tinygrad_astro as ta
from tinygrad_astro import layers
from tinygrad_astro.layers.fitting import CropTo, PadToMultiple

X = np.random.default_rng(2).standard_normal((2, 5, 6, 3)).astype("float32")


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (layers.UpSampling2D((2, 3)), X.repeat(2, 1).repeat(3, 2)),
        (layers.ZeroPadding2D(1), np.pad(X, ((0, 0), (1, 1), (1, 1), (0, 0)))),
        (layers.ZeroPadding2D((1, 2)), np.pad(X, ((0, 0), (1, 1), (2, 2), (0, 0)))),
        (layers.ZeroPadding2D([[1, 0], [2, 3]]), np.pad(X, ((0, 0), (1, 0), (2, 3), (0, 0)))),
        (layers.Cropping2D(((1, 2), (0, 3))), X[:, 1:3, 0:3]),
        (layers.Cropping2D(1), X[:, 1:-1, 1:-1]),
        (layers.Cropping2D(), X),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_images(layer, expected):
    np.testing.assert_array_equal(layer(X).numpy(), expected)
    assert layer.compute_output_shape((None, 5, 6, 3)) == (None, *expected.shape[1:])
    assert layer.compute_output_shape((None, None, None, 3)) == (None, None, None, 3)
    again = type(layer).from_config(layer.get_config())
    np.testing.assert_array_equal(again(X).numpy(), expected)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (layers.UpSampling1D(3), X[:, 0].repeat(3, 1)),
        (layers.ZeroPadding1D(2), np.pad(X[:, 0], ((0, 0), (2, 2), (0, 0)))),
        (layers.ZeroPadding1D((1, 2)), np.pad(X[:, 0], ((0, 0), (1, 2), (0, 0)))),
        (layers.Cropping1D((1, 2)), X[:, 0, 1:-2]),
        (layers.Cropping1D(), X[:, 0, 1:-1]),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_spectra(layer, expected):
    np.testing.assert_array_equal(layer(X[:, 0]).numpy(), expected)
    assert layer.compute_output_shape((None, 6, 3)) == (None, *expected.shape[1:])


def test_bilinear_equals_scipy_at_pixel_centres():
    image = X[0, :, :, 0].astype("float64")
    found = layers.UpSampling2D(2, interpolation="bilinear")(ta.tensor(image[None, ..., None]))
    rows, columns = np.mgrid[:10, :12]
    places = [(rows + 0.5) / 2 - 0.5, (columns + 0.5) / 2 - 0.5]
    expected = ndimage.map_coordinates(image, places, order=1, mode="nearest")
    np.testing.assert_allclose(found.numpy()[0, :, :, 0], expected, rtol=1e-6)


@pytest.mark.parametrize(
    "layer",
    [
        layers.UpSampling2D(2),
        layers.UpSampling2D(2, interpolation="bilinear"),
        layers.ZeroPadding2D(1),
        layers.Cropping2D(1),
        PadToMultiple(4),
    ],
    ids=lambda layer: layer.name,
)
def test_gradients(layer, rng):
    x = rng.standard_normal((1, 3, 5, 2))
    ta.testing.check_grads(lambda x: ta.ops.sum(ta.ops.sin(layer.call(x))), x, order=2)


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8, 9])
@pytest.mark.parametrize("remainder", [0, 3])
def test_padding_to_a_multiple_keeps_the_image_at_its_place(n, remainder, rng):
    x = rng.standard_normal((1, n, 8, 2)).astype("float32")
    layer = PadToMultiple(8, remainder)
    padded = layer(x).numpy()
    rows, columns = padded.shape[1:3]
    assert rows % 8 == columns % 8 == remainder and 0 <= rows - n < 8 and 0 <= columns - 8 < 8
    np.testing.assert_array_equal(padded[:, :n, :8], x)
    mode = "reflect" if rows - n < n else "edge"
    expected = np.pad(x[:, :, :, :], ((0, 0), (0, rows - n), (0, 0), (0, 0)), mode=mode)
    np.testing.assert_array_equal(padded[:, :, :8], expected)
    assert layer.compute_output_shape((None, n, None, 2)) == (None, rows, None, 2)
    np.testing.assert_array_equal(CropTo()([padded, x]).numpy(), x)
    assert CropTo(1)([padded, x]).shape == (1, n - 1, 7, 2) if n > 1 else True


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: layers.UpSampling2D(0), "size=0: expected integers of at least 1"),
        (lambda: layers.UpSampling2D(2, interpolation="cubic"), "interpolation='cubic', expected"),
        (lambda: layers.ZeroPadding2D(-1), "padding=-1, expected an integer of at least 0, or"),
        (lambda: layers.ZeroPadding1D((1, 2, 3)), r"or \(before, after\)"),
        (lambda: layers.Cropping2D(3)(X), "leaves nothing of an input of shape"),
        (lambda: layers.Cropping2D(1)(X[0]), "add the missing axis"),
        (lambda: layers.UpSampling1D(2)(X), r"expected 3 axes \(N, L, C\)"),
        (lambda: PadToMultiple(4, 4), "remainder=4, expected 0 to 3"),
        (lambda: PadToMultiple(4)(np.ones((1, 0, 3, 1))), "got an empty image"),
        (lambda: CropTo(-1), "margin=-1"),
        (lambda: CropTo(5)([X, X]), "must be larger than 5 pixels on each side"),
        (lambda: CropTo()([X, X.repeat(2, 1)]), "to crop to"),
    ],
)
def test_errors_name_what_was_received_and_expected(call, text):
    with pytest.raises(ValueError, match=text):
        call()
