import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro import optimizers, schedules

SHAPES = [(3, 4), (4,), ()]

CASES = [
    ("SGD", {}),
    ("SGD", dict(learning_rate=0.1, momentum=0.9)),
    ("SGD", dict(learning_rate=0.1, momentum=0.9, nesterov=True, weight_decay=0.01)),
    ("RMSprop", {}),
    ("RMSprop", dict(learning_rate=0.01, momentum=0.8, centered=True, weight_decay=0.1)),
    ("Adam", {}),
    ("Adam", dict(learning_rate=0.05, beta_1=0.8, amsgrad=True, weight_decay=0.02)),
    ("AdamW", dict(learning_rate=0.05)),
    ("Adam", dict(learning_rate=0.05, clipnorm=0.5)),
    ("SGD", dict(learning_rate=0.5, global_clipnorm=0.5)),
    ("SGD", dict(learning_rate=0.5, clipvalue=0.1)),
]


def problem(rng, dtype="float32"):
    """Give starting weights and 20 rounds of gradients, small ones late, so that clips switch."""
    start = [rng.normal(size=s).astype(dtype) for s in SHAPES]
    grads = [[(rng.normal(size=s) * 0.8**k).astype(dtype) for s in SHAPES] for k in range(20)]
    return start, grads


def run(optimizer, start, grads):
    weights = [ta.tensor(w.copy(), requires_grad=True) for w in start]
    for round_ in grads:
        optimizer.apply([ta.tensor(np.asarray(g)) for g in round_], weights)
    return [w.numpy().copy() for w in weights]


def formulas(name, w, grads, rate=None, options=None):
    """Follow one weight in float64 by the published formulas, one scalar line each."""
    o = dict(options or {})
    rate = o.get("learning_rate", rate)
    w, m, v, a, top = w.astype(np.float64), 0.0, 0.0, 0.0, 0.0
    for t, g in enumerate(grads, start=1):
        g = g.astype(np.float64)
        w = w - rate * o.get("weight_decay", 0.004 if name == "AdamW" else 0.0) * w
        if name == "SGD":
            m = o.get("momentum", 0.0) * m - rate * g
            w = w + (o["momentum"] * m - rate * g if o.get("nesterov") else m)
        elif name == "RMSprop":
            v = 0.9 * v + 0.1 * g**2
            a = 0.9 * a + 0.1 * g if o.get("centered") else 0.0
            m = o.get("momentum", 0.0) * m + rate * g / np.sqrt(v - a**2 + 1e-7)
            w = w - m
        else:
            b1 = o.get("beta_1", 0.9)
            m, v = b1 * m + (1 - b1) * g, 0.999 * v + 0.001 * g**2
            top = np.maximum(top, v) if o.get("amsgrad") else v
            alpha = rate * np.sqrt(1 - 0.999**t) / (1 - b1**t)
            w = w - alpha * m / (np.sqrt(top) + 1e-7)
    return w


@pytest.mark.parametrize(("name", "options"), [c for c in CASES if "clip" not in str(c)])
def test_twenty_steps_follow_the_published_formulas(name, options, rng):
    start, grads = problem(rng, "float64")
    optimizer = getattr(optimizers, name)(**options)
    found = run(optimizer, start, grads)
    default = optimizer.get_config()["learning_rate"]
    for i, w in enumerate(start):
        expected = formulas(name, w, [g[i] for g in grads], default, options)
        np.testing.assert_allclose(found[i], expected, rtol=1e-9)
    assert optimizer.iterations == 20


@pytest.mark.parametrize(("name", "options"), CASES)
def test_a_state_continues_where_it_was_taken(name, options, rng):
    start, grads = problem(rng)
    whole = run(getattr(optimizers, name)(**options), start, grads)
    first = getattr(optimizers, name)(**options)
    half = run(first, start, grads[:9])
    state = {key: value.copy() for key, value in first.get_state().items()}
    second = getattr(optimizers, name)(**options)
    second.set_state(state, [ta.tensor(w, requires_grad=True) for w in half])
    for a, b in zip(whole, run(second, half, grads[9:]), strict=True):
        np.testing.assert_array_equal(a, b)


def test_clipping_limits_norms_together_alone_or_by_component():
    grads = [np.array([3.0, 4.0], "f"), np.array([0.0, 12.0], "f")]
    zero = [np.zeros(2, "f")] * 2
    for options, expected in (
        (dict(clipnorm=1.0), [[0.6, 0.8], [0.0, 1.0]]),
        (dict(global_clipnorm=1.3), [[0.3, 0.4], [0.0, 1.2]]),
        (dict(clipvalue=3.5), [[3.0, 3.5], [0.0, 3.5]]),
        (dict(clipnorm=100.0), grads),
    ):
        found = run(optimizers.SGD(1.0, **options), zero, [grads])
        np.testing.assert_allclose(found, -np.asarray(expected), rtol=1e-6)


