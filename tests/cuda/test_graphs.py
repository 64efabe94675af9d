"""Recorded steps: replays repeat the same launches on the same memory, in the simulator too."""

import gc

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro import layers
from tinygrad_astro.kernels import constant
from tinygrad_astro.tape import Tensor


def trained_by(model, x, y):
    """Give a function of loss and gradients, as a recorded step has it."""
    weights = model.trainable_weights

    def gradients(x, y):
        value = ta.losses.softmax.softmax_cross_entropy(model(x, training=True), y).mean()
        for w in weights:
            w.grad = None
        value.backward()
        return value, *[w.grad for w in weights]

    return gradients


def batches(rng, shape, labels, n=3):
    made = [
        (rng.standard_normal(shape).astype(np.float32), rng.integers(0, 2, labels))
        for _ in range(n)
    ]
    return [tuple(ta.tensor(a, device="cuda") for a in pair) for pair in made]


def small_cnn():
    return ta.Sequential(
        [
            ta.Input((6, 6, 2)),
            layers.Conv2D(3, 3, padding="same"),
            layers.BatchNormalization(momentum=0.5, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )


def test_replayed_training_is_training(rng):
    """Weights, gradients and the moving statistics of batch norm follow, step by step."""
    data = batches(rng, (4, 6, 6, 2), 4)
    ends = []
    for replayed in (False, True):
        ta.manual_seed(3)
        model = small_cnn().to("cuda")
        start = model.get_weights()
        optimizer = ta.optimizers.SGD(0.1, momentum=0.9)
        step = trained_by(model, *data[0])
        if replayed:
            step = ta.cuda.graph(step, *data[0])
            for a, b in zip(model.get_weights(), start, strict=True):  # recording moves nothing
                np.testing.assert_array_equal(a, b)
        losses = []
        for x, y in data:
            loss, *grads = step(x, y)
            optimizer.apply(grads, model.trainable_weights)
            losses.append(float(loss))
        ends.append((losses, model.get_weights()))
    np.testing.assert_allclose(ends[0][0], ends[1][0], rtol=1e-6)
    for a, b in zip(ends[0][1], ends[1][1]):
        np.testing.assert_allclose(b, a, rtol=1e-6, atol=1e-7)


def test_a_unet_can_be_recorded(rng):
    model = ta.models.unet((8, 8, 1), 2, filters=2, depth=2).to("cuda")
    (x, y), (other, labels) = batches(rng, (2, 8, 8, 1), (2, 8, 8), 2)
    step = trained_by(model, x, y)
    replay = ta.cuda.graph(step, x, y)
    expected = [t.numpy() for t in step(other, labels)]
    for found, wanted in zip(replay(other, labels), expected, strict=True):
        np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-5, atol=1e-6)


def test_what_a_graph_reads_is_written_in_place():
    """set_weights after recording reaches the replays: the memory is the same."""
    layer = layers.Dense(2, use_bias=False)
    x = ta.tensor(np.ones((1, 2), np.float32), device="cuda")
    layer.to("cuda")
    layer(x)
    memory = layer.kernel.data.memory
    replay = ta.cuda.graph(lambda v: layer(v), x)
    layer.set_weights([np.full((2, 2), 3.0)])
    assert layer.kernel.data.memory is memory
    assert replay(x).numpy().tolist() == [[6, 6]]


def test_memory_of_a_graph_is_its_own(rng):
    """What is computed between replays does not lie where the graph computes."""
    x = ta.tensor(rng.standard_normal(300).astype(np.float32), device="cuda")
    replay = ta.cuda.graph(lambda v: ((v * 2.0) * 3.0) * 5.0, x)
    between = [ta.ops.exp(x) for _ in range(4)]
    kept = [t.numpy() for t in between]
    np.testing.assert_allclose(replay(x).numpy(), 30 * x.numpy(), rtol=1e-6)
    for tensor, values in zip(between, kept):
        np.testing.assert_array_equal(tensor.numpy(), values)


def test_inputs_may_come_from_the_cpu_in_any_order(rng):
    x = rng.standard_normal((3, 4)).astype(np.float32)
    replay = ta.cuda.graph(lambda v: v * 2.0, ta.tensor(x, device="cuda"))
    turned = ta.tensor(np.asfortranarray(x))
    np.testing.assert_array_equal(replay(turned).numpy(), 2 * x)


@pytest.mark.parametrize(
    ("function", "what"),
    [
        (lambda x: x * x.numpy().sum(), "a value was read"),
        (lambda x: x + ta.tensor(np.ones(3, np.float32), device="cuda"), "an array was copied"),
        (lambda x: x * ta.random.generator().random(), "a number that is new at every step"),
        (lambda x: x if ta.random.next_seed() & 1 else -x, "a number that is new at every step"),
        (lambda x: x if ta.random.next_seed() > 2**63 else -x, "a number that is new"),
        (lambda x: x * float(ta.random.next_seed() >> 40), "a number that is new at every step"),
    ],
)
def test_what_cannot_be_repeated_is_refused(function, what):
    x = ta.tensor(np.ones(3, np.float32), device="cuda")
    with pytest.raises(RuntimeError, match=f"{what}.* is recorded"):
        ta.cuda.graph(function, x)
    assert float((x + 1.0).sum()) == 6  # and the card is as before


def test_arguments_are_frozen_in_the_simulator_too(simulated):
    """What a launch was given by value stays what it was, whatever becomes of the host's object."""
    number = np.array(2.0)
    x = ta.tensor(np.ones(3, np.float32), device="cuda")
    replay = ta.cuda.graph(lambda v: Tensor(v.data * number), x)
    number[...] = 5.0
    assert replay(x).numpy().tolist() == [2, 2, 2]


def test_memory_that_a_graph_reads_is_kept(rng):
    """Of arrays that nothing else refers to, and of constants."""
    values = rng.standard_normal(300).astype(np.float32)
    x = ta.tensor(values, device="cuda")
    held = [ta.tensor(values, device="cuda")]
    replay = ta.cuda.graph(lambda v: v + held[0] + Tensor(constant(values, "cuda")), x)
    held.clear()
    gc.collect()
    between = [ta.tensor(np.zeros(300, np.float32), device="cuda") for _ in range(8)]
    np.testing.assert_allclose(replay(x).numpy(), 3 * values, rtol=1e-6)
    assert len(between) == 8
