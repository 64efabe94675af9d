"""Numbers that are new at every replay: rates and counts of optimizers, seeds of random layers."""

import contextlib

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro import kernels, layers
from tinygrad_astro.kernels import live

SCHEDULE = ta.optimizers.schedules.ExponentialDecay(0.1, 1, 0.5)
OPTIMIZERS = {
    "sgd": lambda: ta.optimizers.SGD(SCHEDULE),
    "sgd decay": lambda: ta.optimizers.SGD(SCHEDULE, weight_decay=0.1, clipvalue=0.2),
    "nesterov": lambda: ta.optimizers.SGD(SCHEDULE, momentum=0.9, nesterov=True, clipnorm=0.3),
    "rmsprop": lambda: ta.optimizers.RMSprop(SCHEDULE, weight_decay=0.1),
    "centered": lambda: ta.optimizers.RMSprop(
        SCHEDULE, momentum=0.5, centered=True, global_clipnorm=0.3
    ),
    "adam": lambda: ta.optimizers.Adam(SCHEDULE),
    "adam clipped": lambda: ta.optimizers.Adam(SCHEDULE, global_clipnorm=0.3, weight_decay=0.1),
    "amsgrad": lambda: ta.optimizers.Adam(SCHEDULE, amsgrad=True, weight_decay=0.1, clipnorm=0.3),
    "adamw": lambda: ta.optimizers.AdamW(SCHEDULE, weight_decay=0.1, clipnorm=100.0),
}


def walked(optimizer, device, recorded, steps=4):
    """Give the weights after each step on a bowl, and the optimizer's state."""
    rng = np.random.default_rng(0)
    starts = [rng.standard_normal(shape).astype(np.float32) for shape in ((3, 2), (4,))]
    weights = [ta.tensor(w, device=device, requires_grad=True) for w in starts]
    scales = [ta.tensor(np.float32(k + 1) * np.ones(1, np.float32), device=device)
              for k in range(steps)]  # fmt: skip

    def step(scale):
        for w in weights:
            w.grad = None
        loss = sum((((w - 1.0) * scale) ** 2).sum() for w in weights)
        loss.backward()
        optimizer.apply([w.grad for w in weights], weights)
        return loss

    step, path = (ta.cuda.graph(step, scales[0]) if recorded else step), []
    for scale in scales:
        loss = float(step(scale))
        path.append([loss, *(w.detach().numpy().copy() for w in weights)])
    return path, optimizer.get_state()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_optimizers_step_inside_a_graph(name):
    """Momenta are made at the recording, outside of the graph; steps are counted by the replays."""
    found, state = walked(OPTIMIZERS[name](), "cuda", True)
    for device in ("cuda", "cpu"):
        expected, wanted = walked(OPTIMIZERS[name](), device, False)
        for a, b in zip(found, expected, strict=True):
            for x, y in zip(a, b, strict=True):
                np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6)
        assert state["iterations"] == wanted["iterations"] == 4 and state.keys() == wanted.keys()
        for key in state:
            np.testing.assert_allclose(state[key], wanted[key], rtol=1e-5, atol=1e-6)


class Waning(ta.optimizers.Optimizer):
    """One of a user's own, which asks for its count and its rate where it needs them."""

    def step(self, w, g, slots, learning_rate, weight_decay):
        rate = self.learning_rate / (self.iterations + 1) ** 0.5
        w -= kernels.number_for(w, rate) * g


def test_an_optimizer_of_ones_own_inside_a_graph():
    paths = [walked(Waning(SCHEDULE), *where)[0] for where in (("cuda", True), ("cpu", False))]
    for a, b in zip(*paths, strict=True):
        for x, y in zip(a, b, strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["nesterov", "centered", "adam"])
def test_momenta_made_inside_of_the_graph_are_caught(name, monkeypatch):
    monkeypatch.setattr(live, "outside", contextlib.nullcontext)
    with pytest.raises(AssertionError):
        test_the_optimizers_step_inside_a_graph(name)


RANDOM = {
    "dropout": lambda: layers.Dropout(0.5, seed=7),
    "channels": lambda: layers.SpatialDropout1D(0.5),
    "shape": lambda: layers.Dropout(0.5, noise_shape=(None, 1, None)),
    "noise": lambda: layers.GaussianNoise(0.5),
}