def test_a_gradient_shared_by_two_weights_is_not_written_to():
    shared = ta.tensor(np.array([3.0, 4.0], "f"))
    weights = [ta.tensor(np.zeros(2, "f"), requires_grad=True) for _ in range(2)]
    optimizers.SGD(1.0, clipnorm=1.0, momentum=0.5).apply([shared, shared], weights)
    np.testing.assert_array_equal(shared.numpy(), [3, 4])
    np.testing.assert_array_equal(weights[0].numpy(), weights[1].numpy())


def test_gradients_that_are_broadcast_views_and_missing_ones_are_fine():
    weights = [ta.tensor(np.zeros((2, 3), "f"), requires_grad=True) for _ in range(2)]
    view = ta.tensor(np.broadcast_to(np.float32(1.0), (2, 3)))
    optimizers.SGD(0.5).apply_gradients([(view, weights[0]), (None, weights[1])])
    np.testing.assert_array_equal(weights[0].numpy(), -0.5)
    np.testing.assert_array_equal(weights[1].numpy(), 0.0)


def test_a_schedule_is_asked_with_the_number_of_steps_made():
    rate = schedules.PiecewiseConstantDecay([0, 1], [1.0, 10.0, 100.0])
    optimizer = optimizers.SGD(rate)
    moves = [run(optimizer, [np.zeros(1, "f")], [[np.ones(1, "f")]])[0][0] for _ in range(4)]
    assert moves == [-1.0, -10.0, -100.0, -100.0]
    assert optimizer.learning_rate == 100.0 and optimizer.schedule is rate
    assert "learning_rate" not in optimizer.get_state()


def test_the_rate_can_be_set_and_is_kept_in_the_state():
    optimizer = optimizers.Adam()
    optimizer.learning_rate = 0.5
    again = optimizers.Adam()
    again.set_state(optimizer.get_state())
    assert again.learning_rate == 0.5 and again.iterations == 0


def test_get_takes_names_classes_and_configs():
    assert isinstance(optimizers.get("rmsprop"), optimizers.RMSprop)
    assert isinstance(optimizers.get("AdamW"), optimizers.AdamW)
    assert isinstance(optimizers.get(optimizers.SGD), optimizers.SGD)
    for optimizer in (
        optimizers.SGD(schedules.OneCycle(0.1, 50), momentum=0.9),
        optimizers.RMSprop(centered=True),
        optimizers.AdamW(clipnorm=1.0, amsgrad=True),
    ):
        config = {"class_name": type(optimizer).__name__, "config": optimizer.get_config()}
        again = optimizers.get(config)
        assert again.get_config() == optimizer.get_config()
        assert again.learning_rate == optimizer.learning_rate
        assert optimizers.get(again) is again


def weight(*shape):
    return ta.tensor(np.zeros(shape, "f"), requires_grad=True)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: optimizers.SGD(-0.1), ValueError, "learning_rate=-0.1"),
        (lambda: optimizers.SGD("fast"), ValueError, "learning_rate='fast'"),
        (lambda: optimizers.SGD(float("nan")), ValueError, "learning_rate=nan"),
        (lambda: optimizers.SGD(momentum=1.5), ValueError, "momentum=1.5"),
        (lambda: optimizers.Adam(clipnorm=1, clipvalue=1), ValueError, "one way to clip"),
        (lambda: optimizers.Adam(weight_decay=-1), ValueError, "weight_decay=-1"),
        (lambda: optimizers.Adam(clipnorm=-1), ValueError, "clipnorm=-1"),
        (lambda: optimizers.AdamW(weight_decay=None), ValueError, "weight_decay=None"),
        (lambda: optimizers.get("adamm"), ValueError, "unknown optimizer 'adamm'"),
        (lambda: optimizers.get(3), TypeError, "got 3"),
        (lambda: optimizers.SGD().apply([None], [weight(2)]), ValueError, "no gradient for any"),
        (
            lambda: optimizers.Optimizer(0.1).apply([weight(2)], [weight(2)]),
            NotImplementedError,
            "does not define step",
        ),
    ],
)
def test_bad_input_names_what_came_and_what_was_expected(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_other_weights_or_another_state_are_refused():
    optimizer = optimizers.Adam()
    optimizer.apply([weight(2)], [weight(2)])
    with pytest.raises(ValueError, match="built for 1 weights and got 2.*compile"):
        optimizer.apply([weight(2)] * 2, [weight(2)] * 2)
    other = optimizers.Adam()
    with pytest.raises(ValueError, match=r"momentum/0 \(2,\).*expected momentum/0 \(3,\)"):
        other.set_state(optimizer.get_state(), [weight(3)])


@pytest.mark.peer
@pytest.mark.parametrize(("name", "options"), CASES)
def test_twenty_steps_equal_keras(name, options, keras, rng):
    start, grads = problem(rng)
    theirs = getattr(keras.optimizers, name)(**options)
    variables = [keras.Variable(w) for w in start]
    for round_ in grads:
        theirs.apply([keras.ops.convert_to_tensor(g) for g in round_], variables)
    found = run(getattr(optimizers, name)(**options), start, grads)
    for ours, variable in zip(found, variables, strict=True):
        np.testing.assert_allclose(ours, variable.value.detach().numpy(), rtol=2e-5, atol=1e-5)
