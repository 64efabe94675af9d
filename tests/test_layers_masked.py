"""Masked layers: equations of the papers, valid pixels only, and not one bit of what is masked."""

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro import layers, losses
from tinygrad_astro.data import valid_pixels
from tinygrad_astro.layers.convolution import Conv
from tinygrad_astro.testing import check_grads, check_masked


def sample(rng, shape, channels=1, share=0.6):
    x = rng.normal(size=shape).astype(np.float32)
    return x, rng.random((*shape[:-1], channels)) < share


def small_unet(classes=2, dtype="float32", conv=None):
    """Two levels, skip connection, batch norm: values and mask all the way."""
    conv = conv or layers.PartialConv2D
    image, mask = layers.Input((None, None, 2), dtype=dtype), layers.Input((None, None, 2))
    kind = {"dtype": dtype}
    x, v = conv(4, 3, padding="same", use_bias=False, **kind)(image, mask)
    x, v = layers.MaskedBatchNormalization(activation="relu", **kind)(x, v)
    low, w = layers.MaskedMaxPooling2D(2)(x, v)
    low, w = conv(6, 3, padding="same", activation="tanh", **kind)(low, w)
    low, w = layers.MaskedUpSampling2D(2)(low, w)
    x, v = layers.MaskedConcatenate()([x, low], [v, w])
    x, v = conv(classes, 3, padding="same", **kind)(x, v)
    return ta.Model([image, mask], [x, v])


def spectrum_net(dtype="float32"):
    flux, mask = layers.Input((None, 1), dtype=dtype), layers.Input((None, 1))
    x, v = layers.PartialConv1D(5, 5, padding="same", dtype=dtype)(flux, mask)
    x, v = layers.MaskedBatchNormalization(activation="tanh", dtype=dtype)(x, v)
    x, v = layers.MaskedAveragePooling1D(2)(x, v)
    x, v = layers.PartialConv1D(4, 3, strides=2, activation="elu", dtype=dtype)(x, v)
    x = layers.MaskedGlobalAveragePooling1D()(x, v)
    return ta.Model([flux, mask], layers.Dense(3, dtype=dtype)(x))


# ---- what is masked changes no bit ---------------------------------------------------------------


def rings(rng, shape):
    """Give a mask with holes larger than the kernels, and single pixels."""
    valid = rng.random(shape) < 0.8
    valid[:, 3:11, 4:12] = False
    valid[0, :, :2] = False
    return valid


@pytest.mark.parametrize("training", [False, True])
def test_unet_output_loss_and_gradients_do_not_see_masked_pixels(rng, training):
    x, valid = rng.normal(size=(2, 16, 20, 2)).astype(np.float32), rings(rng, (2, 16, 20, 2))
    truth = rng.integers(0, 2, (2, 16, 20))
    counts = valid.any(axis=-1)
    ivar = np.where(counts, rng.random(counts.shape), np.nan)
    model = small_unet()
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)

    def values(x):
        return model([x, valid], training=training)[0]

    def lost(x):
        planted = np.where(counts, truth, -(2**31) + 1)
        return loss(planted, values(x), sample_weight=ivar, mask=counts)

    check_masked(values, x, valid, model.trainable_weights)
    check_masked(lost, x, valid, model.trainable_weights)


@pytest.mark.parametrize("training", [False, True])
def test_spectrum_net_does_not_see_masked_pixels(rng, training):
    x, valid = sample(rng, (3, 41, 1))
    valid[0, 5:25], valid[2] = False, False
    model = spectrum_net()
    truth = rng.normal(size=(3, 3)).astype(np.float32)

    def lost(x):
        return losses.MeanSquaredError()(truth, model([x, valid], training=training))

    check_masked(lambda x: model([x, valid], training=training), x, valid, model.trainable_weights)
    check_masked(lost, x, valid, model.trainable_weights)


