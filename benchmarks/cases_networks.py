"""The networks that the CPU benchmark times: ours beside PyTorch's, made on demand.

Each case gives (our function, {name: PyTorch's function}); both do the same work on the same data.
"""

import numpy as np
import twins_torch as twins
from torch import nn

import tinygrad_astro as ta

RNG = np.random.default_rng(0)


def _pixels(batch, side):
    x = RNG.random((batch, side, side, 1), np.float32)
    return x, (x[..., 0] > 0.5).astype(np.int64)


def _unet(base, batch, side, compiled, predict=False):
    x, y = _pixels(batch, side)
    ours = ta.models.unet((side, side, 1), 2, filters=base, depth=4)
    if predict:
        return lambda: ours.predict(x, verbose=0), twins.predictions(
            lambda: twins.UNet(base), x, compiled
        )
    ours.compile("adam", ta.losses.SparseCategoricalCrossentropy(from_logits=True))
    peers = twins.steps(lambda: twins.UNet(base), nn.CrossEntropyLoss(), x, y, compiled)
    return lambda: ours.train_on_batch(x, y), peers


def _dominguez_sanchez(batch, compiled):
    x = RNG.random((batch, 69, 69, 3), np.float32)
    y = RNG.integers(0, 2, (batch, 1)).astype(np.float32)
    ours = ta.models.dominguez_sanchez18()
    ours.compile("adam", "binary_crossentropy")
    loss = nn.BCEWithLogitsLoss()
    peers = twins.steps(twins.dominguez_sanchez18, loss, x, y, compiled)
    return lambda: ours.train_on_batch(x, y), peers


def _resnet(batch, side, compiled):
    x, y = RNG.random((batch, side, side, 3), np.float32), RNG.integers(0, 10, batch)
    ours = ta.models.resnet18((side, side, 3), classes=10)
    ours.compile("adam", ta.losses.SparseCategoricalCrossentropy(from_logits=True))
    peers = twins.steps(lambda: twins.resnet18(10), nn.CrossEntropyLoss(), x, y, compiled)
    return lambda: ours.train_on_batch(x, y), peers


def _starnet(batch, length, compiled):
    x, y = RNG.random((batch, length, 1), np.float32), RNG.random((batch, 3), np.float32)
    layers = ta.layers
    ours = ta.Sequential(
        [
            layers.Input((length, 1)),
            layers.Conv1D(4, 8, padding="same", activation="relu"),
            layers.Conv1D(16, 8, padding="same", activation="relu"),
            layers.MaxPooling1D(4),
            layers.Flatten(),
            layers.Dense(256, "relu"),
            layers.Dense(128, "relu"),
            layers.Dense(3),
        ]
    )
    ours.compile("adam", "mse")
    peers = twins.steps(lambda: twins.starnet(length), nn.MSELoss(), x, y, compiled)
    return lambda: ours.train_on_batch(x, y), peers


def _mlp(compiled):
    x = RNG.random((32, 8), np.float32)
    y = x.sum(1, keepdims=True)
    layers = ta.layers
    ours = ta.Sequential([layers.Input((8,)), layers.Dense(16, "relu"), layers.Dense(1)])
    ours.compile("adam", "mse")
    return lambda: ours.train_on_batch(x, y), twins.steps(twins.mlp, nn.MSELoss(), x, y, compiled)


# name: (bar, maker at full size, maker at toy size)
CASES = {
    "U-Net step, base 32, 4x128x128x1": (
        2.0,
        lambda c: _unet(32, 4, 128, c),
        lambda c: _unet(4, 1, 32, c),
    ),
    "U-Net step, base 16, 2x256x256x1": (
        1.8,
        lambda c: _unet(16, 2, 256, c),
        lambda c: _unet(4, 1, 48, c),
    ),
    "U-Net prediction, base 32, 4x128x128x1": (
        2.0,
        lambda c: _unet(32, 4, 128, c, predict=True),
        lambda c: _unet(4, 1, 32, c, predict=True),
    ),
    "U-Net prediction, base 16, 2x256x256x1": (
        2.0,
        lambda c: _unet(16, 2, 256, c, predict=True),
        lambda c: _unet(4, 1, 48, c, predict=True),
    ),
    "Dominguez Sanchez+18 step, batch 16": (
        1.5,
        lambda c: _dominguez_sanchez(16, c),
        lambda c: _dominguez_sanchez(1, c),
    ),
    "ResNet-18 step, 8x64x64x3": (
        1.3,
        lambda c: _resnet(8, 64, c),
        lambda c: _resnet(2, 32, c),
    ),
    "StarNet-like step, 16x4096x1": (
        1.3,
        lambda c: _starnet(16, 4096, c),
        lambda c: _starnet(2, 64, c),
    ),
    "MLP 8-16-1 step, batch 32": (2.0, _mlp, _mlp),
}
