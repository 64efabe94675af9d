"""Gradients of joins in recorded programs, written as two halves: who may, and the same bits."""

import numpy as np
import pytest

import tinygrad_astro as ta
from tinygrad_astro.kernels import cpu, of, splits
from tinygrad_astro.kernels.recorded import Recorded
from tinygrad_astro.kernels.trace import Program

SAME = (1, 1), ((1, 1), (1, 1)), (1, 1), 1
SHAPE, HALF = (1, 80, 80, 32), 16
# Rounds of a replay: the second reads memory that the first left behind.
ROUNDS = 2


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("channels", [2, 6, 32, 96])
@pytest.mark.parametrize("strides, kernel", [((1, 1), (3, 3)), ((1, 1), (5, 5)), ((2, 2), (2, 2))])
def test_two_halves_hold_the_bits_of_the_whole(rng, dtype, channels, strides, kernel):
    pads = ((0, 0),) * 2 if strides == (2, 2) else ((kernel[0] // 2,) * 2,) * 2
    g = rng.standard_normal((2, 15, 13, 24)).astype(dtype)
    w = rng.standard_normal((*kernel, channels, 24)).astype(dtype)
    whole = np.empty((2, 15 * strides[0], 13 * strides[1], channels), dtype)
    halves = np.empty((2, *whole.shape[:3], channels // 2), dtype)
    geometry = strides, pads, (1, 1), 1
    cpu.conv.conv_input_grad(whole, g, w, *geometry)
    cpu.conv.conv_input_grad_apart(halves, g, w, *geometry)
    np.testing.assert_array_equal(np.concatenate(list(halves), 3), whole)


def test_nothing_to_sum_gives_zeros():
    halves = np.ones((2, 1, 4, 4, 16), np.float32)
    nothing = np.empty((1, 4, 4, 0), np.float32), np.empty((3, 3, 32, 0), np.float32)
    cpu.conv.conv_input_grad_apart(halves, *nothing, *SAME)
    assert not halves.any()


def gradient(g, w):
    out = of(g).memory.empty(SHAPE, g.dtype)
    of(g).conv.conv_input_grad(out, g, w, *SAME)
    return out


def straight(x):
    return of(x).rows.contiguous(x)


def total(x, y):
    return of(x).rows.add(x, y)


def copied_and_added(g, w):
    whole = gradient(g, w)
    return [straight(whole[..., :HALF]) * 2, total(whole[..., HALF:], g)]


def both_copied(g, w):
    whole = gradient(g, w)
    return [straight(whole[..., :HALF]) * 2, straight(whole[..., HALF:]) * 3]


def copy_kept(g, w):
    """The caller gets the copy itself."""
    whole = gradient(g, w)
    return [straight(whole[..., :HALF]), total(whole[..., HALF:], g)]


def half_read_twice(g, w):
    """The copy changes, the half must not."""
    whole = gradient(g, w)
    copy = straight(whole[..., :HALF])
    copy += 1
    return [copy * 2, total(whole[..., :HALF], g)]


def copy_outlives(g, w):
    """What comes after the gradient takes its memory, while the copy is still read."""
    whole = gradient(g, w)
    copy = straight(whole[..., :HALF])
    added = total(whole[..., HALF:], g)
    del whole
    wide = np.concatenate([added, added], 3)
    return [copy * 2, wide * 1]


def written_to(g, w):
    whole = gradient(g, w)
    whole += 1
    return [straight(whole[..., :HALF]) * 2]


def other_parts(g, w):
    whole = gradient(g, w)
    return [straight(whole[..., :8]) * 2, straight(whole[..., 8:]) * 2]


def whole_read(g, w):
    whole = gradient(g, w)
    return [straight(whole[..., :HALF]) * 2, whole * 2]


def whole_kept(g, w):
    whole = gradient(g, w)
    return [straight(whole[..., :HALF]) * 2, whole]


# Whether the gradient is split, and how many copies of halves stay.
CASES = {
    copied_and_added: (True, 0),
    both_copied: (True, 0),
    copy_kept: (True, 1),
    half_read_twice: (True, 1),
    copy_outlives: (True, 1),
    written_to: (False, 1),
    other_parts: (False, 2),
    whole_read: (False, 1),
    whole_kept: (False, 1),
}


@pytest.mark.parametrize("function", CASES, ids=lambda f: f.__name__)
def test_replays_give_what_a_call_gives(rng, monkeypatch, function):
    monkeypatch.setattr(splits, "_LARGE", 1)

    def draw():
        shapes = (*SHAPE[:3], HALF), (3, 3, 2 * HALF, HALF)
        return [rng.standard_normal(shape).astype(np.float32) for shape in shapes]

    recorded = Recorded(function, draw(), Program())
    names = [line[0] for line in recorded.program.lines]
    split, copies = CASES[function]
    assert (cpu.conv.conv_input_grad_apart in names) == split
    assert names.count(cpu.rows.contiguous_into) == copies
    for _ in range(ROUNDS):
        given = draw()
        for found, expected in zip(recorded(*given), function(*given), strict=True):
            np.testing.assert_array_equal(found, expected)


def test_small_gradients_are_left_alone(rng):
    g, w = np.ones((*SHAPE[:3], HALF), np.float32), np.ones((3, 3, 2 * HALF, HALF), np.float32)
    small = Recorded(copied_and_added, (g, w), Program())
    names = [line[0] for line in small.program.lines]
    assert SHAPE[1] * SHAPE[2] * SHAPE[3] * 4 < splits._LARGE
    assert cpu.conv.conv_input_grad_apart not in names


def test_a_unet_learns_the_same_bits(monkeypatch):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 64, 64, 1)).astype(np.float32)
    y = (x[..., 0] > 0).astype(np.int64)

    def trained():
        ta.manual_seed(0)
        model = ta.models.unet((64, 64, 1), 2, filters=16, depth=2)
        loss = ta.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("adam", loss, jit_compile=True)
        losses = [model.train_on_batch(x, y) for _ in range(5)]
        (entry,) = model.objective.recorded.entries.values()
        names = [line[0] for line in entry.graph.program.lines]
        weights = [w.numpy() for w in model.weights]
        return losses, weights, names.count(cpu.conv.conv_input_grad_apart)

    monkeypatch.setattr(splits, "_LARGE", 1)
    losses, weights, apart = trained()
    assert apart == 2 and np.isfinite(losses).all()
    monkeypatch.setattr(splits, "_LARGE", 1 << 40)
    others, expected, apart = trained()
    assert apart == 0 and losses == others
    for a, b in zip(weights, expected, strict=True):
        np.testing.assert_array_equal(a, b)
