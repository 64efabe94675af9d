"""The U-Net on pixels and mask: what is masked changes no bit, from the reader to the mosaic."""

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro import losses, mosaic
from tinygrad_astro.data import BandReader, Batches, read_image, valid_pixels, write_image
from tinygrad_astro.models import load_model, unet
from tinygrad_astro.testing import check_masked

UPS = ["transpose", "upsample"]
PLANTS = (0.0, np.nan, np.inf, 1e30)


def holes(rng, shape):
    """Give a mask with a hole wider than the coarsest kernel, a column, and single pixels."""
    valid = rng.random(shape) < 0.8
    valid[:, 2:15, 3:17] = False
    valid[:, :, -2] = False
    return valid


def drawn(rng, count, side):
    """Draw a bright square in each noisy image: (images, where it is)."""
    truth = np.zeros((count, side, side, 1), np.float32)
    for i, (row, column) in enumerate(rng.integers(0, side - 5, (count, 2))):
        truth[i, row : row + 5, column : column + 5] = 1
    return (rng.normal(0, 0.3, truth.shape) + truth).astype(np.float32), truth


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("up", UPS)
def test_masked_pixels_change_no_bit_of_outputs_losses_and_gradients(rng, up, training):
    shape = (2, 18, 21, 2)
    x, valid = rng.normal(size=shape).astype(np.float32), holes(rng, shape)
    counts = valid.any(axis=-1)
    truth = np.where(counts, rng.integers(0, 3, shape[:3]), -(2**31) + 1)
    ivar = np.where(counts, rng.random(shape[:3]), np.nan)
    model = unet((None, None, 2), 3, filters=2, depth=2, up=up, masked=True)
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)

    def lost(x):
        said = model([x, valid], training=training)
        return loss(truth, said, sample_weight=ivar, mask=counts)

    def values(x):
        return model([x, valid], training=training)

    check_masked(values, x, valid, model.trainable_weights)
    check_masked(lost, x, valid, model.trainable_weights)


def test_of_valid_pixels_without_padding_it_is_the_plain_unet(rng):
    ta.manual_seed(3)
    kind = {"filters": 3, "depth": 2, "padding": "valid"}
    plain, masked = unet((56, 60, 2), 2, **kind), unet((56, 60, 2), 2, **kind, masked=True)
    masked.set_weights([w * rng.uniform(0.5, 1.5, w.shape) for w in plain.get_weights()])
    plain.set_weights(masked.get_weights())
    x = rng.normal(size=(1, 56, 60, 2)).astype(np.float32)
    expected = plain(x).numpy()
    found = masked([x, np.ones_like(x)]).numpy()
    assert expected.shape == (1, 16, 20, 2) and expected.std() > 0.01
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    x[0, 20:30, 20:30] = np.nan
    assert np.isfinite(masked([x, np.isfinite(x)]).numpy()).all()


@pytest.mark.parametrize("up", UPS)
@pytest.mark.parametrize("size", [(1, 1), (9, 20), (16, 8)])
def test_any_size_goes_through_and_comes_back(rng, up, size):
    model = unet((None, None, 2), 3, filters=2, depth=2, up=up, dropout=0.1, masked=True)
    x = rng.normal(size=(2, *size, 2))
    said = model([x, rng.random(x.shape) < 0.5], training=True).numpy()
    assert said.shape == (2, *size, 3) and np.isfinite(said).all()
    assert not model([x, np.zeros_like(x)]).numpy().any()
    assert model.get_layer("bottom_dropout").rate == 0.1


@pytest.mark.parametrize("up", UPS)
def test_it_learns_with_a_third_of_the_pixels_masked(rng, up):
    ta.manual_seed(0)
    x, y = drawn(rng, 40, 16)
    valid = rng.random(x.shape) < 0.67
    x[~valid] = np.resize([np.nan, np.inf, 1e30], (~valid).sum())
    model = unet((16, 16, 1), 1, filters=4, depth=2, up=up, activation="sigmoid", masked=True)
    model.compile(ta.optimizers.Adam(0.03), "binary_crossentropy")
    model.fit([x[:32], valid[:32]], y[:32], batch_size=8, epochs=25, verbose=0)
    found, true = model([x, valid], training=True).numpy()[32:] > 0.5, y[32:] > 0
    assert (found & true).sum() / (found | true).sum() > 0.7
    assert all(np.isfinite(w).all() for w in model.get_weights())


