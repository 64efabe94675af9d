"""Losses, metrics and optimizers on the card give what they give on the CPU; devices do not mix."""

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro import losses

LOSSES = {
    "mse": losses.MeanSquaredError(),
    "mae": losses.MeanAbsoluteError(),
    "huber": losses.Huber(0.7),
    "log_cosh": losses.LogCosh(),
    "poisson": losses.Poisson(),
    "gaussian": losses.GaussianNegativeLogLikelihood(full=True),
    "bce": losses.BinaryCrossentropy(),
    "bce_logits": losses.BinaryCrossentropy(True, 0.1),
    "cce": losses.CategoricalCrossentropy(),
    "cce_logits": losses.CategoricalCrossentropy(True, 0.1),
    "scce": losses.SparseCategoricalCrossentropy(),
    "scce_logits": losses.SparseCategoricalCrossentropy(True),
    "binary_focal": losses.BinaryFocalCrossentropy(True, 0.3),
    "focal": losses.CategoricalFocalCrossentropy(0.3),
    "focal by class": losses.CategoricalFocalCrossentropy([0.3, 0.5, 0.2]),
    "dice": losses.Dice(),
    "jaccard": losses.Jaccard(axis=(1, 2)),
    "tversky": losses.Tversky(0.3, 0.7, axis=(1, 2, 3)),
}


def data(name, rng):
    """Give truth and prediction that suit a loss."""
    shape = 2, 3, 4, 3
    pred = rng.standard_normal(shape).astype(np.float32)
    soft = np.exp(pred) / np.exp(pred).sum(-1, keepdims=True)
    numbers = rng.integers(0, 3, shape[:-1])
    hard = np.eye(3, dtype=np.float32)[numbers]
    if name.startswith("scce"):
        return numbers, pred if name.endswith("logits") else soft
    if name == "gaussian":
        return hard, np.concatenate([pred, hard / 2], axis=-1)
    if name in ("mse", "mae", "huber", "log_cosh"):
        return hard, pred
    return hard, pred if name.endswith("logits") else soft


@pytest.mark.parametrize("name", LOSSES)
def test_losses_and_their_gradients(rng, name):
    truth, pred = data(name, rng)
    weights = rng.random(pred.shape[:-1]).astype(np.float32)
    found = []
    for device in ("cpu", "cuda"):
        x = ta.tensor(pred, device=device, requires_grad=True)
        there = ta.tensor(truth, device=device)
        one = LOSSES[name](there, x)
        one.backward()
        grad, x.grad = x.grad, None
        weighted = None
        if name not in ("dice", "jaccard", "tversky"):
            weighted = LOSSES[name](there, x, sample_weight=ta.tensor(weights, device=device))
        assert one.device == grad.device == device
        found.append([t.numpy() for t in (one, grad, weighted) if t is not None])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(b, a, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ta.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
        lambda: ta.optimizers.Adam(0.1, clipvalue=0.5),
        lambda: ta.optimizers.AdamW(0.1, weight_decay=0.1),
        lambda: ta.optimizers.RMSprop(0.1, momentum=0.5, centered=True),
        lambda: ta.optimizers.RMSprop(0.1, weight_decay=0.2, clipnorm=0.3),
        lambda: ta.optimizers.Adam(0.1, amsgrad=True, weight_decay=0.2, global_clipnorm=0.3),
        lambda: ta.optimizers.SGD(ta.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)),
    ],
)
def test_optimizers_walk_the_same_way(rng, make):
    start = rng.standard_normal((3, 2)).astype(np.float32)
    ends = []
    for device in ("cpu", "cuda"):
        w, optimizer = ta.tensor(start, device=device, requires_grad=True), make()
        for _ in range(3):
            w.grad = None
            ((w - 1.0) ** 2).sum().backward()
            optimizer.apply([w.grad], [w])
        assert w.device == device
        ends.append(w.numpy())
    np.testing.assert_allclose(ends[1], ends[0], rtol=1e-5, atol=1e-6)


def test_metrics_count_the_same(rng):
    model = ta.Sequential([ta.Input((4,)), ta.layers.Dense(3, activation="softmax")])
    x, y = rng.standard_normal((9, 4)).astype(np.float32), rng.integers(0, 3, 9)
    names = ["accuracy", ta.metrics.SparseTopKCategoricalAccuracy(2)]
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=names)
    expected = model.evaluate(x, y, verbose=0, return_dict=True)
    found = model.to("cuda").evaluate(x, y, verbose=0, return_dict=True)
    assert found == pytest.approx(expected, rel=1e-5)


def test_devices_that_meet_are_both_named(rng):
    both = "on cpu.*on cuda|on cuda.*on cpu"
    layer = ta.layers.Dense(2)
    there = ta.tensor(np.ones((2, 3), np.float32), device="cuda")
    layer(np.ones((2, 3), np.float32))
    with pytest.raises(TypeError, match=both):
        layer(there)
    for op in (ta.ops.matmul, ta.ops.maximum, lambda a, b: ta.ops.where(a > 0, a, b)):
        with pytest.raises(TypeError, match=both):
            op(
                there,
                ta.tensor(np.ones((3, 3), np.float32)) if op is ta.ops.matmul else there.to("cpu"),
            )
    w = ta.tensor(np.ones(2, np.float32), device="cuda", requires_grad=True)
    with pytest.raises(TypeError, match=both):
        ta.optimizers.SGD(0.1).apply([ta.tensor(np.ones(2, np.float32))], [w])
