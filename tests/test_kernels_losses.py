"""Softmax cross-entropy against scipy and torch; large logits, ignored rows, NaN; bits."""

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from tinygrad_astro.kernels.cpu import chunks, losses
from tinygrad_astro.kernels.cpu.target import get_num_threads, set_num_threads

IGNORED = -1


def cross_entropy(logits, labels, ignore_index=IGNORED):
    loss, probabilities = np.full(len(logits), np.nan, logits.dtype), np.full_like(logits, np.nan)
    losses.softmax_cross_entropy(loss, probabilities, logits, labels, ignore_index)
    return loss, probabilities


@pytest.mark.parametrize("rows, classes", [(1, 1), (5, 2), (300, 3), (40, 1000), (9000, 5)])
@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 1e-6), (np.float64, 1e-14)])
@pytest.mark.parametrize("scale", [1.0, 50.0])
def test_against_scipy(rng, rows, classes, dtype, tolerance, scale):
    logits = (scale * rng.standard_normal((rows, classes)) + 1000).astype(dtype)
    labels = rng.integers(0, classes, rows)
    loss, probabilities = cross_entropy(logits, labels)
    exact = logits.astype(float)
    expected = -log_softmax(exact, axis=1)[np.arange(rows), labels]
    assert np.allclose(loss, expected, rtol=tolerance, atol=tolerance)
    assert np.allclose(probabilities, softmax(exact, axis=1), rtol=20 * tolerance, atol=1e-37)
    assert np.allclose(probabilities.sum(axis=1, dtype=float), 1, rtol=10 * tolerance)


@pytest.mark.peer
def test_against_torch(rng):
    torch = pytest.importorskip("torch")
    logits, labels = rng.standard_normal((200, 4)).astype(np.float32), rng.integers(0, 4, 200)
    labels[::3] = 255
    loss, _ = cross_entropy(logits, labels, 255)
    peer = torch.nn.functional.cross_entropy(
        torch.tensor(logits), torch.tensor(labels), ignore_index=255, reduction="none"
    )
    assert np.allclose(loss, peer, atol=1e-6)


def test_certain_and_impossible_classes():
    logits = np.array([[0.0, -np.inf, -np.inf], [1e4, -1e4, 0.0], [1e4, -1e4, 0.0]])
    loss, probabilities = cross_entropy(logits, np.array([0, 0, 1]))
    assert loss.tolist() == [0, 0, 2e4]
    assert probabilities[0].tolist() == [1, 0, 0] and probabilities[1].tolist() == [1, 0, 0]


# Without the JIT inf - inf, which is meant here, is NumPy's and warns.
@pytest.mark.filterwarnings("ignore:invalid value encountered")
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("column", [0, 1, 2])
def test_bad_logits_count_unless_their_row_is_ignored(rng, bad, column):
    logits = rng.standard_normal((6, 3))
    logits[[1, 4], column] = bad
    labels = np.array([0, 1, 2, IGNORED, IGNORED, 1])
    loss, probabilities = cross_entropy(logits, labels)
    assert np.flatnonzero(np.isnan(loss)).tolist() == [1] and (loss[3:5] == 0).all()
    assert np.isnan(probabilities[1]).any() and (probabilities[4] == 1 / 3).all()
    good = [0, 2, 3, 5]
    assert np.allclose(probabilities[good], softmax(logits[good], axis=1), rtol=1e-14)


def test_no_rows():
    loss, probabilities = cross_entropy(np.empty((0, 3)), np.empty(0, np.int64))
    assert loss.shape == (0,) and probabilities.shape == (0, 3)


def test_bits_depend_neither_on_threads_nor_on_position(rng, monkeypatch):
    logits = rng.standard_normal((30000, 3)).astype(np.float32)
    labels = rng.integers(-1, 3, 30000)
    before = get_num_threads()
    expected = cross_entropy(logits, labels)
    try:
        set_num_threads(1)
        assert all(map(np.array_equal, cross_entropy(logits, labels), expected))
    finally:
        set_num_threads(before)
    for start, stop in ((0, 1), (7, 900), (29001, 30000)):
        piece = cross_entropy(logits[start:stop], labels[start:stop])
        assert all(np.array_equal(p, e[start:stop]) for p, e in zip(piece, expected, strict=True))
    monkeypatch.setattr(chunks, "SERIAL", 1 << 60)
    assert all(map(np.array_equal, cross_entropy(logits, labels), expected))


@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 1e-6), (np.float64, 1e-14)])
@pytest.mark.parametrize("shape", [(1, 1), (7, 3), (5000, 10)])
def test_gradient_is_the_surplus_of_probability(rng, dtype, tolerance, shape):
    logits, g = rng.standard_normal(shape).astype(dtype), rng.standard_normal(shape[0])
    labels = rng.integers(0, shape[1], shape[0])
    p, out = np.empty_like(logits), np.full_like(logits, np.nan)
    losses.softmax_cross_entropy(np.empty(shape[0], dtype), p, logits, labels, -1)
    losses.softmax_cross_entropy_grad(out, g.astype(dtype), p, labels)
    exact = softmax(logits.astype(float), axis=1)
    exact[np.arange(shape[0]), labels] -= 1
    np.testing.assert_allclose(out, exact * g[:, None], atol=tolerance * 4)
