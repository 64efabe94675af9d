"""Every public loss: values by formulas in NumPy, derivatives of both orders, NaN that counts."""

import numpy as np
import pytest
from scipy import special
from test_losses import NAMES, case

from tinygrad_astro import losses
from tinygrad_astro.testing import check_grads


def entropy(y, p):
    return -(y * np.log(p) + (1 - y) * np.log(1 - p))


def focal(y, p):
    chance = y * p + (1 - y) * (1 - p)
    return (1 - chance) ** 2 * entropy(y, p)


def overlap(y, p, axes, alpha, beta):
    both, missed, extra = ((a * b).sum(axes) for a, b in ((y, p), (1 - p, y), (p, 1 - y)))
    return 1 - both / (both + alpha * extra + beta * missed)


FORMULAS = {
    "mse": lambda y, p: (y - p) ** 2,
    "mae": lambda y, p: np.abs(y - p),
    "huber": lambda y, p: special.huber(0.7, y - p),
    "log_cosh": lambda y, p: np.log(np.cosh(y - p)),
    "poisson": lambda y, p: p - y * np.log(p),
    "gaussian": lambda y, p: (
        0.5 * (p[..., 3:] + (y - p[..., :3]) ** 2 / np.exp(p[..., 3:]) + np.log(2 * np.pi))
    ),
    "bce": entropy,
    "bce_logits": lambda y, p: entropy(0.9 * y + 0.05, special.expit(p)),
    "cce": lambda y, p: -(y * np.log(p)).sum(-1),
    "cce_logits": lambda y, p: -((0.9 * y + 0.1 / 3) * special.log_softmax(p, -1)).sum(-1),
    "scce": lambda y, p: -(np.eye(3)[y] * np.log(p)).sum(-1),
    "scce_logits": lambda y, p: -(np.eye(3)[y] * special.log_softmax(p, -1)).sum(-1),
    "binary_focal": lambda y, p: (y * 0.3 + (1 - y) * 0.7) * focal(y, p),
    "binary_focal_logits": lambda y, p: focal(y, special.expit(p)),
    "focal": lambda y, p: -([0.1, 0.2, 0.7] * y * (1 - p) ** 2 * np.log(p)).sum(-1),
    "focal_logits": lambda y, p: (
        -(0.25 * np.eye(3)[y] * (1 - special.softmax(p, -1)) ** 2 * special.log_softmax(p, -1))
    ).sum(-1),
    "dice": lambda y, p: overlap(y, p, None, 0.5, 0.5),
    "dice_logits": lambda y, p: overlap(np.eye(3)[y], special.softmax(p, -1), (0, 1, 2), 0.5, 0.5),
    "jaccard": lambda y, p: overlap(y, p, (1, 2), 1, 1),
    "tversky": lambda y, p: overlap(y, p, (1, 2, 3), 0.3, 0.7),
}


def test_every_public_loss_is_tried(rng):
    tried = {type(case(name, rng)[0]) for name in NAMES}
    classes = {getattr(losses, n) for n in losses.__all__ if n[0].isupper()}
    assert classes - {losses.Loss, losses.LossFunction} == tried, "give each new loss a case"
    assert set(FORMULAS) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_values_follow_the_formula(name, rng):
    loss, y_true, y_pred = case(name, rng)
    expected = np.mean(FORMULAS[name](y_true, y_pred))
    assert float(loss(y_true, y_pred)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_first_and_second_derivatives(name, rng):
    loss, y_true, y_pred = case(name, rng, (2, 1, 2, 3))
    weight, mask = rng.random((2, 1, 2)) + 0.5, np.ones((2, 1, 2), bool)
    mask[1, 0, 1] = False
    check_grads(lambda p: loss(y_true, p, weight, mask), y_pred)


@pytest.mark.parametrize("name", NAMES)
def test_a_nan_that_counts_is_not_hidden(name, rng):
    loss, y_true, y_pred = case(name, rng)
    y_pred[1, 2, 3, 1] = np.nan
    assert np.isnan(float(loss(y_true, y_pred)))


@pytest.mark.parametrize("name", ["mse", "bce_logits", "cce_logits", "dice_logits"])
def test_one_pixel_has_a_finite_loss(name, rng):
    loss, y_true, y_pred = case(name, rng, (1, 1, 1, 3))
    assert np.isfinite(float(loss(y_true, y_pred)))