@pytest.mark.parametrize("up", UPS)
def test_tiles_of_a_mosaic_are_bits_of_the_whole(rng, up, tmp_path):
    model = unet((None, None, 1), 2, filters=2, depth=2, up=up, masked=True)
    model.set_weights([w * rng.normal(1.0, 0.2, w.shape) for w in model.get_weights()])
    model.save(tmp_path / "model.safetensors")
    again = load_model(tmp_path / "model.safetensors")
    image = rng.normal(size=(90, 77, 1)).astype(np.float32)
    image[20:40, 30:55] = np.nan
    image[rng.random(image.shape) < 0.1] = np.inf
    tiles = mosaic.predict(again, image, tile=16)
    with ta.precision("exact"):
        whole = model([image[None], valid_pixels(image)[None]]).numpy()[0]
    np.testing.assert_array_equal(tiles, whole)
    assert np.isfinite(whole).all()


def test_unpooling_has_no_mask():
    with pytest.raises(ValueError, match='masked=True use up="transpose" or up="upsample"'):
        unet((16, 16, 1), 1, up="unpool", masked=True)


@pytest.mark.parametrize("up", UPS)
def test_from_files_over_training_to_a_predicted_mosaic(rng, tmp_path, up):
    """Flux, inverse variance and flags are read, learned from, and a mosaic is predicted.

    What the files hold in bad pixels changes no bit of losses, weights and prediction.
    """
    flux, truth = drawn(rng, 9, 16)
    flags = (rng.random(flux.shape) < 0.1).astype(np.int16)
    ivar = rng.uniform(0.5, 4.0, flux.shape).astype(np.float32)
    ivar[rng.random(flux.shape) < 0.1] = 0.0
    flags[:, 3:9, 4:8] = 1
    bad = (flags > 0) | (ivar == 0)
    found = []
    for plant in PLANTS:
        paths = [str(tmp_path / f"{k}.fits") for k in range(9)]
        for k, path in enumerate(paths):
            parts = {"SCI": np.where(bad[k], np.float32(plant), flux[k])}
            parts |= {"IVAR": np.where(bad[k] & (ivar[k] > 0), np.float32(plant), ivar[k])}
            write_image(path, {n: a[..., 0] for n, a in (parts | {"DQ": flags[k]}).items()})
        found.append(learn_and_predict(paths, truth, tmp_path / "out.fits", up))
    for one in found[1:]:
        for ours, theirs in zip(one, found[0], strict=True):
            np.testing.assert_array_equal(ours, theirs)
    history, *_, mosaic_values = found[0]
    assert history[-1] < history[0] and np.isfinite(mosaic_values).all()


def learn_and_predict(paths, truth, out, up):
    """Read all files, train on the first eight, predict the last: losses, weights, prediction."""
    images = [read_image(path, "SCI", mask_ext="DQ") for path in paths]
    pixels = np.stack([image.data for image in images])[..., None]
    flags = np.stack([image.mask for image in images])[..., None]
    ivar = np.stack([read_image(path, "IVAR").data for path in paths])
    valid = valid_pixels(pixels, flags, ivar)
    ta.manual_seed(1)
    model = unet((None, None, 1), 1, filters=2, depth=2, up=up, masked=True)
    model.compile(ta.optimizers.Adam(0.02), losses.BinaryCrossentropy(from_logits=True))
    batches = Batches(
        (pixels[:8], valid[:8]), truth[:8], ivar[:8], mask=~valid[:8], batch_size=4, seed=2
    )
    history = model.fit(batches, epochs=4, verbose=0).history["loss"]

    def inputs(section):
        flux, weight = section.data[..., :1], section.data[..., 1:]
        return flux, valid_pixels(flux, section.mask[..., :1], weight)

    with BandReader([paths[8]] * 2, ["SCI", "IVAR"], ["DQ", None]) as reader:
        mosaic.predict_files(model, reader, out, 8, inputs)
    return [history, *model.get_weights(), read_image(out, "PREDICTION").data]
