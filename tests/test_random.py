"""The one seed, and the draws that follow from it."""

import json
import threading

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro import random


def test_known_answers_of_splitmix64():
    """The five published values for seed 1234567 (Vigna's splitmix64.c)."""
    ta.manual_seed(1234567)
    assert [random.next_seed() for _ in range(5)] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


def test_the_same_seed_starts_the_same_draws():
    ta.manual_seed(3)
    first = [random.next_seed() for _ in range(4)], random.generator().random(3)
    ta.manual_seed(np.int64(3))
    second = [random.next_seed() for _ in range(4)], random.generator().random(3)
    assert first[0] == second[0] and len(set(first[0])) == 4
    np.testing.assert_array_equal(first[1], second[1])
    ta.manual_seed(4)
    assert random.next_seed() != first[0][0]


def test_each_generator_is_another():
    assert random.generator().random() != random.generator().random()


def test_the_state_passes_through_json():
    ta.manual_seed(2**64 - 1)
    random.next_seed()
    saved = json.loads(json.dumps(random.get_state()))
    expected = [random.next_seed() for _ in range(3)]
    ta.manual_seed(0)
    random.set_state(saved)
    assert [random.next_seed() for _ in range(3)] == expected


def test_a_state_given_out_does_not_change():
    state = random.get_state()
    random.next_seed()
    assert random.get_state()["count"] == state["count"] + 1


@pytest.mark.parametrize("seed", ["a", 1.5, None, True, [1]])
def test_a_seed_that_is_no_integer_is_named(seed):
    with pytest.raises(TypeError, match="manual_seed got .* expected an integer"):
        ta.manual_seed(seed)


@pytest.mark.parametrize("state", [{}, None, {"seed": 1}, {"seed": "a", "count": 0}, "state"])
def test_a_state_of_another_kind_is_named(state):
    before = random.get_state()
    with pytest.raises(ValueError, match="set_state got .* expected"):
        random.set_state(state)
    assert random.get_state() == before


def test_threads_never_draw_the_same_seed():
    drawn, draws = [], 2000

    def draw():
        drawn.append([random.next_seed() for _ in range(draws)])

    threads = [threading.Thread(target=draw) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len({seed for part in drawn for seed in part}) == 4 * draws
