import math

import numpy as np
import pytest

from tinygrad_astro import schedules

STEPS = [0, 1, 7, 29, 30, 31, 60, 99, 100, 130, 200]


def test_exponential_decay_follows_its_formula_and_the_staircase_is_flat():
    smooth = schedules.ExponentialDecay(0.1, 10, 0.5)
    stairs = schedules.ExponentialDecay(0.1, 10, 0.5, staircase=True)
    for step in STEPS:
        assert smooth(step) == pytest.approx(0.1 * math.exp(math.log(0.5) * step / 10))
        assert stairs(step) == smooth(step - step % 10)


def test_cosine_decay_warms_up_in_a_straight_line_and_stays_at_its_floor():
    rate = schedules.CosineDecay(0.2, 100, alpha=0.1, warmup_target=1.0, warmup_steps=10)
    np.testing.assert_allclose([rate(s) for s in range(11)], np.linspace(0.2, 1.0, 11))
    assert rate(110) == rate(500) == pytest.approx(0.1)
    assert rate(60) == pytest.approx((1 + 0.1) / 2)


def test_cosine_decay_with_a_target_but_no_warmup_steps_starts_at_the_target():
    assert schedules.CosineDecay(0.2, 100, warmup_target=1.0)(0) == 1.0


def test_piecewise_constant_keeps_the_earlier_value_at_a_boundary():
    rate = schedules.PiecewiseConstantDecay([3, 5], [1.0, 0.5, 0.1])
    assert [rate(s) for s in range(8)] == [1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.1, 0.1]


def test_one_cycle_peaks_where_asked_and_never_rises_after():
    rate = schedules.OneCycle(1.0, total_steps=100, warmup_fraction=0.3)
    rates = [rate(s) for s in range(140)]
    assert int(np.argmax(rates)) == 29 and max(rates) == 1.0
    assert np.all(np.diff(rates[29:]) <= 0) and rates[99] == rates[139] == pytest.approx(4e-6)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: schedules.ExponentialDecay(0.1, 0, 0.5), "decay_steps=0"),
        (lambda: schedules.CosineDecay(0.1, -1), "decay_steps=-1"),
        (lambda: schedules.CosineDecay(0.1, 1, warmup_steps=-2), "warmup_steps=-2"),
        (lambda: schedules.PiecewiseConstantDecay([1], [1.0]), "1 boundaries and 1 values"),
        (lambda: schedules.PiecewiseConstantDecay([2, 1], [1.0, 2.0, 3.0]), "an increase"),
        (lambda: schedules.OneCycle(1.0, 1), "total_steps=1"),
        (lambda: schedules.OneCycle(1.0, 10, warmup_fraction=1.0), "warmup_fraction=1.0"),
        (lambda: schedules.get("Cosine"), "unknown schedule 'Cosine'"),
        (lambda: schedules.get({"config": {}}), "unknown schedule None"),
    ],
)
def test_bad_arguments_are_named(make, text):
    with pytest.raises(ValueError, match=text):
        make()


def test_one_cycle_with_the_top_at_its_first_step_starts_there():
    assert schedules.OneCycle(1.0, total_steps=10, warmup_fraction=0.1)(0) == 1.0


def test_a_schedule_without_a_rate_says_so():
    with pytest.raises(NotImplementedError, match="LearningRateSchedule"):
        schedules.LearningRateSchedule()(0)


@pytest.mark.parametrize(
    "schedule",
    [
        schedules.ExponentialDecay(0.1, 10, 0.5, True),
        schedules.CosineDecay(0.0, 100, 0.1, warmup_target=1.0, warmup_steps=10),
        schedules.PiecewiseConstantDecay((3, 5), (1.0, 0.5, 0.1)),
        schedules.OneCycle(0.3, 77),
    ],
)
def test_a_schedule_comes_back_from_its_config(schedule):
    config = {"class_name": type(schedule).__name__, "config": schedule.get_config()}
    again = schedules.get(config)
    assert schedules.get(again) is again
    assert [again(s) for s in STEPS] == [schedule(s) for s in STEPS]


@pytest.mark.peer
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("ExponentialDecay", dict(initial_learning_rate=0.1, decay_steps=30, decay_rate=0.7)),
        ("CosineDecay", dict(initial_learning_rate=0.1, decay_steps=100, alpha=0.2)),
        (
            "CosineDecay",
            dict(initial_learning_rate=0.1, decay_steps=90, warmup_target=0.9, warmup_steps=30),
        ),
        ("PiecewiseConstantDecay", dict(boundaries=[30, 100], values=[1.0, 0.5, 0.1])),
    ],
)
def test_rates_equal_keras(name, arguments, keras):
    ours = getattr(schedules, name)(**arguments)
    theirs = getattr(keras.optimizers.schedules, name)(**arguments)
    for step in STEPS:
        assert ours(step) == pytest.approx(float(theirs(step)), rel=1e-6, abs=1e-9)


@pytest.mark.peer
def test_one_cycle_equals_torch():
    torch = pytest.importorskip("torch")
    weight = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=0.1)
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.7, total_steps=50)
    ours = schedules.OneCycle(0.7, 50)
    for step in range(50):
        assert ours(step) == pytest.approx(theirs.get_last_lr()[0], rel=1e-9)
        optimizer.step()
        if step < 49:
            theirs.step()
