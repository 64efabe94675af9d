"""Models on the card learn what they learn on the CPU, and are saved and loaded from there."""

import numpy as np

import tinygrad_astro as ta


def trained(device, optimizer, rng, epochs=1):
    ta.manual_seed(1)
    model = ta.models.unet((8, 8, 1), 2, filters=2, depth=2, dropout=0.2)
    model.compile(
        optimizer=optimizer,
        loss=ta.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.build((None, 8, 8, 1))
    model.to(device)
    x = rng.standard_normal((4, 8, 8, 1)).astype(np.float32)
    y = (x[..., 0] > 0).astype(np.int64)
    ta.manual_seed(2)
    history = model.fit(x, y, batch_size=2, epochs=epochs, verbose=0)
    return model, history.history, x


def test_two_steps_of_a_unet(rng):
    for optimizer in (ta.optimizers.SGD(0.1, momentum=0.9), ta.optimizers.Adam(clipnorm=1.0)):
        seed = rng.integers(2**32)
        config = optimizer.get_config()
        (one, first, x), (other, second, _) = (
            trained(device, type(optimizer).from_config(config), np.random.default_rng(seed))
            for device in ("cpu", "cuda")
        )
        np.testing.assert_allclose(second["loss"], first["loss"], rtol=1e-5)
        assert second["accuracy"] == first["accuracy"]
        assert all(w.device == "cuda" for w in other.weights)
        for a, b in zip(one.get_weights(), other.get_weights()):
            np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(
            other.predict(x, verbose=0), one.predict(x, verbose=0), rtol=1e-3, atol=1e-4
        )


def test_a_model_on_the_card_is_saved_and_loaded(rng, tmp_path):
    model, _, x = trained("cuda", "rmsprop", rng)
    expected = model.predict(x, verbose=0)
    model.save(tmp_path / "unet.safetensors")
    again = ta.models.load_model(tmp_path / "unet.safetensors")
    np.testing.assert_allclose(again.predict(x, verbose=0), expected, rtol=1e-4, atol=1e-5)
    state = model.optimizer.get_state()
    model.optimizer.set_state(state)
    assert all(isinstance(value, np.ndarray) for value in state.values())
    model.to("cpu")
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-4, atol=1e-5)


def test_batch_norm_goes_with_the_convolution_at_prediction(rng):
    layers = ta.layers
    model = ta.Sequential(
        [ta.Input((6, 7, 3)), layers.Conv2D(4, 3), layers.BatchNormalization(activation="relu")]
        + [layers.MaxPooling2D(2), layers.Conv2DTranspose(2, 2, activation="tanh")]
    )
    model.set_weights([w + rng.uniform(0.1, 0.5, w.shape) for w in model.get_weights()])
    x = rng.standard_normal((2, 6, 7, 3)).astype(np.float32)
    expected = model.predict(x, verbose=0)
    model.to("cuda")
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-5, atol=1e-5)