class Forgetful(layers.PartialConv2D):
    """Multiplies by the mask instead of choosing: 0 times NaN is NaN."""

    @staticmethod
    def hidden(inputs, valid, fill=0.0):
        return inputs * valid, valid


class Blind(layers.PartialConv2D):
    """Normalises by the mask, but convolves what it hides."""

    def call(self, inputs, valid):
        return [Conv.call(self, inputs), super().call(inputs, valid)[1]]


@pytest.mark.parametrize("wrong", [Forgetful, Blind])
def test_a_layer_that_forgets_the_mask_is_caught(rng, wrong):
    x, valid = rng.normal(size=(1, 16, 20, 2)).astype(np.float32), rings(rng, (1, 16, 20, 2))
    model = small_unet(conv=wrong)
    with pytest.raises(AssertionError, match="masked pixel"):
        check_masked(lambda x: model([x, valid])[0], x, valid, model.trainable_weights)


def test_a_layer_without_a_mask_is_caught(rng):
    x, valid = rng.normal(size=(1, 9, 9, 1)).astype(np.float32), rings(rng, (1, 9, 9, 1))
    with pytest.raises(AssertionError, match="masked pixel"):
        check_masked(layers.Conv2D(2, 3), x, valid)
    with pytest.raises(AssertionError, match="with nan in masked pixels, the output at index"):
        check_masked(lambda x: layers.MaxPooling2D(3)(x.detach()) + 0 * x.sum(), x, valid)


def test_from_files_to_prediction(tmp_path, rng):
    """A file with flux, inverse variance and flags: its bad pixels change no bit of the answer."""
    data = pytest.importorskip("tinygrad_astro.data")
    pytest.importorskip("astropy")
    flux, flags = rng.normal(size=(2, 24, 20)).astype(np.float32)
    flags = (flags > 1).astype(np.int16)
    ivar = np.where(rng.random((24, 20)) < 0.2, 0.0, 2.0).astype(np.float32)
    bad = (flags > 0) | (ivar == 0)
    model = small_unet()
    answers = []
    for plant in (0.0, np.nan, np.inf, 1e30):
        planted = np.where(bad, np.float32(plant), flux)
        path = tmp_path / "sky.fits"
        data.write_image(path, {"SCI": planted, "IVAR": ivar, "DQ": flags})
        sci = data.read_image(path, "SCI", mask_ext="DQ")
        weight = data.read_image(path, "IVAR").data
        valid = valid_pixels(sci.data[..., None], sci.mask, weight[..., None])
        np.testing.assert_array_equal(valid[..., 0], ~bad)
        x, good = (np.repeat(a[None], 2, axis=-1) for a in (sci.data[..., None], valid))
        answers.append(layers.Unmask(np.nan)(*model([x, good])).numpy())
    for answer in answers[1:]:
        np.testing.assert_array_equal(answers[0], answer)


# ---- gradients, graphs and files -----------------------------------------------------------------


def test_gradients_to_second_order(rng):
    x, valid = rng.normal(size=(1, 7, 7, 2)), rng.random((1, 7, 7, 2)) < 0.7
    kind = {"dtype": "float64"}
    conv = layers.PartialConv2D(2, 3, padding="same", activation="tanh", **kind)
    norm = layers.MaskedBatchNormalization(**kind)
    mean = layers.MaskedAveragePooling2D(2, padding="same", **kind)
    top = layers.MaskedMaxPooling2D(2, **kind)
    check_grads(lambda x: conv(x, valid)[0], x)
    check_grads(lambda x: norm(x, valid, training=True)[0], x)
    check_grads(lambda x: norm(x, valid)[0], x)
    check_grads(lambda x: mean(x, valid)[0], x)
    check_grads(lambda x: top(x, valid)[0] ** 2, x)
    up, join = layers.MaskedUpSampling2D(2, **kind), layers.MaskedConcatenate(**kind)
    check_grads(lambda x: join(up(x, valid)[:1], up(x, valid)[1:])[0] ** 2, x)
    check_grads(lambda x: layers.Unmask(2.0, **kind)(x, valid) ** 2, x)