def drawn(layer, device, recorded, start, replays=4):
    """Give outputs and gradients of some draws in a row."""
    x = ta.tensor(np.ones((2, 20, 9), np.float32), device=device, requires_grad=True)

    def draw(scale):
        x.grad = None
        y = layer(x * scale, training=True) + layer(x, training=True)
        (y * y).sum().backward()
        return y, x.grad

    scale = ta.tensor(np.full(1, 2.0, np.float32), device=device)
    draw = ta.cuda.graph(draw, scale) if recorded else draw
    ta.random.set_state(start)
    return [[t.detach().numpy().copy() for t in draw(scale)] for _ in range(replays)]


@pytest.mark.parametrize("name", RANDOM)
def test_random_layers_draw_anew_at_every_replay(name):
    """The same bits as on the CPU from the same state, and the same state afterwards."""
    start, ends, found = {"seed": 11, "count": 5}, [], []
    for device, recorded in (("cuda", True), ("cuda", False), ("cpu", False)):
        found.append(drawn(RANDOM[name](), device, recorded, start))
        ends.append(ta.random.get_state())
    assert ends[0] == ends[1] == ends[2] == {"seed": 11, "count": 13}
    for a, b, c in zip(*found, strict=True):
        for x, y, z in zip(a, b, c, strict=True):
            np.testing.assert_array_equal(x, y)
            np.testing.assert_allclose(x, z, rtol=1e-5, atol=1e-5 * (name == "noise"))
    assert not np.array_equal(found[0][0][0], found[0][1][0])


def test_recording_draws_and_counts_nothing():
    ta.manual_seed(3)
    before, optimizer = ta.random.get_state(), ta.optimizers.Adam(0.1)
    w = ta.tensor(np.ones(3, np.float32), device="cuda", requires_grad=True)

    def step(x):
        optimizer.apply([layers.Dropout(0.5)(x, training=True)], [w])
        return w.detach()

    x = ta.tensor(np.ones(3, np.float32), device="cuda")
    ta.cuda.graph(step, x)
    assert ta.random.get_state() == before and optimizer.iterations == 0
    assert w.detach().numpy().tolist() == [1, 1, 1]


def test_a_write_by_a_replay_is_noticed_by_the_tape():
    w = ta.tensor(np.ones(3, np.float32), device="cuda", requires_grad=True)
    optimizer = ta.optimizers.SGD(0.1)

    def step(x):
        optimizer.apply([x], [w])
        return x + 0.0

    x = ta.tensor(np.ones(3, np.float32), device="cuda")
    replay = ta.cuda.graph(step, x)
    loss = (w * w).sum()
    replay(x)
    with pytest.raises(RuntimeError, match="written in place"):
        loss.backward()


def test_numbers_of_a_recording():
    """Each is computed once per replay, in order; the same formula is kept once."""
    one, given = live.Recording(), iter([2, 3, 5, 7])
    with live.recording(one):
        a = live.number(lambda: next(given))
        b = live.number(lambda: next(given))
        formulas = [
            1 - a * b, (a + 1) / b, 2.0**a, b**0.5, (a ^ 1) & 6, (b >> 1) + 1, a - 1, 3 * a,
            np.float32(2) * a,
        ]  # fmt: skip
        assert 1 - a * b is formulas[0] and live.number(lambda: 1) is not live.number(lambda: 1)
        with live.outside():
            assert live.number(lambda: 4) == 4 and not live.is_recording()
    assert not live.is_recording() and live.number(lambda: 4) == 4
    for x, y in ((2, 3), (5, 7)):
        one.advance()
        expected = [1 - x * y, (x + 1) / y, 2.0**x, y**0.5, (x ^ 1) & 6, (y >> 1) + 1, x - 1, 3 * x]
        assert [live.now(f) for f in formulas] == [*expected, 2 * x]


def test_more_numbers_than_one_launch_carries(up):
    weights = [ta.tensor(np.ones(2, np.float32), device="cuda", requires_grad=True)
               for _ in range(11)]  # fmt: skip
    count = iter(range(1000))

    def step(x):
        for w in weights:
            rate = live.number(lambda: float(next(count)))
            kernels.cuda.optimizers.sgd(w.data, x.data, w.data[:0], rate, 0.0, False, 1e-9 * rate)
        return x + 0.0

    x = ta.tensor(np.ones(2, np.float32), device="cuda")
    replay = ta.cuda.graph(step, x)
    for _ in range(2):
        replay(x)
    for i, w in enumerate(weights):
        np.testing.assert_allclose(w.detach().numpy(), 1.0 - i - (i + 11), rtol=1e-5)
