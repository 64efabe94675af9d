"""What users do themselves: kernels on the tape, and recorded steps."""

import numpy as np
import pytest

import tinygrad_astro as ta


def test_a_kernel_of_ones_own_on_the_tape():
    @ta.cuda.kernel("T* T* u")
    def cube_each(out, x, n):
        i = cuda.grid(1)  # noqa: F821  (given to the kernel)
        if i < n:
            out[i] = x[i] * x[i] * x[i]

    @ta.primitive(lambda g, out, x: g * 3.0 * x * x)
    def cube(x):
        out = ta.cuda.empty(x.shape, x.dtype)
        cube_each(x.size, out, x, x.size, dtype=x.dtype)
        return out

    x = ta.tensor([1.0, -2.0], device="cuda", requires_grad=True)
    y = cube(x)
    y.sum().backward()
    assert y.numpy().tolist() == [1, -8] and x.grad.numpy().tolist() == [3, 12]


def test_writing_outside_an_array_is_found(simulated):
    @ta.cuda.kernel("T* u")
    def careless(out, n):
        out[cuda.grid(1)] = T(0)  # noqa: F821

    with pytest.raises(IndexError):
        careless(3, ta.cuda.empty(3), 3)


def test_a_recorded_step_gives_the_gradients_of_the_function(rng):
    model = ta.Sequential(
        [ta.Input((3,)), ta.layers.Dense(4, activation="relu"), ta.layers.Dense(2)]
    )
    model.to("cuda")
    loss = ta.losses.SparseCategoricalCrossentropy(from_logits=True)

    def gradients(x, y):
        value = ta.losses.softmax.softmax_cross_entropy(model(x, training=True), y).mean()
        for w in model.trainable_weights:
            w.grad = None
        value.backward()
        return value, *[w.grad for w in model.trainable_weights]

    x = [rng.standard_normal((5, 3)).astype(np.float32) for _ in range(2)]
    y = [rng.integers(0, 2, 5) for _ in range(2)]
    there = [[ta.tensor(a, device="cuda") for a in pair] for pair in zip(x, y)]
    replay = ta.cuda.graph(gradients, *there[0])
    for pair, labels in zip(there, y):
        value, *grads = replay(*pair)
        expected = loss(labels, model(pair[0], training=True))
        assert float(value) == pytest.approx(float(expected), rel=1e-6)
        assert [g.shape for g in grads] == [w.shape for w in model.trainable_weights]
    with pytest.raises(ValueError, match="record another"):
        replay(ta.tensor(np.zeros((4, 3), np.float32), device="cuda"), there[0][1])