def test_gradients_of_a_whole_net_to_second_order(rng):
    x, valid = rng.normal(size=(2, 21, 1)), rng.random((2, 21, 1)) < 0.7
    model = spectrum_net("float64")
    check_grads(lambda x: ta.ops.square(model([x, valid], training=True)), x)


def test_models_are_saved_with_masks(tmp_path, rng):
    model = small_unet()
    model.save(tmp_path / "masked.safetensors")
    again = ta.models.load_model(tmp_path / "masked.safetensors")
    x, valid = rng.normal(size=(1, 16, 12, 2)), rings(rng, (1, 16, 12, 2))
    for ours, theirs in zip(model([x, valid]), again([x, valid]), strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
        assert theirs.shape[:3] == (1, 16, 12)
    shapes = again.compute_output_shape([(None, 16, 12, 2), (None, 16, 12, 2)])
    assert shapes == [(None, 16, 12, 2), (None, 16, 12, 1)]


def test_all_layers_declare_the_shapes_they_give(rng):
    for rank, shape in ((1, (2, 12, 4)), (2, (2, 12, 8, 4))):
        for channels in (1, 4):
            x, valid = sample(rng, shape, channels)
            made = [getattr(layers, f"PartialConv{rank}D")(3, 3, strides=2)]
            made += [
                getattr(layers, f"Masked{name}{rank}D")()
                for name in (
                    "MaxPooling", "AveragePooling", "GlobalMaxPooling", "GlobalAveragePooling",
                    "UpSampling",
                )
            ]  # fmt: skip
            for layer in [*made, layers.MaskedBatchNormalization(), layers.Unmask()]:
                told = layer.compute_output_shape(x.shape, valid.shape)
                given = layer(x, valid)
                given = [y.shape for y in given] if isinstance(given, list) else given.shape
                assert list(told) == list(given), layer
                assert type(layer).from_config(layer.get_config()).get_config()


def test_arguments_that_do_not_fit(rng):
    x = np.zeros((2, 8, 8, 3))
    with pytest.raises(ValueError, match=r"2 tensors in 1 arguments, .*PartialConv2D\(...\)\(x, v"):
        layers.PartialConv2D(4, 3)([x, x])
    with pytest.raises(ValueError, match=r"mask of shape \(None, 8, 7, 1\), expected \(None, 8, 8"):
        layers.MaskedMaxPooling2D(2)(x, x[:, :, 1:, :1])
    with pytest.raises(ValueError, match=r"mask of shape \(None, 8, 8\)"):
        layers.Unmask()(x, x[..., 0])
    with pytest.raises(ValueError, match="expected a list of 2"):
        layers.MaskedConcatenate()([x, x], [x])
    with pytest.raises(ValueError, match="expected 4 axes"):
        layers.PartialConv2D(4, 3)(x[0], x[0])


@pytest.mark.parametrize("training", [False, True])
def test_gradients_in_weights_to_second_order(rng, training):
    x, valid = rng.normal(size=(2, 6, 6, 2)), rng.random((2, 6, 6, 1)) < 0.7
    conv = layers.PartialConv2D(2, 3, padding="same", dtype="float64")
    norm = layers.MaskedBatchNormalization(dtype="float64")
    held = [(conv, "kernel"), (conv, "bias"), (norm, "gamma"), (norm, "beta")]
    norm(*conv(x, valid))
    points = [rng.uniform(0.5, 1.5, getattr(*at).shape) for at in held]

    def f(*weights):
        before = [getattr(*at) for at in held]
        try:
            for at, weight in zip(held, weights, strict=True):
                vars(at[0])[at[1]] = weight
            return ta.ops.tanh(norm(*conv(x, valid), training=training)[0])
        finally:
            for at, weight in zip(held, before, strict=True):
                vars(at[0])[at[1]] = weight

    check_grads(f, *points)
