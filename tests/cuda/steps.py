"""What the tests of recorded steps share: small networks, data, and training from a fixed start."""

import numpy as np

import tinygrad_astro as ta
from tinygrad_astro import layers, losses, optimizers


def network(dropout=0.4):
    ta.manual_seed(5)
    return ta.Sequential(
        [
            ta.Input((6, 6, 2)),
            layers.Conv2D(3, 3, padding="same", use_bias=False),  # its gradient would be noise
            layers.BatchNormalization(momentum=0.5, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(dropout),
            layers.Dense(3),
        ]
    )


def data(rng, n=14):
    return rng.standard_normal((n, 6, 6, 2)).astype(np.float32), rng.integers(0, 3, n)


def schedule():
    return optimizers.schedules.ExponentialDecay(0.05, 2, 0.5)


def trained(device, jit, x, y, optimizer=None, loss=None, make=network, epochs=2, **kwargs):
    """Train from a fixed start; give (model, losses by epoch, weights)."""
    model = make()
    optimizer = optimizer() if optimizer else optimizers.Adam(schedule(), global_clipnorm=0.5)
    loss = loss or losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, jit_compile=jit)
    model.to(device)
    ta.manual_seed(9)
    history = model.fit(x, y, batch_size=4, epochs=epochs, verbose=0, **kwargs)
    return model, history.history["loss"], model.get_weights()


def graphs(model):
    """List the graphs that a model's steps were recorded as."""
    steps = model.objective.recorded
    return [e.graph for e in steps.entries.values() if e.graph is not None] if steps else []


def close(found, expected, rtol=1e-4, atol=1e-5):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)


def dense(outputs=1, activation=None):
    ta.manual_seed(3)
    return ta.Sequential([ta.Input((5,)), layers.Dense(outputs, activation=activation)])


def rows(rng, n=9, outputs=1):
    return tuple(rng.standard_normal((n, k)).astype(np.float32) for k in (5, outputs))
